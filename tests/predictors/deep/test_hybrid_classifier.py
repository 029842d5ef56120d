"""Encoders beside graphical leaves: missing modalities, both trainings, files, bad input."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

import mmgraph as mm
from mmgraph.graph.errors import FormatError, LearningError
from mmgraph.networks.boltzmann.answers import PriorWarning
from tests.predictors.test_machine_classifier import MODALITIES, log_loss, patients

SMALL = {
    "members": 2, "folds": 2, "leaves": ["logistic"], "joint": (),
    "training": {"epochs": 5, "batch_size": 64, "learning_rate": 0.02},
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> mm.HybridClassifier:
    return mm.HybridClassifier(MODALITIES, **SMALL).fit(*patients())


def test_one_fit_tells_by_any_modality(fitted):
    frame, labels = patients(300, seed=1)
    for given in (None, ["clinical"], ["genes"]):
        table = fitted.predict_proba(frame, given)
        assert log_loss(table, labels) < (0.5 if given is None else 0.65)
        np.testing.assert_allclose(table.sum(1), 1.0)
        names = MODALITIES if given is None else given
        columns = [c for m in names for c in MODALITIES[m]]
        np.testing.assert_allclose(
            fitted.predict_proba(frame[columns]), fitted.predict_proba(frame, given), atol=1e-12
        )
    frame.loc[0] = np.nan
    with pytest.warns(PriorWarning):
        prior = fitted.predict_proba(frame)[0]
    np.testing.assert_allclose(np.log(prior), fitted.model_.held_out.log_prior, atol=1e-9)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answers_and_another_one_others(fitted):
    frame, labels = patients()
    again = clone(fitted).fit(frame, labels)
    np.testing.assert_array_equal(again.predict_proba(frame), fitted.predict_proba(frame))
    other = clone(fitted).set_params(random_state=1).fit(frame, labels)
    assert np.abs(other.predict_proba(frame) - fitted.predict_proba(frame)).max() > 1e-4


@pytest.mark.parametrize(
    "options",
    [
        {"learning": "part_by_part", "leaves": {"genes": "logistic"}},
        {"leaves": (), "training": SMALL["training"] | {"device": "cpu"}},
    ],
    ids=str,
)
def test_variants_answer_and_are_read_back_without_pickle(tmp_path, options):
    frame, labels = patients()
    clf = mm.HybridClassifier(MODALITIES, **SMALL | options).fit(frame, labels)
    test, truth = patients(200, seed=1)
    assert log_loss(clf.predict_proba(test), truth) < 0.5
    clf.save(tmp_path / "hybrid.mmgraph")
    read = mm.read(tmp_path / "hybrid.mmgraph")
    for given in (None, ["genes"]):
        np.testing.assert_array_equal(
            read.predict_proba(test, given), clf.predict_proba(test, given)
        )
    assert read.learning == clf.learning
    assert read.training == SMALL["training"]
    assert read.members == 2


def test_a_file_that_says_something_else_is_refused(fitted, tmp_path):
    path = tmp_path / "hybrid.mmgraph"
    fitted.save(path)
    document = json.loads((path / "network.json").read_text())
    for change in ({"learning": "part_by_part"}, {"members": "two"}):
        other = {**document, "parameters": {**document["parameters"], **change}}
        (path / "network.json").write_text(json.dumps(other))
        with pytest.raises(FormatError, match=r"network\.json"):
            mm.read(path)


def test_rows_of_which_only_what_does_not_vary_is_there_get_the_shares():
    random = np.random.default_rng(0)
    codes = np.arange(120) % 2

    def rows(clinical: np.ndarray, genes: np.ndarray) -> mm.MultimodalData:
        data = mm.MultimodalData.of({"clinical": clinical, "genes": genes}, codes)
        return replace(data, outcome=replace(data.outcome, variable=mm.Variable("target", 3)))

    varying = codes[:, None] + random.normal(size=(120, 2))
    clinical = np.concatenate([varying, np.ones((120, 1))], 1)
    clf = mm.HybridClassifier(**SMALL | {"leaves": ()}).fit(rows(clinical, varying[:, ::-1]))
    table = clf.predict_proba(rows(clinical, varying[:, ::-1]))
    assert table.shape == (120, 3)
    np.testing.assert_allclose(table.sum(1), 1.0)
    assert table[:, 2].max() < 0.02
    clinical[0, :2] = np.nan
    silent = clf.predict_proba(rows(clinical, varying[:, ::-1]), ["clinical"])[0]
    np.testing.assert_allclose(np.log(silent), clf.model_.held_out.log_prior, atol=1e-9)


def test_encoders_go_on_from_their_checkpoints(tmp_path):
    frame, labels = patients()
    options = {**SMALL, "leaves": (), "learning": "part_by_part", "checkpoint": tmp_path}
    clf = mm.HybridClassifier(MODALITIES, **options).fit(frame, labels)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all", "part_0", "part_1"]
    again = mm.HybridClassifier(MODALITIES, **options).fit(frame, labels)
    np.testing.assert_array_equal(again.predict_proba(frame), clf.predict_proba(frame))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning": "by_magic"}, "learning"),
        ({"folds": 1}, "two folds or more"),
        ({"encoders": "mlpp"}, "the encoder of 'clinical' is none of .*'mlpp'"),
        ({"leaves": ["logistics"]}, "no leaf is called 'logistics'"),
        ({"training": {"epoch": 3}}, "no option 'epoch'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(LearningError, match=message):
        mm.HybridClassifier(MODALITIES, **SMALL | options).fit(*patients())
