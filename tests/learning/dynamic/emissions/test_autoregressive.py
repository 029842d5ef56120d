"""Autoregressive emissions against scipy and weighted least squares."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.autoregressive import AutoregressiveEmission, lagged
from tests.learning.dynamic.emissions.drawn_emissions import drawn


def test_rows_stand_beside_those_before():
    sequence = np.arange(6.0).reshape(3, 2)
    nan = np.nan
    truth = [[0, 1, nan, nan, nan, nan], [2, 3, 0, 1, nan, nan], [4, 5, 2, 3, 0, 1]]
    np.testing.assert_array_equal(lagged(sequence, 2), truth)
    assert lagged(sequence[:1], 2).shape == (1, 6)


def test_densities_are_those_of_scipy():
    generator = np.random.default_rng(0)
    emission = drawn(generator, "autoregressive")
    rows = emission.sample(generator.integers(3, size=40), generator)
    rows[20, 1] = np.nan
    found = emission.log_densities(emission.prepared(rows))
    for t in range(40):
        for k in range(3):
            truth = 0.0
            if t >= 2 and not 20 <= t <= 22:  # what depends on a missing cell says nothing
                before = np.concatenate([rows[t - 1], rows[t - 2], [1.0]])
                mean = emission.coefficients[k] @ before
                truth = multivariate_normal.logpdf(rows[t], mean, emission.noise.covariances[k])
            np.testing.assert_allclose(found[t, k], truth, rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 2e4, 1e6])
def test_updates_are_weighted_least_squares_wherever_rows_lie(offset):
    generator = np.random.default_rng(1)
    wide = AutoregressiveEmission(np.zeros((2, 2, 3)), np.tile(np.eye(2), (2, 1, 1)))
    truth = AutoregressiveEmission(
        [[[0.5, 0.2, 3], [0, 0.7, -2]], [[-0.4, 0, 10], [0.1, 0.3, 0]]],
        [25 * np.eye(2), np.eye(2)],
    )
    states = np.repeat([0, 1], 200)
    rows = truth.prepared(truth.sample(states, generator)) + offset
    weights = np.eye(2)[states] * 0.8 + 0.1
    found = wide
    for _ in range(2):  # once would do but for rounding
        found = found.updated(found.statistics(rows, weights))
    here = rows[1:] - offset
    design = np.concatenate([here[:, 2:], np.ones((399, 1))], 1)
    for k in range(2):
        root = np.sqrt(weights[1:, k])[:, None]
        best, *_ = np.linalg.lstsq(design * root, here[:, :2] * root, rcond=None)
        np.testing.assert_allclose(found.coefficients[k, :, :2], best[:2].T, atol=1e-5)
        left = here[:, :2] - design @ best
        noise = np.cov(left.T, bias=True, aweights=weights[1:, k])
        np.testing.assert_allclose(found.noise.covariances[k], noise, rtol=1e-4, atol=1e-4)


def test_regressors_that_do_not_vary_keep_their_coefficients():
    first = np.array([[[0.5, 0.25, 1.0], [0.0, 0.0, 0.0]]])
    emission = AutoregressiveEmission(first, [np.eye(2)], floor=[0.1, 0.1])
    generator = np.random.default_rng(2)
    rows = np.stack([generator.standard_normal(100).cumsum(), np.full(100, 7.0)], 1)
    rows = emission.prepared(rows)
    updated = emission.updated(emission.statistics(rows, np.ones((100, 1))))
    assert updated.coefficients[0, 0, 1] == 0.25
    np.testing.assert_allclose(updated.coefficients[0, 1] @ [rows[50, 2], 7, 1], 7)
    assert updated.floored_states() == [0]


def test_what_does_not_fit_is_named():
    generator = np.random.default_rng(0)
    with pytest.raises(LearningError, match=r"of order 2, not of shape .1, 1, 2."):
        AutoregressiveEmission(np.zeros((1, 1, 2)), [[[1.0]]], 2)
    with pytest.raises(LearningError, match="not positive definite"):
        AutoregressiveEmission(np.zeros((1, 1, 2)), [[[-1.0]]])
    with pytest.raises(LearningError, match="at least 1, not 0"):
        AutoregressiveEmission.initial(np.zeros((9, 2)), 2, generator, order=0)
    short = lagged(np.zeros((4, 1)), 2)
    with pytest.raises(LearningError, match=r"needs more than 3 complete rows .* there are 2"):
        AutoregressiveEmission.initial(short, 2, generator, order=2)
