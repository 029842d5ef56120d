"""No reader unpickles, though models can be pickled: Python tells of every class looked up."""

from __future__ import annotations

import gzip
import pickle
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.kept_steps import KeptSteps
from mmgraph.predictors.leaves.encoder import EncoderLeaf

_watched: list[list[object]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    # numba keeps its compiled kernels as pickles, beside the source and not in users' files.
    if event == "pickle.find_class" and not any(
        "numba" in frame.f_code.co_filename for frame, _ in traceback.walk_stack(sys._getframe())
    ):
        for seen in _watched:
            seen.append(arguments)


sys.addaudithook(_hook)


@pytest.fixture
def looked_up() -> Iterator[list[object]]:
    """Classes that an unpickler looked up."""
    seen: list[object] = []
    _watched.append(seen)
    yield seen
    _watched.remove(seen)


def write_all(folder: Path) -> None:
    """One model of each kind in each format that holds it."""
    net = mm.read("asia")
    for name in ("net.bif", "net.bif.gz", "net.uai", "net.mmgraph"):
        mm.write(net, folder / name)
    wrist = mm.Variable("wrist", shape=(2,), family="gaussian")
    leaf = mm.GaussianLeaf(wrist, [], [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    mm.write(mm.BayesianNetwork([wrist], [leaf]), folder / "leaf.mmgraph")
    mm.write(mm.MarkovRandomField.grid(torch.zeros(2, 2, 2)), folder / "field.mmgraph")
    visible = mm.Variable("v", shape=(3,), family="bernoulli")
    mm.write(mm.RestrictedBoltzmannMachine(visible, 2), folder / "machine.mmgraph")
    leaves = ("mixture", EncoderLeaf(ExtraTreesClassifier(3)))
    predictors = {
        "pool": mm.MultimodalClassifier(leaves=leaves, joint=(), folds=2),
        "network": mm.BayesianNetworkClassifier(folds=2),
        "deep": mm.MachineClassifier(hidden=2, joint=2, epochs=1),
        "wrapped": mm.MissingModalityClassifier(LogisticRegression()),
        "bins": mm.MultimodalRegressor(leaves=leaves, joint=(), bins=2, folds=2),
        "normal": mm.MultimodalRegressor(method="gaussian", folds=2),
    }
    rows = np.arange(24.0).reshape(12, 2) % 7
    number = rows[:, 0] + np.arange(12) / 7
    for name, predictor in predictors.items():
        labels = number if isinstance(predictor, mm.MultimodalRegressor) else np.arange(12) % 2
        predictor.fit(rows, labels).save(folder / f"{name}.mmgraph")


def test_the_hook_hears_an_unpickler(looked_up: list[object]):
    pickle.loads(pickle.dumps(mm.Variable("a", 2)))
    assert looked_up


def test_files_of_models_are_read_without(tmp_path: Path, looked_up: list[object]):
    write_all(tmp_path)
    mm.write(mm.ConditionalRandomField(2, ["optical"]), tmp_path / "crf.mmgraph")
    for path in sorted(tmp_path.iterdir()):
        assert mm.read(path) is not None
    assert looked_up == []


def test_what_a_run_keeps_is_read_without(tmp_path: Path, looked_up: list[object]):
    steps = KeptSteps(tmp_path, "one")
    steps.write("fold", {"x": np.zeros(2)}, [1])
    assert steps.read("fold") is not None
    net, rows = mm.read("asia"), {"asia": ["yes", "no", "no"], "tub": ["no", None, "yes"]}
    for iterations in (2, 2):
        net.fit(rows, "em", max_iterations=iterations, pseudo_counts=1.0, start="current",
                checkpoint=tmp_path / "em")  # fmt: skip
        net = mm.read("asia")
    machine = mm.RestrictedBoltzmannMachine(mm.Variable("v", shape=(3,), family="bernoulli"), 2)
    for _ in range(2):
        machine.fit(np.eye(3), epochs=1, checkpoint=tmp_path / "machine")
    assert looked_up == []


def test_a_pickle_in_the_place_of_a_file_is_refused(tmp_path: Path, looked_up: list[object]):
    write_all(tmp_path)
    evil = pickle.dumps(mm.Variable("a", 2))
    looked_up.clear()
    for path in sorted(tmp_path.iterdir()):
        for file in [path] if path.is_file() else sorted(path.iterdir()):
            kept = file.read_bytes()
            file.write_bytes(gzip.compress(evil) if file.suffix == ".gz" else evil)
            with pytest.raises(MmgraphError):
                mm.read(path)
            file.write_bytes(kept)
    shutil.rmtree(tmp_path)
    assert looked_up == []
