"""Cuts of a column where it tells of a target: recursive, by entropy, until it no longer pays.

References
----------
Fayyad and Irani (1993), "Multi-interval discretization of continuous-valued attributes for
classification learning", IJCAI: a cut is made where it gains more information than its description
costs.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Int64

from mmgraph.data.discretisation.cut_points import (
    BinsWarning,
    Numbers,
    between,
    present_numbers,
)
from mmgraph.graph.errors import LearningError, warn_caller

_TIE = 1e-9
"""Bits by which cuts differ that gain the same but for rounding: the first is made."""

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def entropy_cuts(
    name: str, values: Numbers, target: Int64[np.ndarray, " rows"], classes: int
) -> list[float]:
    """Return the cuts of a column by which it tells best of a target.

    Rows without a number, or without a target (a negative code), are left out. A column that tells
    nothing stays in one bin, with a :class:`BinsWarning`.

    Raises
    ------
    LearningError
        If lengths differ, the column is constant, or no row has both.
    """
    if len(values) != len(target):
        raise LearningError(f"'{name}' has {len(values)} rows, the target {len(target)}")
    rows = ~np.isnan(values) & (target >= 0)
    present = present_numbers(name, values[rows])
    order = np.argsort(present, kind="stable")
    ordered = present[order]
    running = np.zeros((len(ordered) + 1, classes), np.int64)
    running[np.arange(1, len(ordered) + 1), target[rows][order]] = 1
    running = np.cumsum(running, axis=0)
    places = np.sort(_cut_places(ordered, running))
    if not len(places):
        warn_caller(f"'{name}' tells nothing of the target: it stays in one bin", BinsWarning)
    return [between(float(ordered[p - 1]), float(ordered[p])) for p in places]


@_compiled
def _bits(counts):
    """Entropy in bits times the number of rows; and how many classes there are."""
    total, classes, inner = 0, 0, 0.0
    for count in counts:
        if count:
            total += count
            classes += 1
            inner += count * np.log2(count)
    return (total * np.log2(total) if total else 0.0) - inner, classes


@_compiled
def _cut_places(ordered, running):
    """Before which rows to cut, in no order."""
    cuts = []
    stack = [(0, len(ordered))]
    while len(stack):
        begin, end = stack.pop()
        rows = end - begin
        whole, classes = _bits(running[end] - running[begin])
        best, place = np.inf, -1
        for here in range(begin + 1, end):
            if ordered[here] == ordered[here - 1]:
                continue
            below, _ = _bits(running[here] - running[begin])
            above, _ = _bits(running[end] - running[here])
            if below + above < best - _TIE:
                best, place = below + above, here
        if place < 0:
            continue
        below, classes_below = _bits(running[place] - running[begin])
        above, classes_above = _bits(running[end] - running[place])
        # Equation 12: the cost of naming the classes on either side, and the place of the cut.
        naming = classes * np.log2(3.0) + np.log1p(-2 * 3.0**-classes) / np.log(2.0)
        cost = naming - (
            classes * whole / rows
            - classes_below * below / (place - begin)
            - classes_above * above / (end - place)
        )
        if whole - best > np.log2(rows - 1.0) + cost:
            cuts.append(place)
            stack.append((begin, place))
            stack.append((place, end))
    return np.array(cuts, np.int64)
