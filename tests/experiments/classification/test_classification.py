"""Ready models: the declaration, a small run, resuming it, and the real job."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.data.folds import SplitWarning
from mmgraph.data.groups import Groups
from mmgraph.data.leak_alarm import LeakWarning
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments import experiment
from mmgraph.experiments.classification import classification
from mmgraph.experiments.classification.declaration import (
    ClassificationDeclaration,
    read_classification,
)
from mmgraph.experiments.reader import Reader
from mmgraph.graph.errors import MmgraphError
from mmgraph.networks.boltzmann.answers import PriorWarning

SMALL = """
title = "A small model"
[data]
dataset = "home_activities"
target = "class"
[classifier]
leaves = ["mixture", "logistic"]
joint = []
folds = 3
[validation]
folds = 3
[report]
given = [["sound", "movement"], ["sound"], ["movement"]]
"""


def read(name: object) -> ClassificationDeclaration:
    return read_classification(Reader(name))  # type: ignore[arg-type]


def small_data(rows: int = 150) -> MultimodalData:
    """Three states that both modalities tell apart well, neither of them perfectly."""
    generator = np.random.default_rng(0)
    codes = np.arange(rows) % 3
    sound = generator.normal(size=(rows, 4)) + codes[:, None]
    movement = generator.normal(size=(rows, 3)) - codes[:, None]
    target = mm.Variable("activity", ("eat", "sleep", "walk"))
    return MultimodalData.of_numbers({"sound": sound, "movement": movement}, codes, target)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    monkeypatch.setattr(classification, "load_data", lambda *_: small_data())
    return path


@pytest.mark.usefixtures("rendered")
def test_a_run_reports_every_situation(model: Path, tmp_path: Path):
    steps: list[int] = []
    report = experiment.run(model, tmp_path / "out", progress=lambda done, *_: steps.append(done))
    assert report["model"] == "small"
    assert [row["given"] for row in report["results"]] == [
        ["sound", "movement"],
        ["sound"],
        ["movement"],
        [],
    ]
    both, *alone, nothing = (row["accuracy"] for row in report["results"])
    assert nothing == pytest.approx(1 / 3, abs=0.02)
    assert report["results"][-1]["log_loss"] == pytest.approx(np.log(3), abs=1e-3)
    assert (report["title"], report["rows"], report["target"]) == ("A small model", 150, "activity")
    assert report["classes"] == ["eat", "sleep", "walk"]
    assert report["folds"] == {"run": 3, "declared": 3}
    assert report["leaves"]["sound_mixture"] == ["sound"]
    assert both > max(alone) > 0.5
    assert steps == [0, 1, 2, 3, 4]
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["results"] == report["results"]
    for file in report["files"]:
        assert Path(file).stat().st_size > 0


@pytest.mark.parametrize(
    ("data", "broken_at", "fits"),
    [("model", 4, 5), pytest.param("recorded", 5, 8, marks=pytest.mark.slow)],
)
def test_an_interrupted_run_goes_on(
    data: str,
    broken_at: int,
    fits: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
):
    declared = request.getfixturevalue(data)
    whole = experiment.run(declared, tmp_path / "whole")
    fitted = classification.fit_model
    calls = []

    def fit(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == broken_at:
            raise KeyboardInterrupt
        return fitted(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(classification, "fit_model", fit)
    with pytest.raises(KeyboardInterrupt):
        experiment.run(declared, tmp_path / "broken")
    resumed = experiment.run(declared, tmp_path / "broken")
    assert len(calls) == fits
    assert resumed["results"] == whole["results"]


def recorded_data(rows: int = 180) -> MultimodalData:
    """Three recordings, in each of which every state sounds in a way of its own."""
    generator = np.random.default_rng(1)
    codes, block = np.arange(rows) % 3, np.arange(rows) // (rows // 3)
    ways = 3.0 * generator.normal(size=(3, 3, 4))
    sound = ways[block, codes] + generator.normal(size=(rows, 4))
    movement = generator.normal(size=(rows, 3)) - codes[:, None]
    target = mm.Variable("activity", ("eat", "sleep", "walk"))
    return MultimodalData.of_numbers(
        {"sound": sound, "movement": movement}, codes, target, Groups("recording", block)
    )


@pytest.fixture
def recorded(model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(classification, "load_data", lambda *_: recorded_data())
    return model


def test_both_splits_of_recordings_are_reported(recorded: Path, tmp_path: Path):
    told: list[tuple[int, int, str]] = []
    report = experiment.run(recorded, tmp_path / "out", progress=lambda *step: told.append(step))
    rows = {(row["split"], "+".join(row["given"])): row for row in report["results"]}
    assert len(rows) == len(report["results"]) == 8
    assert {split for split, _ in rows} == {"random", "grouped"}
    random, new = rows["random", "sound"], rows["grouped", "sound"]
    # What a state sounds like in a new recording cannot be known.
    assert random["accuracy"] > 0.85 > 0.6 > new["accuracy"]
    assert new["log_loss"] > 2 * random["log_loss"]
    assert new["accuracy_standard_error"] > random["accuracy_standard_error"] > 0
    # Movement is the same in all of them.
    alike = rows["grouped", "movement"]["accuracy"]
    assert alike == pytest.approx(rows["random", "movement"]["accuracy"], abs=0.08)
    for row in rows.values():
        assert 0 < row["calibration_error_by_chance"] < row["calibration_error_by_chance_95"] < 0.2
    assert [text for *_, text in told] == [
        *(f"fold {n} of 3" for n in (1, 2, 3)),
        *(f"fold {n} of 3, grouped (recording)" for n in (1, 2, 3)),
        "all rows",
        "report",
    ]
    assert {(done, total) for done, total, _ in told} == {(n, 7) for n in range(8)}
    names = [Path(file).name for file in report["files"]]
    assert len(set(names)) == len(names) == 11
    for name in ("reliability.png", "reliability_grouped.png", "confusion_sound.png"):
        assert name in names


def test_a_run_says_what_cross_validate_says(recorded: Path):
    recorded.write_text(SMALL.replace('"logistic"', "").replace("folds = 3", "folds = 2", 1))
    classifier = mm.MultimodalClassifier(leaves="mixture", joint=[], folds=2)
    tested = mm.cross_validate(classifier, recorded_data(), folds=3)
    rows = [row for row in experiment.run(recorded)["results"] if row["given"]]
    for line, row in zip(tested.figures(), rows, strict=True):
        assert line == {name: row[name] for name in line}


def test_powers_are_learned_on_recordings_that_were_not_heard(recorded: Path):
    """Held-out rows of the grouped split are of another recording than those that leaves saw."""
    declaration, data = read(recorded), recorded_data()
    some = data.rows(np.flatnonzero(data.groups.codes < 2))  # type: ignore[union-attr]
    rest = data.rows(np.flatnonzero(data.groups.codes == 2))  # type: ignore[union-attr]

    def loudness(training: MultimodalData) -> float:
        explanation = classification.fit_model(declaration, training).explain(rest, ["sound"])
        return float(np.abs(explanation.nats).sum(0).mean())

    # Another recording shows that the sound says little; rows of the same one do not.
    assert loudness(some) < 0.3 * loudness(some.without_groups())


def test_a_limit_of_folds_holds_for_both_splits(recorded: Path):
    report = experiment.run(recorded, folds=1)
    assert [row["split"] for row in report["results"]] == ["random"] * 4 + ["grouped"] * 4
    assert report["results"][0]["accuracy_standard_error"] is not None
    # Of one group nobody knows how much groups differ.
    assert report["results"][4]["accuracy_standard_error"] is None
    assert report["folds"] == {"run": 1, "declared": 3}


def test_two_groups_leave_random_rows_for_the_powers(model: Path, monkeypatch: pytest.MonkeyPatch):
    data = recorded_data()
    two = data.rows(np.flatnonzero(data.groups.codes < 2))  # type: ignore[union-attr]
    monkeypatch.setattr(classification, "load_data", lambda *_: two)
    with pytest.warns(SplitWarning, match="of one 'recording': powers are learned on random rows"):
        report = experiment.run(model)
    assert {row["split"] for row in report["results"]} == {"random", "grouped"}


def test_rows_of_one_recording_are_reported_grouped_too(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Sound that drifts tells rows from their neighbours, and nothing of rows of other hours."""
    codes = np.tile(np.repeat([0, 1, 2], 20), 5)
    generator = np.random.default_rng(0)
    features = {
        "sound": generator.normal(size=(len(codes), 4)).cumsum(0),
        "movement": generator.normal(size=(len(codes), 3)) - codes[:, None],
    }
    target = mm.Variable("activity", ("eat", "sleep", "walk"))
    data = MultimodalData.of_numbers(features, codes, target)
    monkeypatch.setattr(classification, "load_data", lambda *_: data)
    with pytest.warns(LeakWarning, match="Both splits are reported: at random, and by block"):
        report = experiment.run(model, tmp_path / "out")
    assert [row["split"] for row in report["results"]] == ["random"] * 4 + ["grouped"] * 4
    assert report["leak"]["near"] > 3 * report["leak"]["near_by_chance"]
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["leak"] == report["leak"]
    both, _, movement, _ = report["results"][:4]
    assert both["log_loss"] < movement["log_loss"]
    sound = report["results"][5]
    assert sound["log_loss"] > report["results"][1]["log_loss"]
    assert (tmp_path / "out" / "reliability_grouped.png").exists()


