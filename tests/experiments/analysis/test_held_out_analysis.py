"""Analyses of classifications: cross-validated in both splits, and shared with runs."""

import json

import numpy as np
import pandas as pd
import pytest

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.analysis.held_out_analysis import (
    AnalysisJob,
    analyse_ready_model,
    analyse_rows,
    modality_sets,
)
from mmgraph.experiments.classification import template  # noqa: F401 (binds defaults that tests replace)
from mmgraph.experiments.experiment import run
from mmgraph.graph.errors import LearningError

DEFAULTS = "mmgraph.experiments.classification.declaration"
DECLARATION = """
title = "Which kind a row is"
[data]
file = "rows.csv"
[data.schema.kind]
role = "target"
kind = "categorical"
[data.schema.site]
role = "group"
[data.schema.s1]
modality = "sound"
[data.schema.s2]
modality = "sound"
[data.schema.m1]
modality = "movement"
[classifier]
leaves = ["logistic"]
joint = []
folds = 2
[validation]
folds = 2
[report]
given = [["sound", "movement"], ["sound"], ["movement"]]
"""


@pytest.fixture(scope="module")
def declared(tmp_path_factory):
    directory = tmp_path_factory.mktemp("declared")
    generator = np.random.default_rng(0)
    kind = generator.integers(0, 2, 120)
    frame = pd.DataFrame(
        {
            "kind": np.where(kind, "walk", "rest"),
            "site": np.arange(120) // 30,
            "s1": kind + generator.normal(0, 0.7, 120),
            "s2": generator.normal(0, 1, 120),
            "m1": generator.normal(0, 1, 120) + 0.5 * kind,
        }
    )
    frame.to_csv(directory / "rows.csv", index=False)
    (directory / "kinds.toml").write_text(DECLARATION)
    return directory


@pytest.mark.usefixtures("rendered")
def test_both_splits_are_analysed_and_steps_are_those_of_a_run(declared, tmp_path, monkeypatch):
    report = run(declared / "kinds.toml", tmp_path)
    monkeypatch.setattr(AnalysisJob, "fold", None)  # nothing is fitted again
    analyses, answer = analyse_ready_model(declared / "kinds.toml", tmp_path)
    assert list(analyses) == ["random", "grouped"]
    assert analyses["grouped"].groups == 4
    for split, analysis in analyses.items():
        for row in (r for r in report["results"] if r["split"] == split and r["given"]):
            figures = analysis.sets[frozenset(row["given"])]
            assert figures.log_loss.value == pytest.approx(row["log_loss"])
            assert figures.accuracy.value == pytest.approx(row["accuracy"])
            assert figures.accuracy.standard_error == pytest.approx(row["accuracy_standard_error"])
    assert analyses["random"].information["sound"].value > 0.1
    page = tmp_path / "analysis.html"
    assert answer["files"] == [str(page), str(page.with_suffix(".json"))]
    assert "Each site left out" in page.read_text(encoding="utf-8")
    content = json.loads(page.with_suffix(".json").read_text())
    assert len(content["analyses"]["rows split at random"]["sets"]) == 4
    assert answer["folds"] == {"run": 2, "declared": 2}


def test_rows_are_analysed_with_the_default_classifier_by_every_set(declared, monkeypatch):
    quick = {"leaves": "logistic", "joint": (), "inner_folds": 2, "budget": 60.0}
    monkeypatch.setattr(f"{DEFAULTS}.classifier_defaults", lambda: quick)
    frame = pd.read_csv(declared / "rows.csv")
    modalities = {"sound": frame[["s1", "s2"]], "movement": frame[["m1"]]}
    data = MultimodalData.of(modalities, frame["kind"].tolist(), groups=frame["site"])
    analyses, report = analyse_rows(data, folds=2)
    assert set(analyses) == {"random", "grouped"}
    assert len(analyses["random"].sets) == 4
    assert report["target"] == "target"
    with pytest.raises(LearningError, match="nothing is to be told"):
        analyse_rows(MultimodalData.of(modalities))


def test_of_many_modalities_not_all_sets_are_asked_for():
    assert len(modality_sets(("a", "b", "c"))) == 7
    assert modality_sets(("a",)) == (("a",),)
    many = modality_sets(tuple("abcdef"))
    assert len(many) == 13
    assert {len(members) for members in many} == {1, 5, 6}
