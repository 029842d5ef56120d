"""An alignment of two sequences that keeps their order."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64
from scipy.spatial.distance import cdist

from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.numerics.time_warping import (
    STEP_PATTERNS,
    Costs,
    StepPattern,
    path_costs,
)
from mmgraph.retrieval.alignment.alignment import Alignment
from mmgraph.retrieval.alignment.scores import checked_pair


def dynamic_time_warping(
    a: Any,
    b: Any,
    *,
    softness: float = 0.0,
    step: str = "symmetric1",
    band: int | None = None,
) -> Alignment:
    """Return the cheapest path through the frames of two sequences, or all paths by their costs.

    Parameters
    ----------
    a, b : array-like of float, shape (rows, features) and (columns, features)
        Frames, whose squared distances are costs; of a vector each value is one.
    softness : float
        Above zero: paths are as probable as exp(-cost / softness) says, and a cell as all paths
        through it; ``score`` is minus soft-DTW, softness log sum exp(-cost / softness) (Cuturi and
        Blondel 2017). Zero: the cheapest path alone counts.
    step : str
        ``"symmetric1"``: a path goes on by a row, a column or both. ``"symmetric2"``: both count
        twice, so that no way is cheaper for being shorter. ``"asymmetric"``: each row has one
        column, and single columns may be left out.
    band : int, optional
        How many columns a path may be away from the straight line (Sakoe and Chiba 1978).

    Returns
    -------
    Alignment
        ``pairs`` is the cheapest path, and ``score`` minus its cost unless it is soft.

    Raises
    ------
    MmgraphError
        If a side is empty, not finite (names the frame) or of another width, an option is not what
        it must be, or no path is left.
    """
    check_choice("step pattern", step, STEP_PATTERNS, MmgraphError)
    if not 0 <= softness < np.inf or (band is not None and band < 0):
        raise MmgraphError(f"softness and band are zero or more, not {softness} and {band}")
    costs = cdist(*checked_pair(a, b), "sqeuclidean")
    rows, columns = costs.shape
    if band is not None and rows > 1:
        line = np.arange(rows)[:, None] * ((columns - 1) / (rows - 1))
        costs[np.abs(np.arange(columns) - line) > band] = np.inf
    pattern = STEP_PATTERNS[step]
    totals = path_costs(costs, pattern, 0.0)
    if totals[-1, -1] == np.inf:
        band_text = "" if band is None else f" stays in a band of {band} columns"
        raise MmgraphError(f"no path of '{step}' steps by {rows} × {columns} frames{band_text}")
    path = _path(totals, costs, pattern)
    probabilities = np.zeros(costs.shape)
    probabilities[path[:, 0], path[:, 1]] = 1.0
    if softness:
        totals = path_costs(costs, pattern, softness)
        probabilities = _visits(totals, costs, pattern, softness)
    return Alignment("dtw", probabilities, path, -float(totals[-1, -1]))


@compiled
def _visits(totals: Costs, costs: Costs, pattern: StepPattern, softness: float) -> Costs:
    """Return how probably a path goes through each cell, from the last one back."""
    moves, weights = pattern
    visits = np.zeros(costs.shape)
    visits[-1, -1] = 1.0
    for row in range(costs.shape[0] - 1, -1, -1):
        for column in range(costs.shape[1] - 1, -1, -1):
            for k in range(len(weights)):
                i, j = row - moves[k, 0], column - moves[k, 1]
                if visits[row, column] > 0 and i >= 0 and j >= 0 and totals[i, j] < np.inf:
                    way = totals[i, j] + weights[k] * costs[row, column]
                    share = np.exp((totals[row, column] - way) / softness)
                    visits[i, j] += visits[row, column] * share
    return visits


def _path(totals: Costs, costs: Costs, pattern: StepPattern) -> Int64[np.ndarray, "cells 2"]:
    """Return the cells of the cheapest path, first to last; of equal ones with most diagonals."""
    cell = np.array(costs.shape) - 1
    cells = [cell]
    while cell.any():
        before = [cell - move for move in pattern.moves]
        ways = [
            totals[tuple(place)] + weight * costs[tuple(cell)] if place.min() >= 0 else np.inf
            for place, weight in zip(before, pattern.weights, strict=True)
        ]
        cell = before[int(np.argmin(ways))]
        cells.append(cell)
    return np.array(cells[::-1])
