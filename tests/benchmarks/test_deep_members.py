"""Steps of five packed members beside those of a single net."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.deep.inputs.modality_input import fitted_inputs
from mmgraph.deep.losses.task import CrossEntropy
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.learner import NetLearner
from mmgraph.deep.training.net import Net, NetDesign
from mmgraph.deep.training.options import NetTraining

ROWS, STEPS, CLASSES = 64, 10, 10
COLUMNS = {"sound": 60, "movement": 90}


def learner(fusion: str, frequencies: int, members: int) -> NetLearner:
    random = np.random.default_rng(0)
    rows = {m: random.standard_normal((ROWS, count)) for m, count in COLUMNS.items()}
    data = mm.MultimodalData.of(rows, np.arange(ROWS) % CLASSES)
    inputs = fitted_inputs(data, data.modalities)
    shapes = {m: one.shape for m, one in inputs.items()}
    encoders = {m: ("mlp", {"frequencies": frequencies}) for m in shapes}
    design = NetDesign(shapes, encoders, fusion, CLASSES, members)
    net = Net(design, torch.Generator().manual_seed(0))
    return NetLearner(LearnedNet(net, inputs), data, NetTraining(), CrossEntropy())


@pytest.mark.parametrize("frequencies", [0, 8])
@pytest.mark.parametrize("fusion", ["late", "joint"])
def test_five_members_beside_one(benchmark: Any, fusion: str, frequencies: int):
    learners = [learner(fusion, frequencies, members) for members in (1, 5)]
    index = torch.arange(ROWS)

    def seconds(one: NetLearner) -> float:
        """CPU seconds of a step."""
        began = time.process_time()
        for _ in range(STEPS):
            one.step(index, 1e-3, 1.0)
        return (time.process_time() - began) / STEPS

    def work() -> tuple[float, float]:
        pairs = [[seconds(one) for one in learners] for _ in range(6)]
        return min(one for one, _ in pairs), min(five for _, five in pairs)

    one, five = benchmark.pedantic(work, rounds=1, warmup_rounds=1)
    benchmark.extra_info.update(one=one, five=five, ratio=five / one)
    print(f"\n{fusion}, {frequencies} frequencies: a step takes one net {1e3 * one:.1f} ms, "
          f"five members {1e3 * five:.1f}, {five / one:.2f} times that")  # fmt: skip
    assert benchmark.disabled or five / one <= 2.5
