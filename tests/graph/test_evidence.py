"""Evidence from everything that users have, and errors that name variable, state and row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, UnknownStateError, UnknownVariableError
from mmgraph.graph.evidence import MISSING

VARIABLES = {
    v.name: v
    for v in (
        mm.Variable("weather", ("sun", "rain"), modality="sky"),
        mm.Variable("count", 4),
        mm.Variable("image", 3, shape=(2, 2), modality="camera"),
        mm.Variable("x", shape=(2,), family="gaussian", modality="scanner"),
    )
}


def codes(evidence: mm.Evidence, name: str) -> list[int]:
    found = evidence.hard(name)
    assert found is not None
    return found.tolist()


def test_no_evidence_is_one_row():
    assert mm.Evidence.of(None, VARIABLES).batch == 1
    assert mm.Evidence.of({}, VARIABLES).observed() == ()


@pytest.mark.parametrize(
    "given",
    [
        ["rain", None, "sun"],
        np.array(["rain", None, "sun"], dtype=object),
        [1, float("nan"), 0],
        np.array([1.0, np.nan, 0.0]),
        np.array([1, -1, 0]),
        torch.tensor([1, -1, 0]),
        ("rain", np.nan, "sun"),
        pd.array(["rain", pd.NA, "sun"], dtype="string"),
    ],
)
def test_columns_of_any_kind(given: object):
    evidence = mm.Evidence.of({"weather": given}, VARIABLES)
    assert codes(evidence, "weather") == [1, MISSING, 0]


def test_single_values_stand_for_every_row():
    evidence = mm.Evidence.of({"weather": "rain", "count": [0, 3]}, VARIABLES)
    assert evidence.batch == 2
    assert codes(evidence, "weather") == [1, 1]


def test_a_data_frame_with_vector_columns():
    frame = pd.DataFrame(
        {"weather": pd.Categorical(["rain", None]), "x[1]": [1.0, 2.0], "x[0]": [3.0, np.nan]}
    )
    evidence = mm.Evidence.of(frame, VARIABLES)
    assert codes(evidence, "weather") == [1, MISSING]
    np.testing.assert_array_equal(evidence.values["x"].numpy(), [[3.0, 1.0], [np.nan, 2.0]])


def test_numbers_in_lists_keep_double_precision():
    evidence = mm.Evidence.of({"x": [[0.1, 1e200], None]}, VARIABLES)
    assert evidence.values["x"].tolist()[0] == [0.1, 1e200]
    assert bool(evidence.values["x"][1].isnan().all())
    assert mm.Evidence.of({"weather": mm.soft([0.1, 0.2])}, VARIABLES).soft["weather"].tolist() == [
        [0.1, 0.2]
    ]


def test_a_data_frame_with_a_list_in_each_cell():
    evidence = mm.Evidence.of(pd.DataFrame({"x": [[1.0, 2.0], None]}), VARIABLES)
    assert evidence.values["x"].tolist()[0] == [1.0, 2.0]


def test_soft_evidence():
    logs = [0.0, -1.0]
    one = mm.Evidence.of({"weather": mm.soft(logs)}, VARIABLES)
    assert one.soft["weather"].tolist() == [logs]
    many = mm.Evidence.of({"weather": mm.soft(np.array([logs, [-2.0, 0.0]]))}, VARIABLES)
    assert many.batch == 2


def test_arrays_of_states():
    evidence = mm.Evidence.of({"image": np.array([[0, 1], [2, -1]])}, VARIABLES)
    assert codes(evidence, "image") == [[[0, 1], [2, -1]]]


def test_whole_modalities_are_taken_away():
    evidence = mm.Evidence.of({"weather": "sun", "count": 1, "x": [[1.0, 2.0]]}, VARIABLES)
    assert evidence.without("scanner", "sky").observed() == ("count",)
    with pytest.raises(UnknownVariableError, match="did you mean 'scanner'"):
        evidence.without("scaner")


def test_rows_are_picked():
    evidence = mm.Evidence.of({"count": [0, 1, 2], "x": np.arange(6.0).reshape(3, 2)}, VARIABLES)
    some = evidence.rows(np.array([2, 0]))
    assert codes(some, "count") == [2, 0]
    assert some.values["x"].tolist() == [[4.0, 5.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"wether": "sun"}, UnknownVariableError, "did you mean 'weather'"),
        ({"weather": "rian"}, UnknownStateError, "did you mean 'rain'"),
        ({"weather": ["sun", "snow"]}, UnknownStateError, "row 1.*'snow'"),
        ({"count": [0, 4]}, UnknownStateError, "index 4 in row 1|row 1"),
        ({"count": np.array([0.5])}, UnknownStateError, "0.5"),
        ({"weather": ["sun"] * 2, "count": [0] * 3}, EvidenceError, "'count' has 3 rows"),
        ({"weather": []}, EvidenceError, "no rows"),
        ({"weather": mm.soft([0.0, 0.0, 0.0])}, EvidenceError, "shape"),
        ({"weather": mm.soft([0.0, np.nan])}, EvidenceError, "NaN"),
        ({"x": mm.soft([0.0])}, EvidenceError, "no states"),
        ({"x": [[1.0, np.inf]]}, EvidenceError, r"infinite in row 0, element \[1\]"),
        ({"x": [[1.0, 2.0, 3.0]]}, EvidenceError, "shape"),
        ({"x": "loud"}, EvidenceError, "not an array of numbers"),
        ({"image": [0, 1]}, EvidenceError, "image"),
        ("weather=sun", EvidenceError, "dict"),
        ({"weather": [{"sun"}]}, EvidenceError, "no single state"),
        (pd.DataFrame({"x": [[1.0, 2.0], [0.0]]}), EvidenceError, "'x'"),
        (pd.DataFrame({"weather": []}), EvidenceError, "no rows"),
        (pd.DataFrame({"x[0]": [1.0]}), EvidenceError, "1 of the 2 elements of 'x'"),
        (pd.DataFrame({"rain": [1.0]}), UnknownVariableError, "column 'rain'"),
    ],
)
def test_bad_input(data: object, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        mm.Evidence.of(data, VARIABLES)


def test_what_a_mask_hides_is_missing_and_lists_read_as_arrays():
    variables = {"x": mm.Variable("x", 3, (2, 2))}
    masked = np.ma.masked_array([[0, 1], [2, 0]], mask=[[True, False], [False, True]])
    for given in (masked, [[-1, 1], [2, -1]], np.array([[-1, 1], [2, -1]]), [[None, 1], [2, None]]):
        evidence = mm.Evidence.of({"x": given}, variables)
        assert evidence.arrays["x"].tolist() == [[[-1, 1], [2, -1]]]


def test_elements_of_an_array_with_numbers_for_labels():
    variables = {
        "x": mm.Variable("x", (2, 1), (2,)),
        "y": mm.Variable("y", shape=(2,), family="gaussian"),
    }
    found = mm.Evidence.of({"x[0]": 1, "x[1]": [2, None]}, variables)
    assert found.arrays["x"].tolist() == [[1, 0], [1, -1]]
    frame = pd.DataFrame({"x[1]": [1, 2], "x[0]": [2, -9], "y[0]": ["1.5", "-9"], "y[1]": [-9, 3]})
    found = mm.Evidence.of(frame, variables, missing=[-9])
    assert found.arrays["x"].tolist() == [[0, 1], [-1, 0]]
    np.testing.assert_array_equal(found.values["y"], [[1.5, np.nan], [np.nan, 3.0]])


def test_single_elements_of_an_array():
    variables = {"x": mm.Variable("x", ("sea", "land"), (2, 2)), "y": mm.Variable("y", 2)}
    one = mm.Evidence.of({"x[0,1]": "land", "x[1,0]": 0, "y": 1}, variables)
    assert one.arrays["x"].tolist() == [[[-1, 1], [0, -1]]]
    rows = mm.Evidence.of({"x[0,1]": ["land", None], "x[1,1]": "sea"}, variables)
    assert rows.arrays["x"].tolist() == [[[-1, 1], [-1, 0]], [[-1, -1], [-1, 0]]]
    with pytest.raises(EvidenceError, match=r"no element of 'x', whose shape is \(2, 2\)"):
        mm.Evidence.of({"x[2,0]": 1}, variables)
    with pytest.raises(EvidenceError, match="as a whole"):
        mm.Evidence.of({"x": np.zeros((2, 2), int), "x[0,0]": 1}, variables)
    with pytest.raises(EvidenceError, match="has 2 rows, but other elements have 3"):
        mm.Evidence.of({"x[0,0]": [0, 1], "x[0,1]": [0, 1, 0]}, variables)
    with pytest.raises(UnknownStateError, match="lake"):
        mm.Evidence.of({"x[0,0]": "lake"}, variables)
    with pytest.raises(UnknownVariableError):
        mm.Evidence.of({"x[a]": 1}, variables)
