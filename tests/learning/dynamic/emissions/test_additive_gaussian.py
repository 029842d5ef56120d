"""Contributions are learned as least squares finds them, and come back from their arrays."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.additive_gaussian import AdditiveGaussianEmission
from mmgraph.learning.dynamic.emissions.named import emission_class


def drawn(generator, sizes=(2, 3), features=2):
    return AdditiveGaussianEmission(
        [generator.normal(size=(k, features)) for k in sizes], np.eye(features)
    )


def test_known_states_give_least_squares():
    generator = np.random.default_rng(0)
    emission = drawn(generator)
    states = generator.integers(5, size=200)  # joint state 5 is never visited
    rows = emission.sample(states, generator)
    design = emission.design()[states]
    best, *_ = np.linalg.lstsq(design, rows, rcond=None)
    learned = emission.updated(emission.statistics(rows, np.eye(6)[states]))
    fitted = design @ np.concatenate(learned.contributions)
    np.testing.assert_allclose(fitted, design @ best)
    rest = rows - fitted
    np.testing.assert_allclose(learned.covariance_matrix, rest.T @ rest / 200)
    again = emission_class(learned.kind).restored(learned.parameters(), learned.settings())
    np.testing.assert_array_equal(again.log_densities(rows), learned.log_densities(rows))


def test_a_state_never_visited_keeps_its_contribution():
    generator = np.random.default_rng(1)
    emission = drawn(generator)
    states = generator.integers(2, size=50) * 3  # the second chain stays in its first state
    rows = emission.sample(states, generator)
    learned = emission.updated(emission.statistics(rows, np.eye(6)[states]))
    np.testing.assert_allclose(learned.contributions[1][1:], emission.contributions[1][1:])


def test_bad_parameters_are_named():
    with pytest.raises(LearningError, match="contributions are"):
        AdditiveGaussianEmission([np.ones((2, 1)), np.ones((2, 2))], np.eye(2))
    with pytest.raises(LearningError, match="symmetric"):
        AdditiveGaussianEmission([np.ones((2, 2))], [[1, 2], [0, 1]])
    with pytest.raises(LearningError, match="missing in all rows"):
        AdditiveGaussianEmission.initial(np.full((3, 1), np.nan), 2, np.random.default_rng(0))
