"""Classifiers written and read: they answer alike, and files that are anything else are refused."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import mmgraph as mm
from mmgraph.cli.common import read_model
from mmgraph.graph.errors import FormatError, MmgraphError, SchemaError
from mmgraph.predictors.leaves.encoder import EncoderLeaf
from mmgraph.predictors.leaves.leaf import Leaf
from mmgraph.predictors.leaves.mixture import MixtureLeaf
from mmgraph.predictors.leaves.perceptrons import PerceptronsLeaf
from mmgraph.predictors.leaves.torch_module import TorchLeaf
from mmgraph.predictors.leaves.words import WordsLeaf

MODALITIES = {"clinical": ["age", "stage"], "genes": ["g1", "g2", "g3"]}
SETS: list[list[str] | None] = [None, ["clinical"], ["genes"], []]
LEAVES: dict[str, Leaf] = {
    "mixture": MixtureLeaf(components=3, restarts=2),
    "trees": EncoderLeaf(ExtraTreesClassifier(10)),
    "logistic": EncoderLeaf(LogisticRegression()),
    "kernel": EncoderLeaf(SVC(), quantiles=True),
    "pipeline": EncoderLeaf(make_pipeline(StandardScaler(), GaussianNB())),
    "perceptrons": PerceptronsLeaf(members=2, hidden=8, epochs=3),
}


def layers(features: int, states: int) -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(features, 8), torch.nn.BatchNorm1d(8), torch.nn.GELU(),
        torch.nn.Linear(8, states),
    )  # fmt: skip


LEAVES["torch"] = TorchLeaf(layers, epochs=3)


def patients(rows: int = 60, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of two modalities, a tenth of whose cells are missing, and codes of two classes."""
    random = np.random.default_rng(seed)
    ill = random.permutation(np.arange(rows) % 2)
    frame = pd.DataFrame({f"g{i}": random.standard_normal(rows) + ill for i in (1, 2, 3)})
    frame["age"] = 50 + 10 * random.standard_normal(rows) + 8 * ill
    frame["stage"] = np.where(random.random(rows) < 0.3 + 0.4 * ill, "late", "early")
    return frame.mask(random.random(frame.shape) < 0.1), ill


def fitted(*leaves: Leaf | str, joint: tuple[Leaf | str, ...] = (), labels: Any = None, **options):
    frame, codes = patients()
    clf = mm.MultimodalClassifier(MODALITIES, leaves=leaves, joint=joint, folds=2, **options)
    return clf.fit(frame, codes if labels is None else np.asarray(labels)[codes])


def check_alike(first: Any, second: Any, rows: Any) -> None:
    for modalities in SETS:
        expected, found = (c.explain(rows, modalities) for c in (first, second))
        np.testing.assert_array_equal(found.nats, expected.nats)
        np.testing.assert_array_equal(found.posterior, expected.posterior)
        np.testing.assert_array_equal(
            second.predict_proba(rows, modalities), first.predict_proba(rows, modalities)
        )
        assert found.leaves == expected.leaves
        assert found.classes == expected.classes
    assert second.predict(rows).tolist() == first.predict(rows).tolist()
    assert second.classes_.dtype == first.classes_.dtype
    assert second.classes_.tolist() == first.classes_.tolist()
    assert second.schema_ == first.schema_


@pytest.mark.parametrize("name", LEAVES)
def test_every_kind_of_leaf_answers_alike(name: str, tmp_path: Path):
    clf = fitted(LEAVES[name], joint=(LEAVES[name],), random_state=3)
    clf.save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    check_alike(clf, again, patients(40, seed=1)[0])
    assert again.feature_names_in_.tolist() == clf.feature_names_in_.tolist()
    assert again.feature_names_in_.dtype == object
    assert again.n_features_in_ == 5
    if name != "torch":  # whose function comes back as a list of layers
        assert repr(again.get_params()) == repr(clf.get_params())
    refitted = clone(again).fit(*patients())
    check_alike(clf, refitted, patients(40, seed=1)[0])


