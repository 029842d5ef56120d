"""Ready comparisons: what declarations say, rows of every kind, and a run that is kept."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.experiments.comparison.declaration import read_comparison
from mmgraph.experiments.comparison.experiment import compared, declared_comparison
from mmgraph.experiments.experiment import run
from mmgraph.experiments.reader import Reader
from mmgraph.formats.resolve import models_directory
from mmgraph.graph.errors import DatasetError, FormatError, LearningError, MmgraphError

MODELS = 'models = ["prior", "logistic"]\nopponents = false'


def declared(tmp_path: Path, data: str, comparison: str = MODELS, more: str = "") -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(f'kind = "comparison"\n[data]\n{data}\n[comparison]\n{comparison}\n{more}')
    return path


@pytest.fixture
def catalogue(monkeypatch):
    """Three small data sets instead of the catalogue's."""
    random = np.random.default_rng(0)
    labels = np.array(["a", "b"] * 12)
    steps = [random.normal(size=(20, 3)) + (label == "b") for label in labels]
    known = {
        "recordings": SimpleNamespace(
            sequences={"wrist": steps, "ankle": steps},
            labels=labels,
            groups={"person": np.arange(24) // 4},
            rate=5.0,
        ),
        "timeless": SimpleNamespace(
            sequences={"wrist": steps}, labels=labels, groups={"person": np.arange(24) // 4}
        ),
        "views": SimpleNamespace(
            views={"pix": random.normal(size=(24, 6)), "fou": random.normal(size=(24, 3))},
            labels=labels,
        ),
    }
    monkeypatch.setattr("mmgraph.datasets.load", known.__getitem__)


def test_recordings_become_windows_that_stay_with_their_person(catalogue, tmp_path):
    text = 'dataset = "recordings"\ntarget = "gait"\ngroups = "person"\nwindow = 2\nwindow_step = 1'
    declaration, data = declared_comparison(declared(tmp_path, text))
    assert declaration.models == ("prior", "logistic")
    assert len(data) == 24 * 3
    assert data.target.name == "gait"
    assert len(np.unique(data.groups.codes)) == 6
    _, whole = declared_comparison(declared(tmp_path, 'dataset = "recordings"'))
    assert (len(whole), whole.groups) == (24, None)


def test_views_are_chosen_and_pixels_become_images(catalogue, tmp_path):
    text = 'dataset = "views"\nimages = { pix = [2, 3] }\nmodalities = ["pix"]'
    _, data = declared_comparison(declared(tmp_path, text))
    assert data.modalities == ("pix",)
    assert isinstance(data.blocks["pix"], Arrays)
    assert data.blocks["pix"].values.shape == (24, 2, 3)


@pytest.mark.parametrize(
    ("data", "comparison", "error", "message"),
    [
        ('dataset = "views"', 'models = ["netwrk"]', FormatError, "did you mean 'network'"),
        ('dataset = "views"', 'conditions = ["noises"]', FormatError, "did you mean 'noise'"),
        ('dataset = "views"', 'model = ["prior"]', FormatError, "'model'; did you mean 'models'"),
        ('dataset = "views"\nimages = { pix = [0, 3] }', MODELS, FormatError, r"not \[0, 3\]"),
        ('dataset = "views"\nimages = [2, 3]', MODELS, FormatError, r"is a table.*not \[2, 3\]"),
        ('dataset = "views"\nwindow_step = 3', MODELS, FormatError, "goes with a 'window'"),
        ('dataset = "recordings"\nwindow = 0.7', MODELS, DatasetError, r"0\.7 seconds are 3\.5 st"),
        ('dataset = "timeless"\nwindow = 2', MODELS, DatasetError, "how many steps a second"),
        ("", MODELS, FormatError, "needs one of the two"),
        ('dataset = "views"\nwindow = 3', MODELS, DatasetError, "no recordings"),
        ('dataset = "views"\nimages = { pix = [2, 4] }', MODELS, DatasetError, "not the 8 of"),
        ('dataset = "views"\nimages = { px = [2, 3] }', MODELS, MmgraphError, "'px'"),
    ],
)
def test_what_is_declared_wrongly_is_named(catalogue, tmp_path, data, comparison, error, message):
    with pytest.raises(error, match=message):
        declared_comparison(declared(tmp_path, data, comparison))


def test_ready_comparisons_are_declared_well():
    for path in models_directory().glob("*_comparison.toml"):
        declaration = read_comparison(Reader(path))
        assert declaration.title
        assert "prior" in declaration.models


@pytest.mark.usefixtures("rendered", "catalogue")
def test_what_fails_is_named_with_its_model_and_fold(tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise LearningError("no such thing")

    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    monkeypatch.setattr(
        "mmgraph.comparison.models.standardised_logistic.StandardisedLogistic.fit", refuse
    )
    path = declared(tmp_path, 'dataset = "views"', more="[validation]\nfolds = 2")
    failures = run(path, tmp_path / "run")["failures"]
    assert [(f["model"], f["fold"], f["message"]) for f in failures] == [
        ("logistic", fold, "no such thing") for fold in (0, 1)
    ]
    assert failures[0]["condition"]["kind"] == "none"


@pytest.mark.usefixtures("rendered", "catalogue")
def test_a_run_reports_writes_its_page_and_computes_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # no other processes for so little
    path = declared(tmp_path, 'dataset = "views"', more="[validation]\nfolds = 2")
    done = []
    report = run(path, tmp_path / "run", progress=lambda *said: done.append(said))
    assert {row["model"] for row in report["results"]} == {"prior", "logistic"}
    assert report["folds"] == {"run": 2, "declared": 2}
    assert report["failures"] == []
    assert done[-1][0] == done[-1][1]
    page, figures, results = report["files"]
    assert "mine" in Path(page).read_text(encoding="utf-8")
    rows = json.loads(Path(figures).read_text(encoding="utf-8"))["rows"]
    fits = [p for p in (tmp_path / "run" / "steps").iterdir() if p.stem != "comparison"]
    kept = {p: p.stat().st_mtime_ns for p in fits}
    assert len(kept) >= 4
    assert json.loads(Path(results).read_text())["results"] == rows
    again = compared(*declared_comparison(path), directory=tmp_path / "run")
    assert again.rows() == rows
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    with pytest.raises(MmgraphError, match=r"runs all its folds, 2 of \[validation\], not 1"):
        run(path, folds=1)
