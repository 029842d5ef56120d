"""The updates of mean field on a pairwise graph, compiled: one visit of each edge's ends a sweep.

Elements are visited colour by colour, in the order of
:func:`mmgraph.inference.field.coordinate_ascent.ascend`, which serves every other graph and every
other device, and which asks all elements of a variable for every colour.
"""

# The kernels of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8, UInt32
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.inference.field.coordinate_ascent import Ascent
from mmgraph.inference.field.view import excluded_by_others
from mmgraph.inference.numerics.compiling import compiled, inlined
from mmgraph.inference.pairwise.colouring import colour_elements
from mmgraph.inference.pairwise.energy_kernels import Edge, edge_energy
from mmgraph.inference.pairwise.graph import POTTS, SELECTS_FIRST, TABLE, PairwiseGraph

_ONE = np.uint64(1)


class Neighbours(NamedTuple):
    """What an update reads of the edges at each node, the nodes in the order of the updates."""

    order: Int64[np.ndarray, " nodes"]  # colour by colour
    start: Int64[np.ndarray, " nodes+1"]  # where the entries of the k-th node in that order begin
    # Where the neighbour's distribution lies, and over how many states.
    begin: UInt32[np.ndarray, " incidences"]
    states: UInt32[np.ndarray, " incidences"]
    # Twice the edge's function, and one more where the neighbour is the edge's first node.
    function: UInt32[np.ndarray, " incidences"]
    weight: Float[np.ndarray, " incidences"]  # of the edge


class EdgeFunctions(NamedTuple):
    """The functions of edges alone: inner loops count references to every field of a record.

    With all :class:`~mmgraph.inference.pairwise.graph.EdgeArrays` a sweep took a quarter longer.
    """

    kind: UInt8[np.ndarray, " functions"]
    truncation: Float[np.ndarray, " functions"]
    place: Int64[np.ndarray, " functions"]
    tables: Float[np.ndarray, " cells"]


def is_pairwise(pairwise: PairwiseGraph) -> bool:
    """Whether all nodes are elements of variables: no table joins three or more."""
    return not bool((pairwise.edge_arrays.kind >= SELECTS_FIRST).any()) and pairwise.nodes == sum(
        pairwise.graph.variables[name].size for name in pairwise.first_node
    )


def _neighbours(pairwise: PairwiseGraph) -> Neighbours:
    order = np.concatenate([np.zeros(0, np.int64), *colour_elements(pairwise).classes])
    lists = neighbour_lists(order, pairwise.edge_arrays, pairwise.adjacency)
    return Neighbours(order, *lists)


def ascend_pairwise(
    pairwise: PairwiseGraph,
    evidence: Evidence,
    means: dict[str, Float[Tensor, "batch *shape states"]],
    ascent: Ascent,
) -> tuple[int, float]:
    """Update the distributions of all elements, row by row, in place; as `ascend`.

    The view is one for which :func:`is_pairwise` holds, and the start has a finite mean log-weight.
    """
    edges, neighbours = pairwise.edge_arrays, pairwise.cached(_neighbours)
    functions = EdgeFunctions(edges.kind, edges.truncation, edges.place, edges.tables)
    rows = [pairwise.beliefs_of(means, row) for row in range(evidence.batch)]
    done, residual = 0, 0.0
    for row, beliefs in enumerate(rows):
        unary = pairwise.unary(evidence, row)
        sweeps, change, excluded = ascend_row(
            beliefs, unary, edges.offsets, neighbours, functions, ascent, edges.largest
        )
        if excluded >= 0:
            name = pairwise.variable_of(int(excluded))
            assert name is not None
            raise excluded_by_others(name, row)
        done, residual = max(done, int(sweeps)), max(residual, float(change))
    for name, old in means.items():
        blocks = np.stack([pairwise.block(beliefs, name) for beliefs in rows])
        means[name] = torch.from_numpy(blocks).reshape(old.shape).to(old)
    return done, residual


