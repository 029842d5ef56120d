"""The job of a Gaussian network: a small run, going on, its pictures, and the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.experiments import experiment
from mmgraph.experiments.gaussian_network import experiment as job_module
from mmgraph.experiments.gaussian_network.fold import Fold
from tests.experiments.gaussian_network.measured import SMALL, small_measurements


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "three.toml"
    path.write_text(SMALL)
    monkeypatch.setattr(job_module, "load_measurements", small_measurements)
    return path


def figures(report: dict, split: str, model: str, given: str) -> dict:
    (row,) = (
        row
        for row in report["results"]
        if (row["split"], row["model"], row["experiment"]) == (split, model, given)
    )
    return row


def test_a_run_reports_both_splits(model: Path, tmp_path: Path, rendered: None):
    report = experiment.run(model, tmp_path / "out")
    assert [Path(f).name for f in report["files"]] == [
        "log_likelihood.png",
        "imputation.png",
        "results.json",
    ]
    assert all(Path(f).stat().st_size > 1000 for f in report["files"])
    network = figures(report, "random", "Gaussian network", "given")
    missing = figures(report, "random", "Gaussian network", "missing")
    assert missing["log_likelihood"] < network["log_likelihood"]
    full = figures(report, "random", "full covariance", "missing")
    assert missing["log_likelihood"] > full["log_likelihood"]
    diagonal = figures(report, "random", "diagonal", "missing")
    assert full["log_likelihood"] > diagonal["log_likelihood"]
    assert 0 < network["log_likelihood_standard_error"] < 0.2
    assert network["r_squared"] == pytest.approx(1 - network["rmse"] ** 2)
    mean = figures(report, "random", "mean", "missing")
    assert mean["log_likelihood"] is None
    assert mean["rmse"] == pytest.approx(1, abs=0.02)
    assert set(mean["rmse_by_column"]) == {"a", "b", "c"}
    # What is left out has no state: it can only be missing.
    grouped = [row for row in report["results"] if row["split"] == "grouped"]
    assert {row["experiment"] for row in grouped} == {"missing"}
    assert {row["groups"] for row in grouped} == {"experiment"}
    chosen = report["chosen"]["random"]["Gaussian network"]["affected"]
    assert chosen == ["a", "a"]  # that is how the rows were made


def test_test_rows_have_no_part_in_a_choice(model: Path):
    """What is said of a test row does not depend on the others."""
    job = job_module.job(model, None)
    index = np.arange(len(job.data))
    fold = Fold(job.declaration, job.measured, job.data.rows(index % 3 != 0))
    whole = fold.run(job.data.rows(index[index % 3 == 0]))
    part = fold.run(job.data.rows(index[index % 6 == 0]))
    for name, array in whole.arrays.items():
        np.testing.assert_allclose(array[::2], part.arrays[name], rtol=1e-9, atol=1e-12)
    assert whole.notes == part.notes


def test_folds_that_are_done_are_not_done_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = experiment.run(model, tmp_path / "out", folds=1)
    assert first["folds"] == {"run": 1, "declared": 2}

    def refuses(*_: object, **__: object):
        raise AssertionError

    monkeypatch.setattr(Fold, "run", refuses)
    again = experiment.run(model, tmp_path / "out", folds=1)
    assert again["results"] == first["results"]
    assert again["chosen"] == first["chosen"]
    model.write_text(SMALL.replace("bins = [20]", "bins = [10]"))
    with pytest.raises(AssertionError):
        experiment.run(model, tmp_path / "out", folds=1)


@pytest.mark.slow
def test_cell_signalling_reaches_its_figures():
    report = experiment.run("cell_signalling_gaussian", folds=1)
    network = figures(report, "random", "Gaussian network", "missing")
    full = figures(report, "random", "full covariance", "missing")
    tables = figures(report, "random", "discretised network", "missing")
    ridge = figures(report, "random", "ridge", "missing")
    assert network["log_likelihood"] > -13.1
    assert network["log_likelihood"] > full["log_likelihood"] + 2
    assert network["log_likelihood"] > tables["log_likelihood"] + 0.5
    assert network["rmse"] < ridge["rmse"] - 0.04
    assert set(report["chosen"]["random"]["Gaussian network"]["affected"]) == {"every protein"}
