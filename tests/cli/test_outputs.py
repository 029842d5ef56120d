"""Outputs are checked before the work that would be lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import mmgraph as mm
from mmgraph.cli import image_files, interruption, models
from mmgraph.cli.outputs import check_directory, check_file, check_model_file
from mmgraph.experiments import experiment
from mmgraph.graph.errors import FormatError


def never(*_: object, **__: object) -> None:
    raise AssertionError("the work began before the output was checked")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("")
    return path


def wrong_places(tmp_path: Path, file: Path, suffix: str) -> list[tuple[Path, str]]:
    (tmp_path / f"folder{suffix}").mkdir()
    return [
        (tmp_path / "missing" / f"x{suffix}", "there is no directory"),
        (file / f"x{suffix}", "there is no directory"),
        (tmp_path / f"folder{suffix}", "is a directory"),
        (tmp_path / "x.xyz", "expected a name that ends in"),
        (tmp_path / "x", "expected a name that ends in"),
    ]


@pytest.mark.parametrize("command", ["infer", "map", "sample"])
def test_tables_of_rows(mmgraph, command: str, tmp_path: Path, file: Path, monkeypatch):
    monkeypatch.setattr(mm, "read", never)
    for path, message in wrong_places(tmp_path, file, ".csv"):
        code, out, err = mmgraph(command, "asia", "--output", path)
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = mmgraph(command, "asia", "--output", tmp_path / "x.parquet")
    assert code == 2
    assert "pip install 'mmgraph[data]'" in err


def test_fitted_models(mmgraph, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mm.BayesianNetwork, "fit", never)
    data = tmp_path / "rows.csv"
    data.write_text("asia\nyes\n")
    for path, message in wrong_places(tmp_path, file, ".bif"):
        code, out, err = mmgraph("fit", "asia", "--data", data, "--output", path)
        assert (code, out) == (2, "")
        assert message in err
    net = mm.BayesianNetwork(
        [x := mm.Variable("x", shape=(1,), family="gaussian")],
        [mm.GaussianLeaf(x, [], [0.0], [[1.0]])],
    )
    mm.write(net, tmp_path / "leaf.mmgraph")
    target = tmp_path / "fitted.bif"
    code, _, err = mmgraph("fit", tmp_path / "leaf.mmgraph", "--data", data, "--output", target)
    assert code == 2
    assert str(target) in err
    assert ".mmgraph-" not in err  # the temporary name
    code, _, err = mmgraph(
        "fit", "asia", "--data", data, "--output", target, "--checkpoint", file / "kept"
    )
    assert code == 2
    assert str(file / "kept") in err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "file", "folder.bif", "leaf.mmgraph", "rows.csv",
    ]  # fmt: skip


def test_fitted_machines(mmgraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from mmgraph.experiments.machine import data as machine_data

    monkeypatch.setattr(machine_data, "load_data", never)
    for path, message in (
        (tmp_path / "machine.bif", "holds Bayesian networks"),
        (tmp_path / "missing" / "machine.mmgraph", "there is no directory"),
    ):
        code, _, err = mmgraph("fit", "digits_six_views", "--output", path)
        assert code == 2
        assert message in err


def test_converted_and_shown_models(mmgraph, tmp_path: Path, file: Path, monkeypatch):
    code, _, err = mmgraph("convert", "asia", tmp_path / "x.xyz")
    assert (code, ".xyz" in err) == (2, True)
    assert mmgraph("convert", "asia", tmp_path / "asia.uai")[2] == (
        f"mmgraph: wrote {tmp_path / 'asia.uai'}\n"
    )
    monkeypatch.setattr(mm, "read", never)
    assert mmgraph("convert", "asia", tmp_path / "missing" / "x.uai")[0] == 2
    for path, message in wrong_places(tmp_path, file, ".png"):
        code, _, err = mmgraph("show", "asia", "--output", path)
        assert code == 2
        assert message in err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = mmgraph("show", "asia", "--output", tmp_path / "x.png")
    assert (code, "mmgraph[plots]" in err) == (2, True)


def test_runs_and_labellings(mmgraph, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(experiment, "run", never)
    monkeypatch.setattr(image_files.ImageFiles, "read", never)
    label = ("label", "--sensor", "a=a.npy", "--labels", "labels.npy")
    for output in (file, file / "inside"):
        for command in (("run", "home_activities"), label):
            code, _, err = mmgraph(*command, "--output", output)
            assert code == 2
            assert str(file) in err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for command in (("run", "home_activities"), (*label, "--picture")):
        code, _, err = mmgraph(*command, "--output", tmp_path / "new")
        assert (code, "mmgraph[plots]" in err) == (2, True)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission(tmp_path: Path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    for check in (check_file, check_directory, lambda p: check_model_file(mm.read("asia"), p)):
        with pytest.raises(FormatError, match="locked"):
            check(locked / "x.bif")


def test_what_can_be_written_passes(tmp_path: Path):
    check_file(tmp_path / "x.csv.gz", (".csv", ".csv.gz"))
    check_directory(tmp_path / "several" / "new" / "folders")
    check_model_file(mm.read("asia"), tmp_path / "x.bif")
    mm.write(mm.read("asia"), tmp_path / "x.mmgraph")
    check_model_file(mm.read("asia"), tmp_path / "x.mmgraph")
    assert [path.name for path in tmp_path.iterdir()] == ["x.mmgraph"]
    assert models.check_model_file is check_model_file
    assert interruption.check_directory is check_directory
