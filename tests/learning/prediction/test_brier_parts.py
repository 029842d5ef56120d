"""The parts of the Brier score add up to it, and are what Murphy's definitions say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.brier_parts import brier_parts
from mmgraph.learning.prediction.metrics import classification_metrics


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 40))
def test_the_parts_add_up(seed: int, classes: int, rows: int):
    random = np.random.default_rng(seed)
    table, codes = random.dirichlet(np.ones(classes), rows), random.integers(0, classes, rows)
    parts = brier_parts(table, codes)
    expected = classification_metrics(table, codes)["brier_score"]
    assert parts.score == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert min(parts[:4]) >= 0


def test_nothing_stays_within_bins_of_equal_forecasts():
    """Murphy's own three parts, of two forecasts by hand: both classes have the same."""
    table = np.array([[0.8, 0.2]] * 10 + [[0.4, 0.6]] * 10)
    codes = np.array([0] * 7 + [1] * 3 + [0] * 5 + [1] * 5)
    parts = brier_parts(table, codes)
    assert parts.reliability == pytest.approx(2 * (0.5 * 0.1**2 + 0.5 * 0.1**2))
    assert parts.resolution == pytest.approx(2 * (0.5 * 0.1**2 + 0.5 * 0.1**2))
    assert parts.uncertainty == pytest.approx(2 * 0.6 * 0.4)
    assert parts[3:] == pytest.approx((0, 0))


def test_certain_predictions_that_are_right_resolve_all():
    parts = brier_parts(np.eye(3), np.arange(3))
    assert parts.score == pytest.approx(0, abs=1e-15)
    assert parts.resolution == pytest.approx(parts.uncertainty)


def test_bad_input():
    with pytest.raises(MmgraphError, match="row 0 is not a distribution"):
        brier_parts(np.ones((1, 2)), np.zeros(1, int))
