"""Dynamic time warping: what the cheapest paths through a table of costs come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.inference.numerics.compiling import compiled

Costs = Float64[np.ndarray, "rows columns"]


class StepPattern(NamedTuple):
    """By how many rows and columns a path may go on, and how often its next cell's cost counts."""

    moves: Int64[np.ndarray, "steps 2"]
    weights: Float64[np.ndarray, "steps"]


STEP_PATTERNS: Mapping[str, StepPattern] = {
    "symmetric1": StepPattern(np.array([[1, 1], [1, 0], [0, 1]]), np.ones(3)),
    "symmetric2": StepPattern(np.array([[1, 1], [1, 0], [0, 1]]), np.array([2.0, 1.0, 1.0])),
    "asymmetric": StepPattern(np.array([[1, 1], [1, 0], [1, 2]]), np.ones(3)),
}
"""As Sakoe and Chiba (1978) and the R package dtw name them."""


@compiled
def path_costs(costs: Costs, pattern: StepPattern, softness: float) -> Costs:
    """Return the (soft) least cost of the paths from the first cell to each."""
    moves, weights = pattern
    totals = np.full(costs.shape, np.inf)
    totals[0, 0] = costs[0, 0]
    ways = np.empty(len(weights))
    for row in range(costs.shape[0]):
        for column in range(1 if row == 0 else 0, costs.shape[1]):
            for k in range(len(weights)):
                i, j = row - moves[k, 0], column - moves[k, 1]
                before = totals[i, j] if i >= 0 and j >= 0 else np.inf
                ways[k] = before + weights[k] * costs[row, column]
            least = ways.min()
            if softness > 0 and least < np.inf:
                least -= softness * np.log(np.exp((least - ways) / softness).sum())
            totals[row, column] = least
    return totals
