"""Classifiers by networks, machines and wrapped estimators, written and read without pickle."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mmgraph as mm
from mmgraph.graph.errors import FormatError, LearningError, MmgraphError, SchemaError
from tests.predictors.stored.test_classifiers import (
    MODALITIES,
    OTHERS,
    SETS,
    files_of,
    patients,
    places,
    sign,
)

MACHINE = {"hidden": (4, 3), "joint": 3, "epochs": 1, "folds": 2}
WRAPPED = make_pipeline(StandardScaler(), LogisticRegression())
NET = {"members": 2, "width": 4, "training": {"epochs": 1}}
CLASSIFIERS: dict[str, Any] = {
    "late net": mm.DeepClassifier(MODALITIES, **NET),
    "joint net": mm.DeepClassifier(
        MODALITIES, encoders={"genes": ("mlp", {"frequencies": 2})}, fusion="joint", folds=0, **NET
    ),
    "network": mm.BayesianNetworkClassifier(MODALITIES, folds=2),
    "edges": mm.BayesianNetworkClassifier(
        MODALITIES, edges=[("y", "stage"), ("y", "age"), ("stage", "age"), ("stage", "g1")],
        target="y", temper=False,
    ),
    "machine": mm.MachineClassifier(MODALITIES, **MACHINE),
    "plain machine": mm.MachineClassifier(MODALITIES, **MACHINE | {"temper": False}),
    "reduced models": mm.MissingModalityClassifier(WRAPPED, MODALITIES),
    "named sets": mm.MissingModalityClassifier(
        RandomForestClassifier(5, random_state=0), MODALITIES,
        sets=[["clinical"], ["genes"], ["genes", "clinical"]],
    ),
    "imputation": mm.MissingModalityClassifier(WRAPPED, MODALITIES, missing="imputation"),
}  # fmt: skip


def check_alike(first: Any, second: Any, rows: Any, sets: Any = SETS) -> None:
    for modalities in sets:
        np.testing.assert_array_equal(
            second.predict_proba(rows, modalities), first.predict_proba(rows, modalities)
        )
    assert second.classes_.tolist() == first.classes_.tolist()
    assert second.schema_ == first.schema_
    assert repr(second.get_params()) == repr(first.get_params())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_they_answer_alike(name: str, tmp_path: Path):
    frame, codes = patients()
    clf = clone(CLASSIFIERS[name]).fit(frame, np.array(["ill", "well"])[codes])
    clf.save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    assert type(again) is type(clf)
    check_alike(clf, again, patients(40, seed=1)[0])
    assert again.feature_names_in_.tolist() == clf.feature_names_in_.tolist()
    again.save(tmp_path / "n.mmgraph")
    check_alike(clf, mm.read(tmp_path / "n.mmgraph"), patients(40, seed=1)[0])


def test_a_given_network_is_the_parameter(tmp_path: Path):
    frame, codes = patients()
    labels = np.array(["ill", "well"])[codes]
    network = mm.BayesianNetworkClassifier(MODALITIES, target="y").fit(frame, labels).network_
    clf = mm.BayesianNetworkClassifier(MODALITIES, network=network, target="y").fit(frame, labels)
    clf.save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    assert again.network is again.network_ is again._held_out[0][0]
    for given in SETS:
        np.testing.assert_array_equal(
            again.predict_proba(frame, given), clf.predict_proba(frame, given)
        )


@pytest.mark.parametrize("name", ["network", "machine", "reduced models"])
def test_rows_of_several_modalities_are_checked_alike(name: str, tmp_path: Path):
    frame, codes = patients()
    parts: dict[str, Any] = {m: frame[columns] for m, columns in MODALITIES.items()}
    if name != "network":
        parts["walk"] = [np.ones((2 + code, 2)) * np.arange(2) for code in codes]
    data = mm.MultimodalData.of(parts, codes.tolist())
    clf = clone(CLASSIFIERS[name]).set_params(modalities=None).fit(data)
    clf.save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    check_alike(clf, again, data)
    check_alike(clf, again, mm.MultimodalData.of({"genes": parts["genes"]}))
    if name != "network":  # which finds columns by their names
        other = mm.MultimodalData.of({"genes": parts["genes"].rename(columns={"g1": "g9"})})
        for classifier in (clf, again):
            with pytest.raises(SchemaError, match="'genes' of the data is not what was learned"):
                classifier.predict_proba(other)


class Ordinary(ClassifierMixin, BaseEstimator):
    """A classifier of one's own."""

    def fit(self, X: Any, y: Any) -> Ordinary:
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_what_cannot_be_written(tmp_path: Path):
    frame, codes = patients()
    clf = mm.MissingModalityClassifier(Ordinary(), MODALITIES).fit(frame, codes)
    with pytest.raises(FormatError, match=r"m\.mmgraph: the missing modality .* Ordinary"):
        clf.save(tmp_path / "m.mmgraph")
    for unfitted in CLASSIFIERS.values():
        with pytest.raises(FormatError, match="is not fitted"):
            unfitted.save(tmp_path / "m.mmgraph")
    with pytest.raises(FormatError, match=r"is written to \.mmgraph"):
        mm.BayesianNetworkClassifier(MODALITIES).fit(frame, codes).save(tmp_path / "m.bif")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module", params=["network", "machine", "reduced models"])