@pytest.mark.parametrize(
    "labels",
    [["ill", "well"], [3, -7], [2.0, 1.0], [True, False], np.array(["a", "b"], object),
     np.array([1, 2], np.int16)],
)  # fmt: skip
def test_labels_keep_their_type(labels: Any, tmp_path: Path):
    clf = fitted("logistic", labels=labels)
    mm.write(clf, tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    check_alike(clf, again, patients(20, seed=1)[0])
    assert type(again.classes_[0]) is type(clf.classes_[0])


def test_many_features_are_seen_by_their_principal_components(tmp_path: Path):
    random = np.random.default_rng(0)
    codes = np.arange(80) % 2
    table = random.standard_normal((80, 60)) + codes[:, None]
    table[random.random(table.shape) < 0.1] = np.nan
    clf = mm.MultimodalClassifier(leaves=(LEAVES["mixture"],), folds=2).fit(table, codes)
    assert clf.model_.leaves[0].fitted.directions is not None
    clf.save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    np.testing.assert_array_equal(again.predict_proba(table), clf.predict_proba(table))
    assert again.n_features_in_ == 60
    assert not hasattr(again, "feature_names_in_")
    assert again.get_params()["modalities"] is None


def test_rows_of_several_modalities(tmp_path: Path):
    frame, codes = patients()
    parts = {name: frame[columns] for name, columns in MODALITIES.items()}
    data = mm.MultimodalData.of(parts, np.where(codes, "ill", "well"))
    clf = mm.MultimodalClassifier(
        leaves={"genes": ("trees",), "clinical": ("logistic", LEAVES["pipeline"])},
        joint=("logistic",),
        folds=2,
    ).fit(data)
    clf.save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    check_alike(clf, again, data)
    assert hasattr(again, "n_features_in_") == hasattr(clf, "n_features_in_")
    other = mm.MultimodalData.of({"genes": parts["genes"].rename(columns={"g1": "g9"})})
    for classifier in (clf, again):
        with pytest.raises(SchemaError, match="'genes' of the data is not what was learned from"):
            classifier.predict_proba(other)
    assert set(again.get_params()["leaves"]) == {"genes", "clinical"}


def test_modules_whose_class_is_code_are_refused(tmp_path: Path):
    clf = fitted(TorchLeaf(torch.nn.Linear, epochs=1))
    with pytest.raises(FormatError, match="a module of the class Linear is code"):
        clf.save(tmp_path / "m.mmgraph")
    assert list(tmp_path.iterdir()) == []


def test_layers_that_are_others(tmp_path: Path):
    fitted(LEAVES["torch"]).save(tmp_path / "m.mmgraph")
    file = tmp_path / "m.mmgraph" / "network.json"
    text = file.read_text()
    for part in ("leaf", "fitted"):
        key = {"leaf": "build", "fitted": "layers"}[part]
        for change in (
            [], [{"layer": "LSTM"}], [{"layer": "Linear"}], {}, None,
            [{"layer": "Linear", "in_features": 2, "out_features": [2], "bias": True}],
        ):  # fmt: skip
            document = json.loads(text)
            document["leaves"][0][part][key] = change
            file.write_text(json.dumps(document))
            if change != [] or part == "fitted":
                with pytest.raises(FormatError):
                    mm.read(tmp_path / "m.mmgraph")
    for name, value in (("in_features", 10**12), ("out_features", 3), ("bias", False)):
        document = json.loads(text)
        document["leaves"][0]["fitted"]["layers"][0][name] = value
        file.write_text(json.dumps(document))
        with pytest.raises(FormatError, match="leaves"):
            mm.read(tmp_path / "m.mmgraph")


def test_tables(tmp_path: Path):
    frame, codes = patients()
    clf = mm.MultimodalClassifier(MODALITIES, leaves=("tables", "logistic"), folds=2)
    clf.fit(frame, codes).save(tmp_path / "m.mmgraph")
    check_alike(clf, mm.read(tmp_path / "m.mmgraph"), patients(40, seed=1)[0])
    assert clf.model_.leaves[0].place.name == "clinical_tables"


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> tuple[mm.MultimodalClassifier, Any, Path]:
    """A classifier of texts, rows, and where it is written."""
    notes = ["heavy cough", "Cough, fever", "sleeps well", None, "well"] * 8
    labels = ["ill", "ill", "well", "ill", "well"] * 8
    data = mm.MultimodalData.of({"note": notes}, labels)
    path = tmp_path_factory.mktemp("noted") / "m.mmgraph"
    clf = mm.MultimodalClassifier(leaves=(WordsLeaf(letters=True),), folds=2).fit(data)
    clf.save(path)
    return clf, data, path


def test_texts(noted: Any):
    clf, data, path = noted
    again = mm.read(path)
    np.testing.assert_array_equal(again.predict_proba(data), clf.predict_proba(data))
    assert again.get_params() == clf.get_params()


@pytest.mark.parametrize("name", ["terms", "longest", "letters"])
@pytest.mark.parametrize("other", [None, -1, ["a"], ["a", "a"], "x", {}])
def test_terms_of_texts_that_are_none(noted: Any, tmp_path: Path, name: str, other: Any):
    path = tmp_path / "m.mmgraph"
    shutil.copytree(noted[2], path)
    document = json.loads((path / "network.json").read_text())
    document["leaves"][0]["fitted"][name] = other
    (path / "network.json").write_text(json.dumps(document))
    with pytest.raises(FormatError):
        mm.read(path)


def test_a_modality_that_never_varies_or_is_never_there(tmp_path: Path):
    frame, codes = patients()
    for change in ({"age": 1.0, "stage": "late"}, {"age": np.nan, "stage": None}):
        clf = mm.MultimodalClassifier(MODALITIES, leaves=("perceptrons",), joint=(), folds=2)
        rows = frame.assign(**change)
        clf.fit(rows, codes).save(tmp_path / "m.mmgraph")
        found = mm.read(tmp_path / "m.mmgraph").predict_proba(rows)
        np.testing.assert_array_equal(found, clf.predict_proba(rows))


class Ordinary(ClassifierMixin, BaseEstimator):
    """A classifier of one's own."""

    def fit(self, X: Any, y: Any) -> Ordinary:
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class Torch(Ordinary):
    """A classifier around a torch module."""

    def fit(self, X: Any, y: Any) -> Torch:
        self.module_ = torch.nn.Linear(X.shape[1], 2)
        super().fit(X, y)
        return self


class Deeper(MixtureLeaf):
    """A leaf of one's own."""


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (EncoderLeaf(Ordinary()), r"the leaf 'clinical_encoder_0' cannot be written: .*Ordinary"),
        (EncoderLeaf(Torch()), r"the leaf 'clinical_encoder_0' cannot be written: .*Torch"),
        (Deeper(), r"the leaf Deeper\(.*\) is of a kind that cannot be written: encoder, mixture"),
    ],
)
def test_leaves_of_foreign_types_are_refused_by_name(leaf: Leaf, message: str, tmp_path: Path):
    with pytest.raises(FormatError, match=message):
        fitted(leaf).save(tmp_path / "m.mmgraph")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written(tmp_path: Path):
    with pytest.raises(FormatError, match="is not fitted; there is nothing to write"):
        mm.MultimodalClassifier().save(tmp_path / "m.mmgraph")
    clf = fitted("logistic")
    with pytest.raises(FormatError, match=r"a multimodal classifier is written to \.mmgraph"):
        clf.save(tmp_path / "m.bif")
    (tmp_path / "m.mmgraph").mkdir()
    (tmp_path / "m.mmgraph" / "letter.txt").write_text("dear")
    with pytest.raises(FormatError, match="stands there already and is no network"):
        clf.save(tmp_path / "m.mmgraph")
    with pytest.raises(FormatError, match="there is no directory"):
        clf.save(tmp_path / "nowhere" / "m.mmgraph")


