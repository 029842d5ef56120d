"""Tables, schemas and declarations that do not fit, as ``run``, ``fit`` and ``new`` refuse them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mmgraph.experiments.classification.classification import declared_rows

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


CELLS = [
    ("lab_1", {7: "inf"}, "rows.csv, line 9: 'lab_1' is infinite; a missing value is NaN"),
    ("lab_1", {7: "1e300"}, "rows.csv, line 9: 'lab_1' is beyond ±1e+38 (no measurement"),
    (
        "lab_1",
        {3: "NA"},
        "for a missing cell, say missing=['NA'], at the command line",
    ),
    (
        "lab_1",
        {3: '"3,5"'},
        "line 5: 'lab_1' is no number: '3,5' (with a decimal comma: say",
    ),
    ("patient", {5: ""}, "rows.csv, line 7: there is no 'patient', which names the row's group"),
    ("y", {5: "", 9: ""}, "line 7: there is no 'y', which is to be told (2 rows lack it): leave"),
    ("weight", {3: "-1"}, "rows.csv, line 5: the weight 'weight' is -1; weights are finite"),
    ("weight", {3: ""}, "rows.csv, line 5: the weight 'weight' is missing; weights are finite"),
    ("weight", {3: "heavy"}, "rows.csv, line 5: 'weight' is no number: 'heavy'"),
    ("lab_2", None, "rows.csv: the column 'lab_1' stands there twice"),
]


def with_cells(study: Path, column: str, cells: dict[int, str] | None) -> None:
    """Change cells of a column, or (None) give it the name of the first column of the lab."""
    table = [line.split(",") for line in (study / "rows.csv").read_text().splitlines()]
    if column == "weight":
        table = [[*line, "weight" if place == 0 else "1.5"] for place, line in enumerate(table)]
        with (study / "schema.toml").open("a") as file:
            file.write('weight = { role = "weight" }\n')
    place = table[0].index(column)
    for row, cell in (cells or {}).items():
        table[row + 1][place] = cell
    if cells is None:
        table[0][place] = "lab_1"
    (study / "rows.csv").write_text("\n".join(map(",".join, table)) + "\n")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("column", "cells", "message"), CELLS)
def test_one_line_names_the_cell(mmgraph, study: Path, command, column, cells, message):
    with_cells(study, column, cells)
    code, out, err = mmgraph(*COMMANDS[command])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize("command", ["run", "fit"])
def test_weights_of_zero(mmgraph, study: Path, command: str):
    labels = [line.split(",")[-1] for line in (study / "rows.csv").read_text().splitlines()[1:]]
    ill = {row: "0" for row, label in enumerate(labels) if label == "ill"}
    with_cells(study, "weight", ill)
    code, _, err = mmgraph(*COMMANDS[command])
    assert (code, err.count("\n")) == (2, 1)
    assert "rows of the class 'ill' of rows.csv have the weight zero: leave them out" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_an_image_that_cannot_be_read(mmgraph, study: Path, command: str):
    with_cells(study, "ward", dict.fromkeys(range(60), "scan.png"))
    text = (study / "schema.toml").read_text()
    picture = 'ward = { modality = "scan", kind = "image_path" }'
    (study / "schema.toml").write_text(
        text.replace('ward = { modality = "lab", kind = "categorical" }', picture)
    )
    code, _, err = mmgraph(*COMMANDS[command])
    assert (code, err.count("\n")) == (2, 1)
    assert "there is no image scan.png (row 0)" in err
    (study / "scan.png").write_text("no image")
    code, _, err = mmgraph(*COMMANDS[command])
    assert (code, err.count("\n")) == (2, 1)
    assert "scan.png (row 0) cannot be read as an image" in err


def test_a_silent_modality_and_copies_are_warned_of(mmgraph, study: Path):
    with_cells(study, "gene_1", dict.fromkeys(range(60), "1.5"))
    with_cells(study, "gene_2", dict.fromkeys(range(60), ""))
    table = (study / "rows.csv").read_text().splitlines()
    table[40] = ",".join(["r39", *table[1].split(",")[1:-2], *table[40].split(",")[-2:]])
    (study / "rows.csv").write_text("\n".join(table) + "\n")
    code, _, err = mmgraph(*COMMANDS["fit"])
    assert code == 0
    assert "warning: the modality 'genes' of rows.csv is constant" in err
    assert "warning: rows 0 and 39 are equal in all numbers, and not of one 'patient'" in err
    assert err.count("\n") == 2


def test_a_file_with_semicolons_and_decimal_commas(mmgraph, study: Path):
    text = (study / "rows.csv").read_text()
    expected = declared_rows("my.toml")[1].to_frame()
    (study / "rows.csv").write_text(text.replace(",", ";").replace(".", ","), encoding="utf-8-sig")
    code, _, err = mmgraph("schema", "rows.csv", "--target", "y")
    assert code == 2
    assert "say separator=';', at the command line --read 'separator=;'" in err
    out = mmgraph("schema", "rows.csv", "--target", "y", "--read", "separator=;")[1]
    assert out.count("say decimal=','") == 4
    reading = ("--read", "separator=;", "decimal=,")
    assert mmgraph("schema", "rows.csv", "--target", "y", *reading, "--output", "read.toml")[0] == 0
    read = (study / "read.toml").read_text().partition("[columns]")[0]
    (study / "schema.toml").write_text(read + (study / "schema.toml").read_text())
    assert mmgraph(*COMMANDS["new"])[0] == 0
    pd.testing.assert_frame_equal(declared_rows("my.toml")[1].to_frame(), expected)
    assert mmgraph(*COMMANDS["fit"])[0] == 0
    arguments = ("predict", "my.mmgraph", "rows.csv", "--output", "p.csv")
    assert "has none of the columns" in mmgraph(*arguments, "--read", "separator=,")[2]
    assert mmgraph(*arguments, *reading)[0] == 0


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
