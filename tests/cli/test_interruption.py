"""After Ctrl-C: what is kept, and how to go on; and the message when it does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.cli import common, image_files, machines, models
from mmgraph.experiments import experiment
from mmgraph.learning.kept_steps import KeptSteps


class Bar:
    """A progress bar whose user presses Ctrl-C at a certain update."""

    def __init__(self, updates: int) -> None:
        self.left = updates

    def update(self, *_: object, **__: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def interrupting(updates: int) -> Any:
    @contextlib.contextmanager
    def progress_bar(description: str, total: float | None) -> Iterator[tuple[Bar, int]]:
        yield Bar(updates), 0

    return progress_bar


@pytest.fixture
def data(tmp_path: Path, mmgraph) -> Path:
    """Rows of a network, one of whose variables is hidden."""
    path = tmp_path / "rows.csv"
    mmgraph("sample", "asia", "-n", "100", "--output", path)
    lines = [line.split(",") for line in path.read_text().splitlines()]
    column = lines[0].index("either")
    path.write_text("\n".join(",".join(c[:column] + c[column + 1 :]) for c in lines) + "\n")
    return path


def test_a_fit_goes_on_from_its_checkpoint(mmgraph, data: Path, tmp_path: Path, monkeypatch):
    fit = ("fit", "asia", "--data", data, "--method", "em", "--output")
    whole, target, kept = tmp_path / "whole.bif", tmp_path / "fitted.bif", tmp_path / "kept"
    assert mmgraph(*fit, whole)[0] == 0
    with monkeypatch.context() as patched:
        patched.setattr(models, "progress_bar", interrupting(3))
        code, out, err = mmgraph(*fit, target, "--checkpoint", kept)
        assert (code, out) == (130, "")
        said = f"mmgraph: interrupted; what was done is kept in {kept}: run the same command again"
        assert said in err
        assert not target.exists()
        code, _, err = mmgraph(*fit, target)
        assert code == 130
        assert "nothing is kept; with --checkpoint DIRECTORY" in err
    code, _, err = mmgraph(*fit, target, "--checkpoint", kept)
    assert code == 0
    assert f"mmgraph: going on from iteration 2, which {kept} keeps\n" in err
    for name in mm.read("asia").variables:
        found, expected = (mm.read(str(p)).distribution(name).values for p in (target, whole))
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_an_interruption_before_anything_was_kept(mmgraph, data: Path, tmp_path, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mm.BayesianNetwork, "fit", interrupted)
    kept = tmp_path / "kept"
    _, _, err = mmgraph(
        "fit", "asia", "--data", data, "--output", tmp_path / "x.bif", "--checkpoint", kept
    )
    assert "nothing is kept" in err
    monkeypatch.setattr(mm, "query", interrupted)
    target = tmp_path / "out.csv"
    target.write_text("before")
    code, _, err = mmgraph("infer", "asia", "--evidence-file", data, "--output", target)
    assert code == 130
    assert f"interrupted; {target} is not written" in err
    assert target.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "rows.csv"]
    monkeypatch.setattr(image_files.ImageFiles, "read", interrupted)
    label = ("label", "--sensor", "a=a.npy", "--labels", "labels.npy", "--output", tmp_path / "new")
    assert f"{tmp_path / 'new'} is not written" in mmgraph(*label)[2]


def test_a_run_says_what_it_takes_from_an_earlier_one(mmgraph, tmp_path: Path, monkeypatch):
    def run(name: str, directory: Path, folds: int, progress: Any) -> dict[str, Any]:
        steps = KeptSteps(directory, "of this run")
        for number in range(3):
            progress(number, 3, f"fold {number + 1} of 3")
            if steps.read(f"fold_{number}") is None:
                if number == 1 and not (directory / "go on").exists():
                    raise KeyboardInterrupt
                steps.write(f"fold_{number}", {"x": np.zeros(1)})
        row = {"method": "exact", "accuracy": 1.0}
        return {"model": name, "kind": "stereo", "seconds": 1.0, "results": [row], "files": []}

    monkeypatch.setattr(experiment, "run", run)
    (tmp_path / "picture.png").write_text("of another day")
    arguments = ("run", "home_activities", "--output", tmp_path)
    code, out, err = mmgraph(*arguments)
    assert (code, out) == (130, "")
    assert f"what was done is kept in {tmp_path}: run the same command again to go on" in err
    (tmp_path / "go on").write_text("")
    code, out, err = mmgraph(*arguments, "--json")
    assert code == 0
    step = tmp_path / "steps" / "fold_0.safetensors"
    assert err == f"mmgraph: an earlier run has done fold_0, which is taken from {step}\n"
    assert out.startswith("{")


def test_nothing_of_a_run_is_kept(mmgraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", interrupted)
    (tmp_path / "picture.png").write_text("of another day")
    assert mmgraph("run", "home_activities", "--output", tmp_path)[2].endswith(
        "mmgraph: interrupted; nothing is kept\n"
    )


def test_a_machine_goes_on_after_an_epoch(caplog: pytest.LogCaptureFixture, tmp_path: Path):
    rows = np.random.default_rng(0).integers(0, 2, (20, 3))

    def train(stop: int | None) -> None:
        def told(epoch: int, monitors: object) -> None:
            if epoch == stop:
                raise KeyboardInterrupt

        visible = mm.Variable("v", shape=(3,), family="bernoulli")
        machine = mm.RestrictedBoltzmannMachine(visible, 2)
        machine.fit({"v": rows}, epochs=4, checkpoint=tmp_path / "kept", progress=told)

    with caplog.at_level("INFO", logger="mmgraph"):
        with pytest.raises(KeyboardInterrupt):
            train(stop=2)
        assert "going on" not in caplog.text
        train(stop=None)
    assert f"going on after epoch 2, which {tmp_path / 'kept'} keeps" in caplog.text
    assert machines.keeps is models.keeps


def test_bars_show_the_time_left(monkeypatch: pytest.MonkeyPatch):
    from rich.progress import TimeRemainingColumn

    with common.progress_bar("answering", 10) as (bar, task):
        assert any(isinstance(column, TimeRemainingColumn) for column in bar.columns)
        bar.update(task, completed=5)
        assert bar.tasks[0].percentage == 50
