"""Variables: states, indices, and errors that name the variable."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import GraphError, UnknownStateError


def test_labels_and_indices_are_both_understood():
    v = mm.Variable("activity", ("eat", "sleep", "walk"), modality="sound")
    assert [v.code("sleep"), v.code(2), v.code(np.int64(0)), v.code(np.str_("walk"))] == [
        1,
        2,
        0,
        2,
    ]
    assert (v.cardinality, v.labels, v.size) == (3, ("eat", "sleep", "walk"), 1)


def test_integer_labels_win_over_indices():
    v = mm.Variable("grade", (1, 2, 3))
    assert v.code(1) == 0
    with pytest.raises(UnknownStateError, match="no state 0"):
        v.code(0)


def test_a_count_of_states_has_its_indices_as_labels():
    v = mm.Variable("x", 3)
    assert v.labels == (0, 1, 2)
    assert v.code("2") == 2
    with pytest.raises(UnknownStateError, match="'x'"):
        v.code(3)


def test_truth_values_that_a_reader_made_of_labels():
    v = mm.Variable("history", ("TRUE", "FALSE"))
    assert [v.code(True), v.code(np.bool_(False))] == [0, 1]
    with pytest.raises(UnknownStateError, match="True"):
        mm.Variable("x", ("yes", "no")).code(True)


def test_families_and_shapes():
    assert mm.Variable("u", family="bernoulli").cardinality == 2
    features = mm.Variable("f", shape=(4, 5), family="gaussian")
    assert (features.size, features.is_discrete) == (20, False)
    with pytest.raises(GraphError, match="no states"):
        features.labels  # noqa: B018


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "non-empty"),
        ({"name": "x"}, "'x': a categorical variable needs its states"),
        ({"name": "x", "states": 0}, "at least one state"),
        ({"name": "x", "states": ()}, "at least one state"),
        ({"name": "x", "states": ("a", "b", "a")}, "'a' is given twice"),
        ({"name": "x", "states": 2, "shape": (3, 0)}, "positive"),
        ({"name": "x", "states": 2, "family": "gausian"}, "did you mean 'gaussian'"),
        ({"name": "x", "states": 2, "family": "gaussian"}, "has no states"),
        ({"name": "w", "family": "replicated_softmax"}, "'w': word counts have one axis"),
        ({"name": "w", "family": "replicated_softmax", "shape": (3, 4)}, "one axis"),
    ],
)
def test_bad_input(arguments: dict[str, object], message: str):
    with pytest.raises(GraphError, match=message):
        mm.Variable(**arguments)  # type: ignore[arg-type]


def test_an_unknown_state_names_the_nearest():
    with pytest.raises(UnknownStateError, match="did you mean 'sleep'"):
        mm.Variable("activity", ("eat", "sleep")).code("slep")
