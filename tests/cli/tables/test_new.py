"""``mmgraph new``: a declaration to start from, which ``mmgraph run`` takes as it is."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import mmgraph as mm
from mmgraph.experiments.classification.classification import declared_rows

NEW = ("new", "classification", "rows.csv", "--schema", "schema.toml")


def test_all_defaults_are_spelled_out(mmgraph, study: Path):
    code, out, err = mmgraph(*NEW)
    assert (code, err) == (0, "mmgraph: 60 rows, target y, modalities lab, genes\n")
    content = tomllib.loads(out)
    default = mm.MultimodalClassifier()
    assert content["data"] == {"file": "rows.csv", "schema": "schema.toml"}
    assert content["validation"] == {"folds": 5, "seed": 0}
    assert content["classifier"]["folds"] == default.folds
    assert content["report"] == {"given": [["lab", "genes"], ["lab"], ["genes"]]}
    (study / "new.toml").write_text(out)
    declaration, data = declared_rows("new.toml")
    assert (declaration.leaves, declaration.joint) == (default.leaves, default.joint)
    assert data.groups is not None
    assert 'Whole groups ("patient", as the schema says) are left out' in out
    assert "'missing'" not in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_into_a_file_of_another_directory(mmgraph, study: Path):
    (study / "models").mkdir()
    code, out, err = mmgraph(*NEW, "--output", "models/new.toml")
    assert (code, out) == (0, "")
    assert err.startswith("mmgraph: wrote models/new.toml: 60 rows, target y")
    assert len(declared_rows("models/new.toml")[1]) == 60
    record = json.loads(mmgraph(*NEW, "--output", "models/new.toml", "--json")[1])
    assert record == {
        "output": "models/new.toml",
        "kind": "classification",
        "rows": 60,
        "target": "y",
        "group": "patient",
        "modalities": ["lab", "genes"],
    }


def test_as_json(mmgraph, study: Path):
    answer = json.loads(mmgraph(*NEW, "--json")[1])
    assert tomllib.loads(answer["declaration"])["kind"] == "classification"


def test_how_the_table_is_read_is_written(mmgraph, study: Path):
    text = (study / "rows.csv").read_text().replace(",", ";").replace(";N;", ";?;")
    (study / "rows.csv").write_text(text)
    code, out, _ = mmgraph(*NEW, "--read", "separator=;", "missing=?")
    assert code == 0
    assert tomllib.loads(out)["data"]["read"] == {"separator": ";", "missing": ["?"]}
    (study / "new.toml").write_text(out)
    assert declared_rows("new.toml")[1].block("lab").numbers().shape == (60, 3)


def test_options_of_reading_may_be_quoted(mmgraph, study: Path):
    (study / "rows.csv").write_text((study / "rows.csv").read_text().replace(",", ";"))
    out = mmgraph(*NEW, "--read", "separator=';'", 'missing="NA"')[1]
    assert tomllib.loads(out)["data"]["read"] == {"separator": ";", "missing": ["NA"]}


def test_a_rare_class_has_fewer_folds(mmgraph, study: Path):
    text = (study / "rows.csv").read_text()
    (study / "rows.csv").write_text(text.replace(",well", ",ill").replace(",ill\n", ",well\n", 3))
    out = mmgraph(*NEW)[1]
    assert tomllib.loads(out)["validation"]["folds"] == 3
    assert "the rarest class has no more rows" in out


def test_names_that_toml_must_quote(mmgraph, study: Path):
    for name in ("rows.csv", "schema.toml"):
        text = (study / name).read_text(encoding="utf-8")
        (study / name).write_text(
            text.replace('"lab"', '"läb \\"1\\""').replace("ill", "il\\\\l"), encoding="utf-8"
        )
    out = mmgraph(*NEW)[1]
    assert tomllib.loads(out)["report"]["given"][1] == ['läb "1"']


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clasification", "rows.csv"), "'clasification' can be written; did you mean"),
        (("stereo", "rows.csv"), "(known: classification, retrieval)"),
        (("classification", "rows.csv"), "schema rows.csv --target COLUMN > schema.toml` proposes"),
        (
            ("classification", "rows.csv", "--read", "separator=;", "missing=NA"),
            "COLUMN --read 'separator=;' --read missing=NA > schema.toml` proposes it",
        ),
        (("classification", "row.csv", "--schema", "schema.toml"), "there is no file row.csv"),
        ((*NEW[1:], "--output", "x.csv"), "expected a name that ends in .toml"),
        ((*NEW[1:], "--output", "nowhere/x.toml"), "there is no directory nowhere"),
        ((*NEW[1:], "--read", "extra=ignore"), "a schema describes every column"),
        ((*NEW[1:4], "my.toml"), "my.toml: a schema is one table, [columns]"),
    ],
)
def test_errors_name_what_is_wrong(mmgraph, study: Path, arguments, message):
    code, out, err = mmgraph("new", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_a_single_row_of_a_class(mmgraph, study: Path):
    text = (study / "rows.csv").read_text()
    (study / "rows.csv").write_text(text.replace(",ill\n", ",rare\n", 1))
    assert "the state 'rare' of the target 'y' has 1 rows" in mmgraph(*NEW)[2]
