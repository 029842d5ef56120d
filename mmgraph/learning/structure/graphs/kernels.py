"""Orienting partially directed graphs, compiled.

``marks[a, b]`` says that the edge between a and b may run from a to b: it is a -> b where
``marks[b, a]`` does not hold, and undirected where both do.
"""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")


@_jit
def parents_first(adjacency):
    """Order the nodes of a directed graph; those on a cycle and behind it are left out."""
    n = len(adjacency)
    missing = np.zeros(n, np.int64)
    for a in range(n):
        for b in range(n):
            missing[b] += adjacency[a, b]
    order = np.empty(n, np.int64)
    end = 0
    for a in range(n):
        if missing[a] == 0:
            order[end] = a
            end += 1
    start = 0
    while start < end:
        a = order[start]
        start += 1
        for b in range(n):
            if adjacency[a, b]:
                missing[b] -= 1
                if missing[b] == 0:
                    order[end] = b
                    end += 1
    return order[:end]


@_jit
def with_colliders(dag, compelled):
    """Return the marks of a DAG whose colliders and ``compelled`` edges alone are directed."""
    n = len(dag)
    marks = dag | dag.T
    parents = np.empty(n, np.int64)
    for child in range(n):
        number = 0
        for a in range(n):
            if dag[a, child]:
                parents[number] = a
                number += 1
        for i in range(number):
            directed = compelled[parents[i], child]
            for j in range(number):
                if i != j and not (dag[parents[i], parents[j]] or dag[parents[j], parents[i]]):
                    directed = True
                    break
            if directed:
                marks[child, parents[i]] = False
    return marks


@_inlined
def _directed(marks, a, b):
    return marks[a, b] and not marks[b, a]


@_inlined
def _undirected(marks, a, b):
    return marks[a, b] and marks[b, a]


@_inlined
def _adjacent(marks, a, b):
    return marks[a, b] or marks[b, a]


@_inlined
def _orient(marks, a, b, edges, end):
    """Direct a -> b, and append it to the edges to look at."""
    marks[b, a] = False
    edges[end, 0], edges[end, 1] = a, b
    return end + 1


@_jit
def orient_further(marks):
    """Direct, in place, all that Meek's four rules (1995) say of the directed edges.

    A rule can only apply anew where an edge has just been directed, so each edge is looked at once.
    """
    n = len(marks)
    edges = np.empty((np.count_nonzero(marks), 2), np.int64)
    end = 0
    for a in range(n):
        for b in range(n):
            if _directed(marks, a, b):
                edges[end, 0], edges[end, 1] = a, b
                end += 1
    start = 0
    while start < end:
        a, b = edges[start, 0], edges[start, 1]
        start += 1
        for c in range(n):
            if c in (a, b):
                continue
            if _undirected(marks, b, c):
                if not _adjacent(marks, a, c):  # rule 1: no new collider
                    end = _orient(marks, b, c, edges, end)
                elif _directed(marks, c, a) or _meets(marks, a, b, c):  # rule 2: no cycle
                    end = _orient(marks, c, b, edges, end)
                if _undirected(marks, b, c) and _passes(marks, a, b, c):
                    end = _orient(marks, c, b, edges, end)
            elif _directed(marks, b, c):
                if _undirected(marks, a, c):
                    end = _orient(marks, a, c, edges, end)  # rule 2
                elif not _adjacent(marks, a, c):
                    end = _fourth_rule(marks, a, b, c, edges, end)
    return marks


@_jit
def _meets(marks, a, b, c):
    """Rule 3: whether a -> b <- d with c - a, c - d, a and d not adjacent."""
    if not _undirected(marks, a, c):
        return False
    for d in range(len(marks)):
        opposite = d != a and _directed(marks, d, b) and not _adjacent(marks, a, d)
        if opposite and _undirected(marks, c, d):
            return True
    return False


@_jit
def _passes(marks, a, b, c):
    """Rule 4, its last edge new: whether d -> a -> b with c - d, c adjacent to a, d not to b."""
    if not _adjacent(marks, c, a):
        return False
    for d in range(len(marks)):
        if _directed(marks, d, a) and _undirected(marks, c, d) and not _adjacent(marks, d, b):
            return True
    return False


@_jit
def _fourth_rule(marks, a, b, c, edges, end):
    """Rule 4, its first edge new: a -> b -> c, a and c not adjacent: x - a, x - c, x next to b."""
    for x in range(len(marks)):
        if _undirected(marks, x, c) and _undirected(marks, x, a) and _adjacent(marks, x, b):
            end = _orient(marks, x, c, edges, end)
    return end


@_jit
def extend(marks):
    """Direct all edges without a new collider or cycle; also whether that can be done.

    Sinks are taken away one by one (Dor and Tarsi 1992); only a neighbour of one that was taken
    away can become one.
    """
    n = len(marks)
    dag = np.zeros((n, n), np.bool_)
    rest = marks.copy()
    waiting = np.arange(n)[::-1].copy()
    queued = np.ones(n, np.bool_)
    left = np.ones(n, np.bool_)
    end, removed = n, 0
    while end > 0:
        end -= 1
        x = waiting[end]
        queued[x] = False
        if not _is_sink(rest, x):
            continue
        left[x] = False
        removed += 1
        for y in range(n):
            if rest[y, x]:
                dag[y, x] = True
                rest[y, x] = rest[x, y] = False
                if left[y] and not queued[y]:
                    waiting[end] = y
                    queued[y] = True
                    end += 1
    return dag, removed == n


@_jit
def _is_sink(rest, x):
    """Whether no edge leaves x, and what it shares an undirected edge with is next to the rest."""
    n = len(rest)
    neighbours = np.empty(n, np.int64)
    number = 0
    for y in range(n):
        if rest[x, y] and not rest[y, x]:
            return False
        if rest[y, x]:
            neighbours[number] = y
            number += 1
    for i in range(number):
        y = neighbours[i]
        if rest[x, y]:
            for j in range(number):
                if i != j and not _adjacent(rest, y, neighbours[j]):
                    return False
    return True
