"""Rows of a user's file as those of a classification, and what is wrong with them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments import experiment
from mmgraph.experiments.classification import classification
from mmgraph.experiments.classification.data import GuessedSchemaWarning
from mmgraph.graph.errors import (
    DatasetError,
    EvidenceError,
    FormatError,
    LearningError,
    MmgraphError,
    SchemaError,
)

SCHEMA = """
[columns]
"lab_*" = { modality = "lab" }
"gene_*" = { modality = "genes" }
patient = { role = "group" }
y = { role = "target", kind = "categorical" }
"""


def table(rows: int = 60) -> list[str]:
    numbers = np.random.default_rng(0).normal(size=(rows, 4)) + np.arange(rows)[:, None] % 2
    cells = [",".join(map(repr, row)) for row in numbers.tolist()]
    lines = [f"{row},p{i % 7},{'ab'[i % 2]}" for i, row in enumerate(cells)]
    return ["lab_1,lab_2,gene_1,gene_2,patient,y", *lines]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A declaration in a directory of its own, with its table and schema; called from elsewhere."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "rows.csv").write_text("\n".join(table()) + "\n")
    (folder / "schema.toml").write_text(SCHEMA)
    path = folder / "own.toml"
    path.write_text('[data]\nfile = "rows.csv"\nschema = "schema.toml"')
    monkeypatch.chdir(tmp_path)
    return path


def rows_of(path: Path) -> MultimodalData:
    return classification.declared_rows(path)[1]


def test_files_are_beside_the_declaration(own: Path):
    data = rows_of(own)
    assert (data.modalities, len(data), data.target.name) == (("lab", "genes"), 60, "y")
    assert data.groups is not None
    assert data.groups.name == "patient"


def test_a_schema_inline_reads_alike(own: Path):
    inline = SCHEMA.replace("[columns]", "[data.schema.columns]")
    expected = rows_of(own)
    own.write_text(f'[data]\nfile = "rows.csv"\n{inline}')
    np.testing.assert_array_equal(rows_of(own).numbers("genes"), expected.numbers("genes"))
    assert rows_of(own).schema == expected.schema


def test_how_a_file_is_read(own: Path):
    text = (own.parent / "rows.csv").read_text().replace(",", ";").replace(";p6;", ";p6;", 1)
    lines = text.splitlines()
    lines[5] = ";".join(["NA", *lines[5].split(";")[1:]])
    (own.parent / "rows.csv").write_text("\n".join(lines))
    own.write_text(own.read_text() + '\nread = { missing = "NA", separator = ";" }')
    assert np.isnan(rows_of(own).numbers("lab")).sum() == 1


def test_without_a_schema_columns_are_guessed_and_that_is_said(own: Path):
    own.write_text('[data]\nfile = "rows.csv"')
    with pytest.warns(GuessedSchemaWarning, match=r"lab \(2\), gene \(2\), target y, group pat"):
        assert rows_of(own).modalities == ("lab", "gene")
    own.write_text('[data]\nfile = "rows.csv"\ntarget = "patient"')
    with pytest.warns(GuessedSchemaWarning):
        assert rows_of(own).target.name == "patient"


def test_defaults_are_enough_for_a_run(own: Path, tmp_path: Path):
    own.write_text(own.read_text() + '\n[classifier]\nleaves = ["logistic"]\njoint = []')
    report = experiment.run(own, folds=1)
    situations = [["lab", "genes"], ["lab"], ["genes"], []]
    assert [row["given"] for row in report["results"]] == 2 * situations
    assert {row["groups"] for row in report["results"]} == {None, "patient"}


def test_a_modality_that_is_renamed_is_another_run(own: Path, tmp_path: Path):
    """Steps are kept by what columns and labels are called, too."""
    own.write_text(own.read_text() + '\n[classifier]\nleaves = ["logistic"]\njoint = []')
    first = experiment.run(own, tmp_path / "out", folds=1)
    schema = own.parent / "schema.toml"
    schema.write_text(schema.read_text().replace('"genes"', '"rna"'))
    second = experiment.run(own, tmp_path / "out", folds=1)
    assert [row["given"] for row in second["results"]][1:3] == [["lab"], ["rna"]]
    assert [row["log_loss"] for row in first["results"]] == [
        row["log_loss"] for row in second["results"]
    ]
    model = mm.read(tmp_path / "out" / "model.mmgraph")
    assert list(model.schema_.modalities) == ["lab", "rna"]


@pytest.mark.parametrize(
    ("place", "old", "new", "error", "message"),
    [
        ("own.toml", "rows.csv", "row.csv", FormatError, "there is no file .*row.csv"),
        ("own.toml", "schema.toml", "x.toml", FormatError, "there is no file .*x.toml"),
        ("schema.toml", "patient", "person", SchemaError,
         "rows.csv has no column 'person', which the schema names"),
        ("schema.toml", '"gene_*" = { modality = "genes" }\n', "", SchemaError,
         "says nothing of the column 'gene_1' of .*rows.csv"),
        ("schema.toml", '{ modality = "lab" }', "{ }", SchemaError,
         r"schema.toml: the column 'lab_\*' is in no modality"),
        ("schema.toml", 'y = { role = "target", kind = "categorical" }', 'y.role = "ignored"',
         LearningError, "nothing is to be told of .*rows.csv: give a column the role 'target'"),
        ("schema.toml", 'y = { role = "target", kind = "categorical" }',
         'y.role = "ignored"\nlab_1.role = "target"', LearningError, "'lab_1' .* is continuous"),
        ("rows.csv", ",b\n", ",a\n", LearningError, "all 60 rows of .*rows.csv have the label 'a'"),
        ("rows.csv", "p3,b\n", "p3,\n", LearningError, "line 5: there is no 'y', which is"),
        ("own.toml", "[data]", "report.given = [['labs']]\n[data]", FormatError,
         r"own.toml: \[report\] given names the modality 'labs'; did you mean 'lab'"),
        ("own.toml", "[data]", "classifier.leaves.gene = ['trees']\n[data]", FormatError,
         r"\[classifier.leaves\] names the modality 'gene'; did you mean 'genes'"),
    ],
)  # fmt: skip
def test_errors_name_file_and_column(
    own: Path, place: str, old: str, new: str, error: type[MmgraphError], message: str
):
    path = own.parent / place
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(error, match=message):
        rows_of(own)


def test_text_among_numbers_is_named_with_its_row(own: Path):
    path = own.parent / "rows.csv"
    lines = path.read_text().splitlines()
    lines[4] = "high," + lines[4].partition(",")[2]
    path.write_text("\n".join(lines))
    with pytest.raises(EvidenceError, match=r"rows.csv.* 5.*'lab_1'.*'high'"):
        rows_of(own)


def test_an_inline_schema_that_is_wrong_is_named(own: Path):
    own.write_text('[data]\nfile = "rows.csv"\n[data.schema]\ny = { rol = "target" }')
    with pytest.raises(SchemaError, match=r"own.toml, \[data.schema\]: .* 'rol'; did you mean"):
        rows_of(own)


def test_an_empty_file(own: Path):
    (own.parent / "rows.csv").write_text("")
    with pytest.raises(MmgraphError, match=r"rows\.csv"):
        rows_of(own)
    (own.parent / "rows.csv").write_text(table()[0] + "\n")
    with pytest.raises(LearningError, match=r"rows\.csv has no rows"):
        rows_of(own)


def test_rare_classes_are_named(own: Path):
    path = own.parent / "rows.csv"
    path.write_text(path.read_text().replace("p3,b\n", "p3,c\n", 1))
    with pytest.raises(MmgraphError, match="'c' of the target 'y' has 1 rows, fewer than 5 folds"):
        experiment.run(own)


def test_a_data_set_needs_its_target(own: Path):
    own.write_text('[data]\ndataset = "home_activities"')
    try:
        with pytest.raises(DatasetError, match=r"'home_activities' needs \[data\] target"):
            rows_of(own)
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")


def test_the_same_rows_give_the_same_figures_to_the_last_digit(own: Path, tmp_path: Path):
    """The data set of the catalogue, and its table with a schema that was guessed."""
    from mmgraph.data.schema.schema import Schema
    from mmgraph.datasets import home_activities

    try:
        home = home_activities.load()
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")
    frame = home.frame.assign(block=[f"recording {9 - b}" for b in home.groups["block"]])
    frame = frame[["block", *reversed([c for c in frame if c != "block"])]]
    frame = frame[["block", *home.features["sound"], home.target, *home.features["movement"]]]
    frame.to_csv(own.parent / "rows.csv", index=False)
    Schema.guess(frame, home.target).write(own.parent / "schema.toml")
    settings = '\n[classifier]\nleaves = ["logistic"]\njoint = ["logistic"]\nfolds = 2\n'
    settings += "[validation]\nfolds = 3\n"
    own.write_text(own.read_text() + settings)
    named = own.with_name("named.toml")
    source = '[data]\ndataset = "home_activities"\ntarget = "class"\ngroups = "block"'
    named.write_text(source + settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error", GuessedSchemaWarning)
        mine, theirs = experiment.run(own, folds=1), experiment.run(named, folds=1)
    figures = [
        [{**row, "given": len(row["given"])} for row in r["results"]] for r in (mine, theirs)
    ]
    assert figures[0] == figures[1]
    assert {row["split"] for row in figures[0]} == {"random", "grouped"}
