"""Sum-product passes over forests of elements, compiled, for structured mean field.

All values are energies in double precision; ``inf`` is a hard zero.
"""

# The kernels of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.inference.messages.sum_product_kernels import sum_product_message
from mmgraph.inference.numerics.compiling import compiled, uncounted
from mmgraph.inference.pairwise.energy_kernels import edge_at, edge_energy
from mmgraph.inference.pairwise.graph import POTTS, Adjacency, EdgeArrays


class Forests(NamedTuple):
    """Parts of the nodes within which the edges form forests."""

    part: Int64[np.ndarray, " nodes"]  # of a variable's node; -1 for the node of a table
    order: Int64[np.ndarray, " variables"]  # part by part, parents before their children
    starts: Int64[np.ndarray, " parts+1"]  # where in the order each part starts
    parent_edge: Int64[np.ndarray, " nodes"]  # negative at a root


class ForestModel(NamedTuple):
    """What updates read of a graph beside its unary energies."""

    edges: EdgeArrays
    adjacency: Adjacency
    forests: Forests
    slots: Int64[np.ndarray, " edges+1"]  # where the message along each edge lies
    potentials: Float64[np.ndarray, " cells"]  # exponentials of minus the tables of edges


@uncounted
def _root(parents, n):
    while parents[n] != n:
        parents[n] = parents[parents[n]]
        n = parents[n]
    return n


@uncounted
def _admits(p, n, part, sets, edges, adjacency, is_table, marks, mark):
    """Whether a node may join a part: it closes no cycle there, and shares no table."""
    for i in range(adjacency.start[n], adjacency.start[n + 1]):
        e = adjacency.edges[i]
        other = edges.first[e] + edges.second[e] - n
        if is_table[other]:
            for j in range(adjacency.start[other], adjacency.start[other + 1]):
                far = edges.first[adjacency.edges[j]] + edges.second[adjacency.edges[j]] - other
                if far != n and part[far] == p:
                    return False
        elif part[other] == p:
            root = _root(sets, other)
            if marks[root] == mark:
                return False
            marks[root] = mark
    return True


@compiled
def part_into_forests(preferred, edges, adjacency, is_table):
    """Put each node into the preferred part, or else the first one, that stays a forest."""
    nodes = len(preferred)
    part = np.full(nodes, -1, np.int64)
    sets = np.arange(nodes)
    marks = np.full(nodes, -1, np.int64)
    mark = 0
    for n in range(nodes):
        if is_table[n]:
            continue
        p, step = preferred[n], 0
        while not _admits(p, n, part, sets, edges, adjacency, is_table, marks, mark):
            p, step, mark = step, step + 1, mark + 1
        mark += 1
        part[n] = p
        for e in adjacency.edges[adjacency.start[n] : adjacency.start[n + 1]]:
            other = edges.first[e] + edges.second[e] - n
            if not is_table[other] and part[other] == p:
                sets[_root(sets, other)] = n
    return part


@compiled
def ascend_forests(beliefs, unary, model, ascent):
    """Update part after part until no probability changes by more than the tolerance.

    Returns the lower bound on the logarithm of the partition function, the largest change of the
    last sweep, and the number of sweeps.
    """
    starts, order, offsets = model.forests.starts, model.forests.order, model.edges.offsets
    effective, cost = np.empty((2, len(unary)), np.float64)
    messages = np.empty(model.slots[-1], np.float64)
    scratch = np.empty(model.edges.largest), np.empty(model.edges.largest)
    inside = np.zeros(len(starts) - 1)  # entropy less the mean energy of each part's own edges
    change, done = np.inf, 0
    while done < ascent.iterations and change > ascent.tolerance:
        change = 0.0
        for p in range(len(inside)):
            nodes = order[starts[p] : starts[p + 1]]
            _mean_energies(nodes, effective, beliefs, unary, model, False)
            inside[p], moved = _pass(nodes, effective, cost, messages, scratch, beliefs, model)
            change = max(change, moved)
        done += 1
    bound = np.sum(inside)
    _mean_energies(order, effective, beliefs, unary, model, True)
    for n in order:
        for k in range(offsets[n], offsets[n + 1]):
            if beliefs[k] > 0:
                bound -= beliefs[k] * effective[k]
    return bound, change, done


