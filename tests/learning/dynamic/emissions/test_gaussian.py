"""Normal emissions against scipy, and their updates against moments computed one by one."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions import gaussian
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission, floored
from tests.learning.dynamic.emissions.drawn_emissions import (
    COVARIANCES,
    drawn_covariances,
    drawn_gaussian,
    drawn_rows,
)


@pytest.mark.parametrize("kind", COVARIANCES)
@pytest.mark.parametrize("features", [1, 4])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_densities_are_those_of_scipy(kind, features, missing):
    generator = np.random.default_rng(features)
    given, full = drawn_covariances(generator, kind, 3, features)
    emission = GaussianEmission(generator.standard_normal((3, features)), given, kind)
    rows = drawn_rows(generator, emission, 40, missing)
    rows[3] += 50  # an outlier
    truth = np.zeros((40, 3))
    for t, row in enumerate(rows):
        there = ~np.isnan(row)
        for k in range(3) if there.any() else ():
            truth[t, k] = multivariate_normal.logpdf(
                row[there], emission.means[k, there], full[k][np.ix_(there, there)]
            )
    np.testing.assert_allclose(emission.log_densities(rows), truth, rtol=1e-10, atol=1e-12)


def test_what_is_remembered_of_missing_cells_is_bounded(monkeypatch):
    generator = np.random.default_rng(0)
    emission = drawn_gaussian(generator, "full", 2, 6)
    rows = drawn_rows(generator, emission, 200, 0.5)
    free = emission.log_densities(rows)
    monkeypatch.setattr(gaussian, "_MOST_PATTERNS", 3)
    bounded = GaussianEmission(emission.means, emission.covariances, "full")
    np.testing.assert_array_equal(bounded.log_densities(rows), free)
    np.testing.assert_array_equal(bounded.log_densities(rows), free)
    assert len(bounded._patterns) == 3 < len(emission._patterns)


@pytest.mark.parametrize("kind", COVARIANCES)
def test_updates_are_weighted_moments(kind):
    generator = np.random.default_rng(1)
    emission = drawn_gaussian(generator, kind, 2, 3)
    rows = drawn_rows(generator, emission, 50, 0.0) + 1e4
    weights = generator.dirichlet(np.ones(2), 50)
    updated = emission.updated(emission.statistics(rows, weights))
    means = np.array([np.average(rows, 0, w) for w in weights.T])
    full = np.array([np.cov(rows.T, bias=True, aweights=w) for w in weights.T])
    truth = {
        "diagonal": np.diagonal(full, axis1=1, axis2=2),
        "full": full,
        "tied": np.average(full, 0, weights.sum(0)),
        "spherical": np.trace(full, axis1=1, axis2=2) / 3,
    }[kind]
    np.testing.assert_allclose(updated.means, means, rtol=1e-10)
    np.testing.assert_allclose(updated.covariances, truth, atol=1e-6)


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_missing_cells_are_expected_given_the_others(kind):
    generator = np.random.default_rng(2)
    emission = drawn_gaussian(generator, kind, 2, 4)
    rows = drawn_rows(generator, emission, 30, 0.4)
    weights = generator.dirichlet(np.ones(2), 30)
    found = emission.statistics(rows, weights)
    covariances = emission._full()
    first, second = np.zeros((2, 4)), np.zeros((2, 4, 4))
    for row, weight in zip(rows, weights, strict=True):
        there = ~np.isnan(row)
        for k in range(2):
            gain = covariances[k][:, there] @ np.linalg.pinv(covariances[k][np.ix_(there, there)])
            distance = gain @ (row - emission.means[k])[there]
            left = covariances[k] - gain @ covariances[k][there]
            first[k] += weight[k] * distance
            second[k] += weight[k] * (np.outer(distance, distance) + left)
    np.testing.assert_allclose(found["first"], first, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found["second"], second, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", COVARIANCES)
def test_cells_of_independent_features_count_where_they_are(kind):
    if kind in ("full", "tied"):
        kind = "diagonal"
    rows = np.array([[0.0, np.nan], [2.0, 5.0], [np.nan, 7.0], [np.nan, np.nan]])
    emission = GaussianEmission([[0.0, 0]], [1.0] if kind == "spherical" else [[1.0, 1]], kind)
    updated = emission.updated(emission.statistics(rows, np.ones((4, 1))))
    np.testing.assert_allclose(updated.means, [[1, 6]])
    np.testing.assert_allclose(updated.covariances, [1] if kind == "spherical" else [[1, 1]])


@pytest.mark.parametrize("kind", COVARIANCES)
def test_a_floor_keeps_what_collapses(kind):
    emission = GaussianEmission(
        np.zeros((2, 2)),
        drawn_covariances(np.random.default_rng(0), kind, 2, 2)[0],
        kind,
        [0.1, 0.4],
    )
    rows = np.array([[1.0, 2], [1.0, 2], [3.0, 4]])
    updated = emission.updated(emission.statistics(rows, np.array([[1.0, 0], [1, 0], [0, 1]])))
    least = {"diagonal": [[0.1, 0.4]] * 2, "spherical": [0.25] * 2}
    least |= {"full": [np.diag([0.1, 0.4])] * 2, "tied": np.diag([0.1, 0.4])}
    np.testing.assert_allclose(updated.covariances, least[kind], atol=1e-12)
    assert updated.floored_states() == [0, 1]
    assert GaussianEmission(updated.means, updated.covariances, kind).floored_states() == []


def test_the_floor_of_full_matrices_is_the_likeliest_in_every_direction():
    generator = np.random.default_rng(3)
    floor = np.array([0.5, 2.0])
    scatter = np.array([[1.0, 0.9], [0.9, 1.0]])
    best = floored(scatter, floor)
    scaled = best / np.sqrt(np.outer(floor, floor))
    assert np.linalg.eigvalsh(scaled).min() > 1 - 1e-9

    def density(matrix):
        return -np.linalg.slogdet(matrix)[1] - np.trace(np.linalg.solve(matrix, scatter))

    for _ in range(300):
        root = 0.3 * generator.standard_normal((2, 2))
        other = floored(best + root @ root.T * generator.choice([-1, 1]), floor)
        assert density(other) <= density(best) + 1e-9


@pytest.mark.parametrize("rows", [[[5.0, 1e6]] * 3, [[0.0, 0]] * 3, [[1.0, 7], [2.0, 7], [3.0, 7]]])
def test_without_a_floor_matrices_stay_positive_definite(rows):
    emission = GaussianEmission([[0.0, 0]], [np.eye(2)], "full")
    for _ in range(3):
        emission = emission.updated(emission.statistics(np.array(rows), np.ones((3, 1))))
        assert np.isfinite(emission.log_densities(np.array(rows))).all()


def test_a_wide_spread_needs_no_floor():
    rows = 30 * np.random.default_rng(0).standard_normal((100, 2))
    emission = GaussianEmission([[0.0, 0]], [np.eye(2)], "full")
    updated = emission.updated(emission.statistics(rows, np.ones((100, 1))))
    np.testing.assert_allclose(updated.covariances[0], np.cov(rows.T, bias=True), rtol=1e-12)


def test_matrices_may_lack_symmetry_in_the_last_digits():
    matrix = np.array([[1.0, 1e-17], [2e-17, 1.0]])
    assert GaussianEmission([[0.0, 0]], [matrix], "full").states == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 1], [1.0, 1]), "means are .states, features., not of shape .2,."),
        (([[0.0, 1]], [[1.0]]), "diagonal covariances of 1 states and 2 features are of shape"),
        (([[0.0], [1]], [[1.0], [0]]), "the covariance of state 1 is not positive definite"),
        (([[0.0], [np.nan]], [[1.0], [1]]), "the means of normal emissions are not finite"),
        (([[0.0]], [[np.inf]]), "the covariances of normal emissions are not finite"),
        (([[0.0, 0]], [[[1, 2], [2, 1]]], "full"), "state 0 is not positive definite"),
        (([[0.0, 0]], [[[1, 2], [0, 9]]], "full"), "state 0 is not positive definite"),
        (([[0.0, 0]], [[1, 2], [2, 1]], "tied"), "the covariance is not positive definite"),
        (([[0.0]], [[1.0]], "diag"), "unknown covariance 'diag'; did you mean 'diagonal'"),
    ],
)
def test_bad_parameters_are_named(arguments, message):
    with pytest.raises(LearningError, match=message):
        GaussianEmission(*arguments)
