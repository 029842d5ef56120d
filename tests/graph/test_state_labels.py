"""What a single cell means: labels before indices, truth values, numbers, texts, intervals."""

from __future__ import annotations

import enum
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, UnknownStateError
from mmgraph.graph.state_labels import MISSING, StateLabels, number_spelled


class Colour(enum.StrEnum):
    A = "a"
    B = "b"


def read(labels, cell) -> int:
    return mm.Variable("v", labels).reader.read(cell)


@pytest.mark.parametrize(
    ("labels", "cell", "code"),
    [
        # truth values are labels that spell them, and never numbers
        (("true", "false"), True, 0),
        (("TRUE", "FALSE"), np.bool_(False), 1),
        (("False", "True"), True, 1),
        ((False, True), True, 1),
        ((True, False), "False", 1),
        ((True, False), 1, 0),
        ((True, False), 0, 1),
        # numbers that labels are, or spell
        ((1, 0), 1, 0),
        ((1, 0), 0.0, 1),
        ((1, 2, 3), np.int64(3), 2),
        (("1", "2", "3"), 1, 0),
        (("1", "2", "3"), 2.0, 1),
        (("1.0", "2.0"), 2, 1),
        (("1", "1.0"), 1, 0),
        (("1", "1.0"), 1.0, 1),
        ((0.5, 1.5), 1.5, 1),
        ((0.5, 1.5), "1.5", 1),
        ((-1, 1), -1, 0),
        ((1, 2), Decimal(2), 1),
        (4, 3, 3),
        (4, "3", 3),
        # indices, where no label could be meant
        (("no", "yes"), 1, 1),
        (("no", "yes"), "1", 1),
        (("no", "yes"), 1.0, 1),
        (("state0", "state1"), 1, 1),
        (("no", "yes"), torch.tensor(1), 1),
        (("false", "true"), 1, 1),
        ((1, "1"), 1, 0),
        ((1, "1"), "1", 1),
        ((True, "true"), True, 0),
        ((True, "true"), "true", 1),
        ((1.0, math.inf), "inf", 1),
        ((0.1, 0.2), np.float32(0.1), 0),
        ((np.float32(0.1), 0.2), 0.1, 0),
        (("a", "b"), Colour.B, 1),
        # said outright
        ((1, 0), mm.index(0), 0),
        (("2", "1"), mm.index(1), 1),
        # texts
        (("1", "2"), "1.0", 0),
        ((1, 2), "1.0", 0),
        ((True, False), "TRUE", 0),
        (("yes", "no"), b"no", 1),
        (("None", "NA", "nan"), "nan", 2),
        (("1E2", "100"), 100, 1),
        (("1E2", "100"), "1E2", 0),
        # intervals
        (("[0, 18)", "[18, 65)", "[65, inf)"), 18, 1),
        (("(-inf, 0.5]", "(0.5, inf)"), 0.5, 0),
        (("[0, 18)", "[18, 65)"), "37.50", 1),
        (("[0, 18)", "[18, 65)"), "[0, 18)", 0),
        # missing
        (("no", "yes"), None, MISSING),
        (("no", "yes"), math.nan, MISSING),
        (("no", "yes"), pd.NA, MISSING),
        (("no", "yes"), pd.NaT, MISSING),
        (("no", "yes"), -1, MISSING),
        (("1", "2"), -1.0, MISSING),
        (3, "-1", MISSING),
        ((1, 2), mm.index(-1), MISSING),
    ],
)
def test_what_a_cell_means(labels, cell, code):
    assert read(labels, cell) == code
    assert read(labels, cell) == code


@pytest.mark.parametrize(
    ("labels", "cell", "message"),
    [
        (("yes", "no"), True, r"no state True \(its states: 'yes', 'no'\)"),
        ((1, 0), True, "no state True"),
        (2, True, "no state True"),
        (("true", "True"), True, "could mean 'true' or 'True'"),
        (("1", "1.0", "x"), "1.00", "no state '1.00'"),
        (("01", "02"), 1, "no state 1"),
        (("true", "false"), 1, "1 could mean 'true' or 'false'; write the label"),
        (("TRUE", "FALSE"), 0.0, "could mean 'FALSE' or 'TRUE'"),
        (("[0, 10)", "[10, 20]"), -1.0, "no state -1.0"),
        (("[0, 18)", "[18, 65)"), "045", "no state '045'"),
        (("[0, 18)", "[18, 65)"), "1E1", "no state '1E1'"),
        (("02139", "10001"), "2139", "no state '2139'"),
        (("02139", "x"), 1, "no state 1"),
        (("<20", "20-40"), 1, "no state 1"),
        (("a", "b"), 2, "has 2 states; index 2 is out of range"),
        (("a", "b"), 0.5, r"mm\.soft\(probabilities"),
        (("a", "b"), -2, "out of range"),
        ((1, 2), 3, r"no state 3 \(its states: 1, 2\)"),
        ((1, 2), "1_0", "no state '1_0'"),
        ((100, 200), "1E2", "no state '1E2'"),
        (("LOW", "HIGH"), "high", "did you mean 'HIGH'"),
        (("a", "b"), "NA", r"missing=\['NA'\]"),
        (("[0, 18)", "[18, 65)"), 70, "no state 70"),
        (("[0, 18)", "[18, 65)"), 10**400, "no state"),
        (("[0, 2]", "[1, 3]"), 1.5, r"could mean '\[0, 2\]' or '\[1, 3\]'"),
        (("a", "b"), math.inf, "no state inf"),
        (("a", "b"), mm.index(2), "out of range"),
        (("a", "b"), mm.index(0.5), "no state 0.5"),
        (("a", "b"), ("a",), "no state"),
    ],
)
def test_what_names_no_state_is_refused(labels, cell, message):
    for _ in range(2):  # the answer does not depend on earlier ones
        with pytest.raises(UnknownStateError, match=message):
            read(labels, cell)


@pytest.mark.parametrize("cell", [{"a"}, ["a"], {}, np.array(["a"]), torch.tensor([1])])
def test_what_is_no_single_cell_is_refused(cell):
    with pytest.raises(EvidenceError, match="no single state"):
        read(("a", "b"), cell)


def test_an_answer_does_not_depend_on_earlier_ones():
    labels = StateLabels("v", ("1", "0"))
    assert [labels.read(cell) for cell in (1, "1", 1.0, 0, "0")] == [0, 0, 0, 1, 1]
    for cell in (True, np.True_):
        with pytest.raises(UnknownStateError):
            labels.read(cell)
    assert labels.read(1) == 0


def test_a_bernoulli_variable_counts_false_and_true():
    unit = mm.Variable("u", family="bernoulli")
    assert [unit.code(False), unit.code(True), unit.code(1)] == [0, 1, 1]


@pytest.mark.parametrize("text", ["0", "7", "-3", "1.0", "0.25", "-0.5", "1e-05"])
def test_texts_that_are_numbers(text):
    assert number_spelled(text) == float(text)


@pytest.mark.parametrize(
    "text",
    ["", "02139", "1_0", "1E2", "1.50", " 1", "+1", "٣", "1.", ".5", "nan", "inf", "-0", "1e2"],
)
def test_texts_that_are_names(text):
    assert number_spelled(text) is None
