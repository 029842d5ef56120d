"""The land-cover job: declaration, splits, classifiers, field, a small run, and the real one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from mmgraph.experiments import experiment
from mmgraph.experiments.land_cover import land_cover
from mmgraph.experiments.land_cover.declaration import read_land_cover
from mmgraph.experiments.land_cover.experiment import Experiment, cloud, situations
from mmgraph.graph.errors import DatasetError, FormatError, MmgraphError
from mmgraph.learning.prediction.metrics import label_metrics
from tests.experiments.scenes import small_scene
from tests.experiments.shortened import shortened

SMALL = """
kind = "land_cover"
title = "Fields"
[data]
dataset = "indian_pines"
[sensors]
near = "visible_near_infrared"
far = "shortwave_infrared"
[training]
share = 0.1
least = 5
folds = 3
seeds = [0, 1]
[[split]]
name = "random"
[[split]]
name = "disjoint"
kind = "blocks"
block = 6
margin = 1
[unary]
windows = [1, 3]
precisions = [1.0]
ridges = [0.1]
[field]
powers = [0.5]
weights = [1.0, 2.0]
contrasts = [0.5]
[cloud]
share = 0.3
[report]
given = [["near"], ["near", "far"]]
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "fields.toml"
    path.write_text(SMALL)
    monkeypatch.setattr(land_cover, "load_scene", lambda declaration: small_scene())
    return path


@pytest.mark.usefixtures("rendered")
def test_a_run_reports_every_situation(model: Path, tmp_path: Path):
    steps: list[int] = []
    report = experiment.run(model, tmp_path / "out", progress=lambda done, *_: steps.append(done))
    rows = report["results"]
    assert report["kind"] == "land_cover"
    assert steps == [0, 1, 2, 3, 4]
    assert {(tuple(r["given"]), r["missing"]) for r in rows} == {
        (("near",), None),
        (("near", "far"), None),
        (("near", "far"), "near"),
        (("near", "far"), "far"),
    }
    assert {(r["split"], r["method"]) for r in rows} == {
        (s, m) for s in ("random", "disjoint") for m in ("pixelwise", "windows", "mrf")
    }
    found = {
        (r["split"], tuple(r["given"]), r["missing"], r["method"]): r["overall_accuracy"]
        for r in rows
    }
    both = ("near", "far")
    assert found["random", both, None, "mrf"] > found["random", both, None, "pixelwise"] > 0.6
    assert found["random", both, "near", "mrf"] < found["random", both, None, "mrf"] + 0.02
    clouded = [r for r in rows if r["missing"]]
    assert all(0 < r["accuracy_beneath_cloud"] <= 1 for r in clouded)
    assert all(r["seeds"] == 2 for r in rows)
    assert json.loads((tmp_path / "out" / "results.json").read_text())["results"] == rows
    assert len(report["files"]) == 2 * 4 + 1
    for file in report["files"]:
        assert Path(file).stat().st_size > 0


