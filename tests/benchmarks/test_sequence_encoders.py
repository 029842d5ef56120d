"""Encoders of sequences on ``smartwatch_exercises``, people left out, and ``basic_motions``.

pytest tests/benchmarks/test_sequence_encoders.py --benchmark-only -s -m slow
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from mmgraph import datasets
from mmgraph.data.splits import folds_of
from mmgraph.graph.errors import DatasetError

NETS: Mapping[str, Mapping[str, Any]] = {
    "cnn": {"members": 3, "training": {"epochs": 25, "smoothing": 0.05}},
    "rnn": {"members": 2, "training": {"epochs": 20, "smoothing": 0.05}, "folds": 0},
    "transformer": {"members": 2, "training": {"epochs": 20, "smoothing": 0.05}, "folds": 0},
}
SENSORS = ("accelerometer", "gyroscope")
SECONDS = 10


def recordings(name: str) -> Any:
    try:
        return datasets.load(name)
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")


@pytest.mark.slow
@pytest.mark.parametrize("encoder", NETS)
def test_exercises_of_people_left_out(benchmark: Any, encoder: str):
    loaded = recordings("smartwatch_exercises")
    whole = mm.MultimodalData.of(loaded.sequences, loaded.labels, groups=loaded.groups["person"])
    steps = round(SECONDS * loaded.rate)
    windows = mm.windows(whole, steps, steps // 2)
    options = dict(NETS[encoder])
    splits = folds_of(windows.data, 5, seed=0)
    if benchmark.disabled:
        options |= {"members": 1, "training": {"epochs": 1}, "folds": 0}
        splits = splits[:1]
    answers = {given: np.zeros((len(windows.data), 7)) for given in (SENSORS, *zip(SENSORS))}

    def people_left_out() -> float:
        began = time.process_time()
        for training, test in splits:
            net = mm.DeepClassifier(encoders=encoder, width=64, **options)
            net.fit(windows.data.rows(training))
            for given, table in answers.items():
                table[test] = net.predict_proba(windows.data.rows(test), given=given)
        return time.process_time() - began

    seconds = benchmark.pedantic(people_left_out, rounds=1)
    tested = np.concatenate([test for _, test in splits])
    codes = windows.data.codes
    print(f"\n{encoder}, {seconds:.0f} CPU s: accuracy, log-loss; accuracy by recording")
    for given, table in answers.items():
        right = (table.argmax(1) == codes)[tested].mean()
        loss = -np.log(table[tested, codes[tested]]).mean()
        whole_right = (windows.pooled(table).argmax(1) == whole.codes)[windows.recordings[tested]]
        print(f"  {'+'.join(given):24} {right:.3f} {loss:.3f}  {whole_right.mean():.3f}")
    assert (answers[SENSORS].argmax(1) == codes)[tested].mean() > 1 / 7


@pytest.mark.slow
@pytest.mark.parametrize("encoder", NETS)
def test_basic_motions_by_the_published_split(benchmark: Any, encoder: str):
    loaded = recordings("basic_motions")
    data = mm.MultimodalData.of(loaded.sequences, loaded.labels)
    training, test = data.rows(loaded.training), data.rows(~loaded.training)
    net = mm.DeepClassifier(encoders=encoder, width=64, members=3, folds=0)
    benchmark.pedantic(lambda: net.fit(training), rounds=1)
    accuracy = (net.predict_proba(test).argmax(1) == test.codes).mean()
    print(f"\n{encoder} on basic motions: {accuracy:.3f}")
    assert accuracy > 0.9
