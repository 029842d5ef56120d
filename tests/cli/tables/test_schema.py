"""``mmgraph schema``: what a table's columns are, proposed as TOML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmgraph as mm

LINES = [
    f"{20 + i * 1.5};{i * 0.3 if i else 'NA'};{i * 0.7};person {i % 4};{'nö' if i % 3 else 'ja'}"
    for i in range(24)
]
HEADER = "age;gene_1;gene_2;patient;y"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    lines = [line.replace("NA", "") for line in [HEADER, *LINES]]
    path.write_text("\n".join(lines).replace(";", ","), encoding="utf-8")
    return path


def test_a_schema_is_printed_that_reads_the_table(mmgraph, rows: Path, tmp_path: Path):
    code, out, err = mmgraph("schema", rows, "--target", "y")
    assert code == 0
    proposed = mm.Schema.guess(rows, "y")
    assert out == proposed.to_toml(f"The columns of {rows}, as their names and cells suggest.")
    assert err == (
        "mmgraph: 5 columns; features by modality: table (1), gene (2); target y; group patient; "
        "2 uncertain, as comments say\n"
    )
    path = tmp_path / "schema.toml"
    path.write_text(out, encoding="utf-8")
    data = mm.MultimodalData.read(rows, path)
    assert (data.target.labels, data.modalities) == (("ja", "nö"), ("table", "gene"))
    assert data.groups.name == "patient"


def test_into_a_file(mmgraph, rows: Path, tmp_path: Path):
    path = tmp_path / "schema.toml"
    code, out, err = mmgraph("schema", rows, "--output", path)
    assert (code, out) == (0, "")
    assert err.startswith(f"mmgraph: wrote {path}: 5 columns; features by modality: table (1)")
    assert path.read_text(encoding="utf-8") == mmgraph("schema", rows)[1]
    record = json.loads(mmgraph("schema", rows, "--output", path, "--json")[1])
    assert (record["output"], record["target"], record["group"]) == (str(path), "y", "patient")


def test_as_json(mmgraph, rows: Path):
    code, out, err = mmgraph("schema", rows, "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    corrected = mm.Schema.of(answer["columns"])
    assert corrected.modalities == mm.Schema.guess(rows).modalities
    assert (corrected.target, corrected.group) == (answer["target"], answer["group"])
    assert answer["modalities"] == {"table": 1, "gene": 2}
    assert answer["uncertain"] == ["age", "patient", "y"]


def test_how_the_table_is_read(mmgraph, tmp_path: Path):
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([HEADER, *LINES]), encoding="latin-1")
    reading = ("--read", "missing=NA", "encoding=latin-1", "separator=;")
    code, out, _ = mmgraph("schema", path, "--target", "y", *reading)
    assert code == 0
    assert 'gene_1 = { modality = "gene", kind = "continuous" }' in out
    read = {"missing": ["NA"], "encoding": "latin-1", "separator": ";"}
    (tmp_path / "schema.toml").write_text(out, encoding="utf-8")
    assert mm.Schema.read(tmp_path / "schema.toml").reading == read
    assert json.loads(mmgraph("schema", path, "--json", *reading)[1])["read"] == read
    data = mm.MultimodalData.read(path, tmp_path / "schema.toml")
    assert data.block("gene").missing.sum() == 0
    assert np.isnan(data.numbers("gene")).sum() == 1
    frame = pd.read_csv(path, encoding="latin-1", sep=";")
    np.testing.assert_array_equal(
        mm.MultimodalData.read(frame, tmp_path / "schema.toml").numbers("gene"),
        data.numbers("gene"),
    )
    code, _, err = mmgraph("schema", path, "--target", "y", "--read", "separator=;")
    assert code == 2
    assert "expected text in utf-8" in err


def test_no_target_and_no_group_are_said(mmgraph, tmp_path: Path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1.5,2.5\n2.5,1.5\n")
    err = mmgraph("schema", path)[2]
    assert "; no target (--target NAME); no group; " in err


def test_standard_output_is_utf8_whatever_the_locale(rows: Path):
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    rows.write_text(rows.read_text(encoding="utf-8").replace("patient", "Größe"), encoding="utf-8")
    command = [sys.executable, "-m", "mmgraph", "schema", str(rows)]
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert '"Größe"' in done.stdout.decode("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.csv",), "there is no file missing.csv"),
        (("rows.xlsx",), "a table's file name ends in .csv"),
        (("rows.csv", "--target", "z"), "has no column 'z'"),
        (("rows.csv", "--output", "rows.csv"), "expected a name that ends in .toml"),
        (("rows.csv", "--output", "nowhere/x.toml"), "there is no directory nowhere"),
        (("rows.csv", "--read", "extra=ignore"), "a schema describes every column"),
        (("rows.csv", "--read", "seperator=;"), "none of missing=…"),
        (("empty.csv",), "has no rows to propose a schema from"),
    ],
)
def test_errors_name_what_is_wrong(mmgraph, rows: Path, monkeypatch, arguments, message):
    monkeypatch.chdir(rows.parent)
    (rows.parent / "empty.csv").write_text("a,b\n")
    before = rows.read_text(encoding="utf-8")
    code, out, err = mmgraph("schema", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert rows.read_text(encoding="utf-8") == before
