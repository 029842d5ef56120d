"""Encoders of sequences on ``smartwatch_exercises``, people left out, and ``basic_motions``.

pytest tests/benchmarks/test_sequence_encoders.py --benchmark-only -s -m slow
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

import mmgraph as mm
from mmgraph import datasets
from mmgraph.data.recordings.windows import Windows
from mmgraph.data.splits import folds_of
from mmgraph.graph.errors import DatasetError

NETS: Mapping[str, Mapping[str, Any]] = {
    "cnn": {"members": 5, "training": {"epochs": 25, "smoothing": 0.05}},
    "rnn": {"members": 2, "training": {"epochs": 20, "smoothing": 0.05}, "folds": 0},
    "transformer": {"members": 2, "training": {"epochs": 20, "smoothing": 0.05}, "folds": 0},
}
CHANGES = {"speed": 0.1, "shift": 0.2, "scaling": 0.1, "rotation": 20.0}
"""Of training: a watch is worn otherwise, and windows begin anywhere in an exercise."""
SENSORS = ("accelerometer", "gyroscope")
SECONDS = 10


def recordings(name: str) -> Any:
    try:
        return datasets.load(name)
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")


@pytest.fixture(scope="module")
def exercises() -> tuple[Windows, np.ndarray]:
    """Windows of ten seconds, one every five, and the exercise of each recording."""
    loaded = recordings("smartwatch_exercises")
    whole = mm.MultimodalData.of(loaded.sequences, loaded.labels, groups=loaded.groups["person"])
    steps = round(SECONDS * loaded.rate)
    return mm.windows(whole, steps, steps // 2), whole.codes


@pytest.mark.slow
@pytest.mark.parametrize("model", [*NETS, "trees of summaries"])
def test_exercises_of_people_left_out(
    benchmark: Any, exercises: tuple[Windows, np.ndarray], model: str
):
    windows, exercise = exercises
    data, codes = windows.data, windows.data.codes
    splits = folds_of(data, 5, seed=0)[: 1 if benchmark.disabled else None]
    options = dict(NETS.get(model, {}))
    if benchmark.disabled:
        options |= {"members": 1, "training": {"epochs": 1}, "folds": 0}
    everything = {SENSORS: np.zeros((len(data), 7))}
    answers = everything | ({(s,): np.zeros((len(data), 7)) for s in SENSORS} if options else {})

    def people_left_out() -> float:
        began = time.process_time()
        for training, test in splits:
            if not options:
                table = np.nan_to_num(np.hstack(list(data.features.values())))
                trees = ExtraTreesClassifier(300, random_state=0).fit(
                    table[training], codes[training]
                )
                answers[SENSORS][test] = trees.predict_proba(table[test])
                continue
            net = mm.DeepClassifier(encoders=(model, CHANGES), width=64, **options)
            net.fit(data.rows(training))
            for given, said in answers.items():
                said[test] = net.predict_proba(data.rows(test), given=given)
        return time.process_time() - began

    seconds = benchmark.pedantic(people_left_out, rounds=1)
    tested = np.concatenate([test for _, test in splits])
    print(f"\n{model}, {seconds:.0f} CPU s: accuracy, log-loss; accuracy by recording")
    for given, said in answers.items():
        right = (said.argmax(1) == codes)[tested].mean()
        loss = -np.log(np.maximum(said[tested, codes[tested]], 1e-3)).mean()
        of_recordings = np.unique(windows.recordings[tested])
        whole = (windows.pooled(np.maximum(said, 1e-3)).argmax(1) == exercise)[of_recordings]
        print(f"  {'+'.join(given):24} {right:.3f} {loss:.3f}  {whole.mean():.3f}")
    assert (answers[SENSORS].argmax(1) == codes)[tested].mean() > 1 / 7


@pytest.mark.slow
@pytest.mark.parametrize("encoder", NETS)
def test_basic_motions_by_the_published_split(benchmark: Any, encoder: str):
    loaded = recordings("basic_motions")
    data = mm.MultimodalData.of(loaded.sequences, loaded.labels)
    training, test = data.rows(loaded.training), data.rows(~loaded.training)
    members = 1 if benchmark.disabled else 3
    net = mm.DeepClassifier(encoders=(encoder, CHANGES), width=64, members=members, folds=0)
    benchmark.pedantic(lambda: net.fit(training), rounds=1)
    accuracy = (net.predict_proba(test).argmax(1) == test.codes).mean()
    print(f"\n{encoder} on basic motions: {accuracy:.3f}")
    assert accuracy > 0.9
