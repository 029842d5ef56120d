"""Emissions by name and by modality: how they are read, started and set."""

import numpy as np
import pytest

from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.learning.dynamic.emissions.choice import EmissionChoice
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.learning.dynamic.emissions.named import EMISSIONS, emission_class
from mmgraph.learning.dynamic.emissions.scores import ScoreEmission

TWO = GaussianEmission([[0.0, 0], [1, 1]], np.ones((2, 2)))


@pytest.mark.parametrize("kind", EMISSIONS)
def test_every_kind_is_found_by_its_name(kind):
    assert emission_class(kind).kind == kind


def test_unknown_kinds_are_named_with_the_nearest():
    for spec in ("gausian", {"a": "scores", "b": "gausian"}):
        with pytest.raises(LearningError, match="'gausian'; did you mean 'gaussian'"):
            EmissionChoice(spec)
    with pytest.raises(LearningError, match="not negative, as -1"):
        EmissionChoice("gaussian", pseudo_counts=-1)


def test_infinite_cells_are_refused_where_they_exclude_no_state():
    rows = np.array([[0.0, -np.inf]])
    for spec in ("gaussian", TWO):
        with pytest.raises(EvidenceError, match="step 0: feature 1 is infinite"):
            EmissionChoice(spec).read(rows, None)
    for spec in ("scores", ScoreEmission(2)):
        assert EmissionChoice(spec).read(rows, None).lengths == [1]
        with pytest.raises(EvidenceError, match="step 0: feature 1 is infinite"):
            EmissionChoice(spec).read(-rows, None)
    both = EmissionChoice({"a": "scores", "b": "gaussian"})
    assert both.read({"a": rows, "b": np.zeros(1)}, None).parts[0].shape == (1, 3)
    with pytest.raises(EvidenceError, match="modality 'b': sequence 0, step 0: feature 1"):
        both.read({"a": rows, "b": rows}, None)


def test_widths_come_from_the_emission_or_the_first_sequence_there():
    choice = EmissionChoice({"a": TWO, "b": "gaussian"})
    read = choice.read({"b": [None, np.zeros((4, 3))], "a": [np.zeros((2, 2)), None]}, None)
    assert [part.shape for part in read.parts] == [(2, 5), (4, 5)]
    assert np.isnan(read.parts[0][:, 2:]).all()
    assert np.isnan(read.parts[1][:, :2]).all()
    with pytest.raises(EvidenceError, match="modality 'b' is missing in sequence 0, and its width"):
        choice.read({"a": np.zeros((2, 2))}, None)
    with pytest.raises(EvidenceError, match=r"modalities .a, b. sequences are a mapping"):
        choice.read(np.zeros((2, 2)), None)
    with pytest.raises(EvidenceError, match="3 features, and 2 are expected"):
        EmissionChoice(TWO).read(np.zeros((2, 3)), None)


def test_known_states_give_first_values():
    rows = np.array([[0.0], [2], [10], [14], [100]])
    codes = np.array([0, 0, 1, 1, -1])
    choice = EmissionChoice("gaussian")
    generator = np.random.default_rng(0)
    first = choice.first(rows, choice.read(rows, None), 2, generator, codes)
    np.testing.assert_allclose(first.means, [[1], [12]])


@pytest.mark.parametrize(
    ("spec", "arrays", "kind"),
    [
        ("gaussian", {"means": [[0.0], [1]], "covariances": [[1.0], [1]]}, "gaussian"),
        ("categorical", {"probabilities": [[0.5, 0.5], [1, 0]]}, "categorical"),
        (
            "mixture",
            {
                "weights": [[0.5, 0.5]] * 2,
                "means": np.zeros((2, 2, 3)),
                "covariances": np.ones((2, 2, 3)),
            },
            "mixture",
        ),
        (
            "autoregressive",
            {"coefficients": np.zeros((2, 1, 2)), "covariances": np.ones((2, 1, 1))},
            "autoregressive",
        ),
        ("scores", {}, "scores"),
    ],
)
def test_arrays_by_name_make_emissions(spec, arrays, kind):
    made = EmissionChoice(spec).made(arrays, 2)
    assert (made.kind, made.states) == (kind, 2)


def test_other_arrays_are_refused():
    assert EmissionChoice("gaussian").made({}, 2) is None
    with pytest.raises(LearningError, match="array of gaussian emissions: 'mean'; did you mean"):
        EmissionChoice("gaussian").made({"mean": [[0.0]]}, 1)
    with pytest.raises(LearningError, match=r"not the arrays of mixture emissions.*weights"):
        EmissionChoice("mixture").made({"means": [[[0.0]]]}, 1)
    with pytest.raises(LearningError, match="of several modalities give emission="):
        EmissionChoice({"a": "gaussian"}).made({"means": [[0.0]]}, 1)
