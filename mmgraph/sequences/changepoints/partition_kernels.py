"""The best partitions of a sequence into segments, by exact dynamic programmes, compiled."""

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled
from mmgraph.sequences.changepoints.cost_kernels import (
    ABSOLUTE,
    advance,
    segment_costs,
    squared_costs,
    squares_side_by_side,
)


@compiled
def penalised_partition(data, penalty, least):
    """Minimise the sum of costs and of a penalty for each change.

    Pruning as by Killick, Fearnhead and Eckley ("Optimal detection of changepoints with a linear
    computational cost", 2012), which is exact without a least length: a beginning s that is no
    better than t by itself, ``best[s] + cost(s, t) >= best[t]``, is no better for any end after t.
    A segment from t ends at ``t + least`` at the earliest, so that s is dropped only then.

    Returns
    -------
    best, previous : ndarray, shape (length + 1,)
        Of the rows before each end: the least sum (without the penalty of its first segment), and
        where its last segment begins.
    """
    length = len(data.counts) - 1
    best = np.full(length + 1, np.inf)
    best[0] = -penalty
    previous = np.zeros(length + 1, np.int64)
    state = np.zeros(length if data.kind >= ABSOLUTE else 0)
    begins = np.empty(length + 1, np.int64)
    ends = np.empty(length + 1, np.int64)  # from which on a beginning is dropped
    running = squares_side_by_side(data)
    columns = np.empty_like(running)
    costs = np.empty(length + 1)
    number = 0
    for end in range(1, length + 1):
        if data.kind >= ABSOLUTE:
            advance(data, end, begins[0] if number else 0, state)
        if end < least:
            continue
        number = _dropped(end, begins, ends, columns, number)
        if end - least == 0 or end - least >= least:
            begins[number], ends[number] = end - least, length + 1
            for j in range(len(running)):
                columns[j, number] = running[j, end - least]
            number += 1
        if len(running):
            squared_costs(running, end, columns, number, costs)
        else:
            segment_costs(data, end, begins, number, state, costs)
        least_cost = np.inf
        for c in range(number):
            costs[c] += best[begins[c]]
            least_cost = min(least_cost, costs[c])
        total = least_cost + penalty
        best[end] = total
        c = 0
        while costs[c] > least_cost:
            c += 1
        previous[end] = begins[c]
        for c in range(number):
            ends[c] = min(ends[c], end + least) if costs[c] >= total else ends[c]
    return best, previous


@compiled
def _dropped(end, begins, ends, columns, number):
    """Drop the beginnings whose end has come; return how many are left."""
    is_any = False
    for c in range(number):
        is_any |= ends[c] <= end
    if not is_any:
        return number
    left = 0
    for c in range(number):
        if ends[c] > end:
            begins[left], ends[left] = begins[c], ends[c]
            for j in range(len(columns)):
                columns[j, left] = columns[j, c]
            left += 1
    return left


@compiled
def counted_partition(data, segments, least):
    """Minimise the sum of costs over each number of segments up to ``segments``.

    Returns
    -------
    best : ndarray, shape (segments, length + 1)
        The least sum for the rows before each end, of one segment more than the row's number.
    previous : ndarray of int32, shape (segments, length + 1)
        Where its last segment begins.
    """
    length = len(data.counts) - 1
    best = np.full((segments, length + 1), np.inf)
    previous = np.zeros((segments, length + 1), np.int32)
    state = np.zeros(length if data.kind >= ABSOLUTE else 0)
    begins = np.arange(length + 1)
    running = squares_side_by_side(data)
    costs = np.empty(length + 1)
    for end in range(1, length + 1):
        if data.kind >= ABSOLUTE:
            advance(data, end, 0, state)
        number = max(end - least + 1, 0)
        if len(running):
            squared_costs(running, end, running, number, costs)
        else:
            segment_costs(data, end, begins, number, state, costs)
        if number:
            best[0, end] = costs[0]
        for k in range(1, segments):
            for s in range(k * least, number):
                if best[k - 1, s] + costs[s] < best[k, end]:
                    best[k, end] = best[k - 1, s] + costs[s]
                    previous[k, end] = s
    return best, previous