def test_what_stood_there_is_replaced(tmp_path: Path):
    path = tmp_path / "m.mmgraph"
    fitted("logistic", "trees").save(path)
    mm.write(mm.read("asia"), path)
    clf = fitted("logistic")
    clf.save(path)
    assert {file.name for file in path.iterdir()} == {
        "network.json", "parameters.safetensors", "leaf_0.skops", "leaf_1.skops"
    }  # fmt: skip
    check_alike(clf, mm.read(path), patients(20, seed=1)[0])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classifier") / "m.mmgraph"
    fitted("mixture", EncoderLeaf(GaussianNB()), PerceptronsLeaf(2, 4, epochs=1)).save(path)
    return path


@pytest.fixture
def copied(directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(directory, tmp_path / "copied.mmgraph"))


def test_commands_that_ask_graphs_say_what_it_is(directory: Path):
    with pytest.raises(
        FormatError, match=r"m\.mmgraph holds a multimodal classifier, and no graph"
    ):
        read_model(str(directory))


def sign(directory: Path) -> None:
    """Give the document the digests of the files that stand there now."""
    document = json.loads((directory / "network.json").read_text())
    names = [name for name in files_of(directory) if name != "network.json"]
    document["sha256"] = {n: sha256((directory / n).read_bytes()).hexdigest() for n in names}
    (directory / "network.json").write_text(json.dumps(document))


