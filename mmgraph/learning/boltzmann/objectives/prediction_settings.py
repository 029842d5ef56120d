"""What a machine learns to predict: from what, how much it counts, for which rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from mmgraph.graph.errors import LearningError
from mmgraph.learning.boltzmann.objectives.disturbance import Disturbance
from mmgraph.learning.boltzmann.objectives.hiding import HidingDistribution
from mmgraph.learning.training.options import check_number, check_options, check_whole, record_of

ROWS, SHARE = "rows", "share"


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
    LearningError
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
        check_whole(self, "sweeps")
        for name, count, most in (
            ("gradient_sweeps", self.through, self.sweeps),
            ("scored_sweeps", self.scored_sweeps, self.through),
        ):
            if not 1 <= count <= most:
                raise LearningError(f"{name} must lie between 1 and {most}, but it is {count}")
        check_options(self, "[0, 1)", "damping", "label_smoothing")
        for name, share in self.dropout.items():
            check_number(f"the dropout of '{name}'", share, "[0, 1)")
        for name, weight in (*self.weights.items(), *self.squared_error_weights.items()):
            check_number(f"the weight of '{name}'", weight, "[0, inf)")

    def as_dict(self) -> dict[str, Any]:
        """Return the options as JSON has them."""
        options = asdict(self)
        situations = options["hiding"]["situations"]
        options["hiding"]["situations"] = [
            {"given": list(named), "share": share} for named, share in situations.items()
        ]
        return options

    @property
    def through(self) -> int:
        """The sweeps that are differentiated."""
        return self.sweeps if self.gradient_sweeps is None else self.gradient_sweeps


@dataclass(frozen=True)
class PredictionRows:
    """What is predicted in a share of the rows; sweeps and damping are the same in all rows.

    The share is positive, and relative to those of the others.
    """

    share: float
    settings: PredictionSettings

    def __post_init__(self) -> None:
        if not 0 < self.share < torch.inf:
            raise LearningError(f"a share of rows must be positive, not {self.share}")


def prediction_rows(entry: Mapping[str, Any]) -> tuple[PredictionRows, ...]:
    """Return what a mapping says.

    It has the options of :class:`PredictionSettings`, with mappings for ``hiding`` and
    ``disturbance``; and perhaps ``rows``, a list of mappings that each have a ``share`` and the
    options that differ there.
    """
    base = {key: value for key, value in entry.items() if key != ROWS}
    parts = entry.get(ROWS)
    if parts is None:
        return (PredictionRows(1.0, prediction_settings(base)),)
    if not isinstance(parts, Sequence) or not parts:
        raise LearningError(f"the rows of predictions are a list of mappings, not {parts!r}")
    rows = []
    for part in parts:
        if not isinstance(part, Mapping) or not isinstance(part.get(SHARE), int | float):
            raise LearningError(f"rows of predictions need a share, which {part!r} has not")
        options = {key: value for key, value in part.items() if key != SHARE}
        rows.append(PredictionRows(float(part[SHARE]), prediction_settings(merged(base, options))))
    return tuple(rows)


def prediction_settings(entry: Mapping[str, Any]) -> PredictionSettings:
    """Return settings from a mapping, see :func:`prediction_rows`."""
    values = dict(entry)
    hiding = values.get("hiding")
    if isinstance(hiding, Mapping) and isinstance(hiding.get("situations"), list):
        values["hiding"] = {**hiding, "situations": _situations(hiding["situations"])}
    for name, kind in (("hiding", HidingDistribution), ("disturbance", Disturbance)):
        if isinstance(values.get(name), Mapping):
            values[name] = record_of(kind, values[name], f"prediction.{name}")
        elif name in values and not isinstance(values[name], kind):
            raise LearningError(f"prediction.{name} is a mapping, not {values[name]!r}")
    return record_of(PredictionSettings, values, "prediction")


def _situations(entries: Sequence[Any]) -> dict[tuple[str, ...], float]:
    """Situations by what is given, from a list of mappings with ``given`` and ``share``."""
    shares = {}
    for entry in entries:
        named = isinstance(entry, Mapping) and set(entry) == {"given", SHARE}
        if not named or not isinstance(entry["given"], list | tuple):
            raise LearningError(f"a situation has 'given', a list, and 'share', not {entry!r}")
        shares[tuple(entry["given"])] = entry[SHARE]
    return shares


def merged(base: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping in which entries of the second win, and mappings in both are merged."""
    result = dict(base)
    for key, value in options.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
