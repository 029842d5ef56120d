"""Greedy search over classes of equivalent graphs, one edge at a time.

A class is changed through its members: each clique among the undirected neighbours of a variable
can be what it has for parents beside its directed ones, and one row of gains then says what any
further edge into it, or any edge taken away, is worth. These are the operators of Chickering (2002,
"Optimal structure identification with greedy search"); the third phase turns edges, as Hauser and
Bühlmann (2012) do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.graph.errors import LearningError
from mmgraph.learning.structure.graphs.equivalence import Adjacency
from mmgraph.learning.structure.graphs.kernels import extend, orient_further, with_colliders
from mmgraph.learning.structure.scores.families import change_parent, remembered
from mmgraph.learning.structure.scores.records import BDS, HELD_OUT, K2, Memo, ScoredRows
from mmgraph.learning.structure.searches.climbing import REMOVE, TURN, reaches

PHASES = ("adding edges", "removing edges", "turning edges")
"""In the order of ``ADD``, ``REMOVE`` and ``TURN``."""

_LEAST_GAIN = 1e-6
"""Gains up to this, in nats, are rounding: scores of equivalent graphs differ by so much."""

_MOST_CLIQUES = 1 << 12
"""Of the neighbours of one variable; more are not tried."""

_UNEQUAL = {HELD_OUT: "held-out", BDS: "bds", K2: "k2"}


def check_classes(rows: ScoredRows) -> None:
    """Refuse what makes equivalent graphs unequal.

    Raises
    ------
    LearningError
        If there are constraints, experiments, missing cells, variables of both kinds, or a score
        that differs between equivalent graphs.
    """
    count = len(rows.states)
    discrete = int((rows.states > 0).sum())
    mixed = 0 < discrete < count
    free = int(rows.allowed.sum()) == count * (count - 1) and not rows.required.any()
    reasons = {
        f"the score '{_UNEQUAL.get(rows.kind)}', which tells equivalent graphs apart": rows.kind
        in _UNEQUAL,
        "variables of both kinds, whose edges cannot all be turned": mixed,
        "constraints": not (mixed or free) or rows.max_parents < count - 1,
        "experiments": len(rows.weights) > 1,
        "missing cells": not rows.complete,
    }
    for reason, holds in reasons.items():
        if holds:
            raise LearningError(f"method='ges' has no room for {reason}: take method='orders'")


def class_of(dag: Adjacency) -> Adjacency:
    """Return the marks of the class of a directed acyclic graph."""
    marks: Adjacency = orient_further(with_colliders(dag, np.zeros_like(dag)))
    return marks


def improve_class(rows: ScoredRows, memo: Memo, marks: Adjacency, phase: int) -> bool:
    """Make changes of one kind to the marks of a class in place; return whether any helped."""
    families = [_families(rows, memo, marks, y) for y in range(len(marks))]
    helped = False
    while True:
        _, dag = best_change(marks, families, phase)
        after = marks if dag is None else class_of(dag)
        changed = (after != marks).any(0) | (after != marks).any(1)
        if not changed.any():
            return helped
        marks[:], helped = after, True
        beside = changed | marks[changed].any(0) | marks[:, changed].any(1)
        for y in np.flatnonzero(beside).tolist():
            families[y] = _families(rows, memo, marks, y)


class _Families(NamedTuple):
    """What one variable gains by changes of its parents: the directed ones, and a clique.

    Attributes
    ----------
    cliques : those among its neighbours, the empty one first
    gains : of each variable that joins the parents, or leaves them
    phases : which of them can join, leave and be turned into a parent
    """

    cliques: Bool[np.ndarray, "cliques variables"]
    gains: Float64[np.ndarray, "cliques variables"]
    phases: tuple[Bool[np.ndarray, "cliques variables"], ...]


def _families(rows: ScoredRows, memo: Memo, marks: Adjacency, y: int) -> _Families:
    adjacent = marks | marks.T
    neighbours = np.flatnonzero(marks[y] & marks[:, y])
    parents = marks[:, y] & ~marks[y]
    cliques = _cliques(adjacent, neighbours)
    gains = np.empty(cliques.shape)
    for clique, row in zip(cliques, gains, strict=True):
        key = np.zeros(memo.keys.shape[1], np.uint64)
        for v in np.flatnonzero(parents | clique):
            change_parent(key, v)
        row[:] = memo.gains[remembered(rows, memo, y, key)]
    # What joins is next to no neighbour but those of the clique.
    joins = ~(adjacent[y] | (~cliques[:, neighbours] @ adjacent[neighbours]))
    joins[:, y] = False
    return _Families(cliques, gains, (joins, cliques | parents, marks[y] & ~cliques))


def _cliques(
    adjacent: Adjacency, neighbours: Int64[np.ndarray, " neighbours"]
) -> Bool[np.ndarray, "cliques variables"]:
    """The cliques among some variables, the empty one first."""
    cliques: list[list[int]] = [[]]
    for v in neighbours.tolist():
        larger = [[*clique, v] for clique in cliques if adjacent[v, clique].all()]
        cliques += larger[: _MOST_CLIQUES - len(cliques)]
    marked = np.zeros((len(cliques), len(adjacent)), bool)
    for row, clique in zip(marked, cliques, strict=True):
        row[clique] = True
    return marked


def best_change(
    marks: Adjacency, families: Sequence[_Families], phase: int
) -> tuple[float, Adjacency | None]:
    """Return what the best change of one kind gains, and a graph of the class that it leads to.

    Second is None where no change gains anything.
    """
    changes = []
    for y, (cliques, gains, phases) in enumerate(families):
        for c, x in np.argwhere(phases[phase] & (gains > -np.inf)).tolist():
            gain = gains[c, x]
            if phase == TURN:
                gain += _gain_of_leaving(marks, families[x], x, y, cliques[c])
            if gain > _LEAST_GAIN:
                changes.append((float(gain), y, x, c))
    scratch = np.empty(len(marks), np.int64), np.empty(len(marks), bool)
    for gain, y, x, c in sorted(changes, reverse=True):
        graph = _member(marks, y, families[y].cliques[c], x if phase == TURN else None)
        if graph is None:
            continue
        graph[y, x] = graph[x, y] = False
        if phase == REMOVE:
            return gain, graph
        if not reaches(graph, y, x, *scratch):
            graph[x, y] = True
            return gain, graph
    return 0.0, None


def _gain_of_leaving(
    marks: Adjacency, families: _Families, x: int, y: int, clique: Bool[np.ndarray, " variables"]
) -> float:
    """What x gains where y leaves its parents: the directed ones, or y and its part of a clique."""
    beside = np.zeros(len(marks), bool)
    if marks[x, y]:
        beside = clique & marks[x] & marks[:, x]
        beside[y] = True
    same = np.flatnonzero((families.cliques == beside).all(1))
    return float(families.gains[same[0], y]) if len(same) else -np.inf


def _member(
    marks: Adjacency, y: int, clique: Bool[np.ndarray, " variables"], x: int | None
) -> Adjacency | None:
    """A graph of a class in which a clique joins y's parents, and y alone those of x if given."""
    forced = marks.copy()
    for child in (y,) if x is None else (y, x):
        for v in np.flatnonzero(marks[child] & marks[:, child]):
            if v not in (y, x):
                forced[child, v], forced[v, child] = not clique[v], clique[v]
    if x is not None:
        forced[x, y] = False
    dag, complete = extend(orient_further(forced))
    return dag if complete and (x is None or (class_of(dag) == marks).all()) else None
