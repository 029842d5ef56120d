"""Intervals against scipy's bootstrap and closed forms, and how often they cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from mmgraph.causal.estimation.estimators.intervals import FewGroupsWarning
from mmgraph.comparison.statistics.paired_bootstrap import paired_bootstrap
from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.noise import standard_error
from mmgraph.learning.prediction.prediction_figures import prediction_figures


def models(seed: int, rows: int = 150) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two models of which one is a noisy copy of the other, and codes that suit them."""
    random = np.random.default_rng(seed)
    first = random.dirichlet([1.0, 1.0], rows)
    codes = (random.random(rows) > first[:, 0]).astype(int)
    second = first * random.uniform(0.5, 1.5, first.shape)
    return {"first": first, "second": second / second.sum(1, keepdims=True)}, codes


@pytest.mark.parametrize("kind", ["percentile", "BCa"])
def test_intervals_are_those_of_scipy(kind: str):
    tables, codes = models(0)
    losses = [-np.log(table[np.arange(len(codes)), codes]) for table in tables.values()]
    expected = stats.bootstrap(
        (losses[0] - losses[1],), np.mean, method=kind, n_resamples=20_000, rng=1
    )
    found = paired_bootstrap(tables, codes, kind=kind, draws=20_000)[("first", "second")]
    interval = expected.confidence_interval
    tolerance = 0.05 * expected.standard_error
    assert found.low == pytest.approx(interval.low, abs=tolerance)
    assert found.high == pytest.approx(interval.high, abs=tolerance)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.02)
    assert found.value == pytest.approx((losses[0] - losses[1]).mean(), rel=1e-12)


def test_any_metric_has_intervals():
    tables, codes = models(1, 60)
    found = paired_bootstrap(tables, codes, metric="auroc", kind="BCa", draws=4000)
    areas = {name: roc_auc_score(codes, table[:, 1]) for name, table in tables.items()}
    assert found["first"].value == pytest.approx(areas["first"])
    assert found[("first", "second")].value == pytest.approx(areas["first"] - areas["second"])

    def difference(code: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
        return float(roc_auc_score(code, one) - roc_auc_score(code, other))

    columns = (codes, tables["first"][:, 1], tables["second"][:, 1])
    expected = stats.bootstrap(
        columns, difference, paired=True, vectorized=False, n_resamples=150, method="BCa", rng=2
    )
    for end in ("low", "high"):
        found_end = getattr(found[("first", "second")], end)
        assert found_end == pytest.approx(
            getattr(expected.confidence_interval, end), abs=0.5 * expected.standard_error
        )


def test_groups_are_drawn_whole():
    tables, codes = models(2, 400)
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(40), 10)
    # All rows of a group are as one: only groups are independent.
    same = {name: np.repeat(table[:40], 10, 0) for name, table in tables.items()}
    repeated = np.repeat(codes[:40], 10)
    found = paired_bootstrap(same, repeated, groups, ["first"], metric="accuracy")["first"]
    right = (same["first"].argmax(1) == repeated).astype(float)
    assert found.standard_error == pytest.approx(standard_error(right, groups), rel=0.1)
    order = random.permutation(400)
    shuffled = paired_bootstrap(
        {name: table[order] for name, table in same.items()},
        repeated[order],
        groups[order] + 5,
        ["first"],
        metric="accuracy",
    )["first"]
    assert shuffled == pytest.approx(found)
    told = prediction_figures(same["first"], repeated, groups, ["accuracy"])
    analytical = paired_bootstrap(
        same, repeated, groups, ["first"], metric="accuracy", kind="analytical"
    )["first"]
    assert analytical.standard_error == pytest.approx(told["accuracy_standard_error"])


def test_intervals_cover_as_often_as_they_say():
    """The difference of two simulated models' losses, whose expectation is computed."""
    covered = []
    for seed in range(150):
        tables, codes = models(100 + seed, 120)
        one, other = tables.values()
        # Labels are drawn anew from the first table, given which the expected losses are known.
        truth = (one * (np.log(other) - np.log(one))).sum(1)
        apart = np.log(other / one)[np.arange(120), codes]
        noise = paired_bootstrap(tables, codes, draws=300)[("first", "second")]
        covered.append(noise.low <= truth.mean() <= noise.high)
        assert noise.value == pytest.approx(apart.mean())
    assert np.mean(covered) > 0.9


def test_the_same_seed_says_the_same():
    tables, codes = models(3)
    once, again = (paired_bootstrap(tables, codes, draws=50, seed=7) for _ in range(2))
    assert once == again
    assert once != paired_bootstrap(tables, codes, draws=50, seed=8)
    assert paired_bootstrap(tables, codes, contrasts=[]) == {}


def test_bad_input_is_named():
    tables, codes = models(4, 30)
    with pytest.raises(MmgraphError, match="unknown model 'third'"):
        paired_bootstrap(tables, codes, contrasts=[("first", "third")])
    with pytest.raises(MmgraphError, match="unknown metric 'loss'"):
        paired_bootstrap(tables, codes, metric="loss")
    with pytest.raises(MmgraphError, match="'auroc' is not defined: all 30 rows"):
        paired_bootstrap(tables, codes * 0, metric="auroc")
    with pytest.raises(MmgraphError, match="30 rows of probabilities, 29 labels"):
        paired_bootstrap(tables, codes[1:])
    with pytest.raises(MmgraphError, match="unknown interval 'normal'"):
        paired_bootstrap(tables, codes, kind="normal")
    with pytest.warns(FewGroupsWarning, match="3 groups are few"):
        paired_bootstrap(tables, codes, np.repeat(np.arange(3), 10), ["first"])
