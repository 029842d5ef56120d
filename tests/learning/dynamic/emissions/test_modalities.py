"""Emissions of several modalities: sums of their parts."""

import numpy as np
import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.modalities import ModalityEmission
from mmgraph.learning.dynamic.emissions.scores import ScoreEmission
from tests.learning.dynamic.emissions.drawn_emissions import drawn, drawn_rows


def test_parts_add_up_and_learn_by_themselves():
    generator = np.random.default_rng(0)
    emission = drawn(generator, "modalities")
    assert (emission.features, emission.memory) == (6, 2)
    rows = drawn_rows(generator, emission, 30)
    rows[4, 2:4] = np.nan  # the categories are missing
    weights = generator.dirichlet(np.ones(3), 30)
    updated = emission.updated(emission.statistics(rows, weights))
    total, begin = np.zeros((30, 3)), 0
    for name, part in emission.parts.items():
        width = 6 if name == "autoregressive" else 2
        own = np.ascontiguousarray(rows[:, begin : begin + width])
        begin += width
        total += part.log_densities(own)
        alone = part.updated(part.statistics(own, weights)).parameters()
        for key, array in updated.parts[name].parameters().items():
            np.testing.assert_array_equal(array, alone[key])
    assert begin == rows.shape[1]
    np.testing.assert_allclose(emission.log_densities(rows), total)
    assert updated.floored_states() == updated.parts["autoregressive"].floored_states()


def test_scores_among_them_may_exclude_states():
    with_scores = ModalityEmission(
        {"a": ScoreEmission(2), "b": drawn(np.random.default_rng(0), "full", 2, 1)}
    )
    assert with_scores.excludes
    logs = with_scores.log_densities(np.array([[0.0, -np.inf, np.nan], [np.nan, 1.0, np.nan]]))
    np.testing.assert_array_equal(logs, [[0, -np.inf], [0, 1]])


def test_what_does_not_fit_is_named():
    with pytest.raises(LearningError, match="'a': 2, 'b': 3"):
        ModalityEmission({"a": ScoreEmission(2), "b": ScoreEmission(3)})
    with pytest.raises(LearningError, match="as many states each"):
        ModalityEmission({})
    with pytest.raises(LearningError, match="start one by one"):
        ModalityEmission.initial(np.zeros((1, 1)), 2, np.random.default_rng(0))
