"""Search over orders of the variables: each takes its parents from those before it.

Given an order, parents are grown and shrunk greedily; the order is improved by moving one variable
at a time to the place that is best for all (Andrews et al. 2023, "Fast scalable and accurate
discovery of DAGs using the best order score search and grow-shrink trees"). What the trees of that
paper hold is in the memo of families.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

from mmgraph.learning.structure.graphs.equivalence import Adjacency
from mmgraph.learning.structure.scores.families import (
    change_parent,
    has_parent,
    remembered,
    slot_of,
)
from mmgraph.learning.structure.scores.records import Memo, ScoredRows
from mmgraph.learning.structure.scores.tables import compiled
from mmgraph.learning.structure.searches.climbing import LEAST_GAIN

Order = Int64[np.ndarray, " variables"]

_LEAST_IMPROVEMENT = 1e-6
"""An order is left only for one that is better by so much, in nats: sums differ by rounding."""


def improve_order(rows: ScoredRows, memo: Memo, order: Order, turns: Order) -> float:
    """Move variables of an order in place while that helps, and return its score.

    ``turns`` is the order in which variables get their turn. A score of ``-inf`` means that a
    required parent stands behind its child.
    """
    score = _order_scores(rows, memo, order)[0].sum()
    improved = True
    while improved:
        improved = False
        for v in turns:
            best, place = _best_place(rows, memo, order, v)
            if best > score + _LEAST_IMPROVEMENT:
                score, improved = best, True
                order[:] = np.insert(order[order != v], place, v)
    return float(score)


def graph_of_order(rows: ScoredRows, memo: Memo, order: Order) -> Adjacency:
    """Return the graph in which each variable has the parents that it takes from those before."""
    return _order_scores(rows, memo, order)[1]


def _order_scores(rows: ScoredRows, memo: Memo, order: Order) -> tuple[np.ndarray, Adjacency]:
    """The score of each variable in an order, and the graph of all."""
    scores, adjacency = np.empty(len(order)), np.zeros((len(order),) * 2, bool)
    limits = (rows.required, rows.max_parents)
    _complete(
        rows, memo, lambda at, key: _trace_order(memo, limits, order, scores, adjacency, at, key)
    )
    return scores, adjacency


def _best_place(rows: ScoredRows, memo: Memo, order: Order, moved: int) -> tuple[float, int]:
    """The best score of an order with one variable moved, and the place it then stands at."""
    rest = order[order != moved]
    scores = np.zeros((3, len(order)))
    limits = (rows.required, rows.max_parents)
    _complete(rows, memo, lambda at, key: _trace_places(memo, limits, rest, moved, scores, at, key))
    own, without, beside = scores
    behind = np.append(np.cumsum(beside[-2::-1])[::-1], 0.0)
    ahead = np.append(0.0, np.cumsum(without[:-1]))
    totals = ahead + own + behind
    place = int(np.argmax(totals > totals.max() - LEAST_GAIN))
    return float(totals[place]), place


def _complete(
    rows: ScoredRows, memo: Memo, trace: Callable[[int, np.ndarray], tuple[int, bool]]
) -> None:
    """Go on with a trace, and score the family that it comes back for, until it is at its end."""
    key = np.zeros(memo.keys.shape[1], np.uint64)
    at, done = 0, False
    while not done:
        at, done = trace(at, key)
        if not done:
            remembered(rows, memo, int(key[-1]) - 1, key)


@compiled
def _trace_order(memo, limits, order, scores, adjacency, at, key):
    """Score variables of an order from ``at`` on, and write their parents, until a family lacks."""
    count = len(order)
    before = np.zeros(count, np.bool_)
    before[order[:at]] = True
    while at < count:
        score, known = _grow_and_shrink(memo, limits, order[at], before, key)
        if not known:
            return at, False
        scores[at] = score
        for u in range(count):
            adjacency[u, order[at]] = has_parent(key, u)
        before[order[at]] = True
        at += 1
    return at, True


@compiled
def _trace_places(memo, limits, rest, moved, scores, at, key):
    """Score one variable at each place among the others, and these without it and beside it.

    ``scores`` has a row for each, by place; it is filled from ``at`` on, until a family lacks.
    """
    count = len(rest) + 1
    before = np.zeros(count, np.bool_)
    before[rest[: at // 3]] = True
    while at < 3 * count:
        place, what = at // 3, at % 3
        if what == 0 or place < count - 1:
            child = moved if what == 0 else rest[place]
            before[moved] = what == 2
            score, known = _grow_and_shrink(memo, limits, child, before, key)
            before[moved] = False
            if not known:
                return at, False
            scores[what, place] = score
            if what == 2:
                before[child] = True
        at += 1
    return at, True


@compiled
def _grow_and_shrink(memo, limits, child, before, key):
    """The score of a child with the parents it takes from those before it, which ``key`` then has.

    Second is whether the memo knows all families on the way; if not, ``key`` is the first it lacks.
    """
    required, most = limits
    count = len(before)
    key[:] = 0
    parents = 0
    for v in range(count):
        if required[v, child]:
            if not before[v]:
                return -np.inf, True
            change_parent(key, v)
            parents += 1
    growing = True
    while True:
        slot, known = slot_of(memo, child, key)
        if not known:
            return 0.0, False
        gains = memo.gains[slot]
        best, chosen = LEAST_GAIN, -1
        for v in range(count):
            changes = has_parent(key, v) != growing and not required[v, child]
            if gains[v] > best and changes and (before[v] or not growing):
                best, chosen = gains[v], v
        if chosen >= 0 and not (growing and parents >= most):
            change_parent(key, chosen)
            parents += 1
        elif growing:
            growing = False
        else:
            return memo.scores[slot], True
