"""What a machine learns to predict: from what, how much it counts, for which rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.boltzmann.objectives.disturbance import Disturbance
from mmgraph.learning.boltzmann.objectives.hiding import HidingDistribution


@dataclass(frozen=True)
class PredictionSettings:
    """What is predicted, from what, and how much it counts.

    Parameters
    ----------
    sweeps : int, default 8
        The passes of mean field that are unrolled.
    gradient_sweeps : int, optional
        Only the last so many are differentiated; by default all.
    scored_sweeps : int, default 1
        The losses are averaged over the means after each of the last so many sweeps.
    damping : float in [0, 1), default 0
        The share of the old means that an update keeps.
    weights : mapping of str to float, optional
        What the prediction loss of a variable counts: the nats of its hidden units, divided by its
        number of units (of a document by its words), averaged over rows. 1 of those not named.
    squared_error_weights : mapping of str to float, optional
        What the squared error of a variable's predicted means counts besides, in the same measure;
        0 of those not named.
    label_smoothing : float in [0, 1), default 0
        The share of a label that is spread over all of them.
    dropout : mapping of str to float, optional
        The share of the units of a hidden layer that are silent in a row (they stay at their
        centre, and what the others say beyond theirs is scaled up), after Srivastava et al. (2014),
        "Dropout: a simple way to prevent neural networks from overfitting"; 0 of those not named.
    hiding : HidingDistribution
        What is hidden.
    disturbance : Disturbance
        What is done to inputs.

    Raises
    ------
    MmgraphError
        If a number is out of its range.
    """

    sweeps: int = 8
    gradient_sweeps: int | None = None
    scored_sweeps: int = 1
    damping: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    squared_error_weights: Mapping[str, float] = field(default_factory=dict)
    label_smoothing: float = 0.0
    dropout: Mapping[str, float] = field(default_factory=dict)
    hiding: HidingDistribution = field(default_factory=HidingDistribution)
    disturbance: Disturbance = field(default_factory=Disturbance)

    def __post_init__(self) -> None:
        if self.sweeps < 1:
            raise MmgraphError(f"sweeps must be at least 1, not {self.sweeps}")
        for name, count, most in (
            ("gradient_sweeps", self.through, self.sweeps),
            ("scored_sweeps", self.scored_sweeps, self.through),
        ):
            if not 1 <= count <= most:
                raise MmgraphError(f"{name} must lie between 1 and {most}, but it is {count}")
        for name in ("damping", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise MmgraphError(f"{name} must lie in [0, 1), but it is {getattr(self, name)}")
        for name, share in self.dropout.items():
            if not 0 <= share < 1:
                raise MmgraphError(f"the dropout of '{name}' must lie in [0, 1), but it is {share}")
        for group in (self.weights, self.squared_error_weights):
            for name, weight in group.items():
                if not 0 <= weight < torch.inf:
                    raise MmgraphError(f"the weight of '{name}' must not be negative: {weight}")

    def as_dict(self) -> dict[str, Any]:
        """Return the options as JSON has them."""
        found = asdict(self)
        situations = found["hiding"]["situations"]
        found["hiding"]["situations"] = [
            {"given": list(given), "share": share} for given, share in situations.items()
        ]
        return found

    @property
    def through(self) -> int:
        """The sweeps that are differentiated."""
        return self.sweeps if self.gradient_sweeps is None else self.gradient_sweeps


@dataclass(frozen=True)
class PredictionRows:
    """What is predicted in a share of the rows.

    Attributes
    ----------
    share : float
        Positive; relative to the shares of the others.
    settings : PredictionSettings
        Sweeps and damping are the same in all rows.

    Raises
    ------
    MmgraphError
        If the share is not positive.
    """

    share: float
    settings: PredictionSettings

    def __post_init__(self) -> None:
        if not 0 < self.share < torch.inf:
            raise MmgraphError(f"a share of rows must be positive, not {self.share}")
