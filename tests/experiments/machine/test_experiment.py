"""The job of a declared Boltzmann machine: what it reports, draws and keeps."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from mmgraph import cli
from mmgraph.data.groups import Groups
from mmgraph.data.splits import folds_of
from mmgraph.experiments import experiment
from mmgraph.experiments.machine import experiment as machine_experiment
from mmgraph.experiments.machine import fold as machine_fold
from mmgraph.graph.errors import LearningError, MmgraphError
from tests.experiments.shortened import shortened
from tests.experiments.small_machine import DECLARATION, small_data


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shapes.toml"
    path.write_text(DECLARATION)
    monkeypatch.setattr(machine_experiment, "load_data", lambda declaration: small_data())
    return path


@pytest.fixture(scope="module")
def one_fold(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What one fold leaves in a directory, and its report."""
    directory = tmp_path_factory.mktemp("one_fold")
    path = directory / "shapes.toml"
    path.write_text(DECLARATION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine_experiment, "load_data", lambda declaration: small_data())
        patch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
        report = experiment.run(path, directory / "out", folds=1)
    return directory / "out", report


@pytest.fixture
def done(one_fold: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """A directory of one's own in which one fold is done."""
    return shutil.copytree(one_fold[0], tmp_path / "out")


@pytest.mark.usefixtures("rendered")
def test_a_run_reports_every_situation(model: Path, tmp_path: Path):
    told: list[tuple[int, int, str]] = []
    report = experiment.run(model, tmp_path / "out", progress=lambda *step: told.append(step))
    assert report["kind"] == "boltzmann_machine"
    both, picture, tone, imputed, representation = report["results"]
    assert [r["given"] for r in (both, picture, tone)] == [
        ["picture", "tone"],
        ["picture"],
        ["tone"],
    ]
    for row in (both, picture, tone):
        assert {"accuracy", "expected_calibration_error", "log_loss"} < set(row)
    assert both["accuracy"] > 0.95
    assert picture["accuracy"] > 0.9
    assert 0.6 < tone["accuracy"] <= both["accuracy"]
    assert (imputed["given"], imputed["imputed"]) == (["tone"], "picture")
    # Better than the mean image, and no better than the noise of the pixels allows.
    pixels = small_data().features["picture"]
    assert 1 < imputed["mean_squared_error"] < 0.6 * pixels.var(0).mean()
    assert (representation["given"], representation["representation"]) == (["picture", "tone"], 12)
    assert representation["accuracy"] > 0.9
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["results"] == report["results"]
    assert [Path(f).stem for f in report["files"]] == [
        "reliability",
        "confusion",
        "monitors",
        "receptive_fields_picture",
        "samples_picture",
        "imputed_picture",
        "results",
    ]
    for file in report["files"]:
        assert Path(file).stat().st_size > 0
    assert told[0][:2] == (1, 36)
    assert told[0][2].startswith("fold 1 of 3, epoch 1, loss ")
    assert [done for done, whole, _ in told[:-1] if whole == 36] == list(range(1, 37))


def test_folds_that_are_done_are_not_done_again(
    model: Path, done: Path, monkeypatch: pytest.MonkeyPatch
):
    first = experiment.run(model, done, folds=2)

    def refuses(*_: object, **__: object):
        raise AssertionError

    monkeypatch.setattr(machine_experiment, "fit_machine", refuses)
    again = experiment.run(model, done, folds=2)
    assert again["results"] == first["results"]
    assert again["files"] == first["files"]
    with pytest.raises(AssertionError):
        experiment.run(model, done, folds=3)
    model.write_text(DECLARATION.replace("epochs = 12", "epochs = 11"))
    with pytest.raises(AssertionError):
        experiment.run(model, done, folds=2)


def test_an_interrupted_fold_goes_on_from_its_last_epoch(
    model: Path, tmp_path: Path, one_fold: tuple[Path, dict[str, Any]]
):
    directory, whole = one_fold
    seen: list[int] = []

    def stops(done: int, _whole: int, _what: str) -> None:
        seen.append(done)
        if done == 7 and seen.count(7) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.run(model, tmp_path / "broken", folds=1, progress=stops)
    assert seen == list(range(1, 8))
    resumed = experiment.run(model, tmp_path / "broken", folds=1, progress=stops)
    assert resumed["results"] == whole["results"]
    assert seen[7] in (7, 8)  # the epoch in which it stopped may not have been kept
    one, two = (
        mm.read(place / "machine.mmgraph").parameters()
        for place in (directory, tmp_path / "broken")
    )
    for name, tensor in one.items():
        np.testing.assert_array_equal(tensor, two[name])


def test_another_declaration_starts_afresh_where_one_was_interrupted(model: Path, tmp_path: Path):
    def stops(done: int, _whole: int, _what: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.run(model, tmp_path / "out", folds=1, progress=stops)
    model.write_text(DECLARATION.replace("joint = 12", "joint = 9"))
    report = experiment.run(model, tmp_path / "out", folds=1)
    assert report["results"][-1]["representation"] == 9


def test_checkpoints_go_when_their_fold_is_done(done: Path):
    kept = [p.name for p in (done).rglob("*.safetensors")]
    assert "fold_0.safetensors" in kept
    assert not [name for name in kept if name.startswith("tensors-")]
    assert not (done / "checkpoints").exists()


def test_a_machine_that_is_gone_is_fitted_again(
    model: Path, done: Path, one_fold: tuple[Path, dict[str, Any]]
):
    shutil.rmtree(done / "machine.mmgraph")
    assert experiment.run(model, done, folds=1)["results"] == one_fold[1]["results"]
    assert (done / "machine.mmgraph").is_dir()


def test_a_machine_that_is_read_again_says_the_same(model: Path, done: Path):
    declaration = machine_experiment.read_machine(model)
    data = small_data()
    train, test = folds_of(data, 3, 0)[0]
    job = machine_experiment.job(model, done)
    job.steps(1)
    read = job.first_machine()
    fitted = machine_fold.fit_machine(declaration, data.rows(train))
    for given in declaration.report.given:
        np.testing.assert_allclose(
            read.predict_proba(data.rows(test), given),
            fitted.predict_proba(data.rows(test), given),
            atol=1e-6,
        )


def test_nothing_of_the_test_rows_is_learned(model: Path):
    """Other test rows change nothing of the machine, nor of the scales."""
    declaration, data = machine_experiment.read_machine(model), small_data()
    train, test = folds_of(data, 3, 0)[0]
    one = machine_fold.fit_machine(declaration, data.rows(train))
    data.features["tone"][test] += 100
    other = machine_fold.fit_machine(declaration, data.rows(train))
    for name, tensor in one.machine.parameters().items():
        np.testing.assert_array_equal(tensor, other.machine.parameters()[name])


def test_what_is_missing_is_not_looked_at(model: Path):
    declaration, data = machine_experiment.read_machine(model), small_data()
    fitted = machine_fold.fit_machine(declaration, data)
    before = fitted.predict_proba(data, ("tone",)), fitted.impute(data, ("tone",), "picture")
    data.features["picture"][:] = np.nan
    data.codes[:] = 0
    after = fitted.predict_proba(data, ("tone",)), fitted.impute(data, ("tone",), "picture")
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_command_prints_a_row_for_every_result(
    model: Path, done: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(
        "sys.argv",
        ["mmgraph", "run", str(model), "--folds", "1", "--output", str(done)],
    )
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code
    printed = capsys.readouterr().out
    assert "picture+tone" in printed
    for column in ("imputed", "accuracy", "calibration", "squared"):
        assert column in printed


def test_folds_can_be_limited(model: Path):
    with pytest.raises(MmgraphError, match="3 folds; 4 cannot be run"):
        experiment.run(model, folds=4)


def test_features_that_are_not_finite_are_named(model: Path, monkeypatch: pytest.MonkeyPatch):
    data = small_data()
    data.features["tone"][4, 2] = np.nan
    monkeypatch.setattr(machine_experiment, "load_data", lambda declaration: data)
    with pytest.raises(LearningError, match="feature 2 of 'tone' is not finite"):
        experiment.run(model)


@pytest.fixture
def recorded(model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same data, their rows from three recordings."""
    data = small_data()
    groups = Groups("recording", np.arange(60) // 20)
    grouped = replace(data, groups=groups)
    monkeypatch.setattr(machine_experiment, "load_data", lambda declaration: grouped)
    return model


def test_both_splits_of_recordings_are_reported(recorded: Path, tmp_path: Path):
    told: list[tuple[int, int, str]] = []
    report = experiment.run(
        recorded, tmp_path / "out", folds=1, progress=lambda *step: told.append(step)
    )
    assert [row["split"] for row in report["results"]] == ["random"] * 5 + ["grouped"] * 5
    for row in report["results"]:
        if "log_loss" in row:
            assert row["accuracy"] > 0.5
            assert row["calibration_error_by_chance"] < row["calibration_error_by_chance_95"]
    names = [Path(f).name for f in report["files"]]
    assert len(set(names)) == len(names)
    for name in ("reliability", "confusion", "monitors"):
        assert {f"{name}.png", f"{name}_grouped.png"} <= set(names)
    assert [done for done, whole, _ in told[:-1] if whole == 24] == list(range(1, 25))
    assert told[12][2].startswith("fold 1 of 1, grouped (recording), epoch 1")
    # The machine that is kept is that of the first random fold; nothing is fitted again.
    train, _ = folds_of(small_data(), 3, 0)[0]
    machine = mm.read(tmp_path / "out" / "machine.mmgraph")
    own = machine_fold.fit_machine(machine_experiment.read_machine(recorded),
                                   small_data().rows(train)).machine  # fmt: skip
    for name, tensor in machine.parameters().items():
        np.testing.assert_array_equal(tensor, own.parameters()[name])


@pytest.mark.slow
def test_home_activities_come_near_their_figures(tmp_path: Path):
    """One fold of a quarter of the epochs; the figures that are claimed are of all, in five."""
    lines = {"epochs = 500": "epochs = 120", 'groups = "block"': ""}
    short = shortened("home_activities_dbm", tmp_path, lines)
    report = experiment.run(short, folds=1)
    results = {tuple(row["given"]): row for row in report["results"][:3]}
    assert results["sound", "movement"]["accuracy"] >= 0.92
    assert results["sound",]["accuracy"] >= 0.78
    assert results["movement",]["accuracy"] >= 0.80
    assert results["sound", "movement"]["expected_calibration_error"] <= 0.06


@pytest.mark.slow
def test_digits_come_near_their_figures(tmp_path: Path):
    """One fold of a sixth of the epochs; the figures that are claimed are of all, in five."""
    short = shortened("digits_six_views", tmp_path, {"epochs = 200": "epochs = 30"})
    rows = experiment.run(short, folds=1)["results"]
    given = {"+".join(r["given"]): r for r in rows if "log_loss" in r}
    views = "fac+fou+kar+mor+pix+zer"
    least = {views: 0.97, "fou+mor+zer": 0.84, "fac": 0.94, "fou": 0.77, "kar": 0.94, "mor": 0.62,
             "pix": 0.95, "zer": 0.75}  # fmt: skip
    for name, accuracy in least.items():
        assert given[name]["accuracy"] >= accuracy, name
    assert given[views]["expected_calibration_error"] <= 0.04
    (imputed,) = (r for r in rows if "imputed" in r)
    assert imputed["mean_squared_error"] <= 2.2
    assert rows[-1]["accuracy"] >= 0.965
