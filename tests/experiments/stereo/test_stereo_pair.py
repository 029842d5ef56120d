"""The stereo job: declaration, a small run, going on, and the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.experiments import experiment
from mmgraph.experiments.stereo import stereo_pair
from mmgraph.experiments.stereo.stereo_pair import share_bad
from mmgraph.graph.errors import FormatError, MmgraphError
from tests.experiments.scenes import small_pair
from tests.experiments.shortened import shortened

SMALL = """
kind = "stereo"
title = "A wall"
[data]
dataset = "motorcycle_stereo"
[cost]
disparities = 8
[field]
strength = 0.3
truncation = 3.0
across_edges = 0.2
scale = 10.0
[search]
iterations = 10
[report]
tolerance = 1.5
unseen_from_row = 10
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "wall.toml"
    path.write_text(SMALL)
    monkeypatch.setattr(stereo_pair, "load_pair", lambda declaration: small_pair())
    return path


def test_a_run_reports_both_methods(model: Path, tmp_path: Path):
    report = experiment.run(model, tmp_path / "out")
    alone, field = report["results"]
    assert (alone["method"], field["method"]) == ("winner_takes_all", "trws")
    assert field["bad_1.5px"] <= alone["bad_1.5px"]
    assert field["energy"] <= alone["energy"]
    assert field["lower_bound"] <= field["energy"] + 1e-6
    assert field["gap"] == pytest.approx(field["energy"] - field["lower_bound"])
    assert [Path(f).name for f in report["files"]] == [
        "disparity.png",
        "search.png",
        "results.json",
    ]


def test_a_search_that_is_done_is_not_done_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = experiment.run(model, tmp_path / "out")

    def refuses(*_: object, **__: object):
        raise AssertionError

    monkeypatch.setattr(stereo_pair, "map_query", refuses)
    assert experiment.run(model, tmp_path / "out")["results"] == first["results"]
    model.write_text(SMALL.replace("strength = 0.3", "strength = 0.4"))
    with pytest.raises(AssertionError):
        experiment.run(model, tmp_path / "out")


def test_share_bad():
    truth = np.array([[1.0, 4.0, np.inf, 9.0]])
    known = np.isfinite(truth)
    assert share_bad(np.array([[1, 7, 0, 8]]), truth, known, 2.0) == pytest.approx(1 / 3)
    with pytest.raises(MmgraphError, match="no pixel"):
        share_bad(np.zeros((1, 4), int), truth, np.zeros((1, 4), bool), 2.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("disparities = 8", "disparities = 1", "'disparities' must lie between 2"),
        ("disparities = 8", "", r"\[cost\] lacks 'disparities'"),
        ("strength", "strenght", "did you mean 'strength'"),
        ("iterations = 10", 'method = "trvs"', "did you mean 'trws'"),
        ("truncation = 3.0", 'truncation = "x"', "'truncation' cannot be 'x'"),
        ("[report]", "[reports]", "did you mean 'report'"),
    ],
)
def test_a_declaration_that_is_wrong(model: Path, old: str, new: str, message: str):
    assert old in SMALL
    model.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(FormatError, match=message) as raised:
        experiment.run(model)
    assert "wall.toml" in str(raised.value)


def test_a_pair_has_no_folds(model: Path):
    with pytest.raises(MmgraphError, match="no folds"):
        experiment.run(model, folds=1)


@pytest.mark.slow
def test_motorcycle_reaches_its_figures(tmp_path: Path):
    """Half the iterations."""
    short = shortened("motorcycle_stereo", tmp_path, {"iterations = 40": "iterations = 20"})
    report = experiment.run(short)
    alone, field = report["results"]
    assert report["seconds"] < 60
    assert field["bad_2px"] <= alone["bad_2px"] / 2
    assert field["bad_2px_unseen"] <= alone["bad_2px_unseen"] / 2
    assert field["bad_2px"] < 0.09
    assert 0 <= field["gap"] < 0.01 * field["energy"]
