"""Labels of the steps of made recordings: accuracy, missing sensors, lags, bad input."""

import itertools
import json

import numpy as np
import pytest
from sklearn.base import clone

import mmgraph as mm
from mmgraph.data.folds import SplitWarning
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import FormatError, LearningError, UnknownVariableError
from mmgraph.predictors.sequences.sequence_labeller import SequenceLabeller

from .conftest import ACTIVITIES, Made, made_recordings

SETTINGS = {
    "rate": 20.0, "folds": 2, "leaves": "logistic", "n_jobs": 1,
    "features": {"step": 0.5, "windows": (2.0,), "ahead": 0.5, "context": ()},
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted(recordings: Made) -> SequenceLabeller:
    return SequenceLabeller(**SETTINGS).fit(*recordings)


@pytest.fixture(scope="module")
def others() -> Made:
    return made_recordings(3, seed=1)


def accuracy(labels, predicted):
    known = [one != None for one in labels]  # noqa: E711
    return np.mean(
        np.concatenate([(p == t)[k] for p, t, k in zip(predicted, labels, known, strict=True)])
    )


def test_steps_of_new_recordings_are_labelled(fitted, others):
    assert fitted.classes_.tolist() == list(ACTIVITIES)
    predicted = fitted.predict(others.signals)
    assert [len(one) for one in predicted] == [len(one) for one in others.labels]
    both = accuracy(others.labels, predicted)
    cells = fitted.cells(others.signals)
    alone = fitted.classifier_.predict_proba(cells.data)[:, :3].argmax(1)
    alone = [fitted.classes_[one] for one in cells.on_steps(alone)]
    assert both > max(0.93, accuracy(others.labels, alone))
    lagged = [fitted.classes_[table.argmax(1)] for table in fitted.filter(others.signals, lag=2.0)]
    assert both - 0.08 < accuracy(others.labels, lagged) <= both + 0.01


def test_segments_tile_what_is_like_labelled_recordings(fitted, others):
    tables = fitted.predict_proba(others.signals)
    for segments, table, labels in zip(
        fitted.segments(others.signals), tables, others.labels, strict=True
    ):
        assert all(a.end <= b.begin for a, b in itertools.pairwise(segments))
        assert 5 <= len(segments) <= 8
        assert segments[-1].end == len(labels)
        first = segments[0]
        place = fitted.classes_.tolist().index(first.label)
        mean = table[first.begin : first.end, place].mean()
        assert first.probability == pytest.approx(mean, abs=0.02)


def test_a_hidden_sensor_is_as_if_it_had_never_been_there(recordings, fitted, others):
    signals, labels, people = recordings
    alone = SequenceLabeller(**SETTINGS).fit({"shaker": signals["shaker"]}, labels, people)
    expected = alone.predict_proba({"shaker": others.signals["shaker"]})
    hidden = fitted.predict_proba(others.signals, given=["shaker"])
    absent = fitted.predict_proba({"shaker": others.signals["shaker"]})
    gone = {**others.signals, "gyroscope": [None] * 3}
    for answer in (hidden, absent, fitted.predict_proba(gone)):
        for table, other in zip(answer, expected, strict=True):
            np.testing.assert_allclose(table, other, atol=1e-9)


def test_a_lag_sees_nothing_beyond_it(fitted, others):
    signals = {m: [rows[0]] for m, rows in others.signals.items()}
    begun = {m: [rows[0][:400]] for m, rows in others.signals.items()}
    whole, part = fitted.filter(signals, lag=2.0)[0], fitted.filter(begun, lag=2.0)[0]
    known = 400 - 40 - fitted.cells(signals).features.stride
    np.testing.assert_allclose(part[:known], whole[:known], atol=1e-9)
    with pytest.raises(LearningError, match=r"a lag of 0\.5 s is too short: features look 0\.75 s"):
        fitted.filter(signals, lag=0.5)


def test_cells_and_data_stand_for_recordings(recordings, fitted, others):
    data = MultimodalData.of(others.signals)
    cells = fitted.cells(others.signals)
    for answer in (fitted.predict_proba(data), fitted.predict_proba(cells)):
        for table, other in zip(answer, fitted.predict_proba(others.signals), strict=True):
            np.testing.assert_array_equal(table, other)
    one = fitted.predict_proba(cells.take([1]))
    np.testing.assert_array_equal(one[0], fitted.predict_proba(others.signals)[1])
    with pytest.raises(LearningError, match="cells are of"):
        clone(fitted).set_params(features={"step": 1.0}).fit(cells, others.labels)


def test_stretches_without_labels_can_be_left_out(recordings, others):
    labeller = SequenceLabeller(**SETTINGS, unlabelled="skip").fit(*recordings)
    assert labeller.classifier_.model_.target.cardinality == 3
    assert labeller.segments(others.signals)[0][0].begin == 0


def test_bad_recordings_and_labels_are_refused(recordings, fitted):
    signals, labels, people = recordings
    new = SequenceLabeller(**SETTINGS)
    with pytest.raises(LearningError, match=r"'gyroscope' has 90 steps, 'shaker' 100"):
        new.cells({"shaker": [np.zeros((100, 3))], "gyroscope": [np.zeros((90, 1))]})
    with pytest.raises(LearningError, match="length zero"):
        new.cells({"shaker": [np.zeros((0, 3))]})
    with pytest.raises(LearningError, match="infinite"):
        new.cells({"shaker": [np.full((50, 3), np.inf)]})
    with pytest.raises(LearningError, match="recording 0 of the recordings has no modality"):
        new.cells({"shaker": [None]})
    with pytest.raises(LearningError, match="there is no recording"):
        new.cells({"shaker": []})
    with pytest.raises(LearningError, match="labels of 7 recordings, where 8 are"):
        new.fit(signals, labels[1:], people)
    with pytest.raises(LearningError, match=r"labels of recording 0 have shape \(5,\)"):
        new.fit(signals, [labels[0][:5], *labels[1:]], people)
    with pytest.raises(LearningError, match="1 distinct labels"):
        new.fit(signals, [np.full(len(one), 3) for one in labels], people)
    with pytest.raises(LearningError, match=r"setting of features.*'stp'.*'step'"):
        SequenceLabeller(features={"stp": 1.0}).cells(signals)
    with pytest.raises(LearningError, match=r"unlabelled.*'skip'"):
        new.set_params(unlabelled="skp").fit(signals, labels, people)
    with pytest.raises(UnknownVariableError, match=r"'shakr'.*'shaker'"):
        fitted.predict(signals, given=["shakr"])


def test_a_labeller_comes_back_from_its_file(fitted, others, tmp_path):
    mm.write(fitted, tmp_path / "labeller.mmgraph")
    read = mm.read(tmp_path / "labeller.mmgraph")
    assert repr(read) == repr(fitted)
    assert read.classes_.tolist() == list(ACTIVITIES)
    for asked in (None, ["shaker"]):  # the power of one is learned from the cells in the file
        pairs = (m.predict_proba(others.signals, given=asked) for m in (read, fitted))
        for table, other in zip(*pairs, strict=True):
            np.testing.assert_array_equal(table, other)
    assert read.segments(others.signals) == fitted.segments(others.signals)
    mm.write(read, tmp_path / "again.mmgraph")
    with pytest.raises(FormatError, match="not fitted"):
        mm.write(clone(fitted), tmp_path / "none.mmgraph")


def test_files_of_other_labellers_are_refused(fitted, tmp_path):
    path = tmp_path / "labeller.mmgraph"
    mm.write(fitted, path)
    document = json.loads((path / "network.json").read_text())
    for name, wrong in {
        "learned_from": ["shaker"],
        "classes": {"type": "O", "labels": list("abcde")},
        "powers": [1],
        "settings": {"rte": 1},
        "settings ": document["settings"] | {"features": [1]},
        "settings  ": document["settings"] | {"folds": -3},
        "settings   ": document["settings"] | {"durations": "zz"},
        "settings    ": document["settings"] | {"n_jobs": "x"},
        "random_state": "seed",
        "powers ": [[asked, later, float("nan")] for asked, later, _ in document["powers"]],
        "channels": {},
        "columns": {"shaker": ["a"]},
        "classes ": document["classes"] | {"labels": document["classes"]["labels"][:1]},
    }.items():
        (path / "network.json").write_text(json.dumps(document | {name.strip(): wrong}))
        with pytest.raises(FormatError):
            mm.read(path)


def test_other_channels_than_learned_from_are_named(fitted, others):
    signals = {**others.signals, "shaker": [one[:, :2] for one in others.signals["shaker"]]}
    with pytest.raises(LearningError, match="'shaker' has 2 channels, and learned was from 3"):
        fitted.predict(signals)


def test_a_single_recording_says_what_is_lost(recordings):
    signals = {m: rows[:1] for m, rows in recordings.signals.items()}
    with pytest.warns(SplitWarning, match="too sure of any other 'recording'; give two or more"):
        SequenceLabeller(**SETTINGS).fit(signals, recordings.labels[:1])
