"""Machines that learn batch by batch: what is kept between two calls of ``partial_fit``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.learning.boltzmann.training.online import OnlineTraining
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.networks.boltzmann.fitting import (
    FitOptions,
    first_numbers,
    in_units,
    objective_of,
    training_precision,
    use_lengths,
)
from mmgraph.networks.boltzmann.units import Units

if TYPE_CHECKING:
    from mmgraph.networks.boltzmann.machine import BoltzmannMachine


@dataclass
class Online:
    """Training that goes on with the next batch.

    Attributes
    ----------
    options : FitOptions
    units : Units
        In which real variables are trained on; those of the first batch stay.
    training : OnlineTraining or None
        The optimiser, and the chains of the negative phase. Copies, from pickles or not, have its
        ``state`` in place of it until the next batch.
    state : dict of str to Tensor
    """

    options: FitOptions
    units: Units
    training: OnlineTraining | None
    state: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, machine: BoltzmannMachine, rows: TrainingRows, options: FitOptions) -> Online:
        """Begin with a first batch, or with the numbers that a machine has learned already."""
        goes_on = machine.is_fitted
        if not goes_on:
            _check_first_batch(machine, rows)
        units = _units_of_model(machine) if goes_on else Units.of(machine, rows)
        graph, units = in_units(machine, units, options)
        standard = units.standardised(rows, training_precision(machine, options))
        if not goes_on:
            use_lengths(graph, standard)
            seed = options.settings.seed
            first_numbers(graph, standard, options, torch.Generator().manual_seed(seed))
        online = cls(options, units, None)
        online.training = online._training(machine, graph, standard)
        return online

    def _training(
        self,
        machine: BoltzmannMachine,
        graph: FactorGraph,
        rows: TrainingRows,
        state: dict[str, Tensor] | None = None,
    ) -> OnlineTraining:
        observed = [v.name for v in machine.visible]
        if machine.labels is not None:
            observed.append(machine.labels.name)
        objective = objective_of(machine, self.options, None)
        return OnlineTraining(graph, rows, self.options.settings, objective, observed, state=state)

    def continues(self, options: FitOptions) -> bool:
        """Whether training goes on under other options: all that count for batches are the same."""
        return _for_batches(self.options) == _for_batches(options)

    def learn(self, machine: BoltzmannMachine, rows: TrainingRows, rate: float) -> None:
        """Go once over a batch, and write what came of it into the machine."""
        precision = training_precision(machine, self.options)
        standard = self.units.standardised(rows, precision)
        if self.training is None:
            graph = self.units.of_data(machine, precision)
            self.training = self._training(machine, graph, standard, self.state)
        self.training.learn(standard, rate)
        self.units.write(self.training.graph, machine)

    def __getstate__(self) -> dict[str, Any]:
        # Tensors that share memory, and generators, do not come out of a copy as they went in.
        state = self.state if self.training is None else self.training.state()
        return {**self.__dict__, "training": None, "state": state}


def learn_batch(machine: BoltzmannMachine, evidence: Evidence, options: FitOptions) -> None:
    """Go once over a batch, see :meth:`BoltzmannMachine.partial_fit`."""
    machine.place_on(options.device)
    rows = TrainingRows.of(
        machine,
        evidence,
        machine.device,
        machine.asked_dtype,
        may_be_constant=machine.is_fitted,
        wide=True,
    )
    online = machine._online
    if online is None or not online.continues(options):
        online = Online.of(machine, rows, options)
    machine._online = None  # an error on the way leaves no half-made state
    online.learn(machine, rows, options.settings.learning_rate)
    machine.mark_fitted()
    machine._online, machine.sweeps = online, options.sweeps


def _for_batches(options: FitOptions) -> FitOptions:
    """Options without those that mean nothing to batches, or may change from one to the next."""
    settings = replace(options.settings, learning_rate=1.0, epochs=1)
    return replace(options, settings=settings, device=None, pretrain=None, pretraining=None)


def _check_first_batch(machine: BoltzmannMachine, rows: TrainingRows) -> None:
    """Check that the first batch tells in which units real variables are to be trained on.

    Raises
    ------
    LearningError
        If an element of one is seen in fewer than two rows: which.
    """
    for variable in machine.visible:
        if not variable.is_real:
            continue
        seen = torch.zeros(variable.shape)
        if variable.name in rows.clamped:
            known = rows.clamped[variable.name].known
            seen = seen + rows.count if known is None else known.sum(0).reshape(variable.shape)
        few = (seen < 2).nonzero().tolist()
        if few:
            raise LearningError(
                f"the first batch shows element {few[0]} of '{variable.name}' in fewer than two "
                "rows, which do not tell how its values vary; begin with a larger batch"
            )


def _units_of_model(machine: BoltzmannMachine) -> Units:
    """Units in which real variables have mean zero and variance one where hidden units are zero."""
    shifts, scales = {}, {}
    for factor in machine.factors:
        variable = factor.scope[0]
        if isinstance(factor, BiasFactor) and factor.precision is not None:
            if variable not in machine.visible:
                continue
            precision = factor.precision.double()
            mean = factor.bias.double() / precision
            shifts[variable.name] = mean if variable.family == "gaussian" else mean.new_zeros(())
            scales[variable.name] = precision.rsqrt()
    return Units(shifts, scales)
