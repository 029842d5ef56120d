"""Sum-product messages as scaled probabilities: no logarithm, no exponential, as long as it fits.

The fast form of the sequential schedule. Each message's largest entry is one, and so is each
belief's; a belief is a product of as many factors as the node has neighbours, which a double holds
unless evidence and edges contradict each other by hundreds of nats. Where it does not, the pass
says so, and messages in logarithms take over.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

from mmgraph.inference.messages.belief_propagation_kernels import Model
from mmgraph.inference.messages.sum_product_kernels import weigh
from mmgraph.inference.numerics.compiling import compiled, inlined, uncounted
from mmgraph.inference.pairwise.energy_kernels import edge_at
from mmgraph.inference.pairwise.graph import POTTS, PairwiseGraph

_SMALLEST = 1e-280
"""Products below this are too near to where doubles end."""


class ScaledMessages:
    """The messages of one row of evidence, which the model holds."""

    def __init__(self, pairwise: PairwiseGraph, model: Model) -> None:
        edges = pairwise.edge_arrays
        self._size, self._spare = int(pairwise.slots[-1]), np.zeros(edges.largest)
        # Those towards second ends, those towards first ends, and ones for a message not there.
        self.messages = np.ones(2 * self._size + edges.largest)
        weights = _scaled_weights(model.unary, edges.offsets)
        agreement = np.exp(-np.abs(edges.weight.astype(np.float64)))
        self._arrays = (weights, agreement, model, pairwise.slots, self.messages)

    def iterate(self) -> float:
        """Visit the nodes in order and back; return the largest change in nats.

        Returns -1 if numbers got too small, as they are where an element has no state left.
        """
        return float(scaled_iteration(*self._arrays))

    def energies(self) -> tuple[Float64[np.ndarray, " slots"], Float64[np.ndarray, " slots"]]:
        """Return minus the logarithms: the messages towards second ends, and towards first ends."""
        with np.errstate(divide="ignore"):
            logs = -np.log(self.messages[: 2 * self._size])
        second, first = logs[: self._size], logs[self._size :]
        return np.concatenate([second, self._spare]), np.concatenate([first, self._spare])


@compiled
def _scaled_weights(unary, offsets):
    """Exponentials of minus the unary energies, each node's largest one."""
    weights = np.empty(len(unary))
    for n in range(len(offsets) - 1):
        low = np.inf
        for k in range(offsets[n], offsets[n + 1]):
            low = min(low, np.float64(unary[k]))
        for k in range(offsets[n], offsets[n + 1]):
            weights[k] = math.exp(low - unary[k]) if low < np.inf else 0.0
    return weights


@inlined
def _gathered(weights, begin, states, incident, start, middle, stop, slots, messages, belief):
    """Write the product of a node's weights and incoming messages; return its largest entry."""
    begin, states = np.uint64(begin), np.uint64(states)
    ones = np.uint64(len(messages)) - states
    half = slots[-1]
    top = 0.0
    for i in range(start, max(stop, start + 1), 4):
        a, b, c, d = ones, ones, ones, ones
        if i < stop:
            a = np.uint64(slots[incident[i]] + (half if i >= middle else 0))
        if i + 1 < stop:
            b = np.uint64(slots[incident[i + 1]] + (half if i + 1 >= middle else 0))
        if i + 2 < stop:
            c = np.uint64(slots[incident[i + 2]] + (half if i + 2 >= middle else 0))
        if i + 3 < stop:
            d = np.uint64(slots[incident[i + 3]] + (half if i + 3 >= middle else 0))
        top = 0.0
        if i == start:
            for k in range(states):
                value = (messages[a + k] * messages[b + k]) * (messages[c + k] * messages[d + k])
                value *= weights[begin + k]
                belief[k] = value
                top = max(top, value)
        else:
            for k in range(states):
                value = (messages[a + k] * messages[b + k]) * (messages[c + k] * messages[d + k])
                value *= belief[k]
                belief[k] = value
                top = max(top, value)
    return top


@compiled
def scaled_iteration(weights, agreement, model, slots, messages):
    """One iteration of the sequential schedule; see :meth:`ScaledMessages.iterate`."""
    largest = model.edges.largest
    room = (np.empty(largest), np.empty(largest), np.empty(largest))  # quicker than rows of one
    change = 0.0
    for forward in (True, False):
        most = _scaled_pass(forward, weights, agreement, model, slots, messages, room)
        if most < 0:
            return most
        change = max(change, most)
    return change


@uncounted
def _scaled_pass(forward, weights, agreement, model, slots, messages, room):
    """One pass of an iteration."""
    start, middle, incident = model.adjacency
    offsets, kind, function = model.edges.offsets, model.edges.kind, model.edges.function
    belief, source, fresh = room
    nodes = len(offsets) - 1
    half = slots[-1]
    rise = fall = 1.0
    for step in range(nodes):
        n = step if forward else nodes - 1 - step
        begin = np.uint64(offsets[n])
        states = np.uint64(offsets[n + 1]) - begin
        top = _gathered(
            weights,
            begin,
            states,
            incident,
            start[n],
            middle[n],
            start[n + 1],
            slots,
            messages,
            belief,
        )
        if top < _SMALLEST:
            return -1.0
        scale = 1.0 / top
        for i in range(middle[n] if forward else start[n], start[n + 1] if forward else middle[n]):
            e = incident[i]
            back = np.uint64(slots[e] + (half if forward else 0))
            ahead = np.uint64(slots[e] + (0 if forward else half))
            total = top = 0.0
            for k in range(states):
                message = messages[back + k]
                # Where the message is zero the belief is, and stays so.
                value = belief[k] * scale / (message if message > 0 else 1.0)
                source[k] = value
                total += value
                top = max(top, value)
            if top < _SMALLEST:
                return -1.0
            if kind[function[e]] == POTTS:
                columns = states
                same = 1.0 - agreement[e]
                base = agreement[e] * total
                inverse = 1.0 / (base + same * top)
                for k in range(columns):
                    fresh[k] = (base + same * source[k]) * inverse
            else:
                edge = edge_at(model.edges, e, model.edges.weight[e])
                columns = np.uint64(edge.columns if forward else edge.rows)
                tables = model.edges.tables
                weigh(edge, tables, model.potentials, forward, source, total, fresh)
                top = 0.0
                for k in range(columns):
                    top = max(top, fresh[k])
                if top < _SMALLEST:
                    return -1.0
                inverse = 1.0 / top
                for k in range(columns):
                    fresh[k] *= inverse
            for k in range(columns):
                old = messages[ahead + k]
                ratio = fresh[k] / old if old > 0 else 1.0
                rise, fall = max(rise, ratio), min(fall, ratio)
                messages[ahead + k] = fresh[k]
    return max(math.log(rise), -math.log(max(fall, 1e-300)))
