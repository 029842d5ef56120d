"""Robustness of curves by hand, and as MultiBench computes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.comparison.statistics.robustness import effective_robustness, relative_robustness
from mmgraph.graph.errors import MmgraphError

VALUES = st.lists(st.floats(0, 1), min_size=11, max_size=11).map(np.array)
LEVELS = np.arange(11) / 10


@given(VALUES)
def test_over_tenths_it_is_the_area_of_multibench(values: np.ndarray):
    area = sum((values[i] + values[i + 1]) * 0.1 / 2 for i in range(10))
    assert relative_robustness(LEVELS, values) == pytest.approx(area, abs=1e-12)


@given(VALUES, VALUES, st.floats(-1, 1))
def test_effective_robustness_does_not_count_where_curves_begin(values, reference, shift):
    found = effective_robustness(LEVELS, values, reference)
    moved = effective_robustness(LEVELS, values + shift, reference)
    assert moved == pytest.approx(found, abs=1e-12)
    assert effective_robustness(LEVELS, reference + shift, reference) == pytest.approx(0, abs=1e-12)
    assert effective_robustness(LEVELS, reference, values) == pytest.approx(-found, abs=1e-12)


def test_by_hand_in_any_order():
    assert relative_robustness(np.array([2, 0, 1]), np.array([0.2, 0.8, 0.6])) == pytest.approx(
        (0.7 + 0.4) / 2
    )
    falls, stays = np.array([0.8, 0.4]), np.array([0.6, 0.6])
    assert effective_robustness(np.array([0, 2]), stays, falls) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("levels", "values", "message"),
    [
        ([0], [1], "at least two levels"),
        ([0, 1, 1], [1, 1, 1], "each once"),
        ([0, 1], [1, np.nan], "not finite"),
        ([0, 1], [1], r"values \(1,\) over levels \(2,\)"),
    ],
)
def test_bad_input(levels: list[float], values: list[float], message: str):
    with pytest.raises(MmgraphError, match=message):
        relative_robustness(np.array(levels), np.array(values))