def test_rows_in_no_order_are_reported_at_random_alone(model: Path):
    report = experiment.run(model, folds=1)
    assert {row["split"] for row in report["results"]} == {"random"}
    assert "leak" not in report


def test_rows_with_nothing_to_tell_by_are_said_once(model: Path, monkeypatch: pytest.MonkeyPatch):
    data = small_data()
    sound = np.array(data.block("sound").numbers())
    sound[[4, 90]] = np.nan
    blocks = {"sound": sound, "movement": data.block("movement").numbers()}
    labels = [data.target.labels[code] for code in data.codes]
    holed = replace(MultimodalData.of(blocks, labels), origin="rows.csv")
    monkeypatch.setattr(classification, "load_data", lambda *_: holed)
    with pytest.warns(PriorWarning) as caught:
        experiment.run(model)
    told = [str(w.message) for w in caught if w.category is PriorWarning]
    assert len(told) == 1
    assert told[0].startswith("rows of rows.csv (counted from 1) in which a modality is missing")
    assert told[0].endswith("the shares of the classes: sound: rows 5, 91")


def test_another_declaration_does_not_reuse_old_folds(model: Path, tmp_path: Path):
    first = experiment.run(model, tmp_path / "out", folds=1)
    model.write_text(SMALL.replace("folds = 3\n[validation]", "folds = 2\n[validation]"))
    second = experiment.run(model, tmp_path / "out", folds=1)
    assert first["results"] != second["results"]


