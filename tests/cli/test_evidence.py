"""Evidence from arguments and CSV files: what is read, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
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


def from_file(tmp_path: Path, text: str, *given: str, **reading) -> mm.Evidence:
    file = tmp_path / "rows.csv"
    file.write_bytes(text.encode(reading.get("encoding", "utf-8")))
    evidence, is_file = read_evidence(MODEL, given, file, **reading)
    assert is_file
    return mm.Evidence.of(evidence, MODEL.variables)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("colour=green", {"colour": "green"}),
        ("colour=1", {"colour": "green"}),
        ("flag=TRUE", {"flag": True}),
        ("temperature=37.5", {"temperature": 37.5}),
        ("sound[1]=-1e3", {"sound[1]": -1000.0}),
        ("image[1,0]=1", {"image[1,0]": 1}),
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
        ("colour=gren", "did you mean 'green'"),
        ("colour=", "no state ''"),
        ("colour=-1", "'-1' stands for a missing one"),
        ("sound=1", r"'sound' is an array of shape \(2,\); its elements are sound\[0\]"),
        ("sound[2]=1", "no element of 'sound'"),
        ("image=1", "array of shape"),
        ("temperature=hot", "'hot' is no number"),
        ("temperature=1_0", "'1_0' is no number"),
    ],
)
def test_an_argument_is_refused(argument: str, message: str):
    with pytest.raises(MmgraphError, match=message):
        read_evidence(MODEL, [argument], None)


def codes(evidence: mm.Evidence, name: str) -> list[int]:
    found = evidence.hard(name)
    assert found is not None
    return found.tolist()


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_rows_of_a_file(tmp_path: Path, ending: str):
    text = "\ufeffcolour,digit,temperature,sound[1],sound[0]\nred,1.0,1.5,4,3\n\n,,,,-1e3\n"
    evidence = from_file(tmp_path, text.replace("\n", ending), "flag=False")
    assert evidence.batch == 2
    assert codes(evidence, "colour") == [0, -1]
    assert codes(evidence, "digit") == [0, -1]
    assert codes(evidence, "flag") == [0, 0]
    expected = {"temperature": [1.5, np.nan], "sound": [[3.0, 4.0], [-1000.0, np.nan]]}
    for name, values in expected.items():
        np.testing.assert_array_equal(evidence.values[name].numpy(), values)


def test_an_empty_quoted_cell_is_missing(tmp_path: Path):
    evidence = from_file(tmp_path, 'colour,digit\n"","2"\n')
    assert evidence.columns == ("digit",)
    assert codes(evidence, "digit") == [1]


def test_all_row_groups_of_a_parquet_file_are_read(tmp_path: Path):
    frame = pd.DataFrame({"colour": ["red", "green", None] * 4, "temperature": np.arange(12.0)})
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=5)
    evidence, _ = read_evidence(MODEL, ["flag=True"], tmp_path / "rows.parquet")
    found = mm.Evidence.of(evidence, MODEL.variables)
    assert codes(found, "colour") == [0, 1, -1] * 4
    assert codes(found, "flag") == [1] * 12
    assert found.values["temperature"].tolist() == list(range(12))


def test_how_a_file_is_read_can_be_said(tmp_path: Path):
    text = "colour;note;digit\nNA;é;2\nred;;-9\n"
    reading = {"encoding": "latin-1", "separator": ";", "missing": ["NA", -9], "extra": "ignore"}
    evidence = from_file(tmp_path, text, **reading)
    assert codes(evidence, "colour") == [-1, 0]
    assert codes(evidence, "digit") == [1, -1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header"),
        ("colour\n", "at least one row"),
        ("colour,digit\nred\n", "line 2: expected 2 cells, as the header has, found 1"),
        ("colour,digit\n\nred,1,2\n", "line 3: expected 2 cells, as the header has, found 3"),
        ("colour,colour\nred,red\n", "'colour' stands there twice"),
        ("colour\nred\nrde\n", "rows.csv, line 3: .* did you mean 'red'"),
        ('colour\n"red\n', "near line"),
        ("colour;digit\nred;1\n", "separator=';'"),
        ("colour\n5\n", "line 2: .* out of range"),
        ("color\nred\n", "did you mean 'colour'"),
        ("temperature\n1\nhot\n", "line 3: 'temperature' is no number: 'hot'"),
        ("sound[0]\n1\n", "1 of the 2 elements of 'sound'"),
        ("sound[0],sound[1],sound[2]\n1,2,3\n", r"'sound\[2\]' is no element of 'sound'"),
        ("sound[0\n1\n", "not a variable"),
        ("sound[x]\n1\n", "not a variable"),
        ("sound[²]\n1\n", "not a variable"),
        ("sound\n1\n", r"its elements are sound\[0\] … sound\[1\]"),
        ("colour[0]\nred\n", r"column 'colour\[0\]' is not a variable"),
        ("temperature[0]\n1\n", "not a variable"),
        ("image\n1\n", r"image\[0,0\] … image\[1,1\]"),
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
