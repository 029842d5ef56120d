"""The loop of training: epochs, batches, monitors, early stopping, checkpoints, processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.learning.kept_state import Kept, KeptState, part, prefixed
from mmgraph.learning.training.learner import Learner
from mmgraph.learning.training.order import batch_sizes, epoch_order
from mmgraph.learning.training.settings import LoopSettings

Progress = Callable[[int, Mapping[str, float]], None]

_log = logging.getLogger(__name__)
_BEST, _LEARNER = "best:", "learner:"


@dataclass
class TrainingReport:
    """What came of training.

    Attributes
    ----------
    history : list of dict of str to float
        The monitors of each epoch.
    best_epoch : int
        The epoch, counted from 1, whose parameters are the result.
    stopped_early : bool
        Whether the watched monitor no longer got better.
    seconds : float
        Of this call.
    """

    history: list[dict[str, float]]
    best_epoch: int
    stopped_early: bool
    seconds: float


def run_loop(
    learner: Learner,
    settings: LoopSettings,
    *,
    directory: Path | str | None = None,
    progress: Progress | None = None,
) -> TrainingReport:
    """Train, and return a report; the model has the parameters that training has come to.

    Whatever stops training, the model has those of the last sound epoch. No checkpoint holds what
    has diverged as finished.

    Parameters
    ----------
    directory : path, optional
        Where checkpoints are written, and gone on from; one is whole at every moment.
    progress : callable, optional
        Called after each epoch, counted from 1, with its monitors, in the process that leads.

    Raises
    ------
    LearningError
        If training diverges, with the epoch; or if another process fails, with its message.
    FormatError
        If the directory keeps another training, of which the difference is named, or is damaged.
    """
    began = time.perf_counter()
    with learner.processes.together(), _convolutions_in_order():
        loop = _Loop(learner, settings, directory)
        loop.run(progress)
    state = loop.state
    best, early = state.best_epoch or state.epoch, state.epoch < settings.epochs
    return TrainingReport(state.history, best, early, time.perf_counter() - began)


@contextmanager
def _convolutions_in_order() -> Iterator[None]:
    """Have cuDNN take convolutions whose sums have one order, chosen without trials."""
    flags = torch.backends.cudnn
    before = flags.deterministic, flags.benchmark
    flags.deterministic, flags.benchmark = True, False
    try:
        yield
    finally:
        flags.deterministic, flags.benchmark = before


@dataclass
class _State:
    """Where training is, but for tensors.

    Attributes
    ----------
    epoch, batch : int
        How many epochs are done, and how many batches of the next.
    best, best_epoch : float or None, int
        The best value of the watched monitor, and its epoch, counted from 1; 0 before.
    sums : dict of str to float
        The totals of what steps returned over the batches done of this epoch.
    """

    epoch: int = 0
    batch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    finished: bool = False


class _Loop:
    """The loop, and where it is."""

    def __init__(
        self, learner: Learner, settings: LoopSettings, directory: Path | str | None
    ) -> None:
        self.learner, self.settings, self.processes = learner, settings, learner.processes
        self.sizes = batch_sizes(learner.rows, settings.batch_size, settings.blocks)
        self.state = _State()
        self.best: dict[str, Tensor] = {}
        self.sound = _copied(learner.parameters())
        self.sums: dict[str, float | Tensor] = {}
        self.checkpoint: KeptState | None = None
        if directory is not None:
            belongs_to = learner.belongs_to()
            options = belongs_to.get("option", {}) | settings.as_dict()
            self.checkpoint = KeptState(
                directory, f"training of {learner.kind}", belongs_to | {"option": options}
            )

    def run(self, progress: Progress | None) -> None:
        """Train to the end, from the checkpoint if there is one."""
        saved = None if self.checkpoint is None else self.checkpoint.load()
        if saved is not None:
            self._resume(saved)
        else:
            self.learner.begin()
        while not self.state.finished:
            try:
                self._epoch()
                self._check_sound()
            except BaseException:
                self.learner.take(self.sound)
                raise
            self._end_epoch()
            if progress is not None and self.processes.leads:
                progress(self.state.epoch, self.state.history[-1])
        if self.best:
            self.learner.take(self.best)

    def _epoch(self) -> None:
        """Make the steps of an epoch that are left of it."""
        state, settings, every = self.state, self.settings, self.settings.checkpoint_steps
        batches = epoch_order(settings.seed, state.epoch, self.learner.rows).split(self.sizes)
        self.sums = dict(state.sums)
        for batch in batches[state.batch :]:
            done, steps = state.epoch * len(self.sizes) + state.batch, len(self.sizes)
            index = self.processes.rows(batch, settings.blocks)
            rate, share = settings.rate(done, steps), len(index) / len(batch)
            for name, value in self._step(index, rate, share).items():
                self.sums[name] = self.sums.get(name, 0.0) + value
            state.batch += 1
            if every is not None and state.batch < steps and (done + 1) % every == 0:
                self._check_sound()
                self._save()

    def _step(
        self, index: Int64[Tensor, " rows"], rate: float, share: float
    ) -> Mapping[str, float | Tensor]:
        """Take a step; that what is not finite has no decomposition is divergence, too."""
        try:
            return self.learner.step(index, rate, share)
        except torch.linalg.LinAlgError as error:
            raise LearningError(
                f"training diverged in epoch {self.state.epoch + 1}: {error}; the model has the "
                "parameters of the last sound epoch. A lower learning_rate may help"
            ) from None

    def _end_epoch(self) -> None:
        """Judge the epoch, keep its parameters, and decide whether it was the last."""
        state, settings, learner = self.state, self.settings, self.learner
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}
        learner.take(learner.result())
        self.sound = _copied(learner.result())
        monitors = learner.monitors(state.epoch, self._averages())
        state.history.append(monitors)
        stop = False
        if settings.stopping_monitor is not None:
            value = monitors.get(settings.stopping_monitor)
            if value is not None and settings.is_better(value, state.best):
                state.best, state.best_epoch = value, state.epoch
                self.best = self.sound
            stop = state.epoch - state.best_epoch >= settings.patience
            if stop or state.epoch >= settings.epochs:
                self._check_watched(settings.stopping_monitor)
        state.finished = self.processes.decided(stop or state.epoch >= settings.epochs)
        if state.finished:
            learner.check_result(self.best or self.sound)
        if state.finished or state.epoch % settings.checkpoint_epochs == 0:
            self._save()

    def _check_watched(self, watched: str) -> None:
        """Refuse what no epoch has said anything of: it has stopped nothing, and chosen none."""
        names = {name for monitors in self.state.history for name in monitors}
        if watched not in names:
            raise LearningError(
                f"stopping_monitor '{watched}' is not among the monitors of {self.learner.kind}: "
                f"{', '.join(sorted(names))}"
            )

    def _averages(self) -> dict[str, float]:
        """The averages of what the steps of the epoch returned, over the rows of all processes."""
        if not self.sums:
            return {}
        sums = {
            name: torch.as_tensor(total, dtype=torch.float64, device=self.processes.device)
            for name, total in self.sums.items()
        }
        totals = self.processes.added(sums, 1.0)
        return {name: float(total) / self.learner.rows for name, total in totals.items()}

    def _check_sound(self) -> None:
        remaining = "last sound epoch"
        if self.checkpoint is not None:
            remaining += "; the last checkpoint is kept"
        self.learner.check_sound(f"epoch {self.state.epoch + 1}", remaining)

    def _save(self) -> None:
        """Write a checkpoint; all processes give their state, one writes."""
        if self.checkpoint is None:
            return
        state = self.state
        state.sums = {n: float(s) for n, s in self.sums.items()} if state.batch else {}
        tensors = prefixed(self.learner.state(), _LEARNER) | prefixed(self.best, _BEST)
        if self.processes.leads:
            self.checkpoint.save(vars(state), tensors)

    def _resume(self, saved: Kept) -> None:
        """Go on from a checkpoint."""
        assert self.checkpoint is not None
        self.state = _State(**saved.document)
        if self.processes.leads:
            epoch, directory = self.state.epoch, self.checkpoint.path.parent
            _log.info("going on after epoch %d, which %s keeps", epoch, directory)
        self.learner.load(part(saved.tensors, _LEARNER))
        self.best = part(saved.tensors, _BEST)
        self.learner.take(self.learner.result())
        self.sound = _copied(self.learner.result())


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that no step changes."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
