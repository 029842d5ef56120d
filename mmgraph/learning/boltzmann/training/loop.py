"""The training of Boltzmann machines: epochs, monitors, early stopping, checkpoints, processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.graph.factors.bilinear import BilinearFactor
from mmgraph.learning.boltzmann.objective import (
    Objective,
    RandomBlocks,
    batch_sizes,
    block_sizes,
)
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import (
    BoltzmannParameters,
    Natural,
    copied,
    named,
    natural_named,
)
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.checkpoint import BoltzmannCheckpoint, TrainingState
from mmgraph.learning.boltzmann.training.data_parallel import Processes
from mmgraph.learning.boltzmann.training.divergence import divergence, log_likelihood_ceiling
from mmgraph.learning.boltzmann.training.monitors import Monitors
from mmgraph.learning.boltzmann.training.steps import Ascent
from mmgraph.learning.boltzmann.training_rows import (
    TrainingRows,
    check_same_layers,
    document_lengths,
)

Progress = Callable[[int, Mapping[str, float]], None]
ObjectiveMaker = Callable[[BoltzmannParameters, RandomBlocks], Objective]

_log = logging.getLogger(__name__)

LARGEST_PARAMETER = 1e4
"""A parameter beyond this has run away: no unit's log-odds need it."""


@dataclass
class TrainingReport:
    """What came of training.

    Attributes
    ----------
    history : list of dict of str to float
        The monitors of each epoch, see :class:`Monitors`.
    best_epoch : int
        The epoch, counted from 1, whose parameters are the result.
    stopped_early : bool
        Whether the watched monitor no longer got better.
    seconds : float
        Of this call.
    parameters : BoltzmannParameters
        As they were last, before averages or the best epoch's were taken.
    """

    history: list[dict[str, float]]
    best_epoch: int
    stopped_early: bool
    seconds: float
    parameters: BoltzmannParameters


def train(
    graph: FactorGraph,
    rows: object,
    validation: object = None,
    settings: TrainingSettings | None = None,
    objective: ObjectiveMaker | None = None,
    progress: Progress | None = None,
    checkpoint: Path | str | None = None,
    processes: Processes | None = None,
) -> TrainingReport:
    """Train a machine, and write its parameters in place.

    At every moment the graph holds the parameters of the last sound epoch, whatever stops training.

    Parameters
    ----------
    graph : FactorGraph
        Biases and bilinear factors; their numbers are the start.
    rows, validation : TrainingRows, Evidence or what evidence is read from
    settings : TrainingSettings, optional
    objective : callable, optional
        Makes the objective from the parameters and the generators of this process's blocks. By
        default the log-likelihood, see :class:`ContrastiveDivergence`.
    progress : callable, optional
        Called after each epoch, counted from 1, with its monitors.
    checkpoint : path, optional
        A directory. Where it holds the state of this training, that goes on.
    processes : Processes, optional
        Those that train together; by default those that ``torchrun`` started, or this one.

    Raises
    ------
    LearningError
        If training diverges (the epoch is named), rows or settings do not fit, or another process
        has stopped. No checkpoint holds what has diverged as finished.
    FormatError
        If the checkpoint is that of another machine, other rows or other settings, or damaged.
    """
    began = time.perf_counter()
    settings = settings or TrainingSettings()
    parameters = BoltzmannParameters(graph)
    group = Processes.of_environment(parameters.device) if processes is None else processes
    try:
        training = _Training(
            graph,
            parameters,
            _read(graph, parameters, rows),
            None if validation is None else _read(graph, parameters, validation),
            settings,
            objective,
            None if checkpoint is None else Path(checkpoint),
            group,
        )
        training.run(progress)
        group.check()  # what stops the leading process at the very end stops the others too
    except BaseException as error:
        group.check(error)
        raise
    return training.report(time.perf_counter() - began)


def _read(graph: FactorGraph, parameters: BoltzmannParameters, rows: object) -> TrainingRows:
    if isinstance(rows, TrainingRows):
        return rows
    evidence = Evidence.of(rows, graph.variables)
    return TrainingRows.of(graph, evidence, parameters.device, parameters.dtype)


