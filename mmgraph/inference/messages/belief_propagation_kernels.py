"""The schedules of loopy belief propagation, compiled for any pairwise graph."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

from mmgraph.inference.messages.min_sum_kernels import (
    Envelope,
    envelope_of,
    min_sum_message,
    without_message,
)
from mmgraph.inference.messages.sum_product_kernels import sum_product_message
from mmgraph.inference.numerics.compiling import compiled, uncounted
from mmgraph.inference.pairwise.graph import Adjacency, EdgeArrays


class Model(NamedTuple):
    """A graph with one row of evidence, as messages are computed from it: sums or minima.

    ``potentials`` are exponentials of minus the tables of the edges. The ``appearance`` of an edge
    is one in belief propagation; in its tree-reweighted form the share of the spanning trees that
    hold the edge, by which its energy is divided.
    """

    sums: bool
    unary: Float[np.ndarray, " states"]
    edges: EdgeArrays
    adjacency: Adjacency
    potentials: Float64[np.ndarray, " cells"]
    appearance: Float64[np.ndarray, " edges"]


class DirectedMessages(NamedTuple):
    """Two messages along each edge, from ``slots[e]`` on: energies of the receiver's states."""

    slots: Int64[np.ndarray, " edges+1"]
    towards_second: Float[np.ndarray, " slots"]
    towards_first: Float[np.ndarray, " slots"]


class NodeQueue(NamedTuple):
    """The nodes in a heap by the change of their incoming messages, and the place of each there."""

    residual: Float64[np.ndarray, " nodes"]
    heap: Int64[np.ndarray, " nodes"]
    where: Int64[np.ndarray, " nodes"]


class _Scratch(NamedTuple):
    """Room for what passes compute on their way, of the largest number of states."""

    belief: np.ndarray
    source: np.ndarray
    weights: np.ndarray
    fresh: np.ndarray
    envelope: Envelope


@compiled
def scratch_of(largest):
    """Room for what passes compute on their way."""
    belief, source, weights, fresh = np.empty((4, largest))
    return _Scratch(belief, source, weights, fresh, envelope_of(largest))


@uncounted
def node_belief(n, model, messages, belief):
    """Write the unary energies and all incoming messages of a node; return the least."""
    offsets, (start, middle, incident) = model.edges.offsets, model.adjacency
    begin, states = offsets[n], offsets[n + 1] - offsets[n]
    for k in range(states):
        belief[k] = model.unary[begin + k]
    for i in range(start[n], start[n + 1]):
        e = incident[i]
        incoming = messages.towards_second if i < middle[n] else messages.towards_first
        for k in range(states):
            belief[k] += model.appearance[e] * incoming[messages.slots[e] + k]
    low = np.inf
    for k in range(states):
        low = min(low, belief[k])
    return low


@uncounted
def _send(model, damping, e, upwards, low, messages, targets, scratch):
    """Send the message of edge ``e`` to its second node (to the first one unless ``upwards``).

    Returns the change of the message, ``inf`` if no state is possible.
    """
    belief, source, weights, fresh, envelope = scratch
    edges, slot = model.edges, messages.slots[e]
    weight = edges.weight[e] / model.appearance[e]
    a, b = edges.first[e], edges.second[e]
    back, old, target = messages.towards_second, messages.towards_first, targets.towards_first
    if upwards:
        back, old, target = old, back, targets.towards_second
    else:
        a, b = b, a
    states = edges.offsets[a + 1] - edges.offsets[a]
    least = without_message(belief, low, 1.0, back, slot, states, source)
    if model.sums:
        constant = sum_product_message(
            edges, e, weight, model.potentials, upwards, source, least, fresh, weights
        )
    else:
        constant = min_sum_message(edges, e, weight, upwards, source, least, fresh, 0, envelope)
    if constant == np.inf:
        return np.inf
    change = 0.0
    for k in range(edges.offsets[b + 1] - edges.offsets[b]):
        before = old[slot + k]
        value = fresh[k]
        if value < np.inf and before < np.inf:
            value = damping * before + (1 - damping) * value
            change = max(change, abs(value - before))
        elif value < np.inf or before < np.inf:
            change = max(change, 1.0)
        target[slot + k] = value
    return change


@uncounted
def _visit(n, begin, stop, model, damping, messages, targets, scratch):
    """Let a node send along some of its edges; return the largest change, ``inf`` as `_send`."""
    low = node_belief(n, model, messages, scratch.belief)
    if low == np.inf:
        return np.inf
    change = 0.0
    for i in range(begin, stop):
        upwards = i >= model.adjacency.middle[n]
        e = model.adjacency.edges[i]
        change = max(change, _send(model, damping, e, upwards, low, messages, targets, scratch))
    return change


