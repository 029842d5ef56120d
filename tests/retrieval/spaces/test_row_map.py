import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import rbf_kernel

from mmgraph.retrieval.spaces import row_map
from mmgraph.retrieval.spaces.row_map import RowMap


def rows(count: int = 40, width: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, width)).astype("f4")


def centred(kernel: np.ndarray) -> np.ndarray:
    middle = np.eye(len(kernel)) - 1 / len(kernel)
    return middle @ kernel @ middle


def test_linear_coordinates_have_the_products_of_scaled_features():
    table = rows()
    _, coordinates = RowMap.fitted(table, (2, 4), 0.0, 0)
    scaled = (table - table.mean(0)) / table.std(0) / np.sqrt([4, 4, 8, 8, 8, 8])
    np.testing.assert_allclose(coordinates @ coordinates.T, scaled @ scaled.T, atol=1e-5)


def test_gaussian_coordinates_have_the_products_of_the_centred_kernel():
    table = rows()
    _, coordinates = RowMap.fitted(table, (6,), 0.7, 0)
    scaled = (table - table.mean(0)) / table.std(0) / np.sqrt(6)
    squares = ((scaled[:, None] - scaled) ** 2).sum(-1)
    typical = np.median(squares[np.triu_indices(len(squares), 1)])
    kernel = rbf_kernel(scaled, gamma=0.7 / typical)
    np.testing.assert_allclose(coordinates @ coordinates.T, centred(kernel), atol=1e-4)


def test_sparse_rows_are_placed_as_dense_ones_without_scales():
    table = np.where(rows() > 1, rows(), 0)
    _, coordinates = RowMap.fitted(sp.csr_array(table), (), 0.0, 0)
    there = table.any(1)
    found = coordinates[there]
    np.testing.assert_allclose(found @ found.T, centred(table[there] @ table[there].T), atol=1e-5)
    assert there.sum() < len(table)
    assert not coordinates[~there].any()


@pytest.mark.parametrize("steepness", [0.0, 0.7])
def test_the_rows_fitted_to_are_placed_at_their_coordinates(steepness):
    fitted, coordinates = RowMap.fitted(rows(), (6,), steepness, 0)
    np.testing.assert_allclose(fitted(rows()), coordinates, atol=1e-4)
    matrix = np.random.default_rng(1).normal(size=(coordinates.shape[1], 2))
    np.testing.assert_allclose(fitted.then(matrix)(rows()), coordinates @ matrix, atol=1e-4)


def test_fewer_landmarks_than_rows_place_nearly_as_all(monkeypatch):
    table = rows(count=300)
    _, exact = RowMap.fitted(table, (6,), 0.1, 0)
    monkeypatch.setattr(row_map, "MOST_LANDMARKS", 100)
    _, nearly = RowMap.fitted(table, (6,), 0.1, 0)
    assert not np.array_equal(nearly.shape, exact.shape)
    np.testing.assert_allclose(nearly @ nearly.T, exact @ exact.T, atol=0.02)


def test_equal_rows_are_one_landmark():
    fitted, _ = RowMap.fitted(np.repeat(rows(), 3, axis=0), (6,), 0.5, 0)
    assert len(fitted.landmarks) == len(rows())


def test_features_that_do_not_vary_are_not_looked_at():
    table = rows()
    table[:, 2] = 7
    fitted, _ = RowMap.fitted(table, (6,), 0.0, 0)
    other = table.copy()
    other[:, 2] = -100
    np.testing.assert_array_equal(fitted(other), fitted(table))


@pytest.mark.parametrize("steepness", [0.0, 0.7])
def test_several_linear_maps_may_follow(steepness):
    fitted, coordinates = RowMap.fitted(rows(), (6,), steepness, 0)
    one = np.random.default_rng(1).normal(size=(coordinates.shape[1], 3))
    other = np.random.default_rng(2).normal(size=(3, 2))
    twice = fitted.then(one).then(other)
    np.testing.assert_allclose(twice(rows()), coordinates @ one @ other, atol=1e-4)
