"""Where a sequence changes: the segments of least cost, found exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from mmgraph.graph.errors import LearningError
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.sequences.changepoints.costs import PreparedCost, prepared_cost
from mmgraph.sequences.changepoints.partition_kernels import (
    counted_partition,
    penalised_partition,
)

_BYTES_A_CELL = 12
"""Of a table of numbers of changes by ends: a sum and a place."""


@dataclass(frozen=True, eq=False)
class Changepoints:
    """The segments of a sequence.

    Attributes
    ----------
    boundaries : ndarray of int, shape (changes,)
        The first row of each segment but the first.
    cost : float
        The sum over the segments, without penalties.
    penalty : float or None
        What each change had to gain; None where the number of changes was given.
    length : int
        The rows of the sequence.
    least_length : int
        The rows that a segment has at least.
    """

    boundaries: Int64[np.ndarray, " changes"]
    cost: float
    penalty: float | None
    length: int
    least_length: int

    @property
    def segments(self) -> Int64[np.ndarray, "segments 2"]:
        """The first row of each segment, and the one after its last."""
        ends = np.r_[0, self.boundaries, self.length]
        return np.stack([ends[:-1], ends[1:]], axis=1)


def changepoints(
    rows: Any,
    cost: str = "l2",
    *,
    penalty: float | None = None,
    changes: int | None = None,
    least_length: int | None = None,
    weights: Mapping[str, float] | None = None,
    scale: str | None = None,
) -> Changepoints:
    """Cut a sequence into segments at the least total cost, exactly.

    Parameters
    ----------
    rows : array-like, shape (length,) or (length, features), or mapping of str to array-like
        A sequence, or several modalities of equal length side by side. NaN is missing: such a cell
        is left out of all sums; with ``full_gaussian``, ``rbf`` and ``cosine`` the whole row is.
    cost : str
        What a segment costs, with its best parameters. In squared units of the rows: ``l2`` (about
        the mean; it is also the cost of the linear kernel), ``trend`` (about a line in time),
        ``autoregressive`` (about a line in the row before). In units of the rows: ``l1`` (about the
        median). Twice the negative log-likelihood, without constants: ``gaussian`` (mean and
        variance of each feature), ``full_gaussian`` (with covariances), ``poisson`` (counts),
        ``categorical`` (labels). Of kernels: ``rbf``, whose width is the median distance of rows,
        and ``cosine``. Variances have a floor of 1e-6 of those of the whole sequence.
    penalty : float, optional
        What a change must gain; by default Schwarz's criterion (BIC), with ``l2`` and its like in
        units of the noise, which differences of neighbouring rows tell.
    changes : int, optional
        How many changes there are, instead of a penalty. Time grows with the square of the length.
    least_length : int, optional
        The rows of a segment at least; by default what the cost's parameters need: 1, with
        ``gaussian`` 2, with regressions 3, with ``full_gaussian`` one more than features.
    weights : mapping of str to float, optional
        What the costs of a modality are multiplied by (with ``rbf``, its squared distances).
    scale : {"none", "noise", "deviation"}, optional
        What each feature is divided by first; by default ``noise`` of several modalities, none of
        an array. It changes nothing for likelihoods.

    Raises
    ------
    LearningError
        If an option has no such value, or the sequence is too short for its segments.
    EvidenceError
        If rows are of length zero, infinite (which cell), or no numbers, or modalities differ in
        length.
    MemoryBudgetError
        If so many changes would take too much memory.

    Examples
    --------
    >>> changepoints([0.0, 0.1, 0.0, 5.0, 5.1, 5.0], penalty=1.0).boundaries.tolist()
    [3]
    """
    prepared = prepared_cost(rows, cost, weights, scale)
    least = checked_least_length(prepared, least_length)
    if changes is None:
        return penalised(prepared, prepared.penalty if penalty is None else penalty, least)
    if penalty is not None:
        raise LearningError(f"either penalty={penalty!r} or changes={changes!r} may be given")
    return _counted(prepared, changes, least)


def checked_least_length(prepared: PreparedCost, least_length: int | None) -> int:
    """Return the least length, by default the cost's; one that leaves no segment is an error."""
    least = prepared.least_length if least_length is None else least_length
    if isinstance(least, bool) or not isinstance(least, int | np.integer) or least < 1:
        raise LearningError(f"least_length must be a number of rows above 0, not {least!r}")
    length = len(prepared.statistics.counts) - 1
    if length < least:
        raise LearningError(f"a sequence of {length} rows has no segment of {least}, the least")
    return int(least)


def penalised(prepared: PreparedCost, penalty: float, least: int) -> Changepoints:
    """Return the segments of least cost and penalties."""
    if not 0 <= penalty < math.inf:
        raise LearningError(f"the penalty must be 0 or more and finite, not {penalty}")
    best, previous = penalised_partition(prepared.statistics, float(penalty), least)
    boundaries: list[int] = []
    end = len(previous) - 1
    while end := int(previous[end]):
        boundaries.append(end)
    places = np.array(boundaries[::-1], np.int64)
    return Changepoints(
        places, float(best[-1] - penalty * len(places)), float(penalty), len(previous) - 1, least
    )


def _counted(prepared: PreparedCost, changes: int, least: int) -> Changepoints:
    length = len(prepared.statistics.counts) - 1
    if isinstance(changes, bool) or not isinstance(changes, int | np.integer) or changes < 0:
        raise LearningError(f"changes must be a number of 0 or more, not {changes!r}")
    if (changes + 1) * least > length:
        raise LearningError(
            f"{changes} changes make {changes + 1} segments of at least {least} rows; "
            f"the sequence has {length}"
        )
    required = (changes + 1) * (length + 1) * _BYTES_A_CELL
    what = f"{changes} changes in {length} rows"
    check_required(what, required, default_memory_budget(), "Give a penalty instead.")
    best, previous = counted_partition(prepared.statistics, changes + 1, least)
    boundaries = np.empty(changes, np.int64)
    end = length
    for k in range(changes, 0, -1):
        end = boundaries[k - 1] = previous[k, end]
    return Changepoints(boundaries, float(best[-1, -1]), None, length, least)
