"""Dates and times of day, as tables write them, as seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?")
_FINER_THAN_MICROSECONDS = re.compile(r"(\.\d{6})\d+")


def seconds_of(text: str) -> float:
    """Return the seconds since 1970 of a date, with or without time of day, as ISO 8601 writes it.

    Where no time zone is named, it is UTC.

    Raises
    ------
    ValueError
        If it is none.
    """
    stripped = text.strip()
    if not _DATE.fullmatch(stripped):
        raise ValueError(f"{text[:60]!r} is no date")
    moment = datetime.fromisoformat(_FINER_THAN_MICROSECONDS.sub(r"\1", stripped))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def is_date(text: str) -> bool:
    """Whether a text is a date as :func:`seconds_of` reads it."""
    try:
        seconds_of(text)
    except ValueError:
        return False
    return True
