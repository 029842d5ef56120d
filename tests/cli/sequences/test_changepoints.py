"""``mmgraph changepoints`` on small tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rows.csv"
    lines = [f"{0.5 * t},{0.1 * (t % 3) + (9 if t >= 12 else 0)},{'ab'[t >= 6]}" for t in range(20)]
    lines[4] = "2.0,,a"
    path.write_text("\n".join(["time,x,label", *lines]) + "\n")
    return path


def test_segments_are_printed_and_written(mmgraph, table: Path):
    asked = ("changepoints", "rows.csv", "--columns", "x", "--time", "time")
    told = json.loads(mmgraph(*asked, "--json")[1])
    assert told["boundaries"] == [12]
    assert told["segments"]["begin_time"] == [0.0, 6.0]
    code, out, err = mmgraph(*asked, "--output", "segments.csv")
    assert (code, out, err) == (0, "", "mmgraph: wrote 2 rows to segments.csv\n")
    lines = Path("segments.csv").read_text().splitlines()
    assert lines == ["begin,end,begin_time,last_time", "0,12,0.0,5.5", "12,20,6.0,9.5"]
    code, out, _ = mmgraph("changepoints", table, "--columns", "label", "--cost", "categorical")
    assert code == 0
    assert "6" in out


def test_dates_are_written_as_they_stand_there(mmgraph, table: Path):
    lines = [f"2024-03-01T23:59:{50 + t},{9 * (t >= 5)}" for t in range(10)]
    table.write_text("\n".join(["time,x", *lines]) + "\n")
    told = json.loads(mmgraph("changepoints", "rows.csv", "--json")[1])
    assert told["segments"]["begin_time"] == [lines[0][:-2], lines[5][:-2]]
    assert told["segments"]["last_time"] == [lines[4][:-2], lines[9][:-2]]
    table.write_text("\n".join(["time,x", *lines, "soon,1"]) + "\n")
    assert "rows.csv, line 12: 'time': 'soon' is no date" in mmgraph("changepoints", "rows.csv")[2]


def test_what_is_wrong_is_said_in_one_line(mmgraph, table: Path):
    code, _, err = mmgraph("changepoints", "rows.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "rows.csv, line 2: 'label' is no number: 'a'" in err
    assert "or say --columns NAME,NAME,…" in err
    assert "--columns" not in mmgraph("changepoints", "rows.csv", "--columns", "label")[2]
    asked = ("changepoints", "rows.csv", "--columns")
    assert "no column 'y'" in mmgraph(*asked, "y")[2]
    assert "did you mean 'gaussian'" in mmgraph(*asked, "x", "--cost", "gausian")[2]
    assert "20 rows has no segment of 30" in mmgraph(*asked, "x", "--least-length", 30)[2]
    table.write_text("x\n")
    assert "length zero" in mmgraph("changepoints", "rows.csv")[2]
