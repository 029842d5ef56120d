"""The alarm about test rows beside near copies: when it is given, and when not."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.data.leak_alarm import find_leak
from mmgraph.data.splits import grouped_folds, stratified_folds, train_and_test
from mmgraph.datasets import load


def windows(step: int, noise: float = 1.0):
    """Windows of twelve recordings, three of each label, each row its window's statistics."""
    random = np.random.default_rng(0)
    rows, labels, recordings = [], [], []
    for recording in range(12):
        signal = random.standard_normal(1500).cumsum() * 0.1 + noise * random.standard_normal(1500)
        for start in range(0, 1400, step):
            part = signal[start : start + 100]
            rows.append([part.mean(), part.std(), part[:50].mean(), part.min(), part.max()])
            labels.append(f"label {recording // 3}")
            recordings.append(recording)
    return mm.MultimodalData.of({"signal": rows}, labels, groups=recordings)


def leak(data, folds=None):
    return find_leak(data, folds or train_and_test(stratified_folds(data.codes, 5, 0)))


@pytest.fixture(scope="module")
def home():
    frame = load("home_activities").frame
    return mm.MultimodalData.read(frame, mm.Schema.guess(frame, "class"))


def test_rows_in_recording_order(home):
    alarm = leak(home)
    assert alarm.fires
    assert alarm.ratio > 5
    assert "the nearest 5% in the file" in str(alarm)
    assert "(role 'group')" in str(alarm)
    for block in np.unique(alarm.blocks.codes):  # blocks that can be left out hold every label
        assert len(np.unique(home.codes[alarm.blocks.codes == block])) == 7


def test_shuffled_rows_and_whole_blocks_give_no_alarm(home):
    shuffled = leak(home.shuffled(0))
    assert not shuffled.fires
    assert str(shuffled).endswith("no sign that rows resemble their neighbours in the file")
    assert shuffled.ratio == pytest.approx(1, abs=0.3)
    blocks = load("home_activities").groups["block"]
    assert not leak(home, train_and_test(grouped_folds(blocks, 3))).fires


def test_rows_sorted_by_label_give_no_alarm():
    digits = load("digits_six_views")
    data = mm.MultimodalData.of({"pix": digits.views["pix"]}, list(digits.labels))
    assert not leak(data).fires
    random = np.random.default_rng(1)
    ratios = []
    for _ in range(20):
        sorted_rows = mm.MultimodalData.of(
            {"x": random.standard_normal((200, 4))}, np.repeat(["a", "b"], 100)
        )
        alarm = leak(sorted_rows)
        assert not alarm.fires
        ratios.append(alarm.ratio)
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)


def test_overlapping_windows():
    overlapping = windows(step=25)
    assert leak(overlapping).fires
    by_recording = train_and_test(grouped_folds(overlapping.groups.codes, 5))
    assert not leak(overlapping, by_recording).fires


def test_cells_that_are_missing_do_not_hide_it(home):
    random = np.random.default_rng(0)
    features = {
        name: np.where(random.random(home.numbers(name).shape) < 0.2, np.nan, home.numbers(name))
        for name in home.modalities
    }
    features["empty"] = np.full((len(home), 1), np.nan)
    sparse = mm.MultimodalData.of_numbers(features, home.codes, home.target)
    assert leak(sparse).fires


def test_where_nothing_can_be_told():
    texts = mm.MultimodalData.of({"note": ["a", "b", "c", "d"]}, ["x", "x", "y", "y"])
    assert leak(texts, [(np.array([0, 2]), np.array([1, 3]))]) is None
    single = mm.MultimodalData.of({"x": [[1.0], [2.0], [3.0], [4.0]]}, ["x", "x", "y", "y"])
    assert leak(single, [(np.array([0, 2]), np.array([1, 3]))]) is None
