"""The declaration of a job that labels recordings: data, labeller, people and questions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmgraph.experiments.reader import Names, Reader, ReadyModel, entry
from mmgraph.graph.errors import FormatError
from mmgraph.sequences.events.rules import Rule, checked_rules


def _floors(reader: Reader, value: Any) -> dict[str, float]:
    numbers = (
        isinstance(value, dict)
        and value
        and all(isinstance(one, int | float) and one > 0 for one in value.values())
    )
    if not numbers:
        raise reader.error(
            f"[changepoints] floors are numbers above zero by modality, not {value!r}"
        )
    return {modality: float(one) for modality, one in value.items()}


@dataclass(frozen=True, kw_only=True)
class ChangeSettings:
    """How changes are found: windows of so many seconds, every ``step``.

    ``floors`` are added to deviations in the windows of each modality before logarithms are taken;
    segments last ``least`` seconds or longer, and boundaries agree within ``tolerance``.
    """

    floors: dict[str, float] = entry(read=_floors)
    window: float = entry(0.4, within=(0.01, 1e3))
    step: float = entry(0.2, within=(0.01, 1e3))
    least: float = entry(2.8, within=(0, 1e5))
    tolerance: float = entry(1.0, within=(0, 1e5))


@dataclass(frozen=True)
class EventSettings:
    """Rules over recognised labels, and the labels whose stretches are what they shall notice.

    ``tolerance`` is in seconds, before and after a stretch.
    """

    tolerance: float
    rule: list[dict[str, Any]]
    true: dict[str, list[str]]

    def rules(self) -> list[Rule]:
        """Return the rules; FormatError if they are none."""
        return checked_rules({"rule": self.rule})


def _changes(reader: Reader, value: Any) -> ChangeSettings:
    if not isinstance(value, dict):
        raise reader.error(f"[changepoints] is a table, not {value!r}")
    return reader.record(ChangeSettings, value, "[changepoints]")


def _events(reader: Reader, value: Any) -> EventSettings:
    """Rules as of :func:`~mmgraph.sequences.events.rules.read_rules`; events have labels."""
    table = value if isinstance(value, dict) else {}
    found = EventSettings(table.get("tolerance", 0.0), table.get("rule", []), table.get("true", {}))
    if not set(table) <= {"tolerance", "rule", "true"} or not _is_labels(found.true):
        raise reader.error(
            "[events] has 'tolerance', rules [[events.rule]], and in [events.true] a list of "
            "labels for each event"
        )
    try:
        names = [rule.name for rule in found.rules()]
    except FormatError as error:
        raise reader.error(f"[events] {error}") from None
    for name in found.true:
        if name not in names:
            raise reader.error(f"[events.true] names '{name}', which is no rule")
    return found


def _is_labels(true: object) -> bool:
    return isinstance(true, Mapping) and all(
        isinstance(one, list) and all(isinstance(label, str) for label in one)
        for one in true.values()
    )


def _settings(reader: Reader, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise reader.error(f"[labeller.features] is a table of settings, not {value!r}")
    return value


@dataclass(frozen=True, kw_only=True)
class ActivitiesDeclaration(ReadyModel):
    """A ready model of the kind ``activities``.

    ``people`` are those whose recordings are cross-validated; where ``test_people`` are named the
    model learns from the former and is tested on these alone, once. ``transitions`` are labels with
    a mean F1 of their own. Of the situations in ``given`` the first is also answered at ``lags``,
    in seconds; ``events`` are noticed in what the first lag answers. ``changepoints`` are found
    without labels.
    """

    people: tuple[int, ...] = entry((), table="data")
    transitions: tuple[str, ...] = entry((), table="data")
    features: dict[str, Any] | None = entry(None, table="labeller", read=_settings)
    leaves: tuple[str, ...] = entry((), table="labeller")
    inner_folds: int = entry(3, table="labeller", within=(2, 100))
    folds: int = entry(5, table="validation", within=(2, 1000))
    seed: int = entry(0, table="validation", within=(0, 2**32 - 1))
    test_people: tuple[int, ...] = entry((), table="validation")
    given: Names = entry(table="report")
    lags: tuple[float, ...] = entry((), table="report", within=(0, 1e6))
    changepoints: ChangeSettings | None = entry(None, read=_changes)
    events: EventSettings | None = entry(None, read=_events)


def read_activities(name: str | os.PathLike[str]) -> ActivitiesDeclaration:
    """Read the declaration of a job that labels recordings.

    Raises
    ------
    FormatError
        If an entry is missing, unknown or out of range, or a person is learned from and tested.
    """
    reader = Reader(name)
    reader.only(
        "kind", "title", "data", "labeller", "validation", "report", "changepoints", "events"
    )
    declaration = reader.declaration(ActivitiesDeclaration)
    if declaration.events and not declaration.lags:
        raise reader.error("[events] are noticed at the first of [report] lags, and there is none")
    both = sorted(set(declaration.people) & set(declaration.test_people))
    if both or (declaration.test_people and not declaration.people):
        raise reader.error(
            "[validation] test_people are others than [data] people, which are named, too"
            + (f"; {both[0]} is both" if both else "")
        )
    return declaration
