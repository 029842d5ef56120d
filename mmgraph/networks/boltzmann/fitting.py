"""The training of a machine from data: in which units, from which numbers, to which objective."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.learning.boltzmann.objectives.fine_tuning import FineTuning
from mmgraph.learning.boltzmann.objectives.multi_prediction import MultiPrediction
from mmgraph.learning.boltzmann.parameters import copied, natural_of, same_natural, write_natural
from mmgraph.learning.boltzmann.training.initial_parameters import write_initial_parameters
from mmgraph.learning.boltzmann.training.loop import train
from mmgraph.learning.boltzmann.training.pretraining import pretrain
from mmgraph.learning.boltzmann.training.steps import ObjectiveMaker
from mmgraph.learning.boltzmann.training_rows import TrainingRows, document_lengths
from mmgraph.learning.training.loop import Progress, TrainingReport
from mmgraph.networks.boltzmann.layers import Layers
from mmgraph.networks.boltzmann.options import FitOptions
from mmgraph.networks.boltzmann.parameters import MachineParameters
from mmgraph.networks.boltzmann.units import Units, exchange_lengths


@dataclass(frozen=True)
class TrainedCopy:
    """A copy of a machine (``graph``) that is trained, in units and a precision of its own.

    The machine itself is kept in double precision where its real values lie far from zero, the copy
    only where they are not standardised; there are no units then.
    """

    machine: MachineParameters
    graph: FactorGraph
    units: Units
    dtype: torch.dtype

    @classmethod
    def of(cls, machine: MachineParameters, units: Units, standardise: bool) -> TrainedCopy:
        """Return a copy of a machine that speaks of real values in units, if it is to."""
        machine.keep_in(torch.float64 if units.are_far else machine.asked_dtype)
        units = units if standardise else Units({}, {})
        dtype = machine.asked_dtype if standardise else machine.dtype
        return cls(machine, units.of_data(machine, dtype), units, dtype)

    def rows(self, rows: TrainingRows) -> TrainingRows:
        """Return rows in the units and the precision of the copy."""
        return self.units.standardised(rows, self.dtype)

    def write(self) -> None:
        """Give the machine the numbers of the copy."""
        self.units.write(self.graph, self.machine)
        self.machine.mark_fitted()

    @contextlib.contextmanager
    def written_back(self) -> Iterator[None]:
        """Give the machine the numbers that training ends with, even by an error.

        Where that leaves nothing learned, a machine that was fitted has what it had before, and
        another is not fitted.
        """
        start, before = copied(natural_of(self.graph)), copied(natural_of(self.machine))
        was_fitted = self.machine.is_fitted
        try:
            yield
        except BaseException:
            self.write()
            if same_natural(start, natural_of(self.graph)):
                self.machine.mark_fitted(was_fitted)
                if was_fitted:
                    write_natural(self.machine, before)
            raise
        self.write()


def training_rows(
    machine: MachineParameters,
    evidence: Evidence,
    device: str | torch.device | None,
    may_be_constant: bool = False,
) -> TrainingRows:
    """Return the rows to learn from, where the machine is trained; it is moved there."""
    machine.place_on(device)
    return TrainingRows.of(
        machine, evidence, machine.device, machine.asked_dtype, may_be_constant, wide=True
    )


def fitted(
    machine: MachineParameters,
    layers: Layers,
    rows: TrainingRows,
    watched: TrainingRows | None,
    options: FitOptions,
    checkpoint: Path | str | None,
    progress: Progress | None,
    generator: torch.Generator | None,
) -> TrainingReport:
    """Train a machine in place on rows, while others are watched, as ``BoltzmannEstimator.fit``."""
    copy = TrainedCopy.of(machine, Units.of(machine, rows), options.standardise)
    graph, settings = copy.graph, options.settings
    rows, watched = copy.rows(rows), watched and copy.rows(watched)
    use_lengths(graph, rows)
    if not options.goes_on:
        begin(graph, rows, options, generator)
    objective = objective_of(layers.labels, options, rows)

    def report(epoch: int, monitors: Mapping[str, float]) -> None:
        copy.write()  # the machine has the numbers of an epoch before anybody hears of it
        if progress is not None:
            progress(epoch, monitors)

    with copy.written_back():
        if options.pretrain == "greedy":
            directory = None if checkpoint is None else Path(checkpoint) / "pretraining"
            pretraining = options.pretraining or settings
            pretrain(graph, rows, layers.levels, pretraining, checkpoint=directory)
        return train(graph, rows, watched, settings, objective, report, checkpoint)


def begin(
    graph: FactorGraph,
    rows: TrainingRows,
    options: FitOptions,
    generator: torch.Generator | None = None,
) -> None:
    """Write the numbers that training begins with, as rows suggest them."""
    likelihood = options.objective == "contrastive_divergence"
    generator = generator or torch.Generator().manual_seed(options.settings.seed)
    write_initial_parameters(graph, rows, options.weight_scale, likelihood, generator)


def use_lengths(graph: FactorGraph, rows: TrainingRows) -> None:
    """Let documents that are missing have as many words as those seen, on average."""
    lengths = document_lengths(graph, rows.lengths())
    exchange_lengths(graph, {name: max(1, round(words)) for name, words in lengths.items()})


def objective_of(
    labels: Variable | None, options: FitOptions, rows: TrainingRows | None
) -> ObjectiveMaker | None:
    """Return what makes the objective by its name; None stands for the log-likelihood.

    Rows that are blended with others find these among all ``rows``, or in their batch.
    """
    names = () if labels is None else (labels.name,)
    if options.objective == "contrastive_divergence":
        return None
    if options.objective == "fine_tuning":
        if not names:
            raise LearningError("fine_tuning needs a machine with label units")
        predicted = options.prediction[0].settings if options.prediction else None
        return lambda parameters, random: FineTuning(parameters, names, predicted, random)
    partners = None if rows is None else rows.clamped
    return lambda parameters, random: MultiPrediction(
        parameters, names, options.prediction or None, random, partners
    )