def directory(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classifier") / "m.mmgraph"
    frame, codes = patients(30)
    clone(CLASSIFIERS[request.param]).fit(frame, codes).save(path)
    return path


@pytest.fixture
def copied(directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(directory, tmp_path / "copied.mmgraph"))


def test_each_file_that_is_missing_cut_or_foreign_is_named(directory: Path, copied: Path):
    for name in files_of(directory):
        file = copied / name
        content = file.read_bytes()
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        for other in (b"", content[: len(content) // 2], flipped, pickle.dumps({"a": Path()})):
            if name == "network.json" and other is flipped:
                continue
            file.write_bytes(other)
            with pytest.raises(FormatError, match=name.replace(".", r"\.")):
                mm.read(copied)
        file.unlink()
        with pytest.raises(FormatError, match="copied"):
            mm.read(copied)
        file.write_bytes(content)
    mm.read(copied)


def test_numbers_that_do_not_fit_are_refused(copied: Path):
    file = copied / "parameters.safetensors"
    tensors = load_file(file)
    for name, tensor in list(tensors.items())[:: max(len(tensors) // 20, 1)]:
        changed = [None, tensor.flatten()[:-1]]
        if tensor.is_floating_point():
            changed += [torch.full_like(tensor, torch.inf)]
        for other in changed:
            rest = {key: value for key, value in tensors.items() if key != name}
            save_file(rest | ({} if other is None else {name: other}), file)
            sign(copied)
            try:
                again = mm.read(copied)
            except FormatError:
                continue
            assert name.endswith("weights") or other is None, again  # of rows: they may be absent
    save_file(tensors | {"more": torch.zeros(1)}, file)
    sign(copied)
    with pytest.raises(FormatError, match="'more' belong to no part"):
        mm.read(copied)


def test_a_document_with_any_other_value_is_read_or_refused(copied: Path):
    file = copied / "network.json"
    text = file.read_text()
    count = len(list(places(json.loads(text))))
    refused = tried = 0
    for number in range(0, count, max(count // 120, 1)):
        document = json.loads(text)
        container, key = list(places(document))[number]
        container[key] = OTHERS[number % len(OTHERS)]
        file.write_text(json.dumps(document))
        tried += 1
        try:
            mm.read(copied)
        except MmgraphError:
            refused += 1
    assert refused > tried / 2


def test_sets_that_were_not_named_are_refused_after_reading(tmp_path: Path):
    frame, codes = patients()
    clf = mm.MissingModalityClassifier(WRAPPED, MODALITIES, sets=["genes"]).fit(frame, codes)
    clf.save(tmp_path / "m.mmgraph")
    assert not json.loads((tmp_path / "m.mmgraph" / "network.json").read_text())["holds_rows"]
    with pytest.raises(LearningError, match="no estimator was fitted to the modalities clinical"):
        mm.read(tmp_path / "m.mmgraph").predict_proba(frame, ["clinical"])
