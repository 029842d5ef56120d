"""Normal distributions beside scipy's, ridge regression, and means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mmgraph.experiments.gaussian_network.normals import Normals, means_imputed, ridge_imputed
from mmgraph.graph.errors import LearningError
from tests.experiments.gaussian_network.measured import table

COLUMNS, EXPERIMENT = table()
VALUES = np.log(np.column_stack(list(COLUMNS.values())))


def test_one_for_all_rows():
    normal = multivariate_normal(VALUES.mean(0), np.cov(VALUES.T, bias=True))
    np.testing.assert_allclose(Normals.learned(VALUES).log_density(VALUES), normal.logpdf(VALUES))
    diagonal = multivariate_normal(VALUES.mean(0), np.diag(VALUES.var(0)))
    learned = Normals.learned(VALUES, independent=True)
    np.testing.assert_allclose(learned.log_density(VALUES), diagonal.logpdf(VALUES))
    np.testing.assert_allclose(learned.imputed(VALUES, 1), VALUES[:, 1].mean())


def test_one_for_each_experiment():
    learned = Normals.learned(VALUES, EXPERIMENT)
    parts = [
        multivariate_normal(VALUES[rows].mean(0), np.cov(VALUES[rows].T, bias=True)).pdf(VALUES)
        for rows in (code == EXPERIMENT for code in range(4))
    ]
    mixed = np.log(np.stack(parts, 1) @ learned.weights)
    np.testing.assert_allclose(learned.log_density(VALUES), mixed)
    told = np.log(np.stack(parts, 1)[np.arange(400), EXPERIMENT])
    np.testing.assert_allclose(learned.log_density(VALUES, EXPERIMENT), told)


def test_imputed_is_the_mean_of_the_conditional_density():
    learned = Normals.learned(VALUES, EXPERIMENT)
    grid = np.linspace(-15, 15, 3001)
    points = np.repeat(VALUES[:3], len(grid), axis=0)
    points[:, 0] = np.tile(grid, 3)
    weights = np.exp(learned.log_density(points)).reshape(3, -1)
    expected = weights @ grid / weights.sum(1)
    np.testing.assert_allclose(learned.imputed(VALUES[:3], 0), expected, atol=1e-8)


def test_few_rows_are_refused():
    with pytest.raises(LearningError, match="3 rows do not suffice for the covariance of 3"):
        Normals.learned(VALUES[:203], np.repeat([0, 1], [200, 3]))


def test_ridge_and_means():
    train, test = slice(0, 400, 2), slice(1, 400, 2)
    both = EXPERIMENT[train], EXPERIMENT[test]
    plain = means_imputed(VALUES[train], VALUES[test])
    assert (plain == VALUES[train].mean(0)).all()
    told = means_imputed(VALUES[train], VALUES[test], both)
    np.testing.assert_allclose(told[0], VALUES[train][:50].mean(0))

    def error(imputed: np.ndarray) -> float:
        return float(((imputed - VALUES[test]) ** 2).mean())

    ridge = [error(ridge_imputed(VALUES[train], VALUES[test], given)) for given in (None, both)]
    assert ridge[1] < ridge[0] < error(told) < error(plain)
