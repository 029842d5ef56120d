"""``mmgraph recognise`` on made recordings in files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.predictors.sequences.conftest import Made, made_recordings


def written(path: Path, made: Made, number: int, labelled: bool, columns: str = "abcg") -> None:
    """Every second row, of 10 Hz: features see little of what is fast, and less is computed."""
    rows = np.hstack([made.signals["shaker"][number], made.signals["gyroscope"][number]])[::2]
    table = {"time": np.arange(len(rows)) / 10}
    table |= {c: rows[:, "abcg".index(c)] for c in columns}
    if labelled:
        table |= {"who": [made.people[number]] * len(rows)}
        table |= {"action": [label or "" for label in made.labels[number][::2]]}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = made_recordings(4, seed=0)
    Path("shown").mkdir()
    for number in range(4):
        written(Path(f"shown/{number}.csv"), made, number, True)
    return tmp_path


SENSORS = ("--modality", "shaker=a,b,c", "--modality", "turns=g", "--person", "who")


@pytest.mark.slow
def test_new_recordings_are_labelled_with_what_they_have(mmgraph, folder: Path):
    made = made_recordings(1, seed=5)
    written(Path("new.csv"), made, 0, False, columns="g")
    asked = ("recognise", "shown", "new.csv", *SENSORS)
    code, out, err = mmgraph(*asked, "--output", "actions.csv", "--json")
    assert code == 0, err
    said = json.loads(out)
    assert said["actions"] == ["rest", "sway", "turn"]
    assert said["rate"] == pytest.approx(10)
    spans = {round(s["begin"]): s["action"] for s in said["segments"]}
    assert len(spans) >= 4
    with Path("actions.csv").open() as file:
        lines = list(csv.DictReader(file))
    told = np.array([max(said["actions"], key=lambda a: float(line[a])) for line in lines])
    truth = made.labels[0][::2]
    known = np.array([label is not None for label in truth])
    assert (told == truth)[known].mean() > 0.8


def test_what_is_wrong_is_said(mmgraph, folder: Path):
    Path("no.csv").write_text("time,x\n0,1\n")
    assert "none of the columns of shaker" in mmgraph("recognise", "shown", "no.csv", *SENSORS)[2]
    code, _, err = mmgraph("recognise", "shown", "shown", "--modality", "ax,ay")
    assert (code, "'ax,ay' is not NAME=COLUMN" in err) == (2, True)
    code, _, err = mmgraph("recognise", "shown", "shown", *SENSORS, "--label", "acton")
    assert code == 2
    assert "'action'" in err
    Path("empty").mkdir()
    assert "empty has no CSV" in mmgraph("recognise", "empty", "shown", *SENSORS)[2]
