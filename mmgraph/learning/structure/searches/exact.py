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
from mmgraph.learning.structure.scores.families import change_parent, family_score
from mmgraph.learning.structure.scores.records import AIC, BIC, ScoredRows, key_words
from mmgraph.learning.structure.scores.regressions import score_regressions
from mmgraph.learning.structure.scores.tables import compiled, discrete_family, parents_of_set

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


def family_scores(rows: ScoredRows, margin: float = 0.0) -> np.ndarray:
    """Return every family's score, shape (variables, sets of the others).

    Bit ``i`` of a set stands for the ``i``-th variable other than the child. Sets that are not
    allowed, and those whose price alone exceeds what they can win (by ``margin``, in nats), score
    ``-inf``.
    """
    count = len(rows.states)
    scores = np.full((count, 1 << max(count - 1, 0)), -np.inf)
    for child in range(count):
        if rows.states[child] > 0:
            _score_tables(rows, child, _price(rows, child), scores[child])
        elif (rows.states == 0).all():
            score_regressions(rows, child, scores[child])
        else:
            _score_families(rows, child, scores[child])
    return scores


def _price(rows: ScoredRows, child: int) -> float:
    """What a state of the parents costs a discrete child."""
    if rows.kind not in (BIC, AIC):
        return 0.0
    total = float(rows.totals[rows.rows_of[child]])
    return (math.log(total) / 2 if rows.kind == BIC else 1.0) * (int(rows.states[child]) - 1)


def _score_families(rows: ScoredRows, child: int, scores: np.ndarray) -> None:
    """Score sets of parents of both kinds one by one."""
    key, no_gains = np.zeros(key_words(len(rows.states)), np.uint64), np.empty(0)
    limits = (rows.allowed[:, child], rows.required[:, child], rows.max_parents)
    for some in range(len(scores)):
        parents, legal = parents_of_set(limits, child, some)
        if legal:
            key[:] = 0
            for v in parents:
                change_parent(key, v)
            scores[some] = family_score(rows, child, key, no_gains)


@compiled
def _score_tables(rows, child, price, scores):
    """Score all sets of parents of a discrete child."""
    no_gains = np.empty(0)
    limits = (rows.allowed[:, child], rows.required[:, child], rows.max_parents)
    for some in range(len(scores)):
        parents, legal = parents_of_set(limits, child, some)
        configurations = 1.0
        for v in parents:
            configurations *= rows.states[v]
        # A likelihood is at most 1; the empty set comes first.
        hopeless = price > 0 and some > 0 and -price * configurations <= scores[0]
        if legal and not hopeless:
            scores[some] = discrete_family(rows, child, parents, no_gains)


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
