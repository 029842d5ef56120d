"""Values outside a family's range are refused; the message names variable, row and element."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, UnknownStateError
from mmgraph.graph.evidence import MISSING

NAN = float("nan")
VARIABLES = {
    v.name: v
    for v in (
        mm.Variable("pixels", shape=(3,), family="bernoulli"),
        mm.Variable("image", shape=(2, 2), family="bernoulli"),
        mm.Variable("switch", family="bernoulli"),
        mm.Variable("words", shape=(3,), family="replicated_softmax"),
        mm.Variable("rate", shape=(2,), family="rectified_gaussian"),
        mm.Variable("depth", shape=(2, 2), family="gaussian"),
        mm.Variable("colour", ("red", "blue"), shape=(2,)),
    )
}


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("words", [[1, 2, 0], [1, -2, 3]], r"'words' is negative in row 1, element \[1\] \(-2\)"),
        ("words", [[1.0, 2.5, 0.0]], r"'words' is no whole number in row 0, element \[1\] \(2.5\)"),
        ("words", [[1, 0, 0], [1, NAN, 2]], "lacks the count of word 1 in row 1"),
        (
            "words",
            [[0, 1, 0], [0, 0, 0]],
            "'words' has no words in row 1; mark it missing with NaN",
        ),
        ("words", [0.0, 0.0, 0.0], "no words in row 0"),
        ("words", [[1.0, np.inf, 0.0]], r"'words' is infinite in row 0, element \[1\]"),
        ("rate", [[0.0, 1.0], [2.0, -0.5]], r"'rate' is negative in row 1, element \[1\] \(-0.5\)"),
        ("rate", [[0.0, np.inf]], r"'rate' is infinite in row 0, element \[1\]"),
        ("depth", [[[0.0, 1.0], [-np.inf, NAN]]], r"infinite in row 0, element \[1, 0\]"),
        ("words", torch.tensor([[1.0, 2.0]]), "shape"),
    ],
)
def test_values_outside_the_range(name: str, given: object, message: str):
    with pytest.raises(EvidenceError, match=message):
        mm.Evidence.of({name: given}, VARIABLES)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("pixels", np.array([[0, 1, 0], [0, 1, 7]]), r"row 1, element \[2\]: .*index 7 is out"),
        ("pixels", np.array([0, 7, 0]), r"row 0, element \[1\]: .*index 7.* is out"),
        ("pixels", [[0, 1, 0.5]], r"row 0, element \[2\]: .*no state 0.5"),
        ("pixels", torch.tensor([[0.0, 7.0, NAN]]), r"row 0, element \[1\]: .*index 7.* is out"),
        (
            "image",
            [[[0, 1], [0, 1]], [[0, 1], [7, 1]]],
            r"row 1, element \[1, 0\]: .*index 7 is out",
        ),
        ("pixels", np.array([[0, 1, 0.5]]), r"row 0, element \[2\]: .*no state 0.5"),
        ("switch", [0, 1, 7], "row 2: .*index 7 is out of range"),
        ("switch", np.array(7), "index 7 is out of range"),
        ("colour", [["red", "blue"], ["red", "bleu"]], r"row 1, element \[1\]: .*mean 'blue'"),
    ],
)
def test_states_outside_the_range(name: str, given: object, message: str):
    with pytest.raises(UnknownStateError, match=message):
        mm.Evidence.of({name: given}, VARIABLES)


def test_columns_of_a_frame_are_checked_alike():
    frame = pd.DataFrame({"pixels[0]": [0, 1], "pixels[1]": [1, 7], "pixels[2]": [1, 1]})
    with pytest.raises(
        UnknownStateError, match=r"row 1: variable 'pixels\[1\]' has 2 states; index 7"
    ):
        mm.Evidence.of(frame, VARIABLES)
    counts = pd.DataFrame({f"words[{i}]": [2.0, 0.0] for i in range(3)})
    with pytest.raises(EvidenceError, match="no words in row 1"):
        mm.Evidence.of(counts, VARIABLES)


def test_missing_values_are_nan():
    evidence = mm.Evidence.of(
        {
            "words": [[1, 0, 2], [NAN, NAN, NAN], None],
            "rate": [[NAN, 1.0], [0.0, NAN], None],
            "pixels": np.array([[0.0, NAN, 1.0], [NAN, NAN, NAN], [1.0, 1.0, 1.0]]),
        },
        VARIABLES,
    )
    assert evidence.values["words"].isnan().all(1).tolist() == [False, True, True]
    assert evidence.values["rate"].isnan().tolist() == [[True, False], [False, True], [True, True]]
    found = evidence.hard("pixels")
    assert found is not None
    assert found[0].tolist() == [0, MISSING, 1]


def test_counts_in_whole_numbers_become_floating():
    evidence = mm.Evidence.of({"words": torch.tensor([[1, 0, 2]])}, VARIABLES)
    assert evidence.values["words"].dtype == torch.float64