def files_of(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


def test_each_file_that_is_missing_cut_or_foreign_is_named(directory: Path, copied: Path):
    assert len(files_of(directory)) == 9  # six leaves, settings, a document and numbers
    document = (directory / "network.json").read_bytes()
    for name in files_of(directory):
        file = copied / name
        content = file.read_bytes()
        others = [content[:0], content[:40], content[: len(content) // 2], content[:-3], b"PK\3\4"]
        for other in [*others, pickle.dumps({"a": Path()})]:
            for signed in (False, True) if name != "network.json" else (False,):
                file.write_bytes(other)
                if signed:
                    sign(copied)
                with pytest.raises(FormatError, match=name.replace(".", r"\.")):
                    mm.read(copied)
                (copied / "network.json").write_bytes(document)
        file.unlink()
        with pytest.raises(FormatError, match="copied"):
            mm.read(copied)
        file.write_bytes(content)
    assert mm.read(copied).predict_proba(patients(5)[0]).shape == (5, 2)


def test_files_of_other_leaves_are_refused(directory: Path, copied: Path):
    shutil.copy(directory / "leaf_3.skops", copied / "leaf_0.skops")
    with pytest.raises(FormatError, match=r"leaf_0\.skops is damaged, or was not written together"):
        mm.read(copied)
    shutil.copy(directory / "leaf_0.skops", copied / "leaf_1.skops")
    sign(copied)
    with pytest.raises(FormatError, match=r"leaves\[1\]: the object 'untrained' is missing"):
        mm.read(copied)


def test_a_later_version_is_refused(copied: Path):
    document = json.loads((copied / "network.json").read_text())
    (copied / "network.json").write_text(json.dumps(document | {"version": 2}))
    with pytest.raises(FormatError, match="expected the version 1, found 2"):
        mm.read(copied)
    (copied / "network.json").write_text(json.dumps(document | {"kind": "multimodal ranker"}))
    with pytest.raises(FormatError, match="kind 'multimodal ranker' is not known"):
        mm.read(copied)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("held_out.log_likelihoods", lambda x: x[:, :, :1], "of shape"),
        ("held_out.log_likelihoods", lambda x: x.float(), "torch.float32 of shape"),
        ("held_out.log_likelihoods", lambda x: x * torch.nan, "some are not finite"),
        ("held_out.codes", lambda x: x + 1, "states and weights of rows"),
        ("held_out.weights", lambda x: -x, "states and weights of rows"),
        ("0.loadings", lambda x: x[:1], "the numbers 'loadings'"),
        ("0.density.covariances", lambda x: -x, "covariance"),
        ("2.weights.1", lambda x: x[:, :1], "the numbers 'weights.1'"),
        ("2.weights.2", lambda x: x[:, :, :1], "the numbers 'biases.2'"),
        ("1.log_shares", lambda x: x[:1], "the numbers 'log_shares'"),
        ("1.log_shares", None, "the numbers 'log_shares' are missing"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(copied: Path, name: str, change: Any, message: str):
    file = copied / "parameters.safetensors"
    tensors = load_file(file)
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors[name]).contiguous()
    save_file(tensors, file)
    sign(copied)
    with pytest.raises(FormatError, match=message):
        mm.read(copied)


def test_numbers_of_nothing_are_refused(copied: Path):
    file = copied / "parameters.safetensors"
    tensors = load_file(file)
    for name in ("0.more", "99.mean", "held_out.more", "more"):
        save_file(tensors | {name: torch.zeros(1)}, file)
        sign(copied)
        with pytest.raises(FormatError, match=f"'{name}' belong to no part"):
            mm.read(copied)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container of a document, with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in list(items):
        yield value, key
        if isinstance(part, dict | list):
            yield from places(part)


OTHERS = (None, -1, "x", [], [[]], {}, {"kind": "x"})


@pytest.mark.parametrize("each", [pytest.param(3, marks=pytest.mark.slow), 1])
def test_a_document_with_any_other_value_is_read_or_refused(copied: Path, each: int):
    file = copied / "network.json"
    text = file.read_text()
    count = len(list(places(json.loads(text))))
    refused = 0
    for number in range(count):
        for other in [OTHERS[(number + step) % len(OTHERS)] for step in range(each)]:
            document = json.loads(text)
            container, key = list(places(document))[number]
            container[key] = other
            file.write_text(json.dumps(document))
            try:
                mm.read(copied)
            except MmgraphError:
                refused += 1
    assert refused > each * count / 2


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_with_other_bytes_is_read_or_refused(directory: Path, data: st.DataObject):
    name = data.draw(st.sampled_from(files_of(directory)))
    signed = data.draw(st.booleans()) and name != "network.json"
    file, document = directory / name, directory / "network.json"
    content, text = file.read_bytes(), document.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.binary(min_size=1, max_size=4))
    try:
        file.write_bytes(content[:place] + other + content[place + len(other) :])
        if signed:
            sign(directory)
        mm.read(directory)
    except MmgraphError:
        pass
    finally:
        document.write_bytes(text)
        file.write_bytes(content)


def test_settings_of_scikit_learns_habits(tmp_path: Path):
    frame, codes = patients()
    clf = mm.MultimodalClassifier(
        {"age": "age", "genes": ["g1"]},
        leaves="logistic",
        joint=(),
        folds=2,
        random_state=np.random.RandomState(0),
    ).fit(frame[["age", "g1"]], codes)
    clf.save(tmp_path / "m.mmgraph")
    read = mm.read(tmp_path / "m.mmgraph")
    np.testing.assert_array_equal(read.predict_proba(frame), clf.predict_proba(frame))
    assert read.get_params() == {
        "modalities": {"age": ["age"], "genes": ["g1"]},
        "leaves": "logistic",
        "joint": (),
        "folds": 2,
        "budget": 600.0,
        "n_jobs": -1,
        "random_state": None,
    }
