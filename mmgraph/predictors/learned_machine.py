"""Deep Boltzmann machines of several modalities and their target, learned from rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.data.blocks.block import Block, Features
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.blocks.preparation import Preparation
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError
from mmgraph.graph.state_labels import index
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.layers import Pathway
from mmgraph.networks.boltzmann.multimodal import MultimodalDeepBoltzmannMachine

LABELS = "labels"
_CATEGORICAL = "categorical"
_BATCH = 100
_FURTHEST = 3.0
"""Normal quantiles end there: the smallest value of a column lies at no number at all."""


@dataclass(frozen=True, eq=False)
class MachineInputs:
    """The visible units of a modality.

    Attributes
    ----------
    preparation : Preparation
        The normal quantiles of what is no categorical column.
    variables : dict of int to Variable
        Softmax units for the categorical columns that have so many states.
    """

    preparation: Preparation
    variables: Mapping[int, Variable]

    @classmethod
    def fitted(cls, modality: str, block: Block) -> MachineInputs:
        """Return the units of rows that are to be learned from."""
        counts: dict[int, int] = {}
        for variable in _categorical(block):
            counts[variable.cardinality] = counts.get(variable.cardinality, 0) + 1
        variables = {
            states: Variable(
                f"{modality}.states{states}", states, shape=(columns,), modality=modality
            )
            for states, columns in counts.items()
            if states > 1
        }
        return cls(Preparation.fitted(_numbers(block), quantiles=True), variables)

    def visible(self, modality: str) -> list[Variable]:
        """Return the variables, a Gaussian one of all numbers among them."""
        visible = list(self.variables.values())
        if count := int(self.preparation.varying.sum()):
            name, shape = f"{modality}.numbers", (count,)
            visible.insert(0, Variable(name, shape=shape, modality=modality, family="gaussian"))
        return visible

    def cells(self, modality: str, block: Block) -> dict[str, Any]:
        """Return rows as evidence; what is missing is missing to the machine."""
        cells: dict[str, Any] = {}
        if self.preparation.varying.any():
            scaled = self.preparation.scaled(_numbers(block))
            cells[f"{modality}.numbers"] = scaled.clip(-_FURTHEST, _FURTHEST)
        columns = _categorical(block)
        for states, variable in self.variables.items():
            assert isinstance(block, Columns)
            names = [v.name for v in columns if v.cardinality == states]
            values = block.select(names).values
            cells[variable.name] = index(np.nan_to_num(values, nan=-1).astype(np.int64))
        return cells


@dataclass(frozen=True, eq=False)
class LearnedMachine:
    """A machine, and what the rows of each of its modalities are to it.

    Attributes
    ----------
    machine : MultimodalDeepBoltzmannMachine
        In double precision.
    inputs : dict of str to MachineInputs
        By modality.
    """

    machine: MultimodalDeepBoltzmannMachine
    inputs: Mapping[str, MachineInputs]

    def probabilities(
        self, data: MultimodalData, names: Collection[str]
    ) -> Float64[np.ndarray, "rows states"]:
        """Return the posterior of the labels' states given some modalities."""
        cells = self._cells(data, names)
        return np.asarray(self.machine.predict_proba(cells), np.float64)

    def _cells(self, data: MultimodalData, names: Collection[str]) -> dict[str, Any]:
        cells: dict[str, Any] = {}
        for modality in names:
            cells |= self.inputs[modality].cells(modality, data.block(modality))
        return cells


@dataclass(frozen=True)
class MachineLearning:
    """How a machine is learned from rows.

    Attributes
    ----------
    hidden : tuple of int
        The units of the hidden layers of each pathway, from below.
    joint : int
        Those of the joint layer.
    epochs : int
        How often training goes through the rows.
    """

    hidden: tuple[int, ...]
    joint: int
    epochs: int

    def learned(self, data: MultimodalData, seed: int) -> LearnedMachine:
        """Return the machine of rows with a target.

        Raises
        ------
        LearningError
            If no column varies, or an option is out of its range.
        """
        data = data.rows(np.flatnonzero(data.counts > 0))
        fitted = {
            modality: MachineInputs.fitted(modality, block)
            for modality, block in data.blocks.items()
            if not block.missing.all()
        }
        inputs = {modality: made for modality, made in fitted.items() if made.visible(modality)}
        if not inputs:
            raise LearningError(
                f"no column of {data.origin} varies, so that it could tell anything"
            )
        missing = np.all([data.block(modality).missing for modality in inputs], axis=0)
        data = _by_weight(data.rows(np.flatnonzero(~missing)))
        pathways = {m: Pathway(i.visible(m), self.hidden, m) for m, i in inputs.items()}
        generator = torch.Generator().manual_seed(seed)
        machine = MultimodalDeepBoltzmannMachine(
            pathways,
            self.joint,
            Variable(LABELS, data.target.cardinality),
            label_links="all",
            generator=generator,
        )
        learned = LearnedMachine(machine, inputs)
        machine.fit(
            learned._cells(data, tuple(inputs)),
            index(data.codes),
            generator=generator,
            **self._options(machine, len(data), seed),
        )
        return LearnedMachine(machine.to(dtype=torch.float64), inputs)

    def _options(
        self, machine: MultimodalDeepBoltzmannMachine, rows: int, seed: int
    ) -> dict[str, Any]:
        """How the machine is trained: to predict what is hidden from it, labels above all."""
        numbers = {v.name: 0.2 for v in machine.visible if v.is_real}
        batch = min(_BATCH, max(rows // 8, 10))
        return {
            "objective": "multi_prediction",
            "epochs": self.epochs,
            "batch_size": batch,
            "blocks": 1,
            "optimiser": "adam",
            "learning_rate": 1.5e-2,
            "squared_momentum": 0.99,
            "gradient_bound": 5.0,
            "schedule": "cosine",
            "warm_up_epochs": min(3.0, self.epochs / 4),
            "weight_decay": 0.1,
            "averaging": 0.99,
            "monitor_rows": 1,
            "seed": seed,
            "prediction": {
                "sweeps": 3,
                "weights": {v.name: 0.3 for v in machine.visible} | {LABELS: 1.0},
                "hiding": {"everything": 0.35, "single": 0.5},
                "disturbance": {"noise": numbers, "spread": 0.5},
            },
        }


def _categorical(block: Block) -> list[Variable]:
    """The columns of states that have no order."""
    if not isinstance(block, Columns):
        return []
    return [v for v, kind in zip(block.variables, block.kinds, strict=True) if kind == _CATEGORICAL]


def _numbers(block: Block) -> Features:
    """All else, as numbers."""
    if not isinstance(block, Columns):
        return block.numbers()
    return block.values[:, [kind != _CATEGORICAL for kind in block.kinds]]


def _by_weight(data: MultimodalData) -> MultimodalData:
    """As many rows, each as often as its weight says, up to one."""
    ends = np.cumsum(data.counts)
    points = (np.arange(len(data)) + 0.5) * ends[-1] / len(data)
    return data.rows(np.searchsorted(ends, points))
