"""Categorical emissions: densities and counts by hand."""

import numpy as np
import pytest

from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.learning.dynamic.emissions.categorical import CategoricalEmission

COLOUR = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
SHAPE = np.array([[0.9, 0.1], [0.3, 0.7]])
ROWS = np.array([[0, 1], [2, np.nan], [np.nan, 0], [np.nan, np.nan]])


def test_densities_are_products_of_what_is_there():
    emission = CategoricalEmission([COLOUR, SHAPE])
    with np.errstate(divide="ignore"):
        truth = np.log([[0.5 * 0.1, 0.1 * 0.7], [0, 0.7], [0.9, 0.3], [1, 1]])
    np.testing.assert_allclose(emission.log_densities(ROWS), truth)


@pytest.mark.parametrize("pseudo_counts", [0.0, 2.0])
def test_updates_count(pseudo_counts):
    emission = CategoricalEmission([COLOUR, SHAPE], pseudo_counts)
    weights = np.array([[0.25, 0.75], [0, 1], [1, 0], [0.5, 0.5]])
    colour, shape = emission.updated(emission.statistics(ROWS, weights)).tables
    counts = np.array([[0.25, 0, 0], [0.75, 0, 1]]) + pseudo_counts * (COLOUR > 0)
    np.testing.assert_allclose(colour, counts / counts.sum(1, keepdims=True))
    counts = np.array([[1, 0.25], [0, 0.75]]) + pseudo_counts
    np.testing.assert_allclose(shape, counts / counts.sum(1, keepdims=True))
    prior = np.log(COLOUR[COLOUR > 0]).sum() + np.log(SHAPE).sum()
    np.testing.assert_allclose(emission.log_prior(), pseudo_counts * prior)


def test_one_feature_is_given_as_one_table():
    for table in (SHAPE, SHAPE.tolist(), [SHAPE]):
        emission = CategoricalEmission(table)
        assert (emission.states, emission.features) == (2, 1)


def test_first_values_differ_in_each_state_and_allow_every_category():
    generator = np.random.default_rng(0)
    emission = CategoricalEmission.initial(ROWS, 3, generator)
    assert [table.shape for table in emission.tables] == [(3, 3), (3, 2)]
    assert all((table > 0).all() and np.ptp(table, 0).all() for table in emission.tables)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.0, 2]], "feature 1 holds 2; its categories are 0 to 1"),
        ([[0.0, 0], [-2, 0]], "feature 0 holds -2; its categories are 0 to 2"),
        ([[0.5, 0]], "feature 0 holds 0.5"),
    ],
)
def test_unknown_categories_are_named(rows, message):
    with pytest.raises(EvidenceError, match=message):
        CategoricalEmission([COLOUR, SHAPE]).log_densities(np.array(rows))


def test_minus_one_is_missing_as_in_all_evidence():
    emission = CategoricalEmission([COLOUR, SHAPE])
    marked, missing = (emission.log_densities(np.array([[cell, 1.0]])) for cell in (-1, np.nan))
    np.testing.assert_array_equal(marked, missing)


def test_bad_tables_and_rows_are_named():
    with pytest.raises(LearningError, match=r"feature 1 holds no distribution a state: .*0\.5"):
        CategoricalEmission([COLOUR, [[0.5, 0.5], [0.25, 0.25]]])
    with pytest.raises(LearningError, match=r"feature 1 is to be .states, categories."):
        CategoricalEmission([COLOUR, np.ones((3, 1))])
    for rows, message in (
        ([[-3.0]], "feature 0 holds -3, which is no category's index"),
        ([[1.5]], "feature 0 holds 1.5, which is no category's index"),
        ([[np.nan]], "feature 0 is missing in all rows"),
    ):
        with pytest.raises(LearningError, match=message):
            CategoricalEmission.initial(np.array(rows), 2, np.random.default_rng(0))
