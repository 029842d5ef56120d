"""Sum-product messages as scaled probabilities: no logarithm, no exponential, as long as it fits.

The fast form of the sequential schedule. Each message's largest entry is one, and so is each
belief's; a belief is a product of as many factors as the node has neighbours, which a double holds
unless evidence and edges contradict each other by hundreds of nats. Where it does not, the pass
says so, and messages in logarithms take over.
"""

# The kernels of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False, disable-error-code="call-arg"

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Float64

from mmgraph.inference.messages.sum_product_kernels import weigh
from mmgraph.inference.numerics.compiling import compiled, inlined
from mmgraph.inference.pairwise.graph import POTTS, PairwiseGraph

_SMALLEST = 1e-280
"""Products below this are too near to where doubles end."""


class ScaledMessages:
    """The messages of one row of evidence.

    Parameters
    ----------
    pairwise : PairwiseGraph
        The graph.
    unary : ndarray, shape (states,)
        Unary energies with the evidence.
    potentials : ndarray
        Exponentials of minus the tables.
    """

    def __init__(
        self,
        pairwise: PairwiseGraph,
        unary: Float[np.ndarray, " states"],
        potentials: Float64[np.ndarray, " cells"],
    ) -> None:
        p = self.pairwise = pairwise
        # Those towards second ends, those towards first ends, and ones for a message not there.
        self.messages = np.ones(2 * int(p.slots[-1]) + p.largest)
        self.weights = scaled_weights(unary, p.offsets)
        self.arrays = (
            p.offsets, *p.edge_arrays, *p.incidence_arrays, potentials,
            np.exp(-np.abs(p.weight.astype(np.float64))),
        )  # fmt: skip

    def run_pass(self, forward: bool) -> float:
        """Visit the nodes in order; return the largest change in nats, -1 if numbers got too small.

        An element that evidence or hard zeros leave no state counts as too small.
        """
        return float(
            scaled_pass(forward, self.weights, *self.arrays, self.messages, self.pairwise.largest)
        )

    def energies(self) -> tuple[Float64[np.ndarray, " slots"], Float64[np.ndarray, " slots"]]:
        """Return minus the logarithms: the messages towards second ends, and towards first ends."""
        size, spare = int(self.pairwise.slots[-1]), np.zeros(self.pairwise.largest)
        with np.errstate(divide="ignore"):
            logs = -np.log(self.messages[: 2 * size])
        return np.concatenate([logs[:size], spare]), np.concatenate([logs[size:], spare])


@compiled
def scaled_weights(unary, offsets):
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
def scaled_pass(
    forward, weights, offsets, first, second, function, weight, kind, truncation, place, tables,
    start, middle, incident, slots, potentials, agreement, messages, largest,
):  # fmt: skip
    """One pass of the sequential schedule; see :meth:`ScaledMessages.run_pass`."""
    belief, source, fresh = np.empty(largest), np.empty(largest), np.empty(largest)
    nodes = len(offsets) - 1
    half = slots[-1]
    rise = fall = 1.0
    for step in range(nodes):
        n = step if forward else nodes - 1 - step
        begin = np.uint64(offsets[n])
        states = np.uint64(offsets[n + 1]) - begin
        top = _gathered(
            weights, begin, states, incident, start[n], middle[n], start[n + 1], slots, messages,
            belief,
        )  # fmt: skip
        if top < _SMALLEST:
            return -1.0
        scale = 1.0 / top
        for i in range(middle[n] if forward else start[n], start[n + 1] if forward else middle[n]):
            e = incident[i]
            f = function[e]
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
            if kind[f] == POTTS:
                columns = states
                agree = agreement[e]
                own = 1.0 - agree
                base = agree * total
                inverse = 1.0 / (base + own * top)
                for k in range(columns):
                    fresh[k] = (base + own * source[k]) * inverse
            else:
                other = second[e] if forward else first[e]
                columns = np.uint64(offsets[other + 1] - offsets[other])
                weigh(
                    kind[f], weight[e], truncation[f], place[f], tables, potentials, forward,
                    source, total, np.int64(states), fresh, 0, np.int64(columns),
                )  # fmt: skip
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
