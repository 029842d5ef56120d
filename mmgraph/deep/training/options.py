"""How nets are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from mmgraph.learning.training.options import check_options
from mmgraph.learning.training.settings import LoopSettings, Schedule


@dataclass(frozen=True)
class AdamWTraining(LoopSettings):
    """How AdamW trains: the options of :class:`LoopSettings`, and those of its steps.

    Parameters
    ----------
    decay : float
        The decay of weights (Loshchilov and Hutter 2019), not of biases and normalisation.
    gradient_bound : float
        The longest gradient, of all members together for each of them.
    mixed_precision : bool
        Whether products of matrices are in bfloat16 on GPUs; all else is in single precision.
    """

    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 5e-3
    schedule: Schedule = "cosine"
    warm_up_epochs: float = 5.0
    blocks: int = 1
    decay: float = 1e-2
    gradient_bound: float = 5.0
    mixed_precision: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, "[0, inf)", "decay")
        check_options(self, "(0, inf)", "gradient_bound")

    @classmethod
    def read(cls, options: Self | Mapping[str, Any] | None) -> Self:
        """Return options as they are, or those that a mapping names; as :meth:`of`."""
        return cls.of(options or {}) if options is None or isinstance(options, Mapping) else options


@dataclass(frozen=True)
class NetTraining(AdamWTraining):
    """How a net is trained: the options of :class:`AdamWTraining`, and what rows go through.

    Parameters
    ----------
    hiding : float
        The share of rows of which some modalities are hidden in a step, at random, so that the net
        learns to answer without them; for fusions whose fused scores are trained.
    single_weight : float
        The weight of the losses of heads of single modalities, where the fused scores have one.
    smoothing : float
        What share of each label is spread over all classes (Szegedy et al. 2016).
    noise : float
        The deviation of noise that is added to columns, in those of the training rows.
    mixing : float
        Up to what share two rows, and their labels, are mixed (Zhang et al. 2018, "mixup").
    losses : str, sequence of str, or mapping of str to float
        What is made small, too: names of :data:`~mmgraph.deep.losses.named.LOSSES` or of losses of
        pytorch-metric-learning, with factors where a mapping gives them.
    """

    hiding: float = 0.5
    single_weight: float = 0.3
    smoothing: float = 0.0
    noise: float = 0.2
    mixing: float = 0.0
    losses: str | Sequence[str] | Mapping[str, float] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, "[0, 1]", "hiding", "mixing")
        check_options(self, "[0, 1)", "smoothing")
        check_options(self, "[0, inf)", "noise", "single_weight")
