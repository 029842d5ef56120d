"""Tables, schemas and declarations that do not fit, as ``run``, ``fit`` and ``new`` refuse them."""

from __future__ import annotations

from pathlib import Path

import pytest

TARGET = 'y = { role = "target", kind = "categorical" }'
COMMANDS = {
    "run": ("run", "my.toml", "--output", "out"),
    "fit": ("fit", "my.toml", "--output", "my.mmgraph"),
    "new": ("new", "classification", "rows.csv", "--schema", "schema.toml"),
}
CASES = [
    ("schema.toml", "lab_2 =", "lab_3 =", "has no column 'lab_3', which the schema names"),
    ("schema.toml", TARGET, 'y = { role = "ignored" }', "a column the role 'target'"),
    ("schema.toml", TARGET, 'y = { role = "target" }', "'y'"),
    ("schema.toml", 'lab_2 = { modality = "lab" }', "lab_2 = { }", "'lab_2' is in no modality"),
    ("schema.toml", 'lab_2 = { modality = "lab" }\n', "", "says nothing of the column 'lab_2'"),
    ("rows.csv", ",well\n", ",ill\n", "all 60 rows of rows.csv have the label 'ill'"),
    ("rows.csv", "\nr7,", "\nr7,high", "line 9: 'lab_1' is no number: 'high"),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("place", "old", "new", "message"), CASES)
def test_one_line_says_what_does_not_fit(mmgraph, study: Path, command, place, old, new, message):
    text = (study / place).read_text()
    assert old in text
    (study / place).write_text(text.replace(old, new))
    code, out, err = mmgraph(*COMMANDS[command])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (study / "my.mmgraph").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("content", ["", "id,lab_1,lab_2,ward,gene_1,gene_2,patient,y\n"])
def test_an_empty_file(mmgraph, study: Path, command: str, content: str):
    (study / "rows.csv").write_text(content)
    code, out, err = mmgraph(*COMMANDS[command])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "rows.csv" in err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["rows.csv", "schema.toml"])
def test_a_file_that_is_not_there(mmgraph, study: Path, command: str, name: str):
    (study / name).unlink()
    code, out, err = mmgraph(*COMMANDS[command])
    assert (code, out) == (2, "")
    assert f"there is no file {name}" in err


def test_a_class_with_fewer_rows_than_folds(mmgraph, study: Path):
    text = (study / "rows.csv").read_text()
    (study / "rows.csv").write_text(text.replace(",ill\n", ",rare\n", 1))
    code, _, err = mmgraph(*COMMANDS["run"])
    assert code == 2
    assert "the state 'rare' of the target 'y' has 1 rows, fewer than 2 folds" in err


def test_a_group_a_row_is_warned_of(mmgraph, study: Path):
    schema = (study / "schema.toml").read_text()
    schema = schema.replace('id = { role = "ignored" }', 'id = { role = "group" }')
    schema = schema.replace('patient = { role = "group" }', 'patient = { role = "ignored" }')
    (study / "schema.toml").write_text(schema)
    code, _, err = mmgraph(*COMMANDS["run"], "--folds", "1")
    assert code == 0
    assert "warning: each of the 60 rows is a 'id' of its own" in err


def test_a_modality_that_is_not_there(mmgraph, study: Path):
    declaration = (study / "my.toml").read_text()
    (study / "my.toml").write_text(declaration + '[report]\ngiven = [["gene"]]\n')
    code, _, err = mmgraph(*COMMANDS["run"])
    assert code == 2
    assert "my.toml: [report] given names the modality 'gene'; did you mean 'genes'" in err