@compiled
def sequential_pass(forward, model, damping, messages):
    """Visit the nodes in order, each sending to the nodes ahead; return the largest change."""
    scratch = scratch_of(model.edges.largest)
    start, middle, _ = model.adjacency
    nodes, change = len(middle), 0.0
    for step in range(nodes):
        n = step if forward else nodes - 1 - step
        begin = middle[n] if forward else start[n]
        stop = start[n + 1] if forward else middle[n]
        change = max(change, _visit(n, begin, stop, model, damping, messages, messages, scratch))
        if change == np.inf:
            break
    return change


@compiled
def parallel_pass(model, damping, messages, targets):
    """Compute every message from those of the last pass; return the largest change."""
    scratch = scratch_of(model.edges.largest)
    start, change = model.adjacency.start, 0.0
    for n in range(len(start) - 1):
        begin, stop = start[n], start[n + 1]
        change = max(change, _visit(n, begin, stop, model, damping, messages, targets, scratch))
        if change == np.inf:
            break
    return change


@compiled
def residual_pass(model, damping, tolerance, messages, queue):
    """Visit, as often as there are nodes, the one whose incoming messages have changed most.

    It sends to all its neighbours. Returns the largest change that still waits.
    """
    scratch = scratch_of(model.edges.largest)
    start, middle, incident = model.adjacency
    residual, heap, where = queue
    for _ in range(len(heap)):
        n = heap[0]
        if residual[n] <= tolerance:
            break
        low = node_belief(n, model, messages, scratch.belief)
        if low == np.inf:
            return np.inf
        residual[n] = 0.0
        _sink(queue, 0)
        for i in range(start[n], start[n + 1]):
            e, upwards = incident[i], i >= middle[n]
            change = _send(model, damping, e, upwards, low, messages, messages, scratch)
            if change == np.inf:
                return np.inf
            other = model.edges.second[e] if upwards else model.edges.first[e]
            if change > residual[other]:
                residual[other] = change
                _rise(queue, where[other])
    return residual[heap[0]]


@uncounted
def _rise(queue, place):
    residual, heap, _ = queue
    while place > 0:
        parent = (place - 1) // 2
        if residual[heap[parent]] >= residual[heap[place]]:
            return
        _exchange(queue, place, parent)
        place = parent


@uncounted
def _sink(queue, place):
    residual, heap, _ = queue
    while True:
        child = 2 * place + 1
        if child >= len(heap):
            return
        if child + 1 < len(heap) and residual[heap[child + 1]] > residual[heap[child]]:
            child += 1
        if residual[heap[place]] >= residual[heap[child]]:
            return
        _exchange(queue, place, child)
        place = child


@uncounted
def _exchange(queue, a, b):
    _, heap, where = queue
    heap[a], heap[b] = heap[b], heap[a]
    where[heap[a]], where[heap[b]] = a, b


@compiled
def beliefs(model, messages):
    """The energies of all states of all nodes, messages included."""
    offsets, result = model.edges.offsets, np.empty(len(model.unary))
    for n in range(len(offsets) - 1):
        node_belief(n, model, messages, result[offsets[n] : offsets[n + 1]])
    return result


@uncounted
def log_sum(energies, count):
    """Log of the sum of the exponentials of minus the first energies."""
    low = np.inf
    for k in range(count):
        low = min(low, energies[k])
    if low == np.inf:
        return -np.inf
    total = 0.0
    for k in range(count):
        total += math.exp(low - energies[k])
    return math.log(total) - low


@compiled
def free_energy(believed, model, messages):
    """The approximate log Z of the messages: minus the Bethe free energy at a fixed point.

    log Z_s for each node, and for each edge its share of log Z_st - log Z_s - log Z_t, where the
    sums Z run over the unnormalised beliefs (Wainwright, Jaakkola and Willsky 2005, section V).
    """
    scratch = scratch_of(model.edges.largest)
    return _free_energy(believed, model, messages, np.empty(len(model.adjacency.middle)), scratch)


@uncounted
def _free_energy(believed, model, messages, node, scratch):
    edges, offsets = model.edges, model.edges.offsets
    source, fresh = scratch.source, scratch.fresh
    total = 0.0
    for n in range(len(node)):
        node[n] = log_sum(believed[offsets[n] :], offsets[n + 1] - offsets[n])
        total += node[n]
    for e in range(len(edges.first)):
        a, b, slot = edges.first[e], edges.second[e], messages.slots[e]
        states, belief = offsets[a + 1] - offsets[a], believed[offsets[a] :]
        back = messages.towards_first
        least = without_message(belief, 0.0, 1.0, back, slot, states, source)
        weight = edges.weight[e] / model.appearance[e]
        constant = sum_product_message(
            edges, e, weight, model.potentials, True, source, least, fresh, scratch.weights
        )
        columns = offsets[b + 1] - offsets[b]
        for k in range(columns):
            message = messages.towards_second[slot + k]
            fresh[k] += believed[offsets[b] + k] - (message if message < np.inf else 0.0)
        pair = log_sum(fresh, columns) - constant
        total += model.appearance[e] * (pair - node[a] - node[b])
    return total
