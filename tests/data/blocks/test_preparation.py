"""Features on one scale, missing ones filled in by those that are there."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from mmgraph.data.blocks.preparation import Preparation

NAN = np.nan


def correlated(rows: int = 300, seed: int = 0) -> np.ndarray:
    loadings = np.random.default_rng(9).standard_normal((6, 2))
    random = np.random.default_rng(seed)
    return random.standard_normal((rows, 2)) @ loadings.T + 0.1 * random.standard_normal((rows, 6))


@pytest.mark.parametrize("quantiles", [False, True])
def test_complete_rows_are_scaled_as_by_scikit_learn(quantiles):
    table = correlated()
    reference = (
        QuantileTransformer(output_distribution="normal", n_quantiles=200)
        if quantiles
        else StandardScaler()
    ).fit(table)
    new = correlated(20, seed=1)
    prepared = Preparation.fitted(table, quantiles).forward(new)
    np.testing.assert_allclose(prepared, reference.transform(new))


def test_values_that_repeat_or_lie_outside_have_scikit_learns_quantiles():
    random = np.random.default_rng(3)
    table = np.stack([random.integers(0, 3, 60), random.standard_normal(60)], axis=1) * 1.0
    table[random.random(table.shape) < 0.2] = NAN
    new = np.array(
        [
            [-1.0, 9.0],
            [0.0, -9.0],
            [1.0, NAN],
            [0.5, 0.1],
            [2.0, table[~np.isnan(table[:, 1]), 1].max()],
        ]
    )
    reference = QuantileTransformer(output_distribution="normal", n_quantiles=60).fit(table)
    scaled = Preparation.fitted(table, quantiles=True).scaled(new)
    np.testing.assert_allclose(scaled, reference.transform(new), rtol=1e-12)


def test_of_many_rows_the_same_quantiles_are_found_again():
    table = np.random.default_rng(4).standard_normal((10_001, 1))
    first, second = (Preparation.fitted(table, quantiles=True).forward(table) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_missing_values_are_means_given_the_others():
    table = correlated()
    preparation = Preparation.fitted(table, quantiles=False)
    new = correlated(30, seed=1)
    missing = np.random.default_rng(2).random(new.shape) < 0.3
    filled = preparation.forward(np.where(missing, NAN, new))
    scaled = preparation.scaled(new)
    covariance = preparation.loadings @ preparation.loadings.T
    covariance += preparation.noise * np.eye(len(covariance))
    for row, hidden in enumerate(missing):
        seen = ~hidden
        weights = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, hidden)])
        expected = preparation.mean[hidden] + (scaled[row] - preparation.mean)[seen] @ weights
        np.testing.assert_allclose(filled[row][hidden], expected, atol=1e-8)
        np.testing.assert_array_equal(filled[row][seen], scaled[row][seen])


def test_missing_training_values_hardly_matter_where_features_vary_together():
    table = correlated(600)
    sparse = np.where(np.random.default_rng(3).random(table.shape) < 0.2, NAN, table)
    new = correlated(200, seed=1)
    hidden = np.random.default_rng(4).random(new.shape) < 0.2
    whole = Preparation.fitted(table, quantiles=False)
    filled = Preparation.fitted(sparse, quantiles=False).forward(np.where(hidden, NAN, new))
    error = np.abs(filled - whole.scaled(new))[hidden].mean()
    assert error < 0.25  # of a deviation of one; means alone are off by .8


def test_features_that_tell_nothing_are_left_out():
    table = np.column_stack([correlated(50)[:, 0], np.full(50, 3.0), np.full(50, NAN)])
    preparation = Preparation.fitted(table, quantiles=True)
    assert preparation.varying.tolist() == [True, False, False]
    assert preparation.forward(table).shape == (50, 1)
    nothing = Preparation.fitted(table[:, 1:], quantiles=False)
    assert nothing.forward(table[:, 1:]).shape == (50, 0)


def test_rows_of_which_nothing_is_there_are_at_the_mean():
    preparation = Preparation.fitted(correlated(), quantiles=False)
    filled = preparation.forward(np.full((1, 6), NAN))
    np.testing.assert_allclose(filled[0], preparation.mean, atol=1e-12)
