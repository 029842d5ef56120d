"""Which penalty to take: the best for recordings with known changes, or all that matter."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.sequences.changepoints.changepoints import (
    Changepoints,
    checked_least_length,
    penalised,
)
from mmgraph.sequences.changepoints.costs import prepared_cost


@dataclass(frozen=True)
class BoundaryScore:
    """How well boundaries are found: numbers of those that agree, were found, and are true."""

    agreeing: int
    found: int
    true: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 1 where there is nothing to find, and none."""
        return 2 * self.agreeing / (self.found + self.true) if self.found + self.true else 1.0

    def __add__(self, other: BoundaryScore) -> BoundaryScore:
        return BoundaryScore(
            self.agreeing + other.agreeing, self.found + other.found, self.true + other.true
        )


def boundary_score(found: Any, true: Any, tolerance: float) -> BoundaryScore:
    """Match boundaries one to one, as many as lie within ``tolerance`` of each other.

    Parameters
    ----------
    found, true : array-like of numbers
        Boundaries, in rows or in seconds, as the tolerance is.
    tolerance : float
        The largest distance of two that agree.

    Examples
    --------
    >>> boundary_score([10, 52], [50, 90], 3).f1
    0.5
    """
    if not tolerance >= 0:
        raise LearningError(f"the tolerance must be 0 or more, not {tolerance}")
    ours, theirs = np.sort(np.asarray(found, float)), np.sort(np.asarray(true, float))
    i = j = agreeing = 0
    while i < len(ours) and j < len(theirs):  # the earliest partner leaves most to the rest
        if abs(ours[i] - theirs[j]) <= tolerance:
            agreeing, i, j = agreeing + 1, i + 1, j + 1
        elif ours[i] < theirs[j]:
            i += 1
        else:
            j += 1
    return BoundaryScore(agreeing, len(ours), len(theirs))


@dataclass(frozen=True, eq=False)
class PenaltyChoice:
    """The penalty under which changes were found best.

    Attributes
    ----------
    penalty, f1 : float
        The penalty, and the F1 of all recordings' boundaries together under it.
    penalties, f1s : ndarray, shape (penalties,)
        All that were tried, and what they reached.
    """

    penalty: float
    f1: float
    penalties: Float64[np.ndarray, " penalties"]
    f1s: Float64[np.ndarray, " penalties"]


def choose_penalty(
    recordings: Sequence[Any],
    boundaries: Sequence[Any],
    tolerance: float,
    cost: str = "l2",
    *,
    penalties: Sequence[float] | None = None,
    least_length: int | None = None,
    weights: Mapping[str, float] | None = None,
    scale: str | None = None,
) -> PenaltyChoice:
    """Choose the penalty under which recordings show their known changes best.

    Parameters
    ----------
    recordings : sequence
        Rows of each, as :func:`changepoints` takes them.
    boundaries : sequence of array-like of int
        The true changes of each: the first row of each segment but the first.
    tolerance : float
        How many rows off a boundary may be found.
    penalties : sequence of float, optional
        What is tried; by default the criterion's of :func:`changepoints`, from a sixteenth of it to
        4,096 times as much: neighbouring rows that are alike make it too small by far.
    cost, least_length, weights, scale
        As for :func:`changepoints`.

    Raises
    ------
    LearningError
        If there is no recording, or there are not as many lists of boundaries.
    """
    if not len(recordings) or len(recordings) != len(boundaries):
        raise LearningError(
            f"{len(recordings)} recordings have {len(boundaries)} lists of boundaries"
        )
    prepared = [prepared_cost(rows, cost, weights, scale) for rows in recordings]
    least = [checked_least_length(one, least_length) for one in prepared]
    if penalties is None:
        tried = np.median([one.penalty for one in prepared]) * 2.0 ** np.arange(-4, 12.5, 0.5)
    else:
        tried = np.asarray(penalties, np.float64)
    scores = []
    for penalty in tried:
        score = BoundaryScore(0, 0, 0)
        for one, length, true in zip(prepared, least, boundaries, strict=True):
            found = penalised(one, float(penalty), length)
            score += boundary_score(found.boundaries, true, tolerance)
        scores.append(score.f1)
    f1s = np.array(scores)
    best = np.flatnonzero(f1s == f1s.max())  # of several, the middle one
    chosen = best[len(best) // 2]
    return PenaltyChoice(float(tried[chosen]), float(f1s[chosen]), tried, f1s)


def penalty_path(
    rows: Any,
    low: float,
    high: float,
    cost: str = "l2",
    *,
    least_length: int | None = None,
    weights: Mapping[str, float] | None = None,
    scale: str | None = None,
) -> list[Changepoints]:
    """Return all the best partitions for penalties between two, that of fewest changes first.

    Each has as ``penalty`` the least under which it is best. By CROPS (Haynes, Eckley and
    Fearnhead, "Computationally efficient changepoint detection for a range of penalties", 2017):
    between two partitions, one is best where their penalised costs are equal, or neither is.

    Parameters
    ----------
    rows, cost, least_length, weights, scale
        As for :func:`changepoints`.
    low, high : float
        The least and the largest penalty.

    Raises
    ------
    LearningError
        As :func:`changepoints`, or if ``low`` exceeds ``high``.
    """
    if not low <= high:
        raise LearningError(f"the least penalty, {low}, exceeds the largest, {high}")
    prepared = prepared_cost(rows, cost, weights, scale)
    least = checked_least_length(prepared, least_length)
    many, few = (penalised(prepared, penalty, least) for penalty in (low, high))
    found = {len(one.boundaries): one for one in (many, few)}
    waiting = [(many, few)]
    while waiting:
        more, fewer = waiting.pop()
        if (apart := _apart(more, fewer)) < 2:
            continue
        between = penalised(prepared, max((fewer.cost - more.cost) / apart, 0.0), least)
        if len(between.boundaries) not in found:
            found[len(between.boundaries)] = between
            waiting += [(more, between), (between, fewer)]
    ordered = [found[count] for count in sorted(found)]
    return [
        replace(one, penalty=max((one.cost - more.cost) / _apart(more, one), low))
        for one, more in itertools.pairwise(ordered)
    ] + [replace(ordered[-1], penalty=low)]


def _apart(more: Changepoints, fewer: Changepoints) -> int:
    """How many more changes one has."""
    return len(more.boundaries) - len(fewer.boundaries)
