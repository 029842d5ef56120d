"""The energies of edges and labellings, compiled.

Kernels take the edges of a graph as one :class:`~mmgraph.inference.pairwise.graph.EdgeArrays`, and
look at one edge at a time by :func:`edge_at`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmgraph.inference.numerics.compiling import compiled, inlined, uncounted
from mmgraph.inference.pairwise.graph import (
    LINEAR,
    POTTS,
    QUADRATIC,
    SELECTS_FIRST,
    SELECTS_SECOND,
    TABLE,
)


class Edge(NamedTuple):
    """The function of one edge, as in :class:`EdgeArrays`, and the numbers of states it joins."""

    kind: int
    weight: float
    truncation: float
    place: int | np.int64
    rows: int | np.int64
    columns: int | np.int64


@inlined
def edge_at(edges, e, weight):
    """Edge ``e`` with a weight, which callers convert or divide as they need it."""
    f, a, b = edges.function[e], edges.first[e], edges.second[e]
    rows = edges.offsets[a + 1] - edges.offsets[a]
    columns = edges.offsets[b + 1] - edges.offsets[b]
    return Edge(edges.kind[f], weight, edges.truncation[f], edges.place[f], rows, columns)


@uncounted
def edge_energy(edge, tables, x, y):
    """The energy of an edge at states ``x`` of its first and ``y`` of its second node."""
    kind, weight = edge.kind, edge.weight
    if kind == POTTS:
        return weight if x != y else weight * 0
    if kind == LINEAR:
        return weight * min(edge.truncation, abs(x - y))
    if kind == QUADRATIC:
        return weight * min(edge.truncation, (x - y) * (x - y))
    if kind == TABLE:
        return weight * tables[edge.place + x * edge.columns + y]
    if kind == SELECTS_FIRST:
        agrees = (y // edge.place) % edge.rows == x
    else:
        agrees = (x // edge.place) % edge.columns == y
    return weight * 0 if agrees else weight * np.inf


@uncounted
def energy_between(edges, e, x, y):
    """The energy of edge ``e`` at the states of its two nodes, in double precision."""
    edge = edge_at(edges, e, np.float64(edges.weight[e]))
    return np.float64(edge_energy(edge, edges.tables, x, y))


@uncounted
def labelling_energy(labelling, unary, edges):
    """The energy of a labelling of the nodes, summed in double precision."""
    energy = 0.0
    for n in range(len(edges.offsets) - 1):
        energy += unary[edges.offsets[n] + labelling[n]]
    for e in range(len(edges.first)):
        energy += energy_between(edges, e, labelling[edges.first[e]], labelling[edges.second[e]])
    return energy


@uncounted
def set_cells(labelling, edges):
    """Let the node of every table stand at the cell that its variables' states select."""
    first, second, function = edges.first, edges.second, edges.function
    for e in range(len(first)):
        kind = edges.kind[function[e]]
        if kind == SELECTS_FIRST:
            labelling[second[e]] = 0
        elif kind == SELECTS_SECOND:
            labelling[first[e]] = 0
    for e in range(len(first)):
        f = function[e]
        if edges.kind[f] == SELECTS_FIRST:
            labelling[second[e]] += labelling[first[e]] * edges.place[f]
        elif edges.kind[f] == SELECTS_SECOND:
            labelling[first[e]] += labelling[second[e]] * edges.place[f]


@compiled
def lowest_states(unary, offsets):
    """The state of lowest unary energy of each node, -1 where all are forbidden."""
    labelling = np.empty(len(offsets) - 1, np.int64)
    for n in range(len(offsets) - 1):
        low, best = np.inf, -1
        for k in range(offsets[n], offsets[n + 1]):
            if unary[k] < low:
                low, best = unary[k], k - offsets[n]
        labelling[n] = best
    return labelling