def test_an_interrupted_run_goes_on(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = experiment.run(model, folds=1)
    answered = Experiment.run
    calls = []

    def stops(self: Experiment):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return answered(self)

    monkeypatch.setattr(Experiment, "run", stops)
    with pytest.raises(KeyboardInterrupt):
        experiment.run(model, tmp_path / "broken", folds=1)
    resumed = experiment.run(model, tmp_path / "broken", folds=1)
    assert len(calls) == 3
    assert resumed["results"] == whole["results"]
    assert resumed["chosen"] == whole["chosen"]


def test_seeds_can_be_limited(model: Path):
    with pytest.raises(MmgraphError, match="2 seeds; 3"):
        experiment.run(model, folds=3)


def test_nothing_is_read_beneath_the_cloud(model: Path):
    """Other spectra of the hidden sensor beneath the cloud change nothing."""
    declaration, scene = read_land_cover(model), small_scene()
    split = land_cover.make_split(scene.labels, declaration.splits[0], declaration.training, 0)
    situation = next(s for s in situations(declaration) if s.missing == "far")
    labels = []
    for noise in (0.0, 50.0):
        changed = small_scene()
        run = Experiment(changed, declaration, split, 0)
        run.choose()
        changed.sensors["far"][run.cloud] += noise
        labels.append(run.answer(situation))
    for key, array in labels[0].items():
        np.testing.assert_array_equal(array, labels[1][key])


def test_the_cloud_is_a_contiguous_third():
    from scipy.ndimage import label

    covered = cloud((30, 40), 1 / 3, seed=4)
    assert covered.sum() == 400
    assert label(covered)[1] == 1
    assert (cloud((30, 40), 1 / 3, seed=5) != covered).any()


def test_label_metrics_against_scikit_learn():
    generator = np.random.default_rng(0)
    truth, predicted = generator.integers(0, 4, (2, 300))
    figures = label_metrics(truth, predicted, 5)
    assert figures["overall_accuracy"] == pytest.approx((truth == predicted).mean())
    assert figures["average_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert figures["kappa"] == pytest.approx(cohen_kappa_score(truth, predicted))
    assert label_metrics(np.zeros(3, int), np.zeros(3, int), 2)["kappa"] == 1.0
    with pytest.raises(MmgraphError, match="not one of 2 classes"):
        label_metrics(np.array([0, 2]), np.array([0, 1]), 2)
    with pytest.raises(MmgraphError, match="0 true labels"):
        label_metrics(np.empty(0, int), np.empty(0, int), 2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "land_cover"', 'kind = "land_covr"', "did you mean 'land_cover'"),
        ("share = 0.1\n", "", r"\[training\] lacks 'share'"),
        ("share = 0.1", "share = 2", "'share' must lie between 1e-09 and 1, not 2"),
        ("seeds = [0, 1]", "seeds = 3", "'seeds' cannot be 3; a list"),
        ("seeds = [0, 1]", 'seeds = ["a"]', "'seeds' cannot be 'a'"),
        ('kind = "blocks"', 'kind = "block"', "did you mean 'blocks'"),
        ("margin = 1", "margin = 3", "'margin' must lie between 0 and 2"),
        ("windows = [1, 3]", "windows = [1, 4]", "must be odd, not 4"),
        ("windows = [1, 3]", "windows = [3]", "must hold 1"),
        ("weights =", "weight =", "did you mean 'weights'"),
        ("contrasts = [0.5]", "contrasts = [1.5]", "'contrasts' must lie"),
        ('["near"],', '["neer"],', "did you mean 'near'"),
        ("[cloud]", "[clouds]", "there is no place for 'clouds'; did you mean 'cloud'"),
        ('far = "shortwave_infrared"', "far = 3", "'far' must be of type str"),
    ],
)
def test_a_declaration_that_is_wrong(model: Path, old: str, new: str, message: str):
    assert old in SMALL
    model.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(FormatError, match=message) as raised:
        experiment.run(model)
    assert "fields.toml" in str(raised.value)


def test_data_without_the_sensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from mmgraph import datasets

    path = tmp_path / "fields.toml"
    path.write_text(SMALL)
    monkeypatch.setattr(datasets, "load", lambda name: object())
    with pytest.raises(DatasetError, match="no labelled image"):
        experiment.run(path)


@pytest.mark.slow
def test_indian_pines_reaches_its_figures(tmp_path: Path):
    """One of the five repetitions."""
    once = shortened("indian_pines", tmp_path, {"seeds = [0, 1, 2, 3, 4]": "seeds = [0]"})
    report = experiment.run(once)
    assert report["seconds"] < 150
    found = {
        (r["split"], tuple(r["given"]), r["missing"], r["method"]): r["overall_accuracy"]
        for r in report["results"]
    }
    assert found["random", ("vnir",), None, "mrf"] >= 0.935
    assert found["random", ("swir",), None, "mrf"] >= 0.92
    assert found["random", ("vnir", "swir"), None, "mrf"] >= 0.965
    for key, accuracy in found.items():
        if key[3] == "mrf":
            assert accuracy > found[*key[:3], "pixelwise"]
