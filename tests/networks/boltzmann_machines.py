"""Small Boltzmann machines of every family, and rows for them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch

import mmgraph as mm
from mmgraph.networks.boltzmann.machine import BoltzmannMachine
from tests.inference.unit_models import WORDS

Machine = TypeVar("Machine", bound=BoltzmannMachine)


def every_family(seed: int = 0, scale: float = 0.6) -> mm.MultimodalDeepBoltzmannMachine:
    """Five modalities, one of each family, some below hidden layers of their own, with labels."""
    machine = mm.MultimodalDeepBoltzmannMachine(
        [
            mm.Pathway(mm.Variable("depth", shape=(2,), family="gaussian", modality="lidar"), 2),
            mm.Pathway(mm.Variable("pixels", shape=(2,), family="bernoulli", modality="camera"), 2),
            mm.Pathway(mm.Variable("colour", ("red", "green", "blue"), shape=(1,))),
            mm.Pathway(mm.Variable("words", shape=(2,), family="replicated_softmax")),
            mm.Pathway(mm.Variable("rate", shape=(1,), family="rectified_gaussian")),
        ],
        joint=2,
        labels=mm.Variable("label", ("a", "b")),
        dtype=torch.float64,
    )
    return scattered(machine, seed, scale)


def rectified_hidden(seed: int = 0) -> mm.RestrictedBoltzmannMachine:
    visible = mm.Variable("pixels", shape=(3,), family="bernoulli")
    labels = mm.Variable("label", ("a", "b", "c"))
    machine = mm.RestrictedBoltzmannMachine(
        visible, 2, labels, hidden_family="rectified_gaussian", dtype=torch.float64
    )
    return scattered(machine, seed)


def deep_discrete(seed: int = 0) -> mm.DeepBoltzmannMachine:
    """Bernoulli and categorical layers alone, so that tables can say all of it."""
    visible = [
        mm.Variable("pixels", shape=(3,), family="bernoulli"),
        mm.Variable("colour", 3, shape=(2,)),
    ]
    machine = mm.DeepBoltzmannMachine(
        visible, (3, 2), mm.Variable("label", ("a", "b", "c")), dtype=torch.float64
    )
    return scattered(machine, seed)


def scattered(machine: Machine, seed: int = 0, scale: float = 0.6) -> Machine:
    """Give a machine parameters at which nothing is nearly independent."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in machine.parameters().items():
        drawn = scale * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(drawn.exp() if name.startswith("precision") else drawn)
    for factor in machine.factors:
        if isinstance(factor, mm.BiasFactor) and factor.scope[0].family == "replicated_softmax":
            factor.length = WORDS
    machine.adopt(machine.factors)
    return machine


def rows_of(machine: BoltzmannMachine) -> dict[str, np.ndarray]:
    """Six rows: complete, without each of three modalities, partly known, and empty."""
    generator = np.random.default_rng(3)
    count = 6
    data: dict[str, np.ndarray] = {}
    for variable in machine.visible:
        shape = (count, *variable.shape)
        if variable.family == "replicated_softmax":
            data[variable.name] = np.array([[1, 2], [3, 0], [2, 2], [0, 1], [2, 1], [0, 3]], float)
        elif variable.is_discrete:
            data[variable.name] = generator.integers(0, variable.cardinality, shape)
        else:
            data[variable.name] = np.abs(generator.normal(size=shape))
    names = list(data)
    for row, name in enumerate(names[:3], 1):
        data[name][row] = _missing(machine, name)
    data[names[0]][4, 0] = _missing(machine, names[0])
    if len(names) > 1:
        data[names[1]][4, -1] = _missing(machine, names[1])
    for name in names:
        data[name][5] = _missing(machine, name)
    return data


def _missing(machine: BoltzmannMachine, name: str) -> float:
    return -1 if machine.variables[name].is_discrete else np.nan
