"""Scores as emissions."""

import numpy as np
import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.scores import ScoreEmission


def test_scores_are_densities_and_there_is_nothing_to_learn():
    emission = ScoreEmission(2)
    rows = np.array([[1.0, -2], [np.nan, -np.inf]])
    np.testing.assert_array_equal(emission.log_densities(rows), [[1, -2], [0, -np.inf]])
    assert np.isnan(rows[1, 0])  # users' rows stay as they are
    assert emission.updated(emission.statistics(rows, np.ones((2, 2)))) is emission


def test_what_scores_cannot_do_is_named():
    with pytest.raises(LearningError, match="a column for each of the 2 states, not 3"):
        ScoreEmission.initial(np.zeros((1, 3)), 2, np.random.default_rng(0))
    with pytest.raises(LearningError, match="no distribution"):
        ScoreEmission(2).sample(np.zeros(1, int), np.random.default_rng(0))