@compiled
def neighbour_lists(order, edges, adjacency):
    """What :class:`Neighbours` holds beside the order."""
    starts = np.zeros(len(order) + 1, np.int64)
    for k in range(len(order)):
        starts[k + 1] = starts[k] + adjacency.start[order[k] + 1] - adjacency.start[order[k]]
    size = len(adjacency.edges)
    begin, states, functions = np.empty((3, size), np.uint32)
    weights = np.empty(size, edges.weight.dtype)
    for k in range(len(order)):
        n = order[k]
        to = starts[k]
        for e in adjacency.edges[adjacency.start[n] : adjacency.start[n + 1]]:
            m = edges.first[e] + edges.second[e] - n
            begin[to], states[to] = edges.offsets[m], edges.offsets[m + 1] - edges.offsets[m]
            functions[to] = 2 * edges.function[e] + (edges.first[e] == m)
            weights[to] = edges.weight[e]
            to += 1
    return starts, begin, states, functions, weights


@compiled
def ascend_row(beliefs, unary, offsets, neighbours, functions, ascent, largest):
    """Update the distributions of all nodes in turn until none changes.

    Returns the sweeps, the largest change of the last, and a node without a possible state, or -1.
    """
    field = np.empty(largest)
    done, residual = 0, np.inf
    while done < ascent.iterations and residual > ascent.tolerance:
        residual = 0.0
        for k in range(np.uint64(len(neighbours.order))):
            n = np.uint64(neighbours.order[k])
            begin, states = np.uint64(offsets[n]), np.uint64(offsets[n + _ONE] - offsets[n])
            for x in range(states):
                field[x] = unary[begin + x]
            for i in range(np.uint64(neighbours.start[k]), np.uint64(neighbours.start[k + _ONE])):
                _add_mean_energy(field, states, beliefs, neighbours, functions, i)
            change = _update(field, beliefs, begin, states, ascent.damping)
            if change == np.inf:
                return done, residual, np.int64(n)
            residual = max(residual, change)
        done += 1
    return done, residual, np.int64(-1)


@inlined
def _add_mean_energy(field, states, beliefs, neighbours, functions, i):
    """Add the mean energy of an edge, but for a constant, to the energies of a node's states."""
    begin, code = np.uint64(neighbours.begin[i]), np.uint64(neighbours.function[i])
    f, w = code >> _ONE, np.float64(neighbours.weight[i])
    kind = functions.kind[f]
    if kind == POTTS:
        for x in range(states):
            field[x] -= w * beliefs[begin + x]
    else:
        others = np.uint64(neighbours.states[i])
        if kind == TABLE:
            place = np.uint64(functions.place[f])
            along, across = (_ONE, states) if code & _ONE else (others, _ONE)
            for y in range(others):
                share = w * beliefs[begin + y]
                if share != 0:  # zero times a hard zero is no energy
                    at = place + y * across
                    for x in range(states):
                        field[x] += share * functions.tables[at + x * along]
        else:
            truncation = np.float64(functions.truncation[f])
            edge = Edge(kind, w, truncation, np.int64(0), np.int64(states), np.int64(others))
            for y in range(others):
                for x in range(states):
                    energy = edge_energy(edge, functions.tables, np.int64(x), np.int64(y))
                    field[x] += beliefs[begin + y] * energy


@inlined
def _update(field, beliefs, begin, states, damping):
    """Set a node's distribution by its energies; return the largest change, or ``inf``."""
    low, total, change = np.inf, 0.0, 0.0
    for x in range(states):
        low = min(low, field[x])
    if low == np.inf:
        change = np.inf
    else:
        for x in range(states):
            field[x] = math.exp(low - field[x])
            total += field[x]
        for x in range(states):
            old = beliefs[begin + x]
            new = damping * old + (1 - damping) * field[x] / total
            change = max(change, abs(new - old))
            beliefs[begin + x] = new
    return change
