"""Quantiles, equal widths, entropy and Hartemink's cuts, against definitions spelled out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmgraph.data.discretisation.cut_points import (
    BinsWarning,
    between,
    equal_width_cuts,
    quantile_cuts,
    quantiles,
)
from mmgraph.data.discretisation.hartemink import hartemink_cuts
from mmgraph.data.discretisation.intervals import Intervals
from mmgraph.data.discretisation.supervised import entropy_cuts
from mmgraph.graph.errors import LearningError


def information(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information in nats of the rows that have both."""
    there = (a >= 0) & (b >= 0)
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a[there], b[there]), 1)
    table = table / table.sum()
    outer = table.sum(1, keepdims=True) * table.sum(0)
    return float((table[table > 0] * np.log(table[table > 0] / outer[table > 0])).sum())


def hartemink_spelled_out(codes: list[np.ndarray], bins: int) -> list[np.ndarray]:
    """Each column in turn loses the level whose union with the next costs least."""
    codes = [c.copy() for c in codes]
    for level in range(max(c.max() + 1 for c in codes), bins, -1):
        for i, column in enumerate(codes):
            if column.max() + 1 < level:
                continue
            merged = [np.where(column > low, column - 1, column) for low in range(column.max())]
            others = [c for j, c in enumerate(codes) if j != i]
            left = [sum(information(m, other) for other in others) for m in merged]
            codes[i] = merged[int(np.argmax(np.round(left, 12)))]
    return codes


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_hartemink_merges_what_costs_least_information(missing):
    random = np.random.default_rng(1)
    cause = random.normal(size=400)
    columns = {
        "a": cause,
        "b": np.abs(cause) + 0.3 * random.normal(size=400),
        "c": np.round(2 * cause + random.normal(size=400)),
        "d": random.exponential(size=400),
    }
    for column in columns.values():
        column[random.random(400) < missing] = np.nan
    cuts = hartemink_cuts(columns, dict.fromkeys(columns, 3), 8)
    initial = [quantiles(c[~np.isnan(c)], 8) for c in columns.values()]
    codes = [
        np.where(np.isnan(c), -1, np.searchsorted(cut, c, side="right"))
        for c, cut in zip(columns.values(), initial, strict=True)
    ]
    expected = hartemink_spelled_out(codes, 3)
    for (name, column), theirs in zip(columns.items(), expected, strict=True):
        mine = np.where(np.isnan(column), -1, np.searchsorted(cuts[name], column, side="right"))
        np.testing.assert_array_equal(mine, theirs, name)


def test_hartemink_refuses_what_it_cannot_cut():
    with pytest.raises(LearningError, match="two at least"):
        hartemink_cuts({"a": np.arange(9.0)}, {"a": 3})
    columns = {"a": np.arange(9.0), "b": np.full(9, 2.5)}
    with pytest.raises(LearningError, match=r"'b' cannot .* \(it is 2.5 in every row\)"):
        hartemink_cuts(columns, {"a": 3, "b": 3})
    with pytest.raises(LearningError, match="7 bins of 'b' cannot come of 6 initial"):
        hartemink_cuts(columns, {"a": 3, "b": 7}, 6)


numbers = st.lists(st.integers(-30, 30).map(lambda x: x / 4), min_size=2, max_size=60)


@given(numbers, st.integers(2, 6))
def test_quantile_bins_are_never_empty_and_as_even_as_ties_allow(values, bins):
    array = np.array([*values, np.nan, values[0] + 1])
    cuts = quantiles(array[~np.isnan(array)], bins)
    made = Intervals.of("x", cuts, array)
    codes = made.codes(array)
    counts = np.bincount(codes[codes >= 0], minlength=len(made))
    assert codes[-2] == -1
    assert len(made) <= bins
    assert counts.min() > 0
    largest = max(np.unique(array[~np.isnan(array)], return_counts=True)[1])
    assert counts.max() <= math.ceil((len(array) - 1) / bins) + 2 * largest


@given(numbers, st.integers(2, 6))
def test_equal_widths_are_equal(values, bins):
    array = np.array([*values, values[0] + 1])
    edges = [array.min(), *equal_width_cuts("x", array, bins), array.max()]
    np.testing.assert_allclose(np.diff(edges), np.ptp(array) / bins, rtol=1e-5)


def test_cuts_are_spelled_shortly():
    assert equal_width_cuts("x", np.array([0.0, 0.9]), 3) == [0.3, 0.6]
    assert between(1.24, 1.37) == 1.3
    assert between(0.1, np.nextafter(0.1, 1)) == np.nextafter(0.1, 1)
    with pytest.raises(LearningError, match="'x' cannot be cut into 9 bins of one width"):
        equal_width_cuts("x", np.array([1.0, np.nextafter(1, 2)]), 9)


