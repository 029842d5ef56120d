"""Changepoints against the costs of all partitions, computed from the rows themselves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import EvidenceError, LearningError, MemoryBudgetError
from mmgraph.sequences.changepoints.changepoints import changepoints
from mmgraph.sequences.changepoints.costs import KINDS

LENGTH = 8


def whole(x: np.ndarray) -> np.ndarray:
    return x[~np.isnan(x).any(1)]


def feature_cost(x: np.ndarray, cost: str, before: np.ndarray, times: np.ndarray) -> float:
    """Of the present cells of a feature, whatever the cost, by numpy's own functions."""
    here = ~np.isnan(x)
    if cost == "autoregressive":
        here &= ~np.isnan(before)
    x, covariate = x[here], (before if cost == "autoregressive" else times)[here]
    if not len(x):
        return 0.0
    if cost == "l1":
        return float(np.abs(x - np.median(x)).sum())
    if cost == "poisson":
        return float(-2 * x.sum() * np.log(x.mean())) if x.sum() else 0.0
    if cost == "categorical":
        counts = np.unique(x, return_counts=True)[1]
        return float(-2 * (counts * np.log(counts / len(x))).sum())
    if cost in ("trend", "autoregressive"):
        design = np.stack([np.ones_like(x), covariate], axis=1)
        return float(((x - design @ np.linalg.lstsq(design, x, rcond=None)[0]) ** 2).sum())
    return float(((x - x.mean()) ** 2).sum())


def segment_cost(x: np.ndarray, begin: int, end: int, cost: str) -> float:
    part = x[begin:end]
    if cost in ("rbf", "cosine"):
        every = whole(x)
        squared = ((every[:, None] - every[None]) ** 2).sum(2)
        width = np.median(squared[np.triu_indices(len(every), 1)]) if len(every) > 1 else 0.0
        part = whole(part)
        if not len(part):
            return 0.0
        if cost == "rbf":
            gram = np.exp(-((part[:, None] - part[None]) ** 2).sum(2) / (width or 1.0))
        else:
            unit = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-300)
            gram = unit @ unit.T
        return float(np.trace(gram) - gram.mean() * len(part))
    if cost in ("gaussian", "full_gaussian"):
        deviation = np.nanstd(whole(x) if cost == "full_gaussian" else x, axis=0)
        part = part / np.where(deviation > 0, deviation, 1.0)
        blocks = [whole(part)] if cost == "full_gaussian" else [whole(c[:, None]) for c in part.T]
        total = 0.0
        for block in blocks:
            if len(block):
                eigenvalues = np.linalg.eigvalsh(np.atleast_2d(np.cov(block.T, bias=True)))
                floored = np.maximum(eigenvalues, 1e-6)
                total += len(block) * float((np.log(floored) + eigenvalues / floored).sum())
        return total
    before = np.concatenate([np.full_like(x[:1], np.nan), x[:-1]])[begin:end]
    times = np.arange(begin, end, dtype=float)
    return sum(feature_cost(part[:, j], cost, before[:, j], times) for j in range(x.shape[1]))


