"""The declaration of a job that labels recordings: data, labeller, people and questions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from mmgraph.experiments.reader import Names, Reader, ReadyModel, entry


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
    in seconds.
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


def read_activities(name: str | os.PathLike[str]) -> ActivitiesDeclaration:
    """Read the declaration of a job that labels recordings.

    Raises
    ------
    FormatError
        If an entry is missing, unknown or out of range, or a person is learned from and tested.
    """
    reader = Reader(name)
    reader.only("kind", "title", "data", "labeller", "validation", "report")
    declaration = reader.declaration(ActivitiesDeclaration)
    both = sorted(set(declaration.people) & set(declaration.test_people))
    if both or (declaration.test_people and not declaration.people):
        raise reader.error(
            "[validation] test_people are others than [data] people, which are named, too"
            + (f"; {both[0]} is both" if both else "")
        )
    return declaration