def test_ties_and_constant_columns_are_told_of():
    with pytest.warns(BinsWarning, match="'x' is put into 2 bins, not 4"):
        assert quantile_cuts("x", np.array([1.0] * 9 + [2.0]), 4) == [2.0]
    for values, what in (([3.0, 3.0], "3 in every row"), ([np.nan], "empty in every row")):
        with pytest.raises(LearningError, match=f"'x' cannot be put into 3 bins.*{what}"):
            quantile_cuts("x", np.array(values), 3)


def bits(labels: np.ndarray) -> float:
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log2(shares)).sum())


def entropy_spelled_out(values: np.ndarray, target: np.ndarray) -> list[float]:
    """Fayyad and Irani's recursion by its equations."""
    best = None
    for cut in np.unique(values)[1:]:
        low, high = target[values < cut], target[values >= cut]
        rest = (len(low) * bits(low) + len(high) * bits(high)) / len(target)
        if best is None or rest < best[0] - 1e-12:
            best = rest, cut, low, high
    if best is None:
        return []
    rest, cut, low, high = best
    k, k_low, k_high = (len(set(part)) for part in (target, low, high))
    delta = math.log2(3**k - 2) - (k * bits(target) - k_low * bits(low) - k_high * bits(high))
    if bits(target) - rest <= (math.log2(len(target) - 1) + delta) / len(target):
        return []
    below = values < cut
    return [
        *entropy_spelled_out(values[below], low),
        float(cut),
        *entropy_spelled_out(values[~below], high),
    ]


@pytest.mark.filterwarnings("ignore:.*tells nothing")
@settings(max_examples=30, deadline=None)
@example(567552, 4, 20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.sampled_from([20, 120]))
def test_entropy_cuts_are_those_of_the_recursion(seed, classes, rows):
    random = np.random.default_rng(seed)
    target = random.integers(0, classes, rows)
    values = np.round(target * random.uniform(0, 4) + random.normal(size=rows), 1)
    values[0], values[1] = -20, 20
    cuts = entropy_cuts("x", values, target, classes)
    expected = entropy_spelled_out(values, target)
    places = [set(np.flatnonzero(values < cut)) for cut in cuts]
    assert places == [set(np.flatnonzero(values < cut)) for cut in expected]


def test_entropy_cuts_for_any_number_of_classes():
    for classes in (640, 700):  # 3**647 is more than the largest float
        target = np.arange(2 * classes) % classes
        assert entropy_cuts("x", 1.0 * (target >= classes // 2), target, classes) == [0.5]


def test_entropy_leaves_out_rows_without_target_and_says_what_tells_nothing():
    values = np.array([*range(50), np.nan], float)
    target = np.array([0] * 20 + [-1] * 10 + [1] * 21)
    assert entropy_cuts("x", values, target, 2) == [between(19, 30)]
    with pytest.warns(BinsWarning, match="'x' tells nothing of the target"):
        assert entropy_cuts("x", values, np.arange(51) % 2, 2) == []
    with pytest.raises(LearningError, match="'x' has 51 rows, the target 50"):
        entropy_cuts("x", values, target[1:], 2)


def test_intervals_stand_for_their_numbers():
    values = np.array([1.0, 2, 3, 5, 9, np.nan])
    made = Intervals.of("x", [2.5, 4, 4.5], values, "cm")
    assert made.labels == ("(-inf, 2.5)", "[2.5, 4)", "[4, 4.5)", "[4.5, inf)")
    codes = made.codes(values)
    assert codes.tolist() == [0, 0, 1, 3, 3, -1]
    np.testing.assert_array_equal(made.values(codes, "mean"), [1.5, 1.5, 3, 7, 7, np.nan])
    np.testing.assert_array_equal(made.values([0, 1, 2, 3, -1]), [1.75, 3.25, 4.25, 6.75, np.nan])
    assert made.means[2] == 4.25
    draws = made.values(np.repeat([0, 3], 2000), "draw", np.random.default_rng(0))
    assert made.codes(draws).tolist() == [0] * 2000 + [3] * 2000
    assert abs(draws[:2000].mean() - 1.75) < 0.05
    assert [made.variable.code(x) for x in values[:-1]] == codes[:-1].tolist()
    with pytest.raises(LearningError, match="unknown by 'middle'"):
        made.values(codes, "middle")
    for cuts in itertools.permutations((1.0, 2.0), 2):
        if cuts != (1.0, 2.0):
            with pytest.raises(LearningError, match="'x' do not rise"):
                Intervals("x", cuts, (0.0, 3.0), (1.0, 1.0, 1.0))
