"""Sweeps of iterated conditional modes, compiled."""

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled, uncounted
from mmgraph.inference.pairwise.energy_kernels import edge_at, edge_energy
from mmgraph.inference.pairwise.graph import POTTS, SELECTS_FIRST


@uncounted
def _add_edges(n, labelling, cost, violated, unary, edges, adjacency):
    """Add what edges and tables cost each state of a node, hard zeros apart from energies."""
    offsets, first, second = edges.offsets, edges.first, edges.second
    states = offsets[n + 1] - offsets[n]
    for i in range(adjacency.start[n], adjacency.start[n + 1]):
        e = adjacency.edges[i]
        f = edges.function[e]
        other = first[e] + second[e] - n
        state = labelling[other]
        if edges.kind[f] == POTTS:
            for k in range(states):
                if k != state:
                    cost[k] += edges.weight[e]
            continue
        edge = edge_at(edges, e, edges.weight[e])
        for k in range(states):
            if edge.kind >= SELECTS_FIRST:
                energy = unary[offsets[other] + state + (k - labelling[n]) * edge.place]
            elif first[e] == n:
                energy = edge_energy(edge, edges.tables, k, state)
            else:
                energy = edge_energy(edge, edges.tables, state, k)
            if energy == np.inf:
                violated[k] += 1
            else:
                cost[k] += energy


@compiled
def icm_sweeps(labelling, is_table, iterations, unary, edges, adjacency):
    """Sweep over the nodes in order until none changes; returns the sweeps and whether none did.

    Nodes of tables are not visited: they move along with their variables.
    """
    offsets, first, second, function = edges.offsets, edges.first, edges.second, edges.function
    kind, place, start, incident = edges.kind, edges.place, adjacency.start, adjacency.edges
    cost = np.empty(edges.largest, np.float64)
    violated = np.empty(edges.largest, np.int64)
    for sweep in range(iterations):
        changed = 0
        for n in range(len(labelling)):
            if is_table[n]:
                continue
            begin, states = offsets[n], offsets[n + 1] - offsets[n]
            for k in range(states):
                forbidden = unary[begin + k] == np.inf
                violated[k] = forbidden
                cost[k] = 0.0 if forbidden else unary[begin + k]
            _add_edges(n, labelling, cost, violated, unary, edges, adjacency)
            best = labelling[n]  # a tie keeps the state, or sweeps might never end
            for k in range(states):
                if violated[k] < violated[best] or (
                    violated[k] == violated[best] and cost[k] < cost[best]
                ):
                    best = k
            if best == labelling[n]:
                continue
            changed += 1
            for i in range(start[n], start[n + 1]):
                e = incident[i]
                f = function[e]
                if kind[f] >= SELECTS_FIRST:
                    labelling[first[e] + second[e] - n] += (best - labelling[n]) * place[f]
            labelling[n] = best
        if changed == 0:
            return sweep + 1, True
    return iterations, False
