"""Recordings at a regular rate, from rows with times."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import LearningError

_FACTOR = 2.0
"""Rates that differ by more are not brought together: a filter would have to be chosen."""
_ROUNDING = 1e-3
"""How far rates are off relatively: times are written with few digits."""


def rate_of(times: Float64[np.ndarray, " rows"], where: str) -> float:
    """Return rows a second, by the median distance of times in seconds.

    Raises
    ------
    LearningError
        If there are fewer than two rows, or times are missing or do not rise (where).
    """
    if len(times) < 2:
        raise LearningError(f"{where} has {len(times)} rows; a recording has two or more")
    distances = np.diff(times)
    if not (distances > 0).all():
        row = int((~(distances > 0)).argmax()) + 1
        raise LearningError(
            f"{where}: the time of its row {row} (counted from 0), {times[row]:g}, is missing or "
            f"not after {times[row - 1]:g}"
        )
    return 1 / float(np.median(distances))


def resampled(
    times: Float64[np.ndarray, " rows"], rate: float, where: str
) -> tuple[Float64[np.ndarray, " steps"], Float64[np.ndarray, " steps"]]:
    """Return the times of regular steps, and the row that each lies at, in between by a fraction.

    Rows of the same rate, within 1%, and without gaps are steps as they are.

    Parameters
    ----------
    times : ndarray, shape (rows,)
        In seconds, rising.
    rate : float
        Steps a second.
    where : str
        What the recording is called.

    Raises
    ------
    LearningError
        As :func:`rate_of`; if the rates differ by more than a factor of two.
    """
    own = rate_of(times, where)
    if not max(own / rate, rate / own) <= _FACTOR * (1 + _ROUNDING):
        raise LearningError(
            f"{where} has {own:.4g} rows a second, and {rate:.4g} are wanted: rates that differ by "
            f"more than a factor of {_FACTOR:g} are not brought together; resample it first"
        )
    rows = np.arange(len(times), dtype=np.float64)
    if abs(own / rate - 1) < 0.01 and np.diff(times).max() < 1.5 / rate:
        return times, rows
    steps = np.arange(int((times[-1] - times[0]) * rate) + 1) / rate + times[0]
    return steps, np.interp(steps, times, rows)


def at_places(
    values: Float64[np.ndarray, "rows channels"], places: Float64[np.ndarray, " steps"]
) -> Float64[np.ndarray, "steps channels"]:
    """Return values between rows, linearly; NaN beside what is missing."""
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, len(values) - 1)
    share = (places - before)[:, None]
    between = (1 - share) * values[before] + share * values[after]
    return np.where(share == 0, values[before], between)


def nearest(places: Float64[np.ndarray, " steps"]) -> Int64[np.ndarray, " steps"]:
    """Return the row nearest to each place."""
    return np.rint(places).astype(np.int64)