@uncounted
def _mean_energies(nodes, effective, beliefs, unary, model, shared):
    """What the unary energies and the means of the other parts cost each state of some nodes.

    Where ``shared``, the nodes of an edge or of a table cost as much as it does together.
    """
    edges, adjacency, part = model.edges, model.adjacency, model.forests.part
    for n in nodes:
        begin, states = edges.offsets[n], edges.offsets[n + 1] - edges.offsets[n]
        for k in range(begin, begin + states):
            effective[k] = unary[k]
        for i in range(adjacency.start[n], adjacency.start[n + 1]):
            e = adjacency.edges[i]
            other = edges.first[e] + edges.second[e] - n
            far = edges.offsets[other]
            if part[other] < 0:
                members = adjacency.start[other + 1] - adjacency.start[other]
                share = 1.0 / members if shared else 1.0
                _add_table(n, e, share, effective, beliefs, unary, model)
            elif part[other] != part[n]:
                weight = 0.5 * edges.weight[e] if shared else 1.0 * edges.weight[e]
                if edges.kind[edges.function[e]] == POTTS:
                    for k in range(states):
                        effective[begin + k] += weight * (1.0 - beliefs[far + k])
                    continue
                edge, is_first = edge_at(edges, e, weight), edges.first[e] == n
                for j in range(edges.offsets[other + 1] - far):
                    probability = beliefs[far + j]
                    for k in range(states if probability > 0 else 0):
                        x, y = (k, j) if is_first else (j, k)
                        effective[begin + k] += probability * edge_energy(edge, edges.tables, x, y)


@uncounted
def _add_table(n, e, share, effective, beliefs, unary, model):
    """Add the mean of a table over several variables for each state of one of them."""
    edges, adjacency = model.edges, model.adjacency
    table = edges.first[e] + edges.second[e] - n
    begin, cells = edges.offsets[n], edges.offsets[table]
    stride, states = edges.place[edges.function[e]], edges.offsets[n + 1] - begin
    for cell in range(edges.offsets[table + 1] - cells):
        probability = share
        for i in range(adjacency.start[table], adjacency.start[table + 1]):
            e = adjacency.edges[i]
            other = edges.first[e] + edges.second[e] - table
            if other != n:
                far = edges.offsets[other]
                state = (cell // edges.place[edges.function[e]]) % (edges.offsets[other + 1] - far)
                probability *= beliefs[far + state]
        if probability > 0:
            effective[begin + (cell // stride) % states] += probability * unary[cells + cell]


@uncounted
def _pass(nodes, effective, cost, messages, scratch, beliefs, model):
    """Pass messages from the leaves to the roots and back, and set the beliefs of a part.

    Returns the entropy of the trees less the mean energy of their edges, and the largest change.
    """
    edges, offsets, (source, weights) = model.edges, model.edges.offsets, scratch
    inside, change = 0.0, 0.0
    for n in nodes:
        for k in range(offsets[n], offsets[n + 1]):
            cost[k] = effective[k]
    for step in range(2 * len(nodes)):
        upwards = step < len(nodes)
        n = nodes[len(nodes) - 1 - step if upwards else step - len(nodes)]
        e = model.forests.parent_edge[n]
        if e >= 0:
            parent, message = edges.first[e] + edges.second[e] - n, messages[model.slots[e] :]
            sender, receiver = (n, parent) if upwards else (parent, n)
            low = np.inf
            for k in range(offsets[sender + 1] - offsets[sender]):
                # Where the message is infinite the cost is, and stays so.
                received = 0.0 if upwards or message[k] == np.inf else message[k]
                source[k] = cost[offsets[sender] + k] - received
                low = min(low, source[k])
            constant = sum_product_message(
                edges, e, edges.weight[e], model.potentials, edges.first[e] == sender, source, low,
                message, weights,
            )  # fmt: skip
            inside -= constant if upwards else 0.0
            for k in range(offsets[receiver + 1] - offsets[receiver]):
                cost[offsets[receiver] + k] += message[k]
        if not upwards:
            low, total = np.inf, 0.0
            for k in range(offsets[n], offsets[n + 1]):
                low = min(low, cost[k])
            for k in range(offsets[n], offsets[n + 1]):
                total += np.exp(low - cost[k])
            inside += np.log(total) - low if e < 0 else 0.0
            for k in range(offsets[n], offsets[n + 1]):
                probability = np.exp(low - cost[k]) / total
                change = max(change, abs(probability - beliefs[k]))
                beliefs[k] = probability
                if probability > 0:
                    inside += probability * effective[k]
    return inside, change
