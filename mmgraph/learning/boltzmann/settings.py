"""How a Boltzmann machine is trained: every option of the loop, checked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any, Literal, TypeVar, cast

from mmgraph.graph.errors import LearningError, check_choice, suggestion

Record = TypeVar("Record")
Schedule = Literal["constant", "linear", "cosine"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "linear", "cosine")
OPTIMISERS = ("sgd", "adam")
MONITORS = (
    "pseudo_likelihood", "reconstruction_error", "free_energy", "free_energy_gap",
    "log_likelihood",
)  # fmt: skip
"""What early stopping may look at; of the validation rows where there are any."""
_FALLING = ("reconstruction_error", "free_energy", "free_energy_gap")


@dataclass(frozen=True)
class TrainingSettings:
    """The options of training.

    Parameters
    ----------
    epochs : int, default 50
    batch_size : int, default 100
        Of all processes together.
    optimiser : {"sgd", "adam"}
        Adam's weight decay is decoupled (Loshchilov and Hutter 2019).
    learning_rate : float, default 0.01
    schedule : {"constant", "linear", "cosine"}
        How the rate falls, to zero at the end.
    warm_up_epochs : float, default 0
        Over which the rate rises from zero.
    momentum : float in [0, 1), default 0.5
        Of gradient descent; Adam's first moment decays by it if it is not zero, else by 0.9.
    squared_momentum : float in [0, 1), default 0.999
        The decay of Adam's second moment.
    gradient_bound : float, optional
        The longest that the vector of all gradients may be; a longer one is shortened.
    weight_decay : float, default 0
        Of weights, not of biases.
    norm_bound : float, optional
        The longest that the vector of weights into one hidden unit may be.
    sparsity_target, sparsity_cost : float
        The mean activation that hidden units are drawn to, by their biases alone (Lee, Ekanadham
        and Ng 2008, "Sparse deep belief net model for visual area V2", section 3).
    averaging : float in [0, 1), default 0
        The decay of the moving average of the natural parameters that is the result, smaller in the
        first steps; 0 takes the last ones.
    centring : bool, default True
    centring_rate : float in (0, 1], default 0.01
        How fast centres of hidden layers follow their mean activations.
    chains : int, default 100
        Of the negative phase, of all processes together; a multiple of the blocks. Without
        persistence there is one for each row of the batch.
    gibbs_steps : int, default 1
        Sweeps of the chains between two steps of learning.
    mean_field_steps : int, default 10
        The most passes of the positive phase. Where hidden layers do not touch each other, one is
        exact, and one is made.
    tolerance : float, default 0
        Passes end when no mean changes by more; looking at that costs a little.
    temperatures : sequence of float, default (1,)
        Increasing from 1: each chain is accompanied by one of each further temperature, with which
        it may swap.
    persistent : bool, default True
        Whether chains go on from step to step, or begin at the data (contrastive divergence).
    blocks : int, default 2
        Blocks of rows and chains, with random numbers of their own; processes take whole blocks.
    seed : int, default 0
    monitor_rows : int, default 500
        Rows, of training and of validation, that the monitors look at.
    likelihood_epochs : tuple of int, default ()
        Epochs after which annealed importance sampling estimates the log-likelihood.
    likelihood_steps, likelihood_chains : int
        Of annealed importance sampling.
    stopping_monitor : str, optional
        What early stopping watches; the best epoch's parameters are then the result.
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

    epochs: int = 50
    batch_size: int = 100
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.01
    schedule: Schedule = "constant"
    warm_up_epochs: float = 0.0
    momentum: float = 0.5
    squared_momentum: float = 0.999
    gradient_bound: float | None = None
    weight_decay: float = 0.0
    norm_bound: float | None = None
    sparsity_target: float = 0.1
    sparsity_cost: float = 0.0
    averaging: float = 0.0
    centring: bool = True
    centring_rate: float = 0.01
    chains: int = 100
    gibbs_steps: int = 1
    mean_field_steps: int = 10
    tolerance: float = 0.0
    temperatures: tuple[float, ...] = (1.0,)
    persistent: bool = True
    blocks: int = 2
    seed: int = 0
    monitor_rows: int = 500
    likelihood_epochs: tuple[int, ...] = ()
    likelihood_steps: int = 1000
    likelihood_chains: int = 100
    stopping_monitor: str | None = None
    patience: int = 5
    checkpoint_epochs: int = 1
    checkpoint_steps: int | None = None

    def __post_init__(self) -> None:
        check_whole(
            self, "epochs", "batch_size", "chains", "gibbs_steps", "mean_field_steps", "blocks",
            "monitor_rows", "likelihood_steps", "likelihood_chains", "patience",
            "checkpoint_epochs",
        )  # fmt: skip
        check_whole(self, "seed", least=0)
        if self.checkpoint_steps is not None:
            check_whole(self, "checkpoint_steps")
        check_choice("optimiser", self.optimiser, OPTIMISERS, LearningError)
        check_choice("schedule", self.schedule, SCHEDULES, LearningError)
        if self.stopping_monitor is not None:
            check_choice("stopping_monitor", self.stopping_monitor, MONITORS, LearningError)
        check_options(self, "[0, inf)", "warm_up_epochs", "weight_decay", "sparsity_cost",
                      "tolerance")  # fmt: skip
        check_options(self, "(0, inf)", "learning_rate", "norm_bound", "gradient_bound")
        check_options(self, "[0, 1)", "momentum", "squared_momentum", "averaging")
        check_options(self, "(0, 1)", "sparsity_target")
        check_options(self, "(0, 1]", "centring_rate")
        if self.batch_size < self.blocks:
            raise LearningError(
                f"batch_size {self.batch_size} is less than the {self.blocks} blocks that share it"
            )
        object.__setattr__(self, "temperatures", tuple(map(float, self.temperatures)))
        object.__setattr__(self, "likelihood_epochs", tuple(map(int, self.likelihood_epochs)))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> TrainingSettings:
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
        return value < best if self.stopping_monitor in _FALLING else value > best


def option_names(kind: type) -> list[str]:
    """Return the options of a record (a dataclass)."""
    return [field.name for field in fields(kind)]


def check_names(
    options: Collection[str], known: Collection[str], where: str, kind: str = "option"
) -> None:
    """Check that options are known; the message says the nearest known one."""
    for name in options:
        if name not in known:
            raise LearningError(f"{where} has no {kind} {name!r}{suggestion(name, known)}")


def record_of(kind: type[Record], options: Mapping[str, Any], where: str) -> Record:
    """Return a record made from a mapping, or say which option is unknown, missing or wrong."""
    check_names(options, option_names(kind), where)
    try:
        return kind(**options)
    except TypeError as error:
        raise LearningError(f"{where}: {error}") from None


def check_whole(record: object, *names: str, least: int = 1) -> None:
    """Check that options are whole numbers, not below the least."""
    for name in names:
        value = getattr(record, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise LearningError(f"{name} must be a whole number from {least} on, not {value!r}")


def check_number(what: str, value: object, interval: str) -> None:
    """Check that a number lies in an interval such as ``"[0, 1)"``."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    plain = isinstance(value, Real) and not isinstance(value, bool)
    here = float(cast(Real, value)) if plain else math.nan
    above = low < here if interval[0] == "(" else low <= here
    below = here < high if interval[-1] == ")" else here <= high
    if not (above and below):
        raise LearningError(f"{what} must lie in {interval}, not {value!r}")


def check_options(record: object, interval: str, *names: str) -> None:
    """Check that options of a record lie in an interval; None is no number that must."""
    for name in names:
        if getattr(record, name) is not None:
            check_number(name, getattr(record, name), interval)
