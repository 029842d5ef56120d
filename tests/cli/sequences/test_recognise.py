"""``mmgraph recognise`` on made recordings in files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.cli.sequences.columns import Times, text_columns
from mmgraph.cli.sequences.recognise import _lines, _segments
from mmgraph.cli.sequences.recordings import Recording, at_rate
from mmgraph.data.tables import open_table
from mmgraph.formats.native import directory as native
from mmgraph.predictors.sequences.sequence_labeller import Segment, SequenceLabeller
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


def test_labels_that_are_missing_are_empty_in_any_file(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"action": ["sit", None, "-"], "time": [0.0, 1, 2]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    for name in ("a.parquet", "a.csv"):
        table = open_table(tmp_path / name, missing=["-"])
        assert text_columns(table, ["action"]) == {"action": ["sit", "", ""]}


@pytest.mark.slow
def test_new_recordings_are_labelled_with_what_they_have(mmgraph, folder: Path):
    made = made_recordings(1, seed=5)
    written(Path("new.csv"), made, 0, False, columns="g")
    written(Path("shown/3.csv"), made_recordings(4, seed=0), 3, True, columns="abc")
    asked = ("recognise", "shown", "new.csv", *SENSORS)
    code, out, err = mmgraph(*asked, "--output", "actions.csv", "--model", "l.mmgraph", "--json")
    assert code == 0, err
    assert mmgraph("recognise", "l.mmgraph", "new.csv", "--json")[1] == out
    again = ("recognise", "l.mmgraph", "new.csv", "--modality", "turns=g")
    assert mmgraph(*again, "--json")[1] == out
    assert mmgraph(*again, "--rate", 10, "--json")[1] == out  # up to rounding
    assert "labels 10 steps a second, not --rate 20" in mmgraph(*again, "--rate", 20)[2]
    assert (
        "has learned shaker=a,b,c, in this order, not b,a,c"
        in (mmgraph(*again, "--modality", "shaker=b,a,c")[2])
    )
    assert "did you mean 'turns'" in mmgraph(*again[:-1], "turn=g")[2]
    said = json.loads(out)
    assert said["actions"] == ["rest", "sway", "turn"]
    assert said["rate"] == pytest.approx(10)
    spans = {round(s["begin"]): s["action"] for s in said["segments"]}
    assert len(spans) >= 4
    with Path("actions.csv").open() as file:
        lines = list(csv.DictReader(file))
    told = np.array([line["action"] for line in lines])
    assert all(
        line["action"] == max(said["actions"], key=lambda a: float(line[f"action={a}"]))
        for line in lines
    )
    truth = made.labels[0][::2]
    known = np.array([label is not None for label in truth])
    assert (told == truth)[known].mean() > 0.8


def test_what_is_wrong_is_said_before_anything_is_learned(
    mmgraph, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(SequenceLabeller, "fit")
    made = made_recordings(1, seed=5)
    written(Path("new.csv"), made, 0, False, columns="abg")
    code, _, err = mmgraph("recognise", "shown", "new.csv", *SENSORS)
    assert (code, "new.csv lacks the column 'c' of 'shaker'" in err) == (2, True)
    written(Path("new.csv"), made, 0, False)
    asked = ("recognise", "shown", "new.csv")
    err = mmgraph(*asked, *SENSORS, "--modality", "voice=v,w")[2]
    assert "shown has none of the columns v, w" in err
    assert "lag of 0.1 s is too short" in mmgraph(*asked, *SENSORS, "--lag", 0.1)[2]
    slow = [f"{t},0,0,0,0" for t in range(30)]
    Path("new.csv").write_text("\n".join(["time,a,b,c,g", *slow]))
    assert "new has 1 rows a second, and 10 are wanted" in mmgraph(*asked, *SENSORS)[2]
    Path("new.csv").write_text("a,b,c,g\n0,0,0,0\n")
    assert "new.csv has no column 'time'" in mmgraph(*asked, *SENSORS)[2]
    Path("new.csv").write_text("time,a,b,c,g\n")
    assert "new.csv has no rows" in mmgraph(*asked, *SENSORS)[2]


class Noted(SequenceLabeller):
    """A labeller that has learned nothing, and noted columns."""

    classes_ = np.array(["rest", "walk"], object)
    columns_: ClassVar = {"wrist": ["x", "y"]}
    channels_: ClassVar = {"wrist": 2}
    durations_ = mm.HiddenSemiMarkovModel(3, longest=2).set_parameters(
        durations=[[0, 1], [0.5, 0.5], [1, 0]], means=np.zeros((3, 1)), covariances=np.ones((3, 1))
    )


def test_a_stored_labeller_is_shown_and_knows_its_columns(mmgraph, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noted = Noted(rate=10, features={"step": 2.0})
    monkeypatch.setattr(mm, "read", lambda path: noted)
    monkeypatch.setattr(native, "is_native", lambda path: True)
    assert json.loads(mmgraph("show", "l.mmgraph", "--json")[1]) == {
        "model": "l.mmgraph",
        "kind": "sequence labeller",
        "labels": ["rest", "walk"],
        "channels": {"wrist": 2},
        "columns": {"wrist": ["x", "y"]},
        "steps_a_second": 10,
        "mean_duration_in_seconds": {"rest": 4.0, "walk": 3.0},
    }
    assert "wrist: x, y" in mmgraph("show", "l.mmgraph")[1]
    assert "pictures are of graphs" in mmgraph("show", "l.mmgraph", "--output", "l.png")[2]
    assert "`mmgraph recognise l.mmgraph NEW.csv` asks it" in mmgraph("infer", "l.mmgraph")[2]
    asked = ("recognise", "l.mmgraph", "new.csv")
    Path("new.csv").write_text("time,x\n0,1\n")
    assert "lacks the column 'y' of 'wrist'" in mmgraph(*asked)[2]
    noted.columns_ = {}
    code, _, err = mmgraph(*asked)
    assert (code, "--modality NAME=COLUMN" in err) == (2, True)


def test_a_row_has_the_answer_of_the_nearest_step(capsys: pytest.CaptureFixture[str]):
    times = np.arange(8) / 4
    one = Recording("walk", Times(times), {"wrist": times[:, None]}, [], "walk")
    steps = at_rate([one], 3.0, ["wrist", "gone"])
    assert capsys.readouterr().err == (
        "mmgraph: walk (4 rows a second): resampled to 3 steps a second\n"
    )
    near = np.abs(times[:, None] - steps.times[0]).argmin(1)
    np.testing.assert_array_equal(steps.steps_of_rows[0], near)
    np.testing.assert_allclose(steps.signals["wrist"][0][:, 0], steps.times[0])
    assert steps.signals["gone"] == [None]


def test_dates_are_answered_as_they_stand_there():
    dates = [f"2024-03-01 23:59:5{t}.5" for t in range(8)]
    one = Recording("walk", Times(np.arange(8.0), dates), {"wrist": np.zeros((8, 1))}, [], "walk")
    steps, found = at_rate([one], 0.5, ["wrist"]), [[Segment(1, 3, "sit", 0.5)]]
    (segment,) = _segments([one], steps, found, 0.5)
    assert (segment["begin"], segment["end"]) == (dates[2], dates[6])
    (columns,) = _lines([one], steps, [np.eye(2)[[0, 1, 1, 0]]], ["lie", "sit"])
    assert columns["time"] == dates


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
