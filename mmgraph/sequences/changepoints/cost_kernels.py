"""What segments of a sequence cost, compiled.

Costs of sums are read off running sums: row t of each array holds those of the rows before t. The
cost of a segment is the least value of a sum over its rows, whatever the parameters, so that two
segments never cost more than both as one: what pruning rests on.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.inference.numerics.compiling import compiled

SQUARES, GAUSSIAN, FULL_GAUSSIAN, COUNTS, REGRESSION, ABSOLUTE, RADIAL = range(7)
"""Kinds of costs. The last two need all rows: :func:`advance` goes along with the end."""


class Statistics(NamedTuple):
    """What costs are computed from.

    Attributes
    ----------
    kind : int
        One of the kinds above.
    floor : float
        The least variance of a Gaussian.
    weights : ndarray, shape (features,)
        What the cost of each feature is multiplied by (``GAUSSIAN`` and ``COUNTS``).
    counts : ndarray, shape (length + 1, 1 or features)
        Running numbers of present cells: one column where all features have the same.
    sums, squares : ndarray, shape (length + 1, features)
        Running sums of the rows and of their squares; of all their products, features times
        features, for ``FULL_GAUSSIAN``.
    covariates : ndarray, shape (length + 1, 3 times features)
        Running sums of a regression's covariate, of its square and of its product with the feature.
    rows : ndarray, shape (length, features)
        The rows themselves, NaN-free, with ``present`` of the same shape.
    """

    kind: int
    floor: float
    weights: Float64[np.ndarray, " features"]
    counts: Float64[np.ndarray, "steps columns"]
    sums: Float64[np.ndarray, "steps features"]
    squares: Float64[np.ndarray, "steps features"]
    covariates: Float64[np.ndarray, "steps sums"]
    rows: Float64[np.ndarray, "length features"]
    present: Float64[np.ndarray, "length features"]


@compiled
def advance(data, end, first, state):
    """Bring ``state[s]``, of the segments from s on, for s >= first, to those that end at ``end``.

    Calls come in the order of ends; ``first`` never falls.
    """
    if data.kind == ABSOLUTE:
        _absolute_deviations(data, end, first, state)
        return
    _similarities(data.rows, data.present, end - 1, first, state)


@compiled
def _similarities(rows, present, last, first, state):
    """Add to the sums over all pairs of rows those with the last row, if it is present."""
    if present[last, 0] == 0:
        return
    similarity = 0.0
    for s in range(last, first - 1, -1):
        if present[s, 0] > 0:
            distance = 0.0
            for j in range(rows.shape[1]):
                distance += (rows[s, j] - rows[last, j]) ** 2
            similarity += np.exp(-distance)
        state[s] += 2.0 * similarity - 1.0


@compiled
def _absolute_deviations(data, end, first, state):
    """Sum the distances from the median, of segments that begin earlier and earlier.

    The lower and the upper half of the cells are two heaps, whose sums tell the distances.
    """
    state[first:end] = 0.0
    for j in range(data.rows.shape[1]):
        low, high = [0.0 for _ in range(0)], [0.0 for _ in range(0)]
        below = above = 0.0
        for s in range(end - 1, first - 1, -1):
            if data.present[s, j] > 0:
                x = data.rows[s, j]
                if low and x < -low[0]:
                    heappush(low, -x)
                    below += x
                else:
                    heappush(high, x)
                    above += x
                if len(high) > len(low):
                    moved = heappop(high)
                    heappush(low, -moved)
                    above -= moved
                    below += moved
                elif len(low) > len(high) + 1:
                    moved = -heappop(low)
                    heappush(high, moved)
                    below -= moved
                    above += moved
            if low:
                state[s] += above - below + (len(low) - len(high)) * -low[0]


@compiled
def segment_costs(data, end, begins, number, state, costs):
    """Write the costs of the segments from each of the first ``number`` begins to ``end``."""
    features = data.sums.shape[1]
    columns = data.counts.shape[1]
    for c in range(number):
        s = begins[c]
        if data.kind == FULL_GAUSSIAN:
            costs[c] = _full_gaussian(data, s, end)
        elif data.kind == ABSOLUTE:
            costs[c] = state[s]
        elif data.kind == RADIAL:
            n = data.counts[end, 0] - data.counts[s, 0]
            costs[c] = n - state[s] / max(n, 1.0)
        else:
            total = 0.0
            for j in range(features):
                n = data.counts[end, j % columns] - data.counts[s, j % columns]
                if n > 0:
                    total += _feature_cost(data, s, end, j, n)
            costs[c] = total


@compiled
def squares_side_by_side(data):
    """Return the sums, squares and counts before each row, a column a row, for squares alone.

    There are no rows of them for other costs, nor where cells are missing.
    """
    if data.kind != SQUARES or data.counts.shape[1] > 1:
        return np.empty((0, len(data.counts)))
    return np.concatenate((data.sums, data.squares, data.counts), axis=1).T.copy()


@compiled
def squared_costs(running, end, columns, number, costs):
    """Write what :func:`segment_costs` does, from the columns of begins that lie side by side.

    Loops over begins are SIMD, and no record of arrays is passed, whose references are counted.
    """
    features = len(running) - 2
    for c in range(number):
        costs[c] = 0.0
    for j in range(features):
        of_end, of_begins = running[j, end], columns[j]
        for c in range(number):
            costs[c] += (of_end - of_begins[c]) ** 2
    squares, count = running[features, end], running[features + 1, end]
    of_begins, before = columns[features], columns[features + 1]
    for c in range(number):
        spread = squares - of_begins[c] - costs[c] / max(count - before[c], 1.0)
        costs[c] = max(spread, 0.0)


@compiled
def _feature_cost(data, s, end, j, n):
    """Return the cost of one feature, of which n cells are present."""
    total = data.sums[end, j] - data.sums[s, j]
    if data.kind == COUNTS:
        return -2.0 * data.weights[j] * total * np.log(total / n) if total > 0 else 0.0
    spread = max(data.squares[end, j] - data.squares[s, j] - total * total / n, 0.0)
    if data.kind == GAUSSIAN:
        variance = max(spread / n, data.floor)
        return data.weights[j] * (n * np.log(variance) + spread / variance)
    if data.kind == REGRESSION:
        features = data.sums.shape[1]
        x, xx, xy = j, features + j, 2 * features + j
        of_x = data.covariates[end, x] - data.covariates[s, x]
        width = data.covariates[end, xx] - data.covariates[s, xx] - of_x * of_x / n
        common = data.covariates[end, xy] - data.covariates[s, xy] - of_x * total / n
        if width > 1e-12 * max(1.0, of_x * of_x / n):
            return max(spread - common * common / width, 0.0)
    return spread


@compiled
def _full_gaussian(data, s, end):
    """Return twice the negative log-likelihood, with the covariance's eigenvalues floored."""
    features = data.sums.shape[1]
    n = data.counts[end, 0] - data.counts[s, 0]
    if n == 0:
        return 0.0
    covariance = np.empty((features, features))
    for i in range(features):
        of_i = data.sums[end, i] - data.sums[s, i]
        for j in range(features):
            product = data.squares[end, i * features + j] - data.squares[s, i * features + j]
            mean = (data.sums[end, j] - data.sums[s, j]) / n
            covariance[i, j] = (product - of_i * mean) / n
    if _log_determinant(covariance, data.floor) > -np.inf:  # no eigenvalue lies below the floor
        return n * (_log_determinant(covariance, 0.0) + features)
    total = 0.0
    for eigenvalue in np.linalg.eigvalsh(covariance):
        variance = max(eigenvalue, data.floor)
        total += np.log(variance) + max(eigenvalue, 0.0) / variance
    return n * total


@compiled
def _log_determinant(covariance, shift):
    """Return log|C - shift I| by Cholesky's decomposition, -inf where it is not positive."""
    size = len(covariance)
    factor = np.empty((size, size))
    total = 0.0
    for i in range(size):
        for j in range(i + 1):
            rest = covariance[i, j] - (shift if i == j else 0.0)
            for k in range(j):
                rest -= factor[i, k] * factor[j, k]
            if j < i:
                factor[i, j] = rest / factor[j, j]
            elif rest > 0:
                factor[i, i] = np.sqrt(rest)
                total += np.log(rest)
            else:
                return -np.inf
    return total
