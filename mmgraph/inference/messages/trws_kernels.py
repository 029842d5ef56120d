"""The passes of sequential tree-reweighted message passing, compiled for any pairwise graph."""

from __future__ import annotations

import numpy as np

from mmgraph.inference.messages.min_sum_kernels import (
    envelope_of,
    gathered,
    linear_message,
    min_sum_message,
    potts_message,
    without_message,
)
from mmgraph.inference.numerics.compiling import compiled, uncounted
from mmgraph.inference.pairwise.energy_kernels import edge_at, edge_energy
from mmgraph.inference.pairwise.graph import LINEAR, POTTS


@compiled
def trws_pass(forward, unary, edges, adjacency, slots, messages):
    """Visit the nodes in order (backwards unless ``forward``), and update the messages ahead.

    The slot of an edge holds the message towards the end that is visited later; the pass turns it
    round. Returns a lower bound on the energy, ``inf`` if no labelling has a finite energy. In
    single precision the bound may be above the optimum by its rounding, see :func:`proven_bound`.
    """
    offsets, function, weight = edges.offsets, edges.function, edges.weight
    kinds, truncations, (start, middle, incident) = edges.kind, edges.truncation, adjacency
    belief = np.empty(edges.largest, messages.dtype)
    source = np.empty(edges.largest, messages.dtype)
    envelope = envelope_of(edges.largest)
    one = messages.dtype.type(1)
    nodes = len(offsets) - 1
    bound = 0.0
    for step in range(nodes):
        n = step if forward else nodes - 1 - step
        begin = np.uint64(offsets[n])
        states = np.uint64(offsets[n + 1]) - begin
        low = gathered(
            unary, begin, states, incident, start[n], start[n + 1], slots, messages, belief
        )
        if low == np.inf:
            return np.inf
        bound += low
        behind, ahead = middle[n] - start[n], start[n + 1] - middle[n]
        share = one / messages.dtype.type(max(behind, ahead, 1))
        for i in range(middle[n] if forward else start[n], start[n + 1] if forward else middle[n]):
            e = incident[i]
            slot = np.uint64(slots[e])
            least = without_message(belief, low, share, messages, slot, states, source)
            kind = kinds[function[e]]
            if kind == POTTS:
                potts_message(weight[e], source, least, states, messages, slot)
                bound += least
            elif kind == LINEAR:
                truncation = truncations[function[e]]
                linear_message(weight[e], truncation, source, least, states, messages, slot)
                bound += least
            else:
                bound += min_sum_message(
                    edges, e, weight[e], forward, source, least, messages, slot, envelope
                )
            if bound == np.inf:
                return np.inf
    return bound


@compiled
def proven_bound(unary, edges, adjacency, slots, messages):
    """A backward pass in double precision that accounts for the rounding of stored messages.

    Any messages give a bound. What a message loses when it is stored stays with its edge, whose
    least value is then lower by the largest loss.
    """
    offsets, first, weight = edges.offsets, edges.first, edges.weight
    start, middle, incident = adjacency
    belief, source, fresh = np.empty((3, edges.largest))
    envelope = envelope_of(edges.largest)
    nodes = len(offsets) - 1
    bound = 0.0
    for step in range(nodes):
        n = nodes - 1 - step
        states = np.uint64(offsets[n + 1] - offsets[n])
        low = gathered(
            unary, offsets[n], states, incident, start[n], start[n + 1], slots, messages, belief
        )
        if low == np.inf:
            return np.inf
        bound += low
        share = 1.0 / max(middle[n] - start[n], start[n + 1] - middle[n], 1)
        for i in range(start[n], middle[n]):
            e = incident[i]
            slot = slots[e]
            least = without_message(belief, low, share, messages, slot, states, source)
            bound += min_sum_message(edges, e, weight[e], False, source, least, fresh, 0, envelope)
            if bound == np.inf:
                return np.inf
            loss = np.inf
            for k in range(offsets[first[e] + 1] - offsets[first[e]]):
                messages[slot + k] = fresh[k]
                if fresh[k] < np.inf:
                    loss = min(loss, fresh[k] - np.float64(messages[slot + k]))
            bound += loss
    return bound


@compiled
def sequential_labelling(unary, edges, adjacency, slots, messages):
    """Label the nodes in order, each given the labels before it and the messages from behind.

    To be called after a backward pass (Kolmogorov 2006, section 3.3). Where a node has no possible
    state left the energy of the labelling is infinite.
    """
    offsets, first, weight = edges.offsets, edges.first, edges.weight
    kind, function, (start, middle, incident) = edges.kind, edges.function, adjacency
    belief = np.empty(edges.largest, messages.dtype)
    labelling = np.zeros(len(offsets) - 1, np.int32)
    for n in range(len(offsets) - 1):
        states = np.uint64(offsets[n + 1] - offsets[n])
        gathered(
            unary, offsets[n], states, incident, middle[n], start[n + 1], slots, messages, belief
        )
        for i in range(start[n], middle[n]):
            e = incident[i]
            x = labelling[first[e]]
            if kind[function[e]] == POTTS:
                belief[x] -= weight[e]  # as good as adding it to all the others
            else:
                _add_energies(belief, edges, e, x)
        best = np.int64(0)
        for k in range(states):
            if belief[k] < belief[best]:
                best = np.int64(k)
        labelling[n] = best
    return labelling


@uncounted
def _add_energies(belief, edges, e, x):
    """Add the energies of an edge whose first node is at state ``x``."""
    edge = edge_at(edges, e, edges.weight[e])
    for k in range(edge.columns):
        belief[k] += edge_energy(edge, edges.tables, x, k)


@compiled
def backward_beliefs(unary, edges, adjacency, slots, messages):
    """Unary energies and the messages from higher nodes, as they stand after a backward pass."""
    offsets, (start, middle, incident), beliefs = edges.offsets, adjacency, unary.copy()
    for n in range(len(offsets) - 1):
        begin = np.uint64(offsets[n])
        for i in range(middle[n], start[n + 1]):
            slot = np.uint64(slots[incident[i]])
            for k in range(np.uint64(offsets[n + 1]) - begin):
                beliefs[begin + k] += messages[slot + k]
    return beliefs
