"""Different predictions for different rows of a batch, read from plain mappings.

A file says what holds for all rows, and what differs for a share of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.learning.boltzmann.objectives.disturbance import Disturbance
from mmgraph.learning.boltzmann.objectives.hiding import HidingDistribution
from mmgraph.learning.boltzmann.objectives.prediction_settings import (
    PredictionRows,
    PredictionSettings,
)

ROWS, SHARE = "rows", "share"


def prediction_rows(entry: Mapping[str, Any]) -> tuple[PredictionRows, ...]:
    """Return what a mapping says.

    Parameters
    ----------
    entry : mapping
        The options of :class:`PredictionSettings`, with mappings for ``hiding`` and
        ``disturbance``; and perhaps ``rows``, a list of mappings that each have a ``share`` and the
        options that differ there.

    Raises
    ------
    LearningError
        If an option is unknown, with the nearest known one, or a share is missing.
    MmgraphError
        If a number is out of its range.
    """
    base = {key: value for key, value in entry.items() if key != ROWS}
    parts = entry.get(ROWS)
    if parts is None:
        return (PredictionRows(1.0, prediction_settings(base)),)
    if not isinstance(parts, Sequence) or not parts:
        raise LearningError(f"the rows of predictions are a list of mappings, not {parts!r}")
    found = []
    for part in parts:
        if not isinstance(part, Mapping) or not isinstance(part.get(SHARE), int | float):
            raise LearningError(f"rows of predictions need a share, which {part!r} has not")
        own = {key: value for key, value in part.items() if key != SHARE}
        found.append(PredictionRows(float(part[SHARE]), prediction_settings(merged(base, own))))
    return tuple(found)


def prediction_settings(entry: Mapping[str, Any]) -> PredictionSettings:
    """Return settings from a mapping, see :func:`prediction_rows`."""
    values = dict(entry)
    hiding = values.get("hiding")
    if isinstance(hiding, Mapping) and isinstance(hiding.get("situations"), list):
        values["hiding"] = {**hiding, "situations": _situations(hiding["situations"])}
    for name, kind in (("hiding", HidingDistribution), ("disturbance", Disturbance)):
        if isinstance(values.get(name), Mapping):
            values[name] = _record(kind, values[name], f"prediction.{name}")
        elif name in values and not isinstance(values[name], kind):
            raise LearningError(f"prediction.{name} is a mapping, not {values[name]!r}")
    made: PredictionSettings = _record(PredictionSettings, values, "prediction")
    return made


def _situations(entries: Sequence[Any]) -> dict[tuple[str, ...], float]:
    """Situations by what is given, from a list of mappings with ``given`` and ``share``."""
    found = {}
    for entry in entries:
        named = isinstance(entry, Mapping) and set(entry) == {"given", SHARE}
        if not named or not isinstance(entry["given"], list | tuple):
            raise LearningError(f"a situation has 'given', a list, and 'share', not {entry!r}")
        found[tuple(entry["given"])] = entry[SHARE]
    return found


def _record(kind: type, values: Mapping[str, Any], where: str) -> Any:
    known = [field.name for field in fields(kind)]
    for name in values:
        if name not in known:
            raise LearningError(f"{where} has no option {name!r}{suggestion(name, known)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise LearningError(f"{where}: {error}") from None


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping in which entries of the second win, and mappings in both are merged."""
    result = dict(base)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
