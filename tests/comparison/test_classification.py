"""Ready models: the declaration, a small run, resuming it, and the real job."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmgraph.comparison import classification, experiment
from mmgraph.comparison.classification import MultimodalData
from mmgraph.comparison.declaration import read_declaration
from mmgraph.graph.errors import FormatError, LearningError, MmgraphError
from mmgraph.graph.variable import Variable

SMALL = """
title = "A small model"
[data]
dataset = "home_activities"
target = "class"
[network]
target = "activity"
[[leaf]]
name = "sound"
modality = "sound"
kind = "gaussian_mixture"
transform = "standardise"
components = 2
covariance = "diagonal"
[[leaf]]
name = "votes"
modality = "movement"
kind = "encoder"
trees = 20
[learning]
folds = 3
weight_folds = 3
seed = 0
[report]
given = [["sound", "movement"], ["sound"], ["movement"]]
"""


def small_data(rows: int = 150) -> MultimodalData:
    generator = np.random.default_rng(0)
    codes = np.arange(rows) % 3
    sound = generator.normal(size=(rows, 4)) + codes[:, None]
    movement = generator.normal(size=(rows, 3)) - codes[:, None]
    target = Variable("activity", ("eat", "sleep", "walk"))
    return MultimodalData({"sound": sound, "movement": movement}, codes, target)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    monkeypatch.setattr(classification, "load_data", lambda declaration: small_data())
    return path


def test_a_run_reports_every_situation(model: Path, tmp_path: Path):
    steps: list[int] = []
    report = experiment.run(model, tmp_path / "out", progress=lambda done, *_: steps.append(done))
    assert report["model"] == "small"
    assert [row["given"] for row in report["results"]] == [
        ["sound", "movement"],
        ["sound"],
        ["movement"],
    ]
    both, *alone = (row["accuracy"] for row in report["results"])
    assert both > max(alone) > 0.5
    assert steps == [0, 1, 2, 3]
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["results"] == report["results"]
    for file in report["files"]:
        assert Path(file).stat().st_size > 0


def test_an_interrupted_run_goes_on(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = experiment.run(model, tmp_path / "whole")
    fitted = classification.fit_model
    calls = []

    def fit_twice(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fitted(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(classification, "fit_model", fit_twice)
    with pytest.raises(KeyboardInterrupt):
        experiment.run(model, tmp_path / "broken")
    resumed = experiment.run(model, tmp_path / "broken")
    assert len(calls) == 4
    assert resumed["results"] == whole["results"]


def test_another_declaration_does_not_reuse_old_folds(model: Path, tmp_path: Path):
    first = experiment.run(model, tmp_path / "out")
    model.write_text(SMALL.replace("components = 2", "components = 1"))
    second = experiment.run(model, tmp_path / "out")
    assert first["results"] != second["results"]


def test_some_folds_only_and_nothing_written(model: Path, tmp_path: Path):
    report = experiment.run(model, folds=1)
    assert report["files"] == []
    with pytest.raises(MmgraphError, match="3 folds; 4"):
        experiment.run(model, folds=4)


def test_a_state_without_rows_is_named():
    data = small_data()
    declaration = read_declaration("home_activities")
    with pytest.raises(LearningError, match="activity=walk"):
        classification.fit_leaf(
            declaration.leaves[0], data.target, data.features["sound"], data.codes % 2, 0
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "A small model"', "title = 3", "'title' must be of type str"),
        ("folds = 3\n", "", "lacks 'folds'"),
        ("components = 2", "component = 2", "did you mean 'components'"),
        ("components = 2", 'components = "two"', "'components' cannot be 'two'"),
        ('kind = "encoder"', 'kind = "encodr"', "did you mean 'encoder'"),
        ('["sound"],', '["sounds"],', "did you mean 'sound'"),
        ("[network]", "[networks]", r"\[network\] is missing"),
        ("[data]", "[data", "not a TOML file"),
    ],
)
def test_a_declaration_that_is_wrong(model: Path, old: str, new: str, message: str):
    assert old in SMALL
    model.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(FormatError, match=message):
        read_declaration(model)


def test_unknown_model_name():
    with pytest.raises(FormatError, match="did you mean 'home_activities'"):
        read_declaration("home_activites")


@pytest.mark.slow
def test_home_activities_reaches_its_figures():
    report = experiment.run("home_activities")
    both, sound, movement = report["results"]
    assert both["accuracy"] >= 0.925
    assert both["log_loss"] <= 0.27
    assert sound["accuracy"] >= 0.81
    assert movement["accuracy"] >= 0.86
    for row in (both, sound, movement):
        assert row["expected_calibration_error"] <= 0.03
