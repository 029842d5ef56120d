"""Maximum flow by pushing excess along arcs towards the sink, compiled.

The algorithm is that of Goldberg and Tarjan (1988, "A new approach to the maximum-flow problem"),
its first phase alone, which ends with a minimum cut: nodes of the highest label first, with
relabelling by breadth-first search and the gap heuristic (Cherkassky and Goldberg 1997, "On
implementing the push-relabel method for the maximum flow problem"). On graphs in which a few steps
lead anywhere, such as random ones, it takes a small part of the time of a search for augmenting
paths, whose trees would be torn down and rebuilt again and again.

A node's excess is what may still flow out of it; where it is negative, the node passes so much on
to the sink. A label is a lower bound on the number of arcs from a node to such a node. The arcs
that leave a node lie side by side, so that a visit reads memory in order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt32

from mmgraph.inference.numerics.compiling import compiled, inlined

_ONE = np.uint64(1)
_NONE = np.int32(-1)
# A breadth-first search is due after so many visits of each arc.
_VISITS_BETWEEN_SEARCHES = 4


class LeavingArcs(NamedTuple):
    """The arcs that leave each node, a node after the other, those of node ``n`` from ``start[n]``.

    ``twins`` are the arcs back, ``residual`` what may still flow.
    """

    start: Int64[np.ndarray, " nodes+1"]
    heads: UInt32[np.ndarray, " arcs"]
    twins: UInt32[np.ndarray, " arcs"]
    residual: Float64[np.ndarray, " arcs"]


class Labels(NamedTuple):
    """The labels of the nodes, and the nodes with excess sorted by them.

    A label is as large as there are nodes where no path leads to the sink; ``sizes`` counts the
    nodes of each. The nodes with excess of a label are a linked list from ``bucket`` on (-1 for
    none), by ``following``. ``current`` is the arc at which pushing goes on, ``queue`` is room for
    a search.
    """

    label: Int32[np.ndarray, " nodes"]
    sizes: Int32[np.ndarray, " nodes+2"]
    bucket: Int32[np.ndarray, " nodes+1"]
    following: Int32[np.ndarray, " nodes"]
    current: UInt32[np.ndarray, " nodes"]
    queue: Int32[np.ndarray, " nodes"]


@compiled
def leaving_arcs(start, arcs, heads, residual):
    """Return arcs as they lie by node; ``arcs`` numbers them, ``a`` and ``a ^ 1`` being twins."""
    place = np.empty(len(arcs), np.uint32)
    for i in range(np.uint64(len(arcs))):
        place[np.uint64(arcs[i])] = i
    sorted_heads, twins = np.empty(len(arcs), np.uint32), np.empty(len(arcs), np.uint32)
    sorted_residual = np.empty(len(arcs), np.float64)
    for i in range(np.uint64(len(arcs))):
        a = np.uint64(arcs[i])
        sorted_heads[i], twins[i] = heads[a], place[a ^ _ONE]
        sorted_residual[i] = residual[a]
    return LeavingArcs(start, sorted_heads, twins, sorted_residual)


@compiled
def push_to_sink(arcs, excess):
    """Push as much excess as possible to nodes of negative excess; both change in place.

    Returns what arrived (``inf`` at once if a path has no finite capacity) and whether each node
    can still reach the sink.
    """
    count = len(excess)
    arrived = _settle_infinite(arcs, excess)
    if arrived == np.inf:
        return arrived, np.zeros(count, np.bool_)
    label, following, queue = np.empty((3, count), np.int32)
    sizes, bucket = np.empty(count + 2, np.int32), np.full(count + 1, _NONE, np.int32)
    labels = Labels(label, sizes, bucket, following, np.empty(count, np.uint32), queue)
    highest = _relabel_all(arcs, excess, labels)
    while highest >= 0:
        arrived += _push_highest(arcs, excess, labels, highest)
        highest = _relabel_all(arcs, excess, labels)
    return arrived, labels.label < count


@compiled
def _settle_infinite(arcs, excess):
    """Make infinite excess finite, and give infinite room to all that leads there without bound.

    What infinite excess reaches along infinite arcs fills every arc that leaves it, and has nothing
    more to say. Returns what arrived by that, ``inf`` if infinite excess leads to infinite room.
    """
    nodes, start, residual = len(excess), arcs.start, arcs.residual
    stack = np.empty(nodes, np.int32)
    source = np.zeros(nodes, np.bool_)
    arrived = 0.0
    for positive in (True, False):
        reached = np.zeros(nodes, np.bool_)
        top = 0
        for n in range(nodes):
            if excess[n] == (np.inf if positive else -np.inf):
                reached[n], stack[top] = True, n
                top += 1
        while top > 0:
            top -= 1
            n = stack[top]
            for i in range(start[n], start[n + 1]):
                m = arcs.heads[i]
                along = residual[i] if positive else residual[arcs.twins[i]]
                if along == np.inf and not reached[m]:
                    reached[m], stack[top] = True, m
                    top += 1
        if positive:
            source = reached
            continue
        for n in range(nodes):
            if reached[n]:
                if source[n]:
                    return np.inf
                arrived += max(excess[n], 0.0)
                excess[n] = -np.inf
    for n in range(nodes):
        if source[n]:
            for i in range(start[n], start[n + 1]):
                m = arcs.heads[i]
                if not source[m]:
                    arrived += min(residual[i], max(-excess[m], 0.0))
                    excess[m] += residual[i]
                    residual[arcs.twins[i]] += residual[i]
                    residual[i] = 0.0
    for n in range(nodes):
        if source[n]:
            arrived += max(-excess[n], 0.0)
            excess[n] = 0.0
    return arrived


@compiled
def _relabel_all(arcs, excess, labels):
    """Set labels to distances, list the nodes with excess; return the highest label, or -1."""
    label, queue, nodes = labels.label, labels.queue, len(excess)
    back = 0
    for node in range(nodes):
        label[node] = nodes
        if excess[node] < 0:
            label[node], queue[back] = 0, node
            back += 1
    front = 0
    while front < back:
        n = np.uint64(queue[front])
        front += 1
        distance = label[n] + np.int32(1)
        for i in range(np.uint64(arcs.start[n]), np.uint64(arcs.start[n + _ONE])):
            m = np.uint64(arcs.heads[i])
            if label[m] == nodes and arcs.residual[np.uint64(arcs.twins[i])] > 0:
                label[m], queue[back] = distance, m
                back += 1
    labels.sizes[:] = 0
    labels.bucket[:] = _NONE
    highest = -1
    for k in range(back):
        n = np.uint64(queue[k])
        labels.sizes[np.uint64(label[n])] += 1
        labels.current[n] = arcs.start[n]
        if excess[n] > 0:
            _list(n, label[n], labels)
            highest = label[n]  # the search came by ascending labels
    return highest


@inlined
def _list(n, label, labels):
    labels.following[n] = labels.bucket[np.uint64(label)]
    labels.bucket[np.uint64(label)] = n


@compiled
def _push_highest(arcs, excess, labels, highest):
    """Push from the nodes of the highest label until labels are due to be found anew."""
    arrived, visits, nodes = 0.0, 0, len(excess)
    most = _VISITS_BETWEEN_SEARCHES * (len(arcs.heads) + nodes)
    while highest >= 0 and visits < most:
        n = np.uint64(labels.bucket[highest])
        if labels.bucket[highest] < 0:
            highest -= 1
            continue
        labels.bucket[highest] = labels.following[n]
        arrived += _discharge(n, arcs, excess, labels)
        if excess[n] <= 0:
            continue
        visits += arcs.start[n + _ONE] - arcs.start[n] + 12  # the cost of a relabelling beside
        labels.sizes[highest] -= 1
        label = _raised(n, arcs, labels)
        if labels.sizes[highest] == 0 or label >= nodes:
            # No path leads from there, nor from any label above a gap, to the sink.
            labels.label[n] = nodes
            continue
        labels.label[n] = label
        labels.sizes[label] += 1
        labels.current[n] = arcs.start[n]
        _list(n, label, labels)
        highest = label
    return arrived


@compiled
def _discharge(n, arcs, excess, labels):
    """Push the excess of a node along its arcs to nodes one label lower; return what arrived."""
    left, arrived = excess[n], 0.0
    below = labels.label[n] - np.int32(1)
    i, stop = np.uint64(labels.current[n]), np.uint64(arcs.start[n + _ONE])
    while i < stop:
        room = arcs.residual[i]
        m = np.uint64(arcs.heads[i])
        if room > 0 and labels.label[m] == below:
            pushed = min(left, room)
            arcs.residual[i] -= pushed
            arcs.residual[np.uint64(arcs.twins[i])] += pushed
            left -= pushed
            before = excess[m]
            excess[m] = before + pushed
            if before < 0:
                arrived += min(pushed, -before)
            if before <= 0 and excess[m] > 0:
                _list(m, below, labels)
            if left <= 0:
                break
        i += _ONE
    excess[n] = left
    labels.current[n] = i
    return arrived


@compiled
def _raised(n, arcs, labels):
    """One more than the lowest label that an arc with room leads to."""
    lowest = np.int32(len(labels.label))
    for i in range(np.uint64(arcs.start[n]), np.uint64(arcs.start[n + _ONE])):
        if arcs.residual[i] > 0:
            lowest = min(lowest, labels.label[np.uint64(arcs.heads[i])])
    return lowest + np.int32(1)
