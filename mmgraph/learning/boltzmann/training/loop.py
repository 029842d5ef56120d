"""The training of Boltzmann machines: epochs, monitors, early stopping, checkpoints, processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.learning.boltzmann.objective import batch_sizes, epoch_order
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import (
    BoltzmannParameters,
    Natural,
    copied,
    named,
    natural_named,
    natural_of,
    write_natural,
)
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.checkpoint import TrainingState, kept_training
from mmgraph.learning.boltzmann.training.data_parallel import Processes
from mmgraph.learning.boltzmann.training.divergence import divergence, log_likelihood_ceiling
from mmgraph.learning.boltzmann.training.learner import Learner, ObjectiveMaker, read_rows
from mmgraph.learning.boltzmann.training.monitors import Monitors
from mmgraph.learning.boltzmann.training_rows import TrainingRows, check_same_layers
from mmgraph.learning.kept_state import Kept, KeptState

Progress = Callable[[int, Mapping[str, float]], None]

_log = logging.getLogger(__name__)


@dataclass
class TrainingReport:
    """What came of training.

    Attributes
    ----------
    history : list of dict of str to float
        The monitors of each epoch, see :meth:`Monitors.of`.
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
    """Train a machine of biases and bilinear factors from its numbers on, in place.

    At every moment the graph holds the parameters of the last sound epoch, whatever stops training.
    No checkpoint holds what has diverged as finished.

    Parameters
    ----------
    rows, validation : TrainingRows, Evidence or what evidence is read from
    objective : callable, optional
        By default the log-likelihood, see :class:`ContrastiveDivergence`.
    processes : Processes, optional
        Those that train together; by default those that ``torchrun`` started, or this one.
    settings, progress, checkpoint
        As of :meth:`BoltzmannEstimator.fit
        <mmgraph.networks.boltzmann.estimator.BoltzmannEstimator.fit>`.
    """
    began = time.perf_counter()
    settings = settings or TrainingSettings()
    device = natural_of(graph)[0][0].device
    group = Processes.of_environment(device) if processes is None else processes
    try:
        learned = read_rows(graph, rows)
        watched = None if validation is None else read_rows(graph, validation)
        if watched is not None:
            check_same_layers(learned.clamped, watched.clamped)
        learner = Learner(graph, settings, objective, learned.clamped, learned.lengths(), group)
        training = _Training(graph, learned, watched, learner, checkpoint)
        training.run(progress)
        group.check()  # what stops the leading process at the very end stops the others too
    except BaseException as error:
        group.check(error)
        raise
    state, seconds = training.state, time.perf_counter() - began
    best, early = state.best_epoch or state.epoch, state.epoch < settings.epochs
    return TrainingReport(state.history, best, early, seconds, learner.parameters)


