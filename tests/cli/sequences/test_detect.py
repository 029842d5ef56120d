"""``mmgraph detect`` on a small recording with a fall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RULES = """
[[rule]]
name = "fall"
step = [{actions = ["stand"]}, {actions = ["lie"], gap = 1, least = 1}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text(RULES)
    path = ["stand"] * 4 + ["lie"] * 4 + ["stand"] * 3
    lines = [f"{0.5 * t},{name}" for t, name in enumerate(path)]
    (tmp_path / "actions.csv").write_text("\n".join(["time,action", *lines]))
    lines = [f"{0.5 * t},{n},{0.9 if n == 'lie' else 0.1},{0.1 if n == 'lie' else 0.9}"
             for t, n in enumerate(path)]  # fmt: skip
    header = "time,action,action=lie,action=stand"
    (tmp_path / "chances.csv").write_text("\n".join([header, *lines]))
    (tmp_path / "events.csv").write_text("begin,end\n2.0,3.5\n")
    return tmp_path


def test_events_are_found_and_compared(mmgraph, folder: Path):
    asked = ("detect", "rules.toml", "actions.csv")
    (event,) = json.loads(mmgraph(*asked, "--json")[1])["events"]
    assert (event["begin"], event["noticed"], event["end"]) == (2.0, 2.5, 3.5)
    outputs = ("--output", "found.csv", "--curve", "curve.csv", "--picture", "curve.svg")
    asked = ("detect", "rules.toml", "chances.csv", "--truth", "events.csv")
    code, out, err = mmgraph(*asked, *outputs, "--threshold", 0.7)
    assert code == 0, err
    assert "false_alarms_an_hour" in out
    assert Path("found.csv").read_text().startswith("begin,noticed,end,probability\n2.0,2.5,3.5,0.")
    rows = Path("curve.csv").read_text().splitlines()
    assert rows[1] == "0.05,0.0,1.0,0.5"
    assert rows[-1] == "0.95,0.0,0.0,"
    assert Path("curve.svg").stat().st_size > 0


def test_dates_are_compared_with_dates(mmgraph, folder: Path):
    steps = (folder / "actions.csv").read_text().splitlines()[1:]
    lines = [f"2024-03-01T08:00:{float(t):04.1f},{n}" for t, n in (s.split(",") for s in steps)]
    (folder / "dates.csv").write_text("\n".join(["time,action", *lines]))
    (folder / "spans.csv").write_text("begin,end\n2024-03-01T08:00:02,2024-03-01T08:00:03.5\n")
    asked = ("detect", "rules.toml")
    plain = json.loads(mmgraph(*asked, "actions.csv", "--truth", "events.csv", "--json")[1])
    told = json.loads(mmgraph(*asked, "dates.csv", "--truth", "spans.csv", "--json")[1])
    assert told["curve"] == plain["curve"]
    moments = [told["events"][0][name] for name in ("begin", "noticed", "end")]
    assert moments == [lines[t].split(",")[0] for t in (4, 5, 7)]
    assert "spans.csv has dates" in mmgraph(*asked, "actions.csv", "--truth", "spans.csv")[2]


def test_what_is_wrong_is_said_in_one_line(mmgraph, folder: Path):
    asked = ("detect", "rules.toml", "actions.csv")
    assert "no --truth" in mmgraph(*asked, "--picture", "c.png")[2]
    assert "no rule 'fell'; did you mean 'fall'" in mmgraph(*asked, "--rule", "fell")[2]
    assert "threshold lies above 0" in mmgraph(*asked, "--threshold", 0)[2]
    (folder / "rules.toml").write_text(RULES.replace('"lie"', '"lye"'))
    code, _, err = mmgraph(*asked)
    assert (code, err.count("\n")) == (2, 1)
    assert "no action 'lye'; did you mean 'lie'" in err
    assert json.loads(mmgraph(*asked, "--names", "lie,lye,stand", "--json")[1])["events"] == []
    assert "no action 'lie'" in mmgraph(*asked, "--names", "lye,stand")[2]
    (folder / "actions.csv").write_text("time,action\n")
    assert "actions.csv: 0 steps have no durations" in mmgraph(*asked)[2]