class _Training:
    """The loop, and where it is."""

    def __init__(
        self,
        graph: FactorGraph,
        parameters: BoltzmannParameters,
        rows: TrainingRows,
        validation: TrainingRows | None,
        settings: TrainingSettings,
        objective: ObjectiveMaker | None,
        directory: Path | None,
        processes: Processes,
    ) -> None:
        self.graph, self.parameters, self.settings = graph, parameters, settings
        self.rows, self.processes = rows, processes
        self.state = TrainingState()
        self.sizes = batch_sizes(rows.count, settings.batch_size, settings.blocks)
        if validation is not None:
            check_same_layers(rows.clamped, validation.clamped)
        self.monitors = Monitors(
            _first(rows, settings), validation and _first(validation, settings),
            settings.mean_field_steps,
        )  # fmt: skip
        random = RandomBlocks(
            settings.blocks, settings.seed, parameters.device, processes.blocks(settings.blocks)
        )
        self.objective = (objective or self._likelihood)(parameters, random)
        lengths = document_lengths(graph, rows.lengths())
        self.ascent = Ascent(parameters, settings, rows.clamped, lengths)
        self.best: Natural | None = None
        self.start: Natural = []
        self.sums: dict[str, float | Tensor] = {}
        self.checkpoint = None
        if directory is not None:
            self.checkpoint = BoltzmannCheckpoint(
                directory,
                graph,
                settings.as_dict() | {"objective": self.objective.described()},
                rows.fingerprint(),
            )
        discrete = any(graph.variables[n].is_discrete for n in rows.clamped)
        _check_stopping(settings, validation is not None, discrete)

    def _likelihood(self, parameters: BoltzmannParameters, random: RandomBlocks) -> Objective:
        lengths = self.rows.lengths()
        return ContrastiveDivergence.of_settings(parameters, self.settings, random, lengths)

    def run(self, progress: Progress | None) -> None:
        """Train to the end, from the checkpoint if there is one."""
        found = self.checkpoint.load() if self.checkpoint is not None else None
        if found is not None:
            self._resume(found)
        elif self.settings.centring:
            means = self.monitors.means(self.parameters.working())
            self.parameters.recentre({**means, **self.rows.means()})
        if found is None:
            self._keep_start()
        while not self.state.finished:
            self._epoch()
            self._end_epoch()
            if progress is not None and self.processes.leads:
                progress(self.state.epoch, self.state.history[-1])
        if self.best is not None:
            write_natural(self.graph, self.best)

    def report(self, seconds: float) -> TrainingReport:
        """Return what came of it."""
        state = self.state
        return TrainingReport(
            state.history,
            state.best_epoch or state.epoch,
            state.epoch < self.settings.epochs,
            seconds,
            self.parameters,
        )

    def _epoch(self) -> None:
        """Make the steps of an epoch that are left of it."""
        state, settings = self.state, self.settings
        order = self._order()
        starts = [0]
        for size in self.sizes:
            starts.append(starts[-1] + size)
        self.sums = dict(state.sums)
        while state.batch < len(self.sizes):
            index = order[starts[state.batch] : starts[state.batch + 1]]
            self._step(index)
            state.batch += 1
            every = settings.checkpoint_steps
            if every is not None and state.batch < len(self.sizes) and self._done % every == 0:
                self._check_sound()
                self._save()

    @property
    def _done(self) -> int:
        """The steps made so far."""
        return self.state.epoch * len(self.sizes) + self.state.batch

    def _order(self) -> Int64[Tensor, " rows"]:
        """The order of the rows in this epoch, the same in all processes."""
        generator = torch.Generator()
        generator.manual_seed((self.settings.seed * 1_000_003 + self.state.epoch) % 2**63)
        return torch.randperm(self.rows.count, generator=generator)

    def _step(self, index: Int64[Tensor, " batch"]) -> None:
        """Make one step on some rows, of which this process takes its share."""
        group, settings = self.processes, self.settings
        sizes = block_sizes(len(index), settings.blocks)
        own = group.blocks(settings.blocks)
        start = sum(sizes[: own.start])
        index = index[start : start + sum(sizes[b] for b in own)]
        share = len(index) / sum(sizes)
        self.objective.row_share = share
        gradients, told = self.objective.gradients(self.rows.batch(index))
        group.check()
        gradients = group.added(gradients, share)
        self.ascent.step(gradients, settings.rate(self._done, len(self.sizes)))
        for name, value in told.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * len(index)

    def _end_epoch(self) -> None:
        """Judge the epoch, keep its parameters, and decide whether it was the last."""
        state, settings = self.state, self.settings
        self._check_sound()
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}
        result = self.ascent.result()
        write_natural(self.graph, result)
        monitors = self._monitored()
        state.history.append(monitors)
        stop = False
        if settings.stopping_monitor is not None:
            value = monitors.get(settings.stopping_monitor)
            if value is not None and settings.is_better(value, state.best):
                state.best, state.best_epoch = value, state.epoch
                self.best = copied(result)
            stop = state.epoch - state.best_epoch >= settings.patience
        state.finished = self.processes.decided(stop or state.epoch >= settings.epochs)
        if state.finished:
            self._check_likely(result if self.best is None else self.best)
        if state.finished or state.epoch % settings.checkpoint_epochs == 0:
            self._save()

    def _monitored(self) -> dict[str, float]:
        """The monitors of the epoch that has ended."""
        state, settings = self.state, self.settings
        monitors = self.monitors.of(self.graph, settings.seed + state.epoch)
        if self.sums:
            totals = self.processes.added(
                {n: torch.as_tensor(s, dtype=torch.float64, device=self.parameters.device)
                 for n, s in self.sums.items()}, 1.0
            )  # fmt: skip
            monitors.update((n, float(t) / self.rows.count) for n, t in totals.items())
        if state.epoch in settings.likelihood_epochs:
            monitors.update(
                self.monitors.log_likelihood(
                    self.graph,
                    settings.likelihood_steps,
                    settings.likelihood_chains,
                    settings.seed + state.epoch,
                )
            )
        report = getattr(self.objective, "report", dict)
        monitors.update(report())
        return monitors

    def _keep_start(self) -> None:
        """Keep what training begins with: its parameters, and how likely they find the rows."""
        self.start = copied(self.parameters.natural())
        if isinstance(self.objective, ContrastiveDivergence):
            graph = self.parameters.working()
            self.state.began = log_likelihood_ceiling(graph, self.monitors.rows, self.settings.seed)

    def _check_likely(self, result: Natural) -> None:
        """Refuse a machine that finds the rows less likely than biases alone do."""
        if self.state.began is None:
            return
        write_natural(self.graph, result)
        ill = divergence(self.graph, self.monitors.rows, self.state.began, self.settings.seed)
        if ill:
            write_natural(self.graph, self.start)
            raise LearningError(
                f"training diverged: {ill}; the model has the parameters that training began with. "
                "A lower learning_rate, or more gibbs_steps, may help"
            )

    def _check_sound(self) -> None:
        if not self.ascent.is_sound(LARGEST_PARAMETER):
            kept = "" if self.checkpoint is None else "; the last checkpoint is kept"
            raise LearningError(
                f"training diverged in epoch {self.state.epoch + 1}: a parameter is infinite, NaN "
                f"or beyond {LARGEST_PARAMETER:g}; the model has the parameters of the last sound "
                f"epoch{kept}. A lower learning_rate, or a norm_bound, may help"
            )

    def _save(self) -> None:
        """Write a checkpoint; all processes give their chains, one writes."""
        if self.checkpoint is None:
            return
        state = self.state
        state.sums = {n: float(s) for n, s in self.sums.items()} if state.batch else {}
        own = self.ascent.state()
        gathered = self.processes.gathered(self.objective.state(), self.settings.blocks)
        own.update({f"objective:{k}": t for k, t in gathered.items()})
        own.update(named("start", self.start) | named("best", self.best or []))
        state.tensors = own
        if self.processes.leads:
            self.checkpoint.save(state)
        state.tensors = {}

    def _resume(self, found: TrainingState) -> None:
        """Go on from a checkpoint."""
        assert self.checkpoint is not None
        if self.processes.leads:
            _log.info(
                "going on after epoch %d, which %s keeps", found.epoch, self.checkpoint.directory
            )
        tensors, device = found.tensors, self.parameters.device
        self.state = found
        self.ascent.load(tensors)
        prefix = "objective:"
        self.objective.load(
            {k.removeprefix(prefix): t.to(device) for k, t in tensors.items()
             if k.startswith(prefix)}
        )  # fmt: skip
        self.start = natural_named("start", tensors, device)
        self.best = natural_named("best", tensors, device) or None
        found.tensors = {}
        write_natural(self.graph, self.ascent.result())


