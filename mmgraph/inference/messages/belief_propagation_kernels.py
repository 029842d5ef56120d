"""The schedules of loopy belief propagation, compiled for any pairwise graph.

Each edge holds two messages, ``towards_second`` and ``towards_first``. ``appearance`` is one for
ordinary belief propagation; tree-reweighted propagation gives each edge the share of spanning trees
that hold it, and all energies of edges are divided by it.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import math

import numpy as np

from mmgraph.inference.messages.min_sum_kernels import min_sum_message
from mmgraph.inference.messages.sum_product_kernels import sum_product_message
from mmgraph.inference.numerics.compiling import compiled


@compiled
def node_belief(
    n, unary, offsets, appearance, start, middle, incident, slots, towards_second, towards_first,
    belief,
):  # fmt: skip
    """Write the unary energies and all incoming messages of a node; return the least."""
    begin, states = offsets[n], offsets[n + 1] - offsets[n]
    for k in range(states):
        belief[k] = unary[begin + k]
    for i in range(start[n], start[n + 1]):
        e = incident[i]
        messages = towards_second if i < middle[n] else towards_first
        for k in range(states):
            belief[k] += appearance[e] * messages[slots[e] + k]
    low = np.inf
    for k in range(states):
        low = min(low, belief[k])
    return low


@compiled
def _send(
    sums, e, upwards, belief, low, offsets, first, second, function, weight, kind, truncation,
    place, tables, potentials, appearance, slots, old_second, old_first, target, damping, source,
    scratch, apex, limit, fresh,
):  # fmt: skip
    """Send the message of edge ``e`` to its second node (to the first one unless ``upwards``).

    Returns the change of the message, ``inf`` if no state is possible.
    """
    f, slot = function[e], slots[e]
    a, b = (first[e], second[e]) if upwards else (second[e], first[e])
    states, columns = offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b]
    back, old = (old_first, old_second) if upwards else (old_second, old_first)
    least = np.inf
    for k in range(states):
        message = back[slot + k]
        source[k] = belief[k] - low - (message if message < np.inf else 0.0)
        least = min(least, source[k])
    w = weight[e] / appearance[e]
    if sums:
        constant = sum_product_message(
            kind[f], w, truncation[f], place[f], tables, potentials, upwards, source, least,
            states, fresh, 0, columns, scratch,
        )  # fmt: skip
    else:
        constant = min_sum_message(
            kind[f], w, truncation[f], place[f], tables, upwards, source, least,
            states, fresh, 0, columns, apex, limit,
        )  # fmt: skip
    if constant == np.inf:
        return np.inf
    change = 0.0
    for k in range(columns):
        before = old[slot + k]
        value = fresh[k]
        if value < np.inf and before < np.inf:
            value = damping * before + (1 - damping) * value
            change = max(change, abs(value - before))
        elif value < np.inf or before < np.inf:
            change = max(change, 1.0)
        target[slot + k] = value
    return change


@compiled
def sequential_pass(
    sums, forward, damping, unary, offsets, first, second, function, weight, kind, truncation,
    place, tables, start, middle, incident, slots, potentials, appearance, towards_second,
    towards_first, largest,
):  # fmt: skip
    """Visit the nodes in order, each sending to the nodes ahead; return the largest change."""
    belief, source, scratch, fresh = np.empty((4, largest))
    apex, limit = np.empty(largest, np.int64), np.empty(largest + 1)
    change = 0.0
    nodes = len(offsets) - 1
    for step in range(nodes):
        n = step if forward else nodes - 1 - step
        low = node_belief(
            n, unary, offsets, appearance, start, middle, incident, slots, towards_second,
            towards_first, belief,
        )  # fmt: skip
        if low == np.inf:
            return np.inf
        for i in range(middle[n] if forward else start[n], start[n + 1] if forward else middle[n]):
            change = max(change, _send(
                sums, incident[i], forward, belief, low, offsets, first, second, function, weight,
                kind, truncation, place, tables, potentials, appearance, slots, towards_second,
                towards_first, towards_second if forward else towards_first, damping, source,
                scratch, apex, limit, fresh,
            ))  # fmt: skip
    return change


@compiled
def parallel_pass(
    sums, damping, unary, offsets, first, second, function, weight, kind, truncation, place, tables,
    start, middle, incident, slots, potentials, appearance, towards_second, towards_first,
    next_second, next_first, largest,
):  # fmt: skip
    """Compute every message from those of the last pass; return the largest change."""
    belief, source, scratch, fresh = np.empty((4, largest))
    apex, limit = np.empty(largest, np.int64), np.empty(largest + 1)
    change = 0.0
    for n in range(len(offsets) - 1):
        low = node_belief(
            n, unary, offsets, appearance, start, middle, incident, slots, towards_second,
            towards_first, belief,
        )  # fmt: skip
        if low == np.inf:
            return np.inf
        for i in range(start[n], start[n + 1]):
            upwards = i >= middle[n]
            change = max(change, _send(
                sums, incident[i], upwards, belief, low, offsets, first, second, function, weight,
                kind, truncation, place, tables, potentials, appearance, slots, towards_second,
                towards_first, next_second if upwards else next_first, damping, source, scratch,
                apex, limit, fresh,
            ))  # fmt: skip
    return change


@compiled
def residual_pass(
    sums, visits, tolerance, damping, residual, heap, where, unary, offsets, first, second,
    function, weight, kind, truncation, place, tables, start, middle, incident, slots, potentials,
    appearance, towards_second, towards_first, largest,
):  # fmt: skip
    """Visit ``visits`` times the node whose incoming messages have changed most; it sends to all.

    The nodes lie in a heap by that change, which ``residual`` holds. Returns the largest change
    that still waits.
    """
    belief, source, scratch, fresh = np.empty((4, largest))
    apex, limit = np.empty(largest, np.int64), np.empty(largest + 1)
    for _ in range(visits):
        n = heap[0]
        if residual[n] <= tolerance:
            break
        low = node_belief(
            n, unary, offsets, appearance, start, middle, incident, slots, towards_second,
            towards_first, belief,
        )  # fmt: skip
        if low == np.inf:
            return np.inf
        residual[n] = 0.0
        _sink(heap, where, residual, 0)
        for i in range(start[n], start[n + 1]):
            e, upwards = incident[i], i >= middle[n]
            change = _send(
                sums, e, upwards, belief, low, offsets, first, second, function, weight, kind,
                truncation, place, tables, potentials, appearance, slots, towards_second,
                towards_first, towards_second if upwards else towards_first, damping, source,
                scratch, apex, limit, fresh,
            )  # fmt: skip
            if change == np.inf:
                return np.inf
            other = second[e] if upwards else first[e]
            if change > residual[other]:
                residual[other] = change
                _rise(heap, where, residual, where[other])
    return residual[heap[0]]


@compiled
def _rise(heap, where, residual, place):
    while place > 0:
        parent = (place - 1) // 2
        if residual[heap[parent]] >= residual[heap[place]]:
            return
        _exchange(heap, where, place, parent)
        place = parent


@compiled
def _sink(heap, where, residual, place):
    while True:
        child = 2 * place + 1
        if child >= len(heap):
            return
        if child + 1 < len(heap) and residual[heap[child + 1]] > residual[heap[child]]:
            child += 1
        if residual[heap[place]] >= residual[heap[child]]:
            return
        _exchange(heap, where, place, child)
        place = child


@compiled
def _exchange(heap, where, a, b):
    heap[a], heap[b] = heap[b], heap[a]
    where[heap[a]], where[heap[b]] = a, b


@compiled
def beliefs(
    unary, offsets, appearance, start, middle, incident, slots, towards_second, towards_first
):  # fmt: skip
    """The energies of all states of all nodes, messages included."""
    result = np.empty(len(unary))
    for n in range(len(offsets) - 1):
        node_belief(
            n, unary, offsets, appearance, start, middle, incident, slots, towards_second,
            towards_first, result[offsets[n] : offsets[n + 1]],
        )  # fmt: skip
    return result


@compiled
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
def free_energy(
    believed, offsets, first, second, function, weight, kind, truncation, place, tables, slots,
    potentials, appearance, towards_second, towards_first, largest,
):  # fmt: skip
    """The approximate log Z of the messages: minus the Bethe free energy at a fixed point.

    log Z_s for each node, and for each edge its share of log Z_st - log Z_s - log Z_t, where the
    sums Z run over the unnormalised beliefs (Wainwright, Jaakkola and Willsky 2005, section V).
    """
    source, scratch, fresh = np.empty((3, largest))
    node = np.empty(len(offsets) - 1)
    total = 0.0
    for n in range(len(offsets) - 1):
        node[n] = log_sum(believed[offsets[n] :], offsets[n + 1] - offsets[n])
        total += node[n]
    for e in range(len(first)):
        a, b, f, slot = first[e], second[e], function[e], slots[e]
        rows, columns = offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b]
        least = np.inf
        for k in range(rows):
            message = towards_first[slot + k]
            source[k] = believed[offsets[a] + k] - (message if message < np.inf else 0.0)
            least = min(least, source[k])
        constant = sum_product_message(
            kind[f], weight[e] / appearance[e], truncation[f], place[f], tables, potentials, True,
            source, least, rows, fresh, 0, columns, scratch,
        )  # fmt: skip
        for k in range(columns):
            message = towards_second[slot + k]
            fresh[k] += believed[offsets[b] + k] - (message if message < np.inf else 0.0)
        pair = log_sum(fresh, columns) - constant
        total += appearance[e] * (pair - node[a] - node[b])
    return total