class _Training:
    """The loop, and where it is."""

    def __init__(
        self,
        graph: FactorGraph,
        rows: TrainingRows,
        validation: TrainingRows | None,
        learner: Learner,
        directory: Path | str | None,
    ) -> None:
        self.graph, self.rows, self.learner = graph, rows, learner
        self.settings, self.processes = learner.settings, learner.processes
        self.sizes = batch_sizes(rows.count, self.settings.batch_size, self.settings.blocks)
        self.monitors = Monitors(
            _first(rows, self.settings),
            validation and _first(validation, self.settings),
            self.settings.mean_field_steps,
        )
        self.state = TrainingState()
        self.best: Natural = []
        self.start: Natural = []
        self.sums: dict[str, float | Tensor] = {}
        self.checkpoint: KeptState | None = None
        if directory is not None:
            options = self.settings.as_dict() | {"objective": learner.objective.described()}
            self.checkpoint = kept_training(directory, graph, options, rows.fingerprint())
        discrete = any(graph.variables[n].is_discrete for n in rows.clamped)
        _check_stopping(self.settings, validation is not None, discrete)

    def run(self, progress: Progress | None) -> None:
        """Train to the end, from the checkpoint if there is one."""
        saved = None if self.checkpoint is None else self.checkpoint.load()
        if saved is not None:
            self._resume(saved)
        else:
            self.learner.centre(self.rows, self.monitors.rows)
            self._keep_start()
        while not self.state.finished:
            self._epoch()
            self._end_epoch()
            if progress is not None and self.processes.leads:
                progress(self.state.epoch, self.state.history[-1])
        if self.best:
            write_natural(self.graph, self.best)

    def _epoch(self) -> None:
        """Make the steps of an epoch that are left of it."""
        state, every = self.state, self.settings.checkpoint_steps
        batches = epoch_order(self.settings.seed, state.epoch, self.rows.count).split(self.sizes)
        self.sums = dict(state.sums)
        for index in batches[state.batch :]:
            done, steps = state.epoch * len(self.sizes) + state.batch, len(self.sizes)
            totals = self.learner.step(self.rows, index, self.settings.rate(done, steps))
            for name, value in totals.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
            state.batch += 1
            if every is not None and state.batch < steps and (done + 1) % every == 0:
                self._check_sound()
                self._save()

    def _end_epoch(self) -> None:
        """Judge the epoch, keep its parameters, and decide whether it was the last."""
        state, settings = self.state, self.settings
        self._check_sound()
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}
        result = self.learner.ascent.result()
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
            self._check_likely(self.best or result)
        if state.finished or state.epoch % settings.checkpoint_epochs == 0:
            self._save()

    def _monitored(self) -> dict[str, float]:
        """The monitors of the epoch that has ended."""
        state, settings = self.state, self.settings
        seed, device = settings.seed + state.epoch, self.learner.parameters.device
        monitors = self.monitors.of(self.graph, seed)
        if self.sums:
            sums = {
                name: torch.as_tensor(total, dtype=torch.float64, device=device)
                for name, total in self.sums.items()
            }
            totals = self.processes.added(sums, 1.0)
            monitors.update((n, float(t) / self.rows.count) for n, t in totals.items())
        if state.epoch in settings.likelihood_epochs:
            steps, chains = settings.likelihood_steps, settings.likelihood_chains
            monitors.update(self.monitors.log_likelihood(self.graph, steps, chains, seed))
        monitors.update(self.learner.objective.report())
        return monitors

    def _keep_start(self) -> None:
        """Keep what training begins with: its parameters, and how likely they find the rows."""
        self.start = copied(self.learner.parameters.natural())
        if isinstance(self.learner.objective, ContrastiveDivergence):
            graph = self.learner.parameters.working()
            self.state.began = log_likelihood_ceiling(graph, self.monitors.rows, self.settings.seed)

    def _check_likely(self, result: Natural) -> None:
        """Refuse a machine that finds the rows less likely than biases alone do."""
        if self.state.began is None:
            return
        write_natural(self.graph, result)
        reason = divergence(self.graph, self.monitors.rows, self.state.began, self.settings.seed)
        if reason:
            write_natural(self.graph, self.start)
            raise LearningError(
                f"training diverged: {reason}; the model has the parameters that training began "
                "with. A lower learning_rate, or more gibbs_steps, may help"
            )

    def _check_sound(self) -> None:
        remaining = "last sound epoch"
        if self.checkpoint is not None:
            remaining += "; the last checkpoint is kept"
        self.learner.check_sound(f"epoch {self.state.epoch + 1}", remaining)

    def _save(self) -> None:
        """Write a checkpoint; all processes give their chains, one writes."""
        if self.checkpoint is None:
            return
        state = self.state
        state.sums = {n: float(s) for n, s in self.sums.items()} if state.batch else {}
        numbers = named("start", self.start) | named("best", self.best)
        tensors = self.learner.state() | numbers
        if self.processes.leads:
            self.checkpoint.save(vars(state), tensors)

    def _resume(self, saved: Kept) -> None:
        """Go on from a checkpoint."""
        assert self.checkpoint is not None
        self.state = TrainingState(**saved.document)
        if self.processes.leads:
            epoch, directory = self.state.epoch, self.checkpoint.path.parent
            _log.info("going on after epoch %d, which %s keeps", epoch, directory)
        device = self.learner.parameters.device
        self.learner.load(saved.tensors)
        self.start = natural_named("start", saved.tensors, device)
        self.best = natural_named("best", saved.tensors, device)
        write_natural(self.graph, self.learner.ascent.result())


def _first(rows: TrainingRows, settings: TrainingSettings) -> TrainingRows:
    """A few rows, drawn once."""
    if rows.count <= settings.monitor_rows:
        return rows
    generator = torch.Generator().manual_seed(settings.seed)
    return rows.some(torch.randperm(rows.count, generator=generator)[: settings.monitor_rows])


def _check_stopping(settings: TrainingSettings, has_validation: bool, discrete: bool) -> None:
    lacking = {
        "pseudo_likelihood": not discrete and "no discrete layer is observed",
        "free_energy_gap": not has_validation and "there are no validation rows",
        "log_likelihood": not settings.likelihood_epochs and "likelihood_epochs is empty",
    }
    watched = settings.stopping_monitor
    if reason := lacking.get(watched or ""):
        raise LearningError(f"{watched} is watched, but {reason}")
