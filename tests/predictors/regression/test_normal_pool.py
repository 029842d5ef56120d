"""Regressions whose densities are multiplied: against the exact posterior of a linear model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

import mmgraph as mm
from mmgraph.data.splits import random_folds, train_and_test
from mmgraph.predictors.regression.densities import NormalDensities
from mmgraph.predictors.regression.normal_pool import NormalPool, fit_normal_pool

PLACES = [("a",), ("b",), ("a", "b")]


def data(rows: int, seed: int) -> mm.MultimodalData:
    """A normal number, and two modalities that are the number and normal errors."""
    random = np.random.default_rng(seed)
    truth = 3 + 2 * random.standard_normal(rows)
    features = truth[:, None] + random.standard_normal((rows, 2)) * [1.0, 2.0]
    return mm.MultimodalData.of({"a": features[:, :1], "b": features[:, 1:]}, truth)


@pytest.fixture(scope="module")
def pool() -> NormalPool:
    return fit_normal_pool(data(2000, 0), PLACES, train_and_test(random_folds(2000, 5, 0)))


@pytest.mark.parametrize("given", [("a", "b"), ("a",), ("b",), ()])
def test_they_are_the_posterior_given_what_is_there(pool, given):
    test = data(50, 1)
    densities = pool.densities(test, given)
    precisions = {"a": 1.0, "b": 0.25}
    total = 0.25 + sum(precisions[m] for m in given)
    mean = (0.25 * 3 + sum(precisions[m] * test.numbers(m)[:, 0] for m in given)) / total
    np.testing.assert_allclose(densities.means, mean, atol=0.25)
    np.testing.assert_allclose(densities.deviations, total**-0.5, rtol=0.06)


def test_modalities_alone_are_pooled_as_independent_ones():
    training = data(2000, 0)
    pool = fit_normal_pool(training, PLACES[:2], train_and_test(random_folds(2000, 5, 0)))
    np.testing.assert_allclose(pool.powers(frozenset("ab")), [1, 1], atol=0.25)
    np.testing.assert_allclose(pool.precisions(), [1.25, 0.5], rtol=0.1)


def test_rows_that_lack_a_modality_are_answered_without_it(pool):
    test = data(20, 1)
    for modality in ("a", "b"):
        (other,) = {"a", "b"} - {modality}
        found = pool.densities(test.without(modality), ("a", "b"))
        np.testing.assert_allclose(found.means, pool.densities(test, (other,)).means)


def test_what_tells_nothing_has_no_power():
    random = np.random.default_rng(0)
    noise = mm.MultimodalData.of(
        {"a": random.standard_normal((90, 3)), "b": random.standard_normal((90, 3))},
        random.standard_normal(90),
    )
    pool = fit_normal_pool(noise, PLACES, train_and_test(random_folds(90, 5, 0)))
    densities = pool.densities(noise, ("a", "b"))
    assert np.std(densities.means) < 0.25
    mean, precision = pool.prior
    np.testing.assert_allclose(densities.deviations, precision**-0.5, rtol=0.1)
    np.testing.assert_allclose(pool.densities(noise, ()).means, mean)


def test_normal_densities_are_those_of_scipy():
    densities = NormalDensities(np.array([0.0, 2.0]), np.array([1.0, 3.0]))
    reference = norm(densities.means, densities.deviations)
    np.testing.assert_allclose(densities.log_density(np.ones(2)), reference.logpdf(1.0))
    levels = np.array([0.1, 0.5])
    expected = np.stack([reference.ppf(level) for level in levels], axis=1)
    np.testing.assert_allclose(densities.quantiles(levels), expected)