def partitions(x: np.ndarray, cost: str, least: int) -> dict[int, float]:
    """The least cost of each number of changes, among all partitions."""
    length, best = len(x), {}
    costs = {
        (s, t): segment_cost(x, s, t, cost)
        for s, t in itertools.combinations(range(length + 1), 2)
        if t - s >= least
    }
    for count in range(length // least):
        for inner in itertools.combinations(range(1, length), count):
            pairs = list(itertools.pairwise([0, *inner, length]))
            if all(pair in costs for pair in pairs):
                total = sum(costs[pair] for pair in pairs)
                best[count] = min(best.get(count, np.inf), total)
    return best


@pytest.mark.filterwarnings("ignore:Degrees of freedom")
@pytest.mark.parametrize("cost", KINDS)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_no_partition_costs_less(cost: str, data: st.DataObject):
    cells = st.integers(0, 4).map(float) | (st.just(np.nan) if cost != "l2" else st.just(9.0))
    shape = st.tuples(st.integers(4, LENGTH), st.integers(1, 2))
    length, features = data.draw(shape)
    flat = data.draw(st.lists(cells, min_size=length * features, max_size=length * features))
    x = np.array(flat).reshape(length, features)
    penalty, least = data.draw(st.sampled_from([0.0, 0.3, 1.0, 4.0])), data.draw(st.integers(1, 3))
    best = partitions(x, cost, least)
    found = changepoints(x, cost, penalty=penalty, least_length=least)
    expected = min(total + penalty * count for count, total in best.items())
    assert found.cost + penalty * len(found.boundaries) == pytest.approx(expected, abs=1e-6)
    assert (np.diff(found.segments, axis=1) >= least).all()
    told = sum(segment_cost(x, *segment, cost) for segment in found.segments)
    assert found.cost == pytest.approx(told, abs=1e-6)
    count = len(best) - 1
    assert changepoints(x, cost, changes=count, least_length=least).cost == pytest.approx(
        best[count], abs=1e-6
    )


def test_pruning_at_once_would_miss_the_best_under_a_least_length():
    generator = np.random.default_rng(0)
    for _ in range(200):
        x = generator.normal(size=(24, 1)) * 2
        found = changepoints(x, penalty=0.5, least_length=5)
        counted = [changepoints(x, changes=k, least_length=5) for k in range(4)]
        best = min(one.cost + 0.5 * len(one.boundaries) for one in counted)
        assert found.cost + 0.5 * len(found.boundaries) == pytest.approx(best)


def test_modalities_side_by_side_are_scaled_by_noise_and_weighed():
    generator = np.random.default_rng(1)
    loud, quiet = 1000 * generator.normal(size=300), 0.01 * generator.normal(size=(300, 2))
    quiet[200:] += 0.05
    both = {"loud": loud, "quiet": quiet}
    assert changepoints(both).boundaries.tolist() == [200]
    assert not len(changepoints(np.column_stack([loud, quiet])).boundaries)
    assert not len(changepoints(both, weights={"quiet": 1e-3}).boundaries)
    labels = np.array(["on"] * 30 + ["off"] * 30)
    assert changepoints(labels, "categorical").boundaries.tolist() == [30]
    for gone in (None, np.nan, ""):  # no label of its own
        cells = labels.astype(object)
        cells[10:20] = gone
        assert changepoints(cells, "categorical").boundaries.tolist() == [30]


def test_a_long_mean_takes_no_digits():
    x = np.r_[np.zeros(500), np.full(500, 1e-3)] + 1e6
    assert changepoints(x, penalty=1e-5).boundaries.tolist() == [500]


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        ([], {}, EvidenceError, "length zero"),
        ({"a": [1.0, 2.0], "b": [1.0]}, {}, EvidenceError, "'a': 2, 'b': 1"),
        ([[1.0, np.inf]], {}, EvidenceError, "row 0, column 1"),
        (["a", "b"], {}, EvidenceError, "no numbers"),
        (np.zeros((2, 2, 2)), {}, EvidenceError, "shape"),
        ([1.0, -2.0], {"cost": "poisson"}, EvidenceError, "row 1, column 0: -2 is no count"),
        ([1.0, 2.0], {"cost": "gausian"}, LearningError, "did you mean 'gaussian'"),
        ([1.0, 2.0], {"scale": "nois"}, LearningError, "did you mean 'noise'"),
        ([1.0, 2.0], {"least_length": 3}, LearningError, "2 rows has no segment of 3"),
        ([1.0, 2.0], {"least_length": 0}, LearningError, "least_length"),
        ([1.0, 2.0], {"penalty": np.nan}, LearningError, "penalty"),
        ([1.0, 2.0], {"penalty": 1.0, "changes": 1}, LearningError, "either"),
        ([1.0, 2.0], {"changes": 2}, LearningError, "2 changes make 3 segments"),
        ([1.0, 2.0], {"changes": -1}, LearningError, "changes must be"),
        ({"gyro": [1.0, 2.0]}, {"weights": {"giro": 1.0}}, LearningError, "did you mean 'gyro'"),
        ({"gyro": [1.0, 2.0]}, {"weights": {"gyro": -1.0}}, LearningError, "must be above 0"),
    ],
)
def test_what_cannot_be_cut_is_said(rows, options, error, message):
    with pytest.raises(error, match=message):
        changepoints(rows, **options)


def test_what_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch):
    for home in ("changepoints", "costs"):
        name = f"mmgraph.sequences.changepoints.{home}.default_memory_budget"
        monkeypatch.setattr(name, lambda: 1000)
    with pytest.raises(MemoryBudgetError, match="9 changes in 20 rows"):
        changepoints(np.zeros(20), changes=9)
    with pytest.raises(MemoryBudgetError, match="products of 4 features in 20 rows"):
        changepoints(np.zeros((20, 4)), "full_gaussian")
