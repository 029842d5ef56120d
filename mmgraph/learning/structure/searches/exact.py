"""The best graph of all, by dynamic programming over sets of variables.

The best parents of a child among a set are the set itself or the best among the set without one of
them; the best graph on a set ends with some variable whose parents are the best among the others
(Silander and Myllymäki 2006, "A simple approach for finding the globally optimal Bayesian network
structure").
"""

from __future__ import annotations

import math

import numpy as np

from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.learning.structure.scores.families import family_score
from mmgraph.learning.structure.scores.records import AIC, BIC, ScoredRows, key_words
from mmgraph.learning.structure.scores.tables import compiled

MOST_VARIABLES = 20
"""More take too long: twice the families for every variable."""


def exact_graph(rows: ScoredRows) -> np.ndarray:
    """Return the graph of best score, bool [parent, child].

    Raises
    ------
    MemoryBudgetError
        If the tables over sets would not fit.
    """
    count = len(rows.states)
    check_required(
        f"the best parents among all sets of {count} variables",
        (count * 12 << max(count - 1, 0)) + (9 << count),
        default_memory_budget(),
        "Take method='orders'",
    )
    scores = family_scores(rows)
    return _best_graph(scores, np.asarray(rows.required))


def family_scores(rows: ScoredRows) -> np.ndarray:
    """Return every family's score, shape (variables, sets of the others).

    Bit ``i`` of a set stands for the ``i``-th variable other than the child. Sets that are not
    allowed, and those whose price alone exceeds what they can win, score ``-inf``.
    """
    count = len(rows.states)
    scores = np.full((count, 1 << max(count - 1, 0)), -np.inf)
    for child in range(count):
        _score_sets(rows, child, key_words(count), scores[child])
    return scores


@compiled
def _score_sets(rows, child, words, scores):
    """Score all sets of parents of one child."""
    others = np.empty(len(rows.states) - 1, np.int64)
    count = 0
    for v in range(len(rows.states)):
        if v != child:
            others[count] = v
            count += 1
    price = 0.0
    if rows.states[child] > 0 and rows.kind == BIC:
        price = 0.5 * math.log(rows.totals[rows.rows_of[child]]) * (rows.states[child] - 1)
    elif rows.states[child] > 0 and rows.kind == AIC:
        price = rows.states[child] - 1.0
    no_gains = np.empty(0)
    for some in range(len(scores)):
        key = np.zeros(words, np.uint64)
        groups, parents, legal = 1.0, 0, True
        for i in range(count):
            v = others[i]
            if some >> i & 1:
                key[v >> 6] |= np.uint64(1) << np.uint64(v & 63)
                groups *= rows.states[v]
                parents += 1
                legal = legal and rows.allowed[v, child]
            else:
                legal = legal and not rows.required[v, child]
        # A likelihood is at most 1; the empty set comes first.
        hopeless = price > 0 and some > 0 and -price * groups <= scores[0]
        if legal and parents <= rows.max_parents and not hopeless:
            scores[some] = family_score(rows, child, key, no_gains)


@compiled
def _best_graph(scores, required):
    """The best graph, given the score of every child with every set of parents."""
    count = len(scores)
    best = scores.copy()
    chosen = np.empty(scores.shape, np.int32)
    for child in range(count):
        for some in range(scores.shape[1]):
            chosen[child, some] = some
            for i in range(count - 1):
                if some >> i & 1:
                    fewer = some ^ (1 << i)
                    if best[child, fewer] >= best[child, some]:
                        best[child, some] = best[child, fewer]
                        chosen[child, some] = chosen[child, fewer]
    total = np.full(1 << count, -np.inf)
    last = np.zeros(1 << count, np.int8)
    total[0] = 0.0
    for some in range(1, 1 << count):
        for child in range(count):
            if some >> child & 1:
                rest = some ^ (1 << child)
                score = total[rest] + best[child, _without(rest, child)]
                if score > total[some]:
                    total[some], last[some] = score, child
    adjacency = np.zeros((count, count), np.bool_)
    rest = (1 << count) - 1
    while rest:
        sink = np.int64(last[rest])
        rest = rest ^ (1 << int(sink))
        parents = chosen[sink, _without(rest, sink)]
        for i in range(count - 1):
            if parents >> i & 1:
                adjacency[i if i < sink else i + 1, sink] = True
    return adjacency


@compiled
def _without(some, child):
    """A set of variables as one of the child's others: the bits above the child's move down."""
    low = some & ((1 << child) - 1)
    return low | (some >> (child + 1) << child)
