"""A figure with its interval."""

from __future__ import annotations

from typing import NamedTuple


class Interval(NamedTuple):
    """A figure or a difference, its standard error, and the ends of its interval."""

    value: float
    standard_error: float
    low: float
    high: float
