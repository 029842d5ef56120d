"""Options as records (dataclasses): read from mappings, and checked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from numbers import Real
from typing import Any, TypeVar, cast

from mmgraph.graph.errors import LearningError, suggestion

Record = TypeVar("Record")


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
        check_whole_number(name, getattr(record, name), least)


def check_whole_number(what: str, value: object, least: int = 1) -> None:
    """Check that a value is a whole number, not below the least."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise LearningError(f"{what} must be a whole number from {least} on, not {value!r}")


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
