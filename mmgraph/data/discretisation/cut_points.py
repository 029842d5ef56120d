"""Where a column of numbers is cut without a look at others: equal counts, equal widths."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError, warn_caller

Numbers = Float64[np.ndarray, " rows"]

_DIGITS = 12


class BinsWarning(UserWarning):
    """Fewer bins than were asked for."""


def present_numbers(name: str, values: Numbers, bins: int = 2) -> Numbers:
    """Return the numbers of a column that are not NaN, at least two distinct ones.

    Raises
    ------
    LearningError
        If there are no numbers, all are the same, or fewer than two bins are asked for.
    """
    present = values[~np.isnan(values)]
    if bins < 2 or not len(present) or present.min() == present.max():
        what = "empty in every row"
        if len(present):
            what = f"{present[0]:g} in every row" if present.min() == present.max() else "cut"
        raise LearningError(
            f"'{name}' cannot be put into {bins} bins: at least two bins, and two distinct values, "
            f"are needed{'' if what == 'cut' else f' (it is {what})'}"
        )
    return present


def quantile_cuts(name: str, values: Numbers, bins: int) -> list[float]:
    """Return the cuts between bins that hold equally many numbers; NaN is missing.

    Fewer where numbers repeat, with a :class:`BinsWarning`. Each cut is a number of the column.
    """
    cuts = quantiles(present_numbers(name, values, bins), bins)
    warn_of_fewer(name, len(cuts) + 1, bins)
    return cuts


def warn_of_fewer(name: str, bins: int, wanted: int) -> None:
    """Warn if a column is put into fewer bins than wanted."""
    if bins < wanted:
        warn_caller(
            f"'{name}' is put into {bins} bins, not {wanted}: many of its values are the same",
            BinsWarning,
        )


def quantiles(present: Numbers, bins: int) -> list[float]:
    """As :func:`quantile_cuts`, of numbers that are there, without a warning."""
    # A cut at the smallest value would leave the first bin empty: it moves to the next one.
    second = present[present > present.min()].min()
    inner = np.quantile(present, np.arange(1, bins) / bins, method="higher")
    cuts: list[float] = np.unique(np.maximum(inner, second)).tolist()
    return cuts


def equal_width_cuts(name: str, values: Numbers, bins: int) -> list[float]:
    """Return the cuts of the range of a column into bins of one width; NaN is missing.

    Raises
    ------
    LearningError
        If the range is too narrow for so many distinct numbers.
    """
    present = present_numbers(name, values, bins)
    cuts = np.linspace(present.min(), present.max(), bins + 1)
    # 0.3, and not 0.30000000000000004, where the range is wide enough for that.
    rounded = np.array([float(f"{cut:.{_DIGITS}g}") for cut in cuts])
    if np.abs(rounded - cuts).max() < 1e-6 * (cuts[1] - cuts[0]):
        cuts = rounded
    if not (np.diff(cuts[:-1]) > 0).all() or not np.isfinite(cuts).all():
        raise LearningError(f"the range of '{name}' cannot be cut into {bins} bins of one width")
    inner: list[float] = cuts[1:-1].tolist()
    return inner


def between(low: float, high: float) -> float:
    """Return the number of fewest digits near the middle of two: ``low < it <= high``."""
    middle = low + (high - low) / 2
    for digits in range(1, 17):
        number = float(f"{middle:.{digits}g}")
        if low < number <= high:
            return number
    return high