@torch.no_grad()
def write_natural(graph: FactorGraph, natural: Natural) -> None:
    """Copy natural parameters into a graph's factors, and forget what was compiled from the old."""
    for factor, row in zip(graph.factors, natural, strict=True):
        assert isinstance(factor, BiasFactor | BilinearFactor)
        for kept, tensor in zip(factor.tensors(), row, strict=True):
            kept.copy_(tensor)
    graph.numbers_changed()


def _first(rows: TrainingRows, settings: TrainingSettings) -> TrainingRows:
    """A few rows, drawn once."""
    if rows.count <= settings.monitor_rows:
        return rows
    generator = torch.Generator().manual_seed(settings.seed)
    return rows.some(torch.randperm(rows.count, generator=generator)[: settings.monitor_rows])


def _check_stopping(settings: TrainingSettings, has_validation: bool, discrete: bool) -> None:
    watched = settings.stopping_monitor
    if watched == "pseudo_likelihood" and not discrete:
        raise LearningError("the pseudo-likelihood is watched, but no discrete layer is observed")
    if watched == "free_energy_gap" and not has_validation:
        raise LearningError("the free-energy gap is watched, but there are no validation rows")
    if watched == "log_likelihood" and not settings.likelihood_epochs:
        raise LearningError("the log-likelihood is watched, but likelihood_epochs is empty")
