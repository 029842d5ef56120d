"""Mixtures of normal densities as emissions, against scipy."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.learning.dynamic.emissions.mixture import MixtureEmission
from tests.learning.dynamic.emissions.drawn_emissions import drawn, drawn_gaussian, drawn_rows


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_densities_are_those_of_scipy(missing):
    generator = np.random.default_rng(0)
    emission = drawn(generator, "mixture")
    rows = drawn_rows(generator, emission, 30, missing)
    parts, truth = emission.components, np.zeros((30, 3, 2))
    for t, row in enumerate(rows):
        there = ~np.isnan(row)
        for k in range(6) if there.any() else ():
            covariance = parts.covariances[k][np.ix_(there, there)]
            truth[t, k // 2, k % 2] = multivariate_normal.logpdf(
                row[there], parts.means[k, there], covariance
            )
    truth = logsumexp(truth, 2, b=emission.weights)
    np.testing.assert_allclose(emission.log_densities(rows), truth, rtol=1e-10, atol=1e-12)


def test_one_component_is_a_normal_density():
    generator = np.random.default_rng(1)
    single = drawn_gaussian(generator, "diagonal", 3, 2)
    emission = MixtureEmission(np.ones((3, 1)), single)
    rows = drawn_rows(generator, single, 40)
    weights = generator.dirichlet(np.ones(3), 40)
    np.testing.assert_allclose(emission.log_densities(rows), single.log_densities(rows))
    one, two = (e.updated(e.statistics(rows, weights)) for e in (emission, single))
    np.testing.assert_allclose(one.components.means, two.means)
    np.testing.assert_allclose(one.components.covariances, two.covariances)


def test_components_without_weight_and_densities_of_zero_give_no_nan():
    narrow = GaussianEmission([[0.0], [1], [5], [6]], np.full((4, 1), 1e-200))
    emission = MixtureEmission([[1, 0], [0.5, 0.5]], narrow)
    rows = np.array([[0.0], [1e60], [6.0]])
    logs = emission.log_densities(rows)
    assert np.isneginf(logs[1]).all()
    assert np.isfinite(logs[0, 0])
    statistics = emission.statistics(rows[:1], np.array([[1.0, 0.0]]))
    assert all(np.isfinite(array).all() for array in statistics.values())
    np.testing.assert_array_equal(emission.updated(statistics).weights, [[1, 0], [0.5, 0.5]])


def test_bad_weights_are_named():
    parts = GaussianEmission(np.zeros((4, 1)), np.ones((4, 1)))
    with pytest.raises(LearningError, match=r"of 4 components in all, not of shape .3, 1."):
        MixtureEmission(np.ones((3, 1)), parts)
    with pytest.raises(LearningError, match="do not sum to one in each state"):
        MixtureEmission([[0.5, 0.5], [0.5, 0.4]], parts)
    with pytest.raises(LearningError, match="at least one component, not 0"):
        MixtureEmission.initial(np.zeros((5, 1)), 2, np.random.default_rng(0), components=0)
