"""The job that labels recordings: declaration, a small run, and the real ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.experiments import experiment
from mmgraph.experiments.activities.data import load_recordings, splits_of
from mmgraph.experiments.activities.declaration import read_activities
from mmgraph.experiments.activities.events import true_events
from mmgraph.graph.errors import DatasetError, FormatError, MmgraphError
from tests.experiments.shortened import shortened
from tests.predictors.sequences.conftest import ACTIVITIES, Made, made_recordings

SMALL = """
kind = "activities"
title = "Shaken"
[data]
dataset = "hapt"
people = [0, 1, 2, 3]
transitions = ["turn"]
[labeller]
features = { step = 0.5, windows = [2.0], ahead = 0.5, context = [] }
leaves = ["logistic"]
inner_folds = 2
[validation]
folds = 2
[report]
given = [["shaker", "gyroscope"], ["gyroscope"]]
lags = [2.0]
[changepoints]
floors = { shaker = 0.1, gyroscope = 0.1 }
[events]
tolerance = 2.0
true = { turning = ["turn"] }
rule = [{ name = "turning", step = [{ actions = ["turn"], least = 1.0 }] }]
"""


class Loaded:
    """Made recordings as a data set of recordings is."""

    activities, rate = ACTIVITIES, 20.0

    def __init__(self, made: Made) -> None:
        self.sequences = made.signals
        places = {None: -1, **{name: place for place, name in enumerate(ACTIVITIES)}}
        self.labels = [np.array([places[label] for label in one]) for one in made.labels]
        self.groups = {"person": np.array(made.people)}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shaken.toml"
    path.write_text(SMALL)
    monkeypatch.setattr(datasets, "load", lambda name: Loaded(made_recordings(8, seed=0)))
    return path


def test_a_run_reports_people_left_out_beside_random_recordings(model: Path):
    report = experiment.run(model, folds=1)
    rows: list[dict[str, Any]] = report["results"]
    asked = [(row["split"], row["method"], len(row["given"])) for row in rows]
    questions = [("durations", 2), ("durations", 1), ("lag of 2 s", 2), ("cells", 2), ("cells", 1)]
    assert asked == [(split, *one) for split in ("grouped", "random") for one in questions]
    assert rows[0]["segment_f1"] > rows[3]["segment_f1"]
    for name in ("accuracy", "macro_f1", "transitions_f1", "segment_f1"):
        assert rows[0][name] > 0.8
    assert report["folds"] == {"run": 1, "declared": 2}
    changes, curve = report["changepoints"], report["events"]["turning"]
    assert changes["agreeing"] <= min(changes["found"], changes["true"])
    assert changes["f1"] > 0.6
    assert len(changes["penalties"]) == 1
    middle = curve["threshold"].index(0.5)
    assert curve["found"][middle] > 0.8
    # After the lag, and what the rule asks for, and not long after.
    assert 2.5 < curve["median_delay"][middle] < 6
    assert [words.split()[0] for words in report["words"]] == ["Boundaries", "Event"]


@pytest.mark.slow
def test_pictures_are_drawn(model: Path, tmp_path: Path):
    report = experiment.run(model, tmp_path / "out", folds=1)
    assert [Path(file).name for file in report["files"]] == [
        "state_path_grouped.png", "time_confusion_grouped.png", "confusion_grouped.png",
        "reliability_grouped.png", "events_grouped.png", "results.json",
    ]  # fmt: skip


def test_splits_are_of_people_or_of_those_that_are_named(model: Path):
    declaration = read_activities(model)
    recordings = load_recordings(declaration)
    assert set(recordings.people.tolist()) == {0, 1, 2, 3}
    for training, test in splits_of(recordings, declaration, None)["grouped"]:
        assert not set(recordings.people[training]) & set(recordings.people[test])
    with pytest.raises(MmgraphError, match="has 2 folds, not 3"):
        splits_of(recordings, declaration, 3)
    text = SMALL.replace("2, 3]", "2]")
    model.write_text(text.replace("folds = 2\n[report]", "test_people = [3]\n[report]"))
    declaration = read_activities(model)
    recordings = load_recordings(declaration)
    ((training, test),) = splits_of(recordings, declaration, None)["test_people"]
    assert set(recordings.people[test]) == {3}
    assert set(recordings.people[training]) == {0, 1, 2}


def test_bad_declarations_are_refused(model: Path):
    def refused(old: str, new: str, error: type[Exception], match: str) -> None:
        model.write_text(SMALL.replace(old, new))
        with pytest.raises(error, match=match):
            load_recordings(read_activities(model))

    refused("[0, 1, 2, 3]", "[0, 9]", DatasetError, "has no person 9")
    refused('["turn"]', '["turned"]', DatasetError, "has no label 'turned'")
    refused("\nfolds = 2\n[rep", "\nfolds = 2\ntest_people = [2]\n[rep", FormatError, "2 is both")
    refused("features = {", "features = [1]\n#", FormatError, "is a table of settings")


def test_bad_changes_and_events_are_refused(model: Path):
    for old, new, error, match in (
        ("shaker = 0.1", "shaker = 0", FormatError, "floors are numbers above zero"),
        ("shaker = 0.1", "shake = 0.1", DatasetError, "no modality 'shake'"),
        ("floors =", "flors =", FormatError, "has 'flors'; did you mean 'floors'"),
        ('{ turning = ["turn"] }', '{ turning = ["turns"] }', DatasetError, "no label 'turns'"),
        ('{ turning = ["turn"] }', '{ turning = "turn" }', FormatError, "a list of labels"),
        ("true = { turning", "true = { turn", FormatError, "names 'turn', which is no rule"),
        ('actions = ["turn"]', 'actions = ["tune"]', FormatError, "no action 'tune'"),
        ("least = 1.0 }", "last = 1.0 }", FormatError, "has 'last'"),
        ("lags = [2.0]", "", FormatError, "there is none"),
    ):
        model.write_text(SMALL.replace(old, new))
        with pytest.raises(error, match=match):
            load_recordings(read_activities(model))


def test_true_events_are_stretches_of_labels(model: Path):
    recordings = load_recordings(read_activities(model))
    codes = np.array([0, 0, 2, 2, 2, 1, -1, 2, 1, 1])
    made = dataclasses.replace(recordings, codes=[codes], rate=2.0)
    np.testing.assert_array_equal(true_events(made, 0, ["turn"]), [[1.0, 2.5], [3.5, 4.0]])
    np.testing.assert_array_equal(true_events(made, 0, ["sway"]), [[2.5, 3.0], [4.0, 5.0]])


FEWER = {
    "activity_recordings": {
        f"people = {[*range(1, 21)]}": f"people = {[*range(1, 17)]}",
        "folds = 5": "test_people = [17, 18, 19, 20]",
    },
    "watch_exercises": {
        "[data]": f"[data]\npeople = {[*range(9)]}",
        "folds = 10": "test_people = [9]",
    },
}
"""By ready model, the lines that leave some people out, once."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FEWER)
def test_real_recordings_of_people_left_out(name: str, tmp_path: Path):
    once = shortened(name, tmp_path, FEWER[name])
    try:
        report = experiment.run(once)
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")
    first = report["results"][0]
    if name == "watch_exercises":  # one person: 14 recordings
        assert first["recording_accuracy"] > 0.7
        return
    lagged = next(row for row in report["results"] if row["method"] == "lag of 2 s")
    assert first["accuracy"] > 0.93
    assert first["macro_f1"] > 0.86
    assert first["transitions_f1"] > 0.78
    assert first["segment_f1"] > 0.89
    assert first["accuracy"] - lagged["accuracy"] < 0.03
    assert report["changepoints"]["f1"] > 0.7
