"""The passes of sequential tree-reweighted message passing, compiled for any pairwise graph."""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.messages.min_sum_kernels import (
    gathered,
    linear_message,
    min_sum_message,
    potts_message,
    without_message,
)
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.pairwise.energy_kernels import edge_energy
from mmgraph.inference.pairwise.graph import LINEAR, POTTS


@compiled
def trws_pass(
    forward, offsets, unary, first, second, function, weight,
    kind, truncation, place, tables, start, middle, incident, slots, messages, largest,
):  # fmt: skip
    """Visit the nodes in order (backwards unless ``forward``), and update the messages ahead.

    The slot of an edge holds the message towards the end that is visited later; the pass turns it
    round. Returns a lower bound on the energy, ``inf`` if no labelling has a finite energy. In
    single precision the bound may be above the optimum by its rounding, see :func:`proven_bound`.
    """
    belief = np.empty(largest, messages.dtype)
    source = np.empty(largest, messages.dtype)
    apex = np.empty(largest, np.int64)
    limit = np.empty(largest + 1, np.float64)
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
            f = function[e]
            slot = np.uint64(slots[e])
            least = without_message(belief, low, share, messages, slot, states, source)
            other = second[e] if forward else first[e]
            if kind[f] == POTTS:
                potts_message(weight[e], source, least, states, messages, slot)
                bound += least
            elif kind[f] == LINEAR:
                linear_message(weight[e], truncation[f], source, least, states, messages, slot)
                bound += least
            else:
                bound += min_sum_message(
                    kind[f], weight[e], truncation[f], place[f], tables, forward, source, least,
                    states, messages, slot, offsets[other + 1] - offsets[other], apex, limit,
                )  # fmt: skip
            if bound == np.inf:
                return np.inf
    return bound


@compiled
def proven_bound(
    offsets, unary, first, second, function, weight,
    kind, truncation, place, tables, start, middle, incident, slots, messages, largest,
):  # fmt: skip
    """A backward pass in double precision that accounts for the rounding of stored messages.

    Any messages give a bound. What a message loses when it is stored stays with its edge, whose
    least value is then lower by the largest loss.
    """
    belief, source, fresh = np.empty(largest), np.empty(largest), np.empty(largest)
    apex, limit = np.empty(largest, np.int64), np.empty(largest + 1)
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
            f, slot = function[e], slots[e]
            columns = offsets[first[e] + 1] - offsets[first[e]]
            least = without_message(belief, low, share, messages, slot, states, source)
            bound += min_sum_message(
                kind[f], weight[e], truncation[f], place[f], tables, False, source, least,
                states, fresh, 0, columns, apex, limit,
            )  # fmt: skip
            if bound == np.inf:
                return np.inf
            loss = np.inf
            for k in range(columns):
                messages[slot + k] = fresh[k]
                if fresh[k] < np.inf:
                    loss = min(loss, fresh[k] - np.float64(messages[slot + k]))
            bound += loss
    return bound


@compiled
def sequential_labelling(
    offsets, unary, first, second, function, weight,
    kind, truncation, place, tables, start, middle, incident, slots, messages, largest, labelling,
):  # fmt: skip
    """Label the nodes in order, each given the labels before it and the messages from behind.

    To be called after a backward pass (Kolmogorov 2006, section 3.3). Where a node has no possible
    state left the energy of the labelling is infinite.
    """
    belief = np.empty(largest, messages.dtype)
    for n in range(len(offsets) - 1):
        states = np.uint64(offsets[n + 1] - offsets[n])
        gathered(
            unary, offsets[n], states, incident, middle[n], start[n + 1], slots, messages, belief
        )
        for i in range(start[n], middle[n]):
            e = incident[i]
            f = function[e]
            x = labelling[first[e]]
            if kind[f] == POTTS:
                belief[x] -= weight[e]  # as good as adding it to all the others
            else:
                before = offsets[first[e] + 1] - offsets[first[e]]
                for k in range(states):
                    belief[k] += edge_energy(
                        kind[f], weight[e], truncation[f], place[f], tables,
                        x, np.int64(k), before, np.int64(states),
                    )  # fmt: skip
        best = np.int64(0)
        for k in range(states):
            if belief[k] < belief[best]:
                best = np.int64(k)
        labelling[n] = best
