"""Numbers cut into bins: densities that are some, with quantiles and means to match."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from mmgraph.graph.errors import LearningError
from mmgraph.predictors.regression.densities import BinnedDensities
from mmgraph.predictors.regression.target_bins import TargetBins


def fitted(values, count: int) -> TargetBins:
    array = np.asarray(values, np.float64)
    return TargetBins.fitted(array, np.ones(len(array)), count)


def test_bins_have_as_many_rows_each_and_the_means_of_their_rows():
    values = np.random.default_rng(0).permutation(np.arange(120.0))
    bins = fitted(values, 6)
    np.testing.assert_array_equal(np.bincount(bins.codes(values)), [20] * 6)
    np.testing.assert_allclose(bins.ends, [19.5, 39.5, 59.5, 79.5, 99.5])
    np.testing.assert_allclose(bins.means(), [9.5, 29.5, 49.5, 69.5, 89.5, 109.5])


def test_numbers_that_repeat_stay_in_one_bin():
    values = [0.0] * 60 + [1.0] * 20 + [2.0] * 20
    bins = fitted(values, 10)
    assert bins.ends.tolist() == [0.5, 1.5]
    np.testing.assert_allclose(bins.means(), [0, 1, 2])
    outlier = fitted([*np.arange(40.0), 1e9], 3)
    assert len(outlier.ends) == 2


@pytest.mark.parametrize("values", [[1.0] * 20, [1.0] * 19 + [2.0], [1.0]])
def test_what_is_one_number(values):
    with pytest.raises(LearningError, match="the same number in nearly every row"):
        fitted(values, 3)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(-50, 50), min_size=4, max_size=60),
    st.integers(2, 8),
    st.integers(0, 99),
)
def test_densities_quantiles_and_means_are_of_one_distribution(values, count, seed):
    values = [-51, -51, *values, 51, 51]
    bins = fitted(values, count)
    codes = bins.codes(np.array(values, float))
    assert np.bincount(codes, minlength=len(bins.ends) + 1).min() >= 2
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(bins.ends) + 1))
    densities = BinnedDensities(bins, weights[None])

    def density(x: float) -> float:
        return float(np.exp(densities.log_density(np.array([x]))[0]))

    parts = [bins.ends[0] - 60 * bins.scales[0], *bins.ends, bins.ends[-1] + 60 * bins.scales[1]]
    pieces = list(itertools.pairwise(parts))
    whole = sum(quad(density, *piece)[0] for piece in pieces)
    assert whole == pytest.approx(1, abs=1e-6)
    mean = sum(quad(lambda x: x * density(x), *piece)[0] for piece in pieces)
    assert densities.mean()[0] == pytest.approx(mean, rel=1e-5, abs=1e-5)
    levels = np.array([0.01, 0.2, 0.5, 0.77, 0.99])
    (quantiles,) = densities.quantiles(levels)
    assert (np.diff(quantiles) >= 0).all()
    for level, quantile in zip(levels, quantiles, strict=True):
        below = [(a, min(b, quantile)) for a, b in pieces if a < quantile]
        assert sum(quad(density, *p)[0] for p in below) == pytest.approx(level, abs=1e-6)


def test_levels_beyond_what_bins_hold():
    bins = fitted(np.arange(40.0), 4)
    densities = BinnedDensities(bins, np.array([[0.0, 1.0, 0.0, 0.0]]))
    low, high = densities.quantiles(np.array([1e-9, 1 - 1e-9]))[0]
    assert low == pytest.approx(bins.ends[0])
    assert high == pytest.approx(bins.ends[1])
    assert np.isfinite(densities.log_density(np.array([1e300]))).all()
