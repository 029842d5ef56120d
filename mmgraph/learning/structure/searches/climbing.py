"""Greedy search over graphs: the best edge to add, take away or turn, with a list of recent ones.

The tabu list is Glover's (1989): pairs changed lately are left alone, and the best change is made
even where it worsens the score, so that a local optimum is left again.
"""

from __future__ import annotations

import numpy as np

from mmgraph.learning.structure.graphs.equivalence import Adjacency
from mmgraph.learning.structure.scores.families import change_parent, remembered
from mmgraph.learning.structure.scores.records import Memo, ScoredRows
from mmgraph.learning.structure.scores.tables import compiled

ADD, REMOVE, TURN = range(3)

LEAST_GAIN = 1e-9
"""Gains up to this, in nats, are rounding."""


def climb(
    rows: ScoredRows, memo: Memo, adjacency: Adjacency, tabu: int = 0, patience: int = 0
) -> float:
    """Improve a graph in place, and return its score.

    A pair of variables is left alone for ``tabu`` changes after one of its own; after ``patience``
    changes without a better graph the search ends. Required edges must be in the graph. Where cells
    are missing, gains are those of different rows and need not add up: it ends without a gain, or
    at a graph that it has seen.
    """
    count = len(rows.states)
    patience = patience if rows.complete else 0
    seen = set()
    keys = np.zeros((count, memo.keys.shape[1]), np.uint64)
    gains = np.empty((count, count))  # by child, then parent
    score = 0.0
    for child in range(count):
        for v in np.flatnonzero(adjacency[:, child]):
            change_parent(keys[child], v)
        slot = remembered(rows, memo, child, keys[child])
        gains[child] = memo.gains[slot]
        score += memo.scores[slot]
    free_from = np.zeros((count, count), np.int64)
    best, best_score = adjacency.copy(), score
    step, without = 0, 0
    while without <= patience:
        step += 1
        gain, x, y, change = _best_change(
            rows.allowed, rows.required, rows.max_parents, adjacency, gains, free_from, step
        )
        if x < 0 or (gain <= LEAST_GAIN and patience == 0):
            break
        score += gain
        free_from[x, y] = free_from[y, x] = step + 1 + tabu
        adjacency[x, y] = change == ADD
        adjacency[y, x] = change == TURN
        if not rows.complete:
            if (code := adjacency.tobytes()) in seen:
                break
            seen.add(code)
        for parent, child in ((x, y), (y, x))[: 2 if change == TURN else 1]:
            change_parent(keys[child], parent)
            gains[child] = memo.gains[remembered(rows, memo, child, keys[child])]
        without += 1
        if score > best_score + LEAST_GAIN:
            best_score, without = score, 0
            best[:] = adjacency
    adjacency[:] = best
    return float(best_score)


@compiled
def _best_change(allowed, required, max_parents, adjacency, gains, free_from, step):
    """The change that gains most among those that are allowed now: gain, parent, child, kind."""
    count = len(adjacency)
    parents = adjacency.sum(0)
    best, best_x, best_y, best_change = -np.inf, -1, -1, ADD
    stack, seen = np.empty(count, np.int64), np.empty(count, np.bool_)
    for y in range(count):
        for x in range(count):
            if x == y or free_from[x, y] > step or required[x, y]:
                continue
            gain = gains[y, x]
            if adjacency[x, y]:
                if gain > best:
                    best, best_x, best_y, best_change = gain, x, y, REMOVE
                gain += gains[x, y]
                if gain > best and allowed[y, x] and parents[x] < max_parents:
                    adjacency[x, y] = False
                    if not reaches(adjacency, x, y, stack, seen):
                        best, best_x, best_y, best_change = gain, x, y, TURN
                    adjacency[x, y] = True
            elif (
                gain > best
                and not adjacency[y, x]
                and allowed[x, y]
                and parents[y] < max_parents
                and not reaches(adjacency, y, x, stack, seen)
            ):
                best, best_x, best_y, best_change = gain, x, y, ADD
    return best, best_x, best_y, best_change


@compiled
def reaches(adjacency, start, end, stack, seen):
    """Whether directed edges lead from one variable to another; the last two are scratch."""
    seen[:] = False
    stack[0], seen[start] = start, True
    top = 1
    while top:
        top -= 1
        v = stack[top]
        if v == end:
            return True
        for u in range(len(adjacency)):
            if adjacency[v, u] and not seen[u]:
                seen[u] = True
                stack[top] = u
                top += 1
    return False
