"""Rank tests against scipy, and libraries against definitions, on random tables with ties."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from baycomp import SignedRankTest
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import stats
from statsmodels.stats.multitest import multipletests

from mmgraph.comparison.statistics.data_sets import (
    bayesian_signed_rank,
    friedman_nemenyi,
    friedman_wilcoxon_holm,
    holm,
)
from mmgraph.graph.errors import MmgraphError


def scores(seed: int) -> dict[str, np.ndarray]:
    """Scores of three to six models in five to fourteen data sets, of few distinct values."""
    random = np.random.default_rng(seed)
    sets, models = random.integers(5, 15), random.integers(3, 7)
    table = np.round(random.normal(0.8, 0.05, (sets, models)), 1 + seed % 2)
    return {f"model{i}": table[:, i] for i in range(models)}


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_friedman_and_nemenyi_on_200_tables_with_ties(first: int):
    for seed in range(first, first + 100):
        made = scores(seed)
        table = np.stack(list(made.values()), 1)
        test = friedman_nemenyi(made)
        statistic, p_value = stats.friedmanchisquare(*table.T)
        np.testing.assert_allclose((test.statistic, test.p_value), (statistic, p_value), rtol=1e-12)
        expected = posthoc_nemenyi_friedman(table).to_numpy()
        np.testing.assert_allclose(test.pairs, expected, rtol=1e-12)
        np.testing.assert_allclose(test.mean_ranks, stats.rankdata(-table, axis=1).mean(0))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_wilcoxon_and_holm_on_tables_with_ties():
    """Five to seven data sets, or more than thirteen: between, scipy counts all signs of ties."""
    for seed in (0, 1, 4, 5):
        made = {
            name: column[: 7 if len(column) < 14 else None]
            for name, column in [*scores(seed).items()][:3]
        }
        test = friedman_wilcoxon_holm(made)
        columns = itertools.combinations(made.values(), 2)
        expected = holm([stats.wilcoxon(*pair).pvalue for pair in columns])
        upper = np.triu_indices(len(made), 1)
        np.testing.assert_allclose(test.pairs[upper], expected, rtol=1e-12)
        np.testing.assert_array_equal(test.pairs, test.pairs.T)


def test_pairs_that_differ_by_the_critical_difference_are_at_the_level():
    """The root of two stands in both: by scipy's own distribution, and by Demsar's table 5."""
    made = friedman_nemenyi(scores(3))
    models, sets = len(made.models), len(next(iter(scores(3).values())))
    scale = np.sqrt(models * (models + 1) / (6 * sets))
    at_it = stats.studentized_range.sf(
        made.critical_difference / scale * np.sqrt(2), models, np.inf
    )
    assert at_it == pytest.approx(0.05)
    apart = np.abs(made.mean_ranks[:, None] - made.mean_ranks)
    other = ~np.eye(models, dtype=bool)
    assert ((apart >= made.critical_difference) == (made.pairs <= 0.05))[other].all()
    table = {name: np.arange(14.0) for name in "abcd"}
    assert friedman_nemenyi(table).critical_difference == pytest.approx(
        2.569 * np.sqrt(4 * 5 / (6 * 14)), rel=1e-3
    )


def test_the_best_model_has_rank_one():
    made = friedman_nemenyi({"worst": np.zeros(6), "best": np.ones(6), "middle": np.full(6, 0.5)})
    assert made.models == ("worst", "best", "middle")
    assert made.mean_ranks.tolist() == [3, 1, 2]
    assert made.p_value < 0.01


def test_models_that_are_alike_do_not_differ():
    same = {name: np.full(5, 0.7) for name in "abc"}
    for made in (friedman_nemenyi(same), friedman_wilcoxon_holm(same)):
        assert (made.statistic, made.p_value) == (0, 1)
        assert (made.pairs == 1).all()
        assert made.mean_ranks.tolist() == [2, 2, 2]


@pytest.mark.parametrize("rope", [0.0, 0.01])
def test_the_posterior_of_signed_ranks_is_that_of_baycomp_for_the_same_seed(rope: float):
    first, second, *_ = scores(8).values()
    found = bayesian_signed_rank(first, second, rope, samples=2000, seed=4)
    expected = SignedRankTest.probs(second, first, rope, nsamples=2000, random_state=4)
    below, *equivalent, above = expected
    np.testing.assert_allclose(found[::2], (above, below), rtol=1e-12, atol=0.02)
    assert sum(found) == pytest.approx(1)
    assert found.equivalent == pytest.approx(equivalent[0] if equivalent else 0, abs=0.02)
    better = bayesian_signed_rank(first + 0.1, first, rope, samples=500)
    assert better.above > 0.95


def test_holm_is_that_of_statsmodels():
    random = np.random.default_rng(0)
    for count in (1, 4, 8):
        p_values = random.integers(0, 11, count) / 10
        expected = multipletests(p_values, method="holm")[1]
        np.testing.assert_allclose(holm(p_values), expected, rtol=1e-12)


@pytest.mark.parametrize("test", [friedman_nemenyi, friedman_wilcoxon_holm])
def test_few_data_sets_are_refused(test):
    for sets, message in ((1, "at least 5 data sets, and here is one"), (4, "and here are 4")):
        with pytest.raises(MmgraphError, match=message):
            test({name: np.arange(float(sets)) for name in "abc"})
    with pytest.raises(MmgraphError, match="a signed-rank test compares models over at least 5"):
        bayesian_signed_rank(np.ones(1), np.ones(1))


def test_bad_input_is_named():
    five = np.arange(5.0)
    with pytest.raises(MmgraphError, match="at least 3 models, not 2"):
        friedman_nemenyi({"a": five, "b": five})
    with pytest.raises(MmgraphError, match=r"'b' has scores \(6,\) for 5 data sets"):
        friedman_nemenyi({"a": five, "b": np.arange(6.0), "c": five})
    with pytest.raises(MmgraphError, match="the score of 'c' in data set 2 is not finite"):
        friedman_wilcoxon_holm({"a": five, "b": five, "c": np.where(five == 2, np.nan, five)})
    with pytest.raises(MmgraphError, match="p-value 1 is 2"):
        holm([0.5, 2.0])
    with pytest.raises(MmgraphError, match="cannot be -1 wide"):
        bayesian_signed_rank(five, five, -1)
    with pytest.raises(MmgraphError, match="level of a test"):
        friedman_nemenyi({"a": five, "b": five, "c": five}, 5)
