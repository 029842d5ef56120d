"""Tests over folds against baycomp and scipy, and how often they are wrong by chance."""

from __future__ import annotations

import numpy as np
import pytest
from baycomp.single import CorrelatedTTest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mmgraph.comparison.statistics.folds import (
    corrected_t_test,
    correlated_t_posterior,
    fold_values,
)
from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.metrics import classification_metrics


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_against_baycomp_on_200_tables_with_ties(first: int):
    for seed in range(first, first + 100):
        against_baycomp(seed)


def against_baycomp(seed: int) -> None:
    """Of folds of one size, in one run or several."""
    random = np.random.default_rng(seed)
    folds, runs = int(random.integers(2, 11)), int(random.integers(1, 4))
    first, second = np.round(random.normal(0.8, 0.03, (2, folds * runs)), 2)
    ratio = 1 / (folds - 1)
    for rope in (0.0, 0.01):
        below, *equivalent, above = CorrelatedTTest.probs(second, first, rope, runs)
        found = correlated_t_posterior(first - second, ratio, rope)
        expected = (above, equivalent[0] if equivalent else 0.0, below)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    mean, variance, freedom = CorrelatedTTest.compute_statistics(second, first, runs)
    test = corrected_t_test(first - second, ratio)
    assert test.difference == pytest.approx(mean, rel=1e-12)
    if variance > 1e-30:
        expected = 2 * stats.t.sf(abs(mean) / np.sqrt(variance), freedom)
        np.testing.assert_allclose(test.p_value, expected, rtol=1e-12)


def test_without_training_rows_it_is_the_usual_test():
    values = np.random.default_rng(0).normal(0.3, 1, 12)
    found = corrected_t_test(values, 1e-18)
    assert found.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-12)


@given(st.floats(-1, 1), st.floats(0, 0.5))
def test_equal_differences_leave_no_doubt(value: float, rope: float):
    values = np.full(5, value)
    assert corrected_t_test(values, 0.25).p_value == float(values.mean() == 0)
    chances = correlated_t_posterior(values, 0.25, rope)
    assert sum(chances) == 1
    assert chances.above == (0.5 if value == rope == 0 else float(values.mean() > rope))


def test_folds_that_share_training_rows_are_seldom_told_apart():
    """Differences of folds with the correlation that is assumed: uncorrected, errors are many."""
    random = np.random.default_rng(1)
    count, ratio = 10, 1 / 9
    # Correlation of test / (test + training) between folds, as Nadeau and Bengio assume.
    correlation = ratio / (1 + ratio)
    shared = random.normal(size=(2000, 1)) * np.sqrt(correlation)
    values = shared + random.normal(size=(2000, count)) * np.sqrt(1 - correlation)
    corrected = np.mean([corrected_t_test(row, ratio).p_value < 0.05 for row in values])
    plain = np.mean([corrected_t_test(row, 1e-18).p_value < 0.05 for row in values])
    assert corrected == pytest.approx(0.05, abs=0.015)
    assert plain > 0.1


def test_values_of_folds_are_those_of_their_rows():
    random = np.random.default_rng(2)
    table, codes = random.dirichlet(np.ones(3), 60), random.integers(0, 3, 60)
    folds = random.integers(3, 7, 60)
    for metric in ("accuracy", "log_loss", "debiased_calibration_error"):
        expected = [
            classification_metrics(table[folds == fold], codes[folds == fold])[metric]
            for fold in range(3, 7)
        ]
        np.testing.assert_allclose(fold_values(table, codes, folds, metric), expected, rtol=1e-12)


def test_bad_input_is_named():
    table, codes = np.full((4, 2), 0.5), np.array([0, 1, 0, 0])
    with pytest.raises(MmgraphError, match="'auroc' is not defined in fold 1"):
        fold_values(table, codes, np.array([0, 0, 1, 1]), "auroc")
    with pytest.raises(MmgraphError, match="unknown metric 'f2'"):
        fold_values(table, codes, codes, "f2")
    with pytest.raises(MmgraphError, match="at least two"):
        corrected_t_test(np.ones(1), 0.25)
    with pytest.raises(MmgraphError, match="the difference of fold 1 is not finite"):
        corrected_t_test(np.array([0.0, np.inf]), 0.25)
    with pytest.raises(MmgraphError, match="no fold tests 0 rows"):
        corrected_t_test(np.ones(2), 0)
    with pytest.raises(MmgraphError, match="cannot be -1 wide"):
        correlated_t_posterior(np.ones(2), 0.25, -1)
