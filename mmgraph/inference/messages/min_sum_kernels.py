"""Min-sum messages along one edge, compiled: linear in the number of states where that is possible.

A message says to each state of one end what the other end and the edge cost at best. Its smallest
entry is subtracted and returned. ``inf`` is a hard zero, and needs no care where energies are only
added and compared; NaN never arises because no kernel here subtracts an infinite value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.inference.numerics.compiling import compiled, inlined, uncounted
from mmgraph.inference.pairwise.energy_kernels import edge_at
from mmgraph.inference.pairwise.graph import LINEAR, POTTS, QUADRATIC, SELECTS_FIRST, TABLE


class Envelope(NamedTuple):
    """Room for a lower envelope of parabolas: whose is lowest, and up to where."""

    apex: Int64[np.ndarray, " states"]
    limit: Float64[np.ndarray, " states+1"]


@compiled
def envelope_of(largest):
    """Room for the parabolas of as many states."""
    return Envelope(np.empty(largest, np.int64), np.empty(largest + 1))


@inlined
def gathered(unary, begin, states, incident, start, stop, slots, messages, belief):
    """Write the sum of unary energies and incoming messages to ``belief``; return its minimum.

    Sums are in the precision of ``belief``. Four messages are read at once: the loops over states
    are short, and starting one costs as much as running it. The last entries of ``messages`` are
    zeros that stand for a message not there.
    """
    begin, states = np.uint64(begin), np.uint64(states)
    zeros = np.uint64(len(messages)) - states
    low, zero = belief.dtype.type(np.inf), belief.dtype.type(0)
    for i in range(start, max(stop, start + 1), 4):
        a = np.uint64(slots[incident[i]]) if i < stop else zeros
        b = np.uint64(slots[incident[i + 1]]) if i + 1 < stop else zeros
        c = np.uint64(slots[incident[i + 2]]) if i + 2 < stop else zeros
        d = np.uint64(slots[incident[i + 3]]) if i + 3 < stop else zeros
        low = belief.dtype.type(np.inf)
        if i == start:
            for k in range(states):
                value = (zero + messages[a + k]) + messages[b + k]
                value += (zero + messages[c + k]) + messages[d + k]
                value += unary[begin + k]
                belief[k] = value
                low = min(low, value)
        else:
            for k in range(states):
                value = (zero + messages[a + k]) + messages[b + k]
                value += (zero + messages[c + k]) + messages[d + k]
                value += belief[k]
                belief[k] = value
                low = min(low, value)
    return low


@inlined
def without_message(belief, low, share, messages, slot, states, source):
    """Write what a node says without one neighbour's message; return its minimum.

    Where that message is infinite the belief is, and stays so.
    """
    zero = belief.dtype.type(0)
    least = belief.dtype.type(np.inf)
    slot, states = np.uint64(slot), np.uint64(states)
    for k in range(states):
        message = messages[slot + k]
        value = (belief[k] - low) * share - (message if message < np.inf else zero)
        source[k] = value
        least = min(least, value)
    return least


@inlined
def potts_message(weight, source, low, count, target, begin):
    """Either the same state, or the best other one and the weight."""
    begin = np.uint64(begin)
    for k in range(np.uint64(count)):
        target[begin + k] = min(source[k] - low, weight)
    return low


@inlined
def linear_message(weight, truncation, source, low, count, target, begin):
    """Lower envelope of cones in two passes (Felzenszwalb and Huttenlocher 2006, section 3.1)."""
    cap = weight * truncation
    begin, count = np.uint64(begin), np.uint64(count)
    value = source[0] - low
    target[begin] = value
    for k in range(np.uint64(1), count):
        value = min(value + weight, source[k] - low)
        target[begin + k] = value
    value = min(value, cap)
    target[begin + count - np.uint64(1)] = value
    for i in range(np.uint64(1), count):
        k = begin + count - np.uint64(1) - i
        value = min(min(value + weight, target[k]), cap)
        target[k] = value
    return low


@uncounted
def quadratic_message(edge, source, low, target, begin, envelope):
    """Lower envelope of parabolas (Felzenszwalb and Huttenlocher 2006, section 3.2)."""
    weight, apex, limit = edge.weight, envelope.apex, envelope.limit
    last = -1
    for q in range(edge.rows):
        if source[q] == np.inf:  # no parabola starts from a forbidden state
            continue
        crossing = -np.inf
        while last >= 0:
            p = apex[last]
            crossing = ((source[q] - source[p]) / weight + q * q - p * p) / (2 * (q - p))
            if crossing > limit[last]:
                break
            last -= 1
            crossing = -np.inf
        last += 1
        apex[last] = q
        limit[last] = crossing
    limit[last + 1] = np.inf
    cap = weight * edge.truncation
    place = 0
    for k in range(edge.rows):
        while limit[place + 1] < k:
            place += 1
        p = apex[place]
        target[begin + k] = min(weight * (k - p) * (k - p) + source[p] - low, cap)
    return low


@uncounted
def table_message(edge, tables, towards_second, source, target, begin):
    """Any function of the two states, in time proportional to the number of pairs."""
    weight, place = edge.weight, edge.place
    if towards_second:
        for k in range(edge.columns):
            target[begin + k] = np.inf
        for j in range(edge.rows):
            if source[j] < np.inf:
                for k in range(edge.columns):
                    value = source[j] + weight * tables[place + j * edge.columns + k]
                    target[begin + k] = min(target[begin + k], value)
        return _normalised(target, begin, edge.columns)
    for k in range(edge.rows):
        low = np.inf
        for j in range(edge.columns):
            low = min(low, source[j] + weight * tables[place + k * edge.columns + j])
        target[begin + k] = low
    return _normalised(target, begin, edge.rows)


@uncounted
def selection_message(stride, source, rows, target, begin, columns, towards_cells):
    """Between a variable and the node of a table: each cell selects one state of the variable."""
    if towards_cells:
        for cell in range(columns):
            target[begin + cell] = source[(cell // stride) % rows]
    else:
        for k in range(columns):
            target[begin + k] = np.inf
        for cell in range(rows):
            k = begin + (cell // stride) % columns
            target[k] = min(target[k], source[cell])
    return _normalised(target, begin, columns)


@uncounted
def _normalised(target, begin, count):
    low = np.inf
    for k in range(count):
        low = min(low, target[begin + k])
    if low < np.inf:
        for k in range(count):
            target[begin + k] -= low
    return low


@uncounted
def min_sum_message(edges, e, weight, towards_second, source, low, target, begin, envelope):
    """Write the message that ``source`` sends along an edge, and return what was subtracted.

    ``low`` is the least value of ``source``. ``inf`` is returned, and the message left unfinished,
    where no state is possible.
    """
    if low == np.inf:
        return low
    edge = edge_at(edges, e, weight)
    if edge.kind == POTTS:
        return potts_message(weight, source, low, edge.rows, target, begin)
    if edge.kind == LINEAR:
        return linear_message(weight, edge.truncation, source, low, edge.rows, target, begin)
    if edge.kind == QUADRATIC:
        return quadratic_message(edge, source, low, target, begin, envelope)
    if edge.kind == TABLE:
        return table_message(edge, edges.tables, towards_second, source, target, begin)
    rows, columns = (edge.rows, edge.columns) if towards_second else (edge.columns, edge.rows)
    towards_cells = towards_second == (edge.kind == SELECTS_FIRST)
    return selection_message(edge.place, source, rows, target, begin, columns, towards_cells)
