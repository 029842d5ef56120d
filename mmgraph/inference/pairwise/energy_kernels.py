"""The energies of edges and of labellings of a pairwise graph, compiled."""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.pairwise.graph import (
    LINEAR,
    POTTS,
    QUADRATIC,
    SELECTS_FIRST,
    SELECTS_SECOND,
    TABLE,
)


@compiled
def edge_energy(kind, weight, truncation, place, tables, x, y, states_first, states_second):
    """The energy of an edge at states ``x`` of its first and ``y`` of its second node."""
    if kind == POTTS:
        return weight if x != y else weight * 0
    if kind == LINEAR:
        return weight * min(truncation, abs(x - y))
    if kind == QUADRATIC:
        return weight * min(truncation, (x - y) * (x - y))
    if kind == TABLE:
        return weight * tables[place + x * states_second + y]
    if kind == SELECTS_FIRST:
        agrees = (y // place) % states_first == x
    else:
        agrees = (x // place) % states_second == y
    return weight * 0 if agrees else weight * np.inf


@compiled
def labelling_energy(
    labelling, unary, offsets, first, second, function, weight, kind, truncation, place, tables
):  # fmt: skip
    """The energy of a labelling of the nodes, summed in double precision."""
    energy = 0.0
    for n in range(len(offsets) - 1):
        energy += unary[offsets[n] + labelling[n]]
    for e in range(len(first)):
        a, b, f = first[e], second[e], function[e]
        energy += edge_energy(
            kind[f], np.float64(weight[e]), truncation[f], place[f], tables,
            labelling[a], labelling[b], offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b],
        )  # fmt: skip
    return energy


@compiled
def set_cells(labelling, first, second, function, kind, place):
    """Let the node of every table stand at the cell that its variables' states select."""
    for e in range(len(first)):
        f = function[e]
        if kind[f] == SELECTS_FIRST:
            labelling[second[e]] = 0
        elif kind[f] == SELECTS_SECOND:
            labelling[first[e]] = 0
    for e in range(len(first)):
        f = function[e]
        if kind[f] == SELECTS_FIRST:
            labelling[second[e]] += labelling[first[e]] * place[f]
        elif kind[f] == SELECTS_SECOND:
            labelling[first[e]] += labelling[second[e]] * place[f]