def test_some_folds_only_and_nothing_written(model: Path, tmp_path: Path):
    report = experiment.run(model, folds=1)
    assert report["files"] == []
    with pytest.raises(MmgraphError, match="3 folds; 4"):
        experiment.run(model, folds=4)


@pytest.mark.slow
def test_home_activities_reaches_its_figures():
    """One fold of five, and one block of three; README has the means of all."""
    report = experiment.run("home_activities", folds=1)
    both, sound, movement, *grouped = (row for row in report["results"] if row["given"])
    assert both["accuracy"] >= 0.94
    assert both["log_loss"] <= 0.16
    assert sound["accuracy"] >= 0.86
    assert sound["log_loss"] <= 0.44
    assert movement["accuracy"] >= 0.86
    assert movement["log_loss"] <= 0.37
    for row in (both, sound, movement):
        assert row["expected_calibration_error"] <= 0.035
        assert row["expected_calibration_error"] <= row["calibration_error_by_chance_95"]
    # With a whole block left out it knows much less, and says so.
    new, new_sound, new_movement = grouped
    assert {row["split"] for row in grouped} == {"grouped"}
    assert 0.8 <= new["accuracy"] <= 0.88
    assert 2 * both["log_loss"] <= new["log_loss"] <= 0.65
    *_, nothing = (row for row in report["results"] if not row["given"])
    assert nothing["split"] == "grouped"
    assert new_sound["log_loss"] <= nothing["log_loss"]  # it tells next to nothing
    assert new_movement["accuracy"] >= 0.62
