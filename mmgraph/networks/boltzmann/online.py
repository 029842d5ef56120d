"""Machines that learn batch by batch: what is kept between two calls of ``partial_fit``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import biases
from mmgraph.learning.boltzmann.training.online import OnlineTraining
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.networks.boltzmann.fitting import (
    TrainedCopy,
    begin,
    objective_of,
    training_rows,
    use_lengths,
)
from mmgraph.networks.boltzmann.layers import Layers
from mmgraph.networks.boltzmann.options import FitOptions
from mmgraph.networks.boltzmann.parameters import MachineParameters
from mmgraph.networks.boltzmann.units import Units


@dataclass
class Online:
    """Training that goes on with the next batch, in the units of the first.

    Copies, from pickles or not, have the ``state`` of the training in its place until that comes.
    """

    options: FitOptions
    layers: Layers
    units: Units
    training: OnlineTraining | None = None
    state: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls, machine: MachineParameters, layers: Layers, rows: TrainingRows, options: FitOptions
    ) -> Online:
        """Begin with a first batch, or with the numbers that a machine has learned already."""
        goes_on = machine.is_fitted
        if not goes_on:
            _check_first_batch(layers, rows)
        units = _units_of_model(machine, layers) if goes_on else Units.of(machine, rows)
        copy = TrainedCopy.of(machine, units, options.standardise)
        standard = copy.rows(rows)
        if not goes_on:
            use_lengths(copy.graph, standard)
            begin(copy.graph, standard, options)
        online = cls(options, layers, copy.units)
        online._start(copy.graph, standard)
        return online

    def _start(
        self, graph: FactorGraph, rows: TrainingRows, state: dict[str, Tensor] | None = None
    ) -> None:
        observed = [v.name for v in self.layers.observed]
        objective = objective_of(self.layers.labels, self.options, None)
        self.training = OnlineTraining(
            graph, rows, self.options.settings, objective, observed, state
        )

    def continues(self, options: FitOptions) -> bool:
        """Whether training goes on under other options: all that count for batches are the same."""
        return _for_batches(self.options) == _for_batches(options)

    def learn(self, machine: MachineParameters, rows: TrainingRows, rate: float) -> None:
        """Go once over a batch, and write what came of it into the machine."""
        dtype = machine.asked_dtype if self.options.standardise else machine.dtype
        standard = self.units.standardised(rows, dtype)
        if self.training is None:
            self._start(self.units.of_data(machine, dtype), standard, self.state)
        assert self.training is not None
        self.training.learn(standard, rate)
        self.units.write(self.training.graph, machine)

    def __getstate__(self) -> dict[str, Any]:
        # Tensors that share memory, and generators, do not come out of a copy as they went in.
        state = self.state if self.training is None else self.training.state()
        return {**self.__dict__, "training": None, "state": state}


def learn_batch(
    machine: MachineParameters, layers: Layers, evidence: Evidence, options: FitOptions
) -> Online:
    """Go once over a batch, and return what the next batch goes on with."""
    rows = training_rows(machine, evidence, options.device, may_be_constant=machine.is_fitted)
    online: Online | None = machine.online
    if online is None or not online.continues(options):
        online = Online.of(machine, layers, rows, options)
    machine.online = None  # an error on the way leaves no half-made state
    online.learn(machine, rows, options.settings.learning_rate)
    machine.mark_fitted()
    return online


def _for_batches(options: FitOptions) -> FitOptions:
    """Options without those that mean nothing to batches, or may change from one to the next."""
    settings = replace(options.settings, learning_rate=1.0, epochs=1)
    return replace(options, settings=settings, device=None, pretrain=None, pretraining=None)


def _check_first_batch(layers: Layers, rows: TrainingRows) -> None:
    """Check that the first batch tells in which units real variables are to be trained on."""
    for variable in layers.visible:
        if not variable.is_real:
            continue
        counts = torch.zeros(variable.shape)
        if variable.name in rows.clamped:
            known = rows.clamped[variable.name].known
            counts = counts + rows.count if known is None else known.sum(0).reshape(variable.shape)
        few = (counts < 2).nonzero().tolist()
        if few:
            raise LearningError(
                f"the first batch shows element {few[0]} of '{variable.name}' in fewer than two "
                "rows, which do not tell how its values vary; begin with a larger batch"
            )


def _units_of_model(graph: FactorGraph, layers: Layers) -> Units:
    """Units in which real variables have mean zero and variance one where hidden units are zero."""
    shifts, scales = {}, {}
    for factor in biases(graph.factors):
        variable = factor.scope[0]
        if factor.precision is not None and variable in layers.visible:
            precision = factor.precision.double()
            mean = factor.bias.double() / precision
            shifts[variable.name] = mean if variable.family == "gaussian" else mean.new_zeros(())
            scales[variable.name] = precision.rsqrt()
    return Units(shifts, scales)
