"""Search over orders of the variables: each takes its parents from those before it.

Given an order, parents are grown and shrunk greedily; the order is improved by moving one variable
at a time to the place that is best for all (Andrews et al. 2023, "Fast scalable and accurate
discovery of DAGs using the best order score search and grow-shrink trees"). What the trees of that
paper hold is in the memo of families.
"""

from __future__ import annotations

import numpy as np

from mmgraph.learning.structure.scores.families import change_parent, has_parent, remembered
from mmgraph.learning.structure.scores.tables import compiled
from mmgraph.learning.structure.searches.climbing import LEAST_GAIN

_LEAST_IMPROVEMENT = 1e-6
"""An order is left only for one that is better by so much, in nats: sums differ by rounding."""


@compiled
def improve_order(rows, memo, order, turns):
    """Move variables of an order in place while that helps, and return its score.

    ``turns`` is the order in which variables get their turn. A score of ``-inf`` means that a
    required parent stands behind its child.
    """
    count = len(order)
    key = np.zeros(memo.keys.shape[1], np.uint64)
    before = np.zeros(count, np.bool_)
    score = 0.0
    for v in order:
        score += _grow_and_shrink(rows, memo, v, before, key)
        before[v] = True
    improved = True
    while improved:
        improved = False
        for v in turns:
            best, place = _best_place(rows, memo, order, v, key)
            if best > score + _LEAST_IMPROVEMENT:
                score, improved = best, True
                _move(order, v, place)
    return score


@compiled
def _best_place(rows, memo, order, moved, key):
    """The best score of an order with one variable moved, and the place it then stands at."""
    count = len(order)
    rest = order[order != moved]
    before = np.zeros(count, np.bool_)
    own, without, beside = np.empty(count), np.empty(count), np.empty(count)
    for i in range(count):
        own[i] = _grow_and_shrink(rows, memo, moved, before, key)
        if i < count - 1:
            without[i] = _grow_and_shrink(rows, memo, rest[i], before, key)
            before[moved] = True
            beside[i] = _grow_and_shrink(rows, memo, rest[i], before, key)
            before[moved] = False
            before[rest[i]] = True
    best, place = -np.inf, 0
    behind = np.zeros(count)  # sums of scores with the moved variable in front; -inf is legal
    for i in range(count - 2, -1, -1):
        behind[i] = behind[i + 1] + beside[i]
    ahead = 0.0
    for i in range(count):
        total = ahead + own[i] + behind[i]
        if total > best + LEAST_GAIN:
            best, place = total, i
        if i < count - 1:
            ahead += without[i]
    return best, place


@compiled
def _move(order, v, place):
    """Put a variable at a place of the order."""
    at = 0
    while order[at] != v:
        at += 1
    while at < place:
        order[at] = order[at + 1]
        at += 1
    while at > place:
        order[at] = order[at - 1]
        at -= 1
    order[place] = v


@compiled
def _grow_and_shrink(rows, memo, child, before, key):
    """Write the parents that a child takes from those before it to a key, and return the score."""
    count = len(before)
    key[:] = 0
    parents = 0
    for v in range(count):
        if rows.required[v, child]:
            if not before[v]:
                return -np.inf
            change_parent(key, v)
            parents += 1
    while True:
        slot = remembered(rows, memo, child, key)
        if parents >= rows.max_parents:
            break
        gains = memo.gains[slot]
        best, joining = LEAST_GAIN, -1
        for v in range(count):
            if gains[v] > best and before[v] and not has_parent(key, v):
                best, joining = gains[v], v
        if joining < 0:
            break
        change_parent(key, joining)
        parents += 1
    while True:
        slot = remembered(rows, memo, child, key)
        gains = memo.gains[slot]
        best, leaving = LEAST_GAIN, -1
        for v in range(count):
            if gains[v] > best and has_parent(key, v) and not rows.required[v, child]:
                best, leaving = gains[v], v
        if leaving < 0:
            return memo.scores[slot]
        change_parent(key, leaving)


@compiled
def graph_of_order(rows, memo, order):
    """The graph in which each variable has the parents that it takes from those before it."""
    count = len(order)
    adjacency = np.zeros((count, count), np.bool_)
    key = np.zeros(memo.keys.shape[1], np.uint64)
    before = np.zeros(count, np.bool_)
    for v in order:
        _grow_and_shrink(rows, memo, v, before, key)
        for u in range(count):
            adjacency[u, v] = has_parent(key, u)
        before[v] = True
    return adjacency
