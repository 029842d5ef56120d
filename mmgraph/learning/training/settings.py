"""The options of the loop of training, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.learning.training.options import check_options, check_whole, record_of

Schedule = Literal["constant", "linear", "cosine"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "linear", "cosine")


@dataclass(frozen=True)
class LoopSettings:
    """The options of the loop, of whatever learns.

    Parameters
    ----------
    epochs : int, default 50
    batch_size : int, default 100
        Of all processes together.
    learning_rate : float, default 0.01
    schedule : {"constant", "linear", "cosine"}
        How the rate falls, to zero at the end.
    warm_up_epochs : float, default 0
        Over which the rate rises from zero.
    blocks : int, default 2
        Blocks of rows, with random numbers of their own; processes take whole blocks.
    seed : int, default 0
    stopping_monitor : str, optional
        What early stopping watches, one of :attr:`rising` and :attr:`falling`; the best epoch's
        parameters are then the result.
    patience : int, default 5
        Epochs without a better value after which training stops.
    checkpoint_epochs : int, default 1
        Epochs between two checkpoints.
    checkpoint_steps : int, optional
        Steps between two more checkpoints.

    Raises
    ------
    LearningError
        If an option is out of its range; the message names it.
    """

    rising: ClassVar[tuple[str, ...]] = ()
    """The monitors that may be watched of which more is better."""
    falling: ClassVar[tuple[str, ...]] = ("loss", "validation_loss")
    """Those of which less is better."""

    epochs: int = 50
    batch_size: int = 100
    learning_rate: float = 0.01
    schedule: Schedule = "constant"
    warm_up_epochs: float = 0.0
    blocks: int = 2
    seed: int = 0
    stopping_monitor: str | None = None
    patience: int = 5
    checkpoint_epochs: int = 1
    checkpoint_steps: int | None = None

    def __post_init__(self) -> None:
        check_whole(self, "epochs", "batch_size", "blocks", "patience", "checkpoint_epochs")
        check_whole(self, "seed", least=0)
        if self.checkpoint_steps is not None:
            check_whole(self, "checkpoint_steps")
        check_choice("schedule", self.schedule, SCHEDULES, LearningError)
        if self.stopping_monitor is not None:
            watchable = (*self.rising, *self.falling)
            check_choice("stopping_monitor", self.stopping_monitor, watchable, LearningError)
        check_options(self, "[0, inf)", "warm_up_epochs")
        check_options(self, "(0, inf)", "learning_rate")
        if self.batch_size < self.blocks:
            raise LearningError(
                f"batch_size {self.batch_size} is less than the {self.blocks} blocks that share it"
            )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Return settings from a mapping, such as a table of a file, as :func:`record_of`."""
        return record_of(cls, options, "training")

    def as_dict(self) -> dict[str, Any]:
        """Return the options as JSON has them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        total, warm = self.epochs * steps_per_epoch, self.warm_up_epochs * steps_per_epoch
        if step < warm:
            return self.learning_rate * (step + 1) / (math.floor(warm) + 1)
        done = (step - warm) / max(total - warm, 1)
        if self.schedule == "linear":
            return self.learning_rate * (1 - done)
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        return self.learning_rate

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether the watched monitor improves on its best value."""
        if best is None:
            return math.isfinite(value)
        return value < best if self.stopping_monitor in self.falling else value > best
