"""Evidence from arguments and CSV files: what is read, and what is refused with which words."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.cli.evidence import read_evidence
from mmgraph.graph.errors import MmgraphError

COLOUR = mm.Variable("colour", ("red", "green"))
DIGIT = mm.Variable("digit", (1, 2, 3))
FLAG = mm.Variable("flag", (False, True))
EQUATION = mm.Variable("a=b", ("c=d", "="))
NESTED = mm.Variable("a", ("b=c=d", "e"))
TEMPERATURE = mm.Variable("temperature", family="gaussian")
SOUND = mm.Variable("sound", shape=(2,), family="gaussian")
IMAGE = mm.Variable("image", 2, shape=(2, 2))
VARIABLES = (COLOUR, DIGIT, FLAG, EQUATION, NESTED, TEMPERATURE, SOUND, IMAGE)
MODEL = mm.FactorGraph(VARIABLES, [mm.TableFactor([COLOUR], np.ones(2))])


def from_file(tmp_path: Path, text: str, *given: str):
    file = tmp_path / "rows.csv"
    file.write_text(text, encoding="utf-8")
    return read_evidence(MODEL, given, file)[0]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("colour=green", {"colour": "green"}),
        ("colour=1", {"colour": 1}),
        ("digit=2", {"digit": 2}),
        ("digit=2.0", {"digit": 2}),
        ("flag=True", {"flag": True}),
        ("a=b=c=d", {"a=b": "c=d"}),
        ("a=e", {"a": "e"}),
        ("a=b==", {"a=b": "="}),
    ],
)
def test_an_argument_is_split_at_the_longest_name(argument: str, expected: dict[str, object]):
    evidence, is_file = read_evidence(MODEL, [argument], None)
    assert evidence == expected
    assert not is_file
    (value,) = evidence.values()
    assert type(value) is type(next(iter(expected.values())))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("colour", "not of the form NAME=STATE"),
        ("color=red", "did you mean 'colour'"),
        ("sound=1", "'sound' is continuous"),
        ("image=1", "array of shape"),
    ],
)
def test_an_argument_is_refused(argument: str, message: str):
    with pytest.raises(MmgraphError, match=message):
        read_evidence(MODEL, [argument], None)


def test_rows_of_a_file(tmp_path: Path):
    text = "\ufeffcolour,digit,temperature,sound[1],sound[0]\nred,1.0,1.5,4,3\n\n,,,,-1e3\n"
    evidence = from_file(tmp_path, text, "flag=False")
    assert evidence["colour"] == ["red", None]
    assert evidence["digit"] == [1, None]
    assert evidence["flag"] == [False, False]
    assert evidence["temperature"][0] == 1.5
    assert math.isnan(evidence["temperature"][1])
    assert evidence["sound"][0] == [3.0, 4.0]
    assert evidence["sound"][1][0] == -1000.0
    assert math.isnan(evidence["sound"][1][1])
    assert mm.Evidence.of(evidence, MODEL.variables).batch == 2


def test_an_empty_quoted_cell_is_missing(tmp_path: Path):
    assert from_file(tmp_path, 'colour,digit\n"","2"\n') == {"colour": [None], "digit": [2]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header"),
        ("colour\n", "at least one row"),
        ("colour,digit\nred\n", "line 2: expected 2 cells, found 1"),
        ("colour,digit\n\nred,1,2\n", "line 3: expected 2 cells, found 3"),
        ("colour,colour\nred,red\n", "'colour' stands there twice"),
        ('colour\n"red\n', "line 2"),
        ("colour\nred\nrde\n", "rows.csv, line 3: .* did you mean 'red'"),
        ("colour\n5\n", "line 2: .* out of range"),
        ("color\nred\n", "did you mean 'colour'"),
        ("temperature\n1\nhot\n", "line 3: the column 'temperature' holds 'hot'"),
        ("sound[0]\n1\n", r"lacks the column sound\[1\]"),
        ("sound[0],sound[1],sound[2]\n1,2,3\n", r"no element 'sound\[2\]'"),
        ("sound[0\n1\n", "not a variable"),
        ("sound[x]\n1\n", "not a variable"),
        ("sound[²]\n1\n", "not a variable"),
        ("sound\n1\n", r"its columns are sound\[0\] … sound\[1\]"),
        ("colour[0]\nred\n", r"discrete and has no element 'colour\[0\]'"),
        ("temperature[0]\n1\n", "no element"),
        ("image\n1\n", r"image\[0\] … image\[1, 1\]"),
        ("colour\n" + "9" * 5000 + "\n", "no state"),
    ],
)
def test_a_file_is_refused(tmp_path: Path, text: str, message: str):
    with pytest.raises(MmgraphError, match=message):
        from_file(tmp_path, text)


def test_a_variable_is_given_twice(tmp_path: Path):
    with pytest.raises(MmgraphError, match=r"both by --evidence and in .*rows.csv"):
        from_file(tmp_path, "colour\nred\n", "colour=red")
    with pytest.raises(MmgraphError, match="given twice"):
        read_evidence(MODEL, ["colour=red", "colour=green"], None)
