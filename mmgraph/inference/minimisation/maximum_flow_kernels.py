"""Maximum flow by a search tree that is kept between augmentations, compiled.

The algorithm is that of Boykov and Kolmogorov (2004, "An experimental comparison of min-cut/
max-flow algorithms for energy minimization in vision", section 3), with the time stamps and
distances of Kolmogorov's thesis (2004, section 3.2.3) that keep paths short, but with one tree:
it grows from the sink, and a node joined to the source empties itself into the tree before the tree
takes it in. On images that is no slower, and where few nodes are joined to the sink, as in a move
from a good labelling, most nodes are never looked at. Where mending the tree costs too much, as in
random graphs whose paths all run through each other, what is left is pushed to the sink by
:mod:`mmgraph.inference.minimisation.push_relabel_kernels`.

A node's record holds, in a row of one array, what the search asks of it together: the arc to its
parent, when its distance to the sink was last known to be right, that distance, and whether it
waits to grow. Edge ``e`` has the arcs ``2 e`` and ``2 e + 1``, there and back; ``heads`` says where
they lead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt32

from mmgraph.inference.minimisation.push_relabel_kernels import leaving_arcs, push_to_sink
from mmgraph.inference.numerics.compiling import compiled

# What stands in place of the arc to the parent.
FREE, SINK, ORPHAN = -1, -2, -3
PARENT, STAMP, DISTANCE, WAITS = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
_NOWHERE = 2**31 - 1
_ONE = np.uint64(1)
# So many visits of arcs, for each arc, are spent on mending the tree before excess is pushed
# instead: in any graph, and in one where neighbours of neighbours are neighbours.
_FIRST_VISITS, _MOST_VISITS = 0.5, 16.0
_BALL = 4096
_LARGEST_GROWTH = 16


class Arcs(NamedTuple):
    """The numbers of the arcs that leave node ``n`` from ``start[n]`` on, and where arcs lead."""

    start: Int64[np.ndarray, " nodes+1"]
    numbers: UInt32[np.ndarray, " arcs"]
    heads: UInt32[np.ndarray, " arcs"]


@compiled
def is_local(start, arcs, heads):
    """Whether balls grow like those of a space of at most four dimensions, as in grids.

    Compares the nodes within some steps of a node with those within half as many; in a random graph
    their number explodes. Small graphs are local.
    """
    reached = np.zeros(len(start) - 1, np.bool_)
    within = np.empty(_BALL, np.uint32)
    whole, half = 0, 0
    for probe in range(4):
        within[0] = heads[arcs[probe * len(arcs) // 4]]
        reached[within[0]] = True
        sizes = np.zeros(_BALL + 1, np.int64)
        size, done, steps = 1, 0, 0
        while done < size < _BALL:
            sizes[steps] = end = size
            while done < end and size < _BALL:
                n = within[done]
                done += 1
                for i in range(start[n], start[n + 1]):
                    m = heads[arcs[i]]
                    if not reached[m] and size < _BALL:
                        reached[m], within[size] = True, m
                        size += 1
            steps += 1
        if size == _BALL:  # the last step is cut short
            whole, half = whole + sizes[steps - 1], half + sizes[(steps - 1) // 2]
        for k in range(size):
            reached[within[k]] = False
    return whole <= _LARGEST_GROWTH * half


@compiled
def arcs_of_edges(first, second, nodes):
    """Return the arcs of some edges, there and back."""
    start = np.zeros(nodes + 1, np.int64)
    heads = np.empty(2 * len(first), np.uint32)
    for e in range(len(first)):
        start[first[e] + 1] += 1
        start[second[e] + 1] += 1
        heads[2 * e], heads[2 * e + 1] = second[e], first[e]
    for n in range(nodes):
        start[n + 1] += start[n]
    arcs = np.empty(2 * len(first), np.uint32)
    place = start[:-1].copy()
    for a in range(len(arcs)):
        tail = heads[a ^ 1]
        arcs[place[tail]] = a
        place[tail] += 1
    return Arcs(start, arcs, heads)


@compiled
def saturate(graph, residual, terminal):
    """Push as much as possible from the source to the sink; residuals change in place.

    ``terminal`` is the capacity from the source where positive, to the sink where negative. Returns
    the flow (``inf`` at once if a path has no finite capacity) and whether each node is on the
    sink's side of a minimum cut: those that can still reach the sink.
    """
    start, arcs, heads = graph
    count, most = len(terminal), _FIRST_VISITS * len(arcs)
    nodes = np.zeros((count, 4), np.int32)
    queue = np.empty(count + 1, np.uint32)
    orphans = np.empty(count, np.uint32)
    front, back = 0, 0
    for k in range(np.uint64(count)):
        nodes[k, PARENT] = FREE
        if terminal[k] < 0:
            nodes[k, PARENT], nodes[k, DISTANCE], nodes[k, WAITS] = SINK, 1, 1
            queue[back] = k
            back += 1
    flow, time, visits = 0.0, 0, 0
    while front != back:
        if _FIRST_VISITS * len(arcs) == most < visits and is_local(start, arcs, heads):
            most = _MOST_VISITS * len(arcs)
        if visits > most:
            rest, side = push_to_sink(leaving_arcs(start, arcs, heads, residual), terminal)
            return flow + rest, side
        n = np.uint64(queue[front])
        if nodes[n, PARENT] != FREE:
            arc, back = _grow(n, start, arcs, heads, residual, terminal, nodes, queue, back)
            if arc >= 0:
                time += 1
                pushed, lost, steps = _augment(
                    np.uint64(arc), heads, residual, terminal, nodes, orphans
                )
                flow += pushed
                if flow == np.inf:
                    break
                back, looked_at = _adopt(
                    start, arcs, heads, residual, nodes, orphans, lost, time, queue, back
                )
                visits += steps + looked_at
                continue  # its other arcs come next
        nodes[n, WAITS] = 0
        front = 0 if front == count else front + 1
    side = np.empty(count, np.bool_)
    for k in range(np.uint64(count)):
        side[k] = nodes[k, PARENT] != FREE
    return flow, side


@compiled
def _let_wait(n, nodes, queue, back):
    if nodes[n, WAITS]:
        return back
    nodes[n, WAITS] = 1
    queue[back] = n
    return 0 if back + 1 == len(queue) else back + 1


@compiled
def _grow(n, start, arcs, heads, residual, terminal, nodes, queue, back):
    """Let a node take neighbours into the tree; return the arc from one that must be emptied."""
    stamp, distance = nodes[n, STAMP], nodes[n, DISTANCE] + np.int32(1)
    for i in range(np.uint64(start[n]), np.uint64(start[n + _ONE])):
        arc = np.uint64(arcs[i]) ^ _ONE
        if residual[arc] <= 0:
            continue
        m = np.uint64(heads[arc ^ _ONE])
        if nodes[m, PARENT] == FREE:
            if terminal[m] > 0:
                return np.int64(arc), back
            back = _let_wait(m, nodes, queue, back)
        elif nodes[m, STAMP] > stamp or nodes[m, DISTANCE] <= distance:
            continue
        nodes[m, PARENT] = np.int32(arc)
        nodes[m, STAMP], nodes[m, DISTANCE] = stamp, distance
    return np.int64(-1), back


@compiled
def _augment(arc, heads, residual, terminal, nodes, orphans):
    """Push what fits from the tail of an arc to the sink.

    Returns how much, the number of orphans, which are listed from the sink towards the arc, and the
    length of the path.
    """
    tail = np.uint64(heads[arc ^ _ONE])
    pushed = min(terminal[tail], residual[arc])
    n = np.uint64(heads[arc])
    while nodes[n, PARENT] != SINK:
        up = np.uint64(nodes[n, PARENT])
        pushed = min(pushed, residual[up])
        n = np.uint64(heads[up])
    pushed = min(pushed, -terminal[n])
    if pushed == np.inf:
        return pushed, 0, 0
    terminal[tail] -= pushed
    residual[arc] -= pushed
    residual[arc ^ _ONE] += pushed
    lost, steps = 0, 1
    n = np.uint64(heads[arc])
    while nodes[n, PARENT] != SINK:
        steps += 1
        up = np.uint64(nodes[n, PARENT])
        residual[up] -= pushed
        residual[up ^ _ONE] += pushed
        if residual[up] <= 0:
            nodes[n, PARENT] = ORPHAN
            orphans[lost] = n
            lost += 1
        n = np.uint64(heads[up])
    terminal[n] += pushed
    if terminal[n] >= 0:
        nodes[n, PARENT] = ORPHAN
        orphans[lost] = n
        lost += 1
    for k in range(lost // 2):
        orphans[k], orphans[lost - 1 - k] = orphans[lost - 1 - k], orphans[k]
    return pushed, lost, steps


@compiled
def _adopt(start, arcs, heads, residual, nodes, orphans, lost, time, queue, back):
    """Find a parent for every orphan, or set it free and make orphans of its children.

    Returns where the queue ends, and how many arcs were looked at.
    """
    place, looked_at = 0, 0
    while place < lost:
        n = np.uint64(orphans[place])
        place += 1
        looked_at += start[n + _ONE] - start[n]
        parent, nearest = np.int32(FREE), np.int32(_NOWHERE)
        for i in range(np.uint64(start[n]), np.uint64(start[n + _ONE])):
            arc = np.uint64(arcs[i])
            m = np.uint64(heads[arc])
            if residual[arc] > 0 and nodes[m, PARENT] != FREE:
                distance = _distance(m, heads, nodes, time)
                if distance < nearest:
                    parent, nearest = np.int32(arc), distance
        nodes[n, PARENT] = parent
        if parent != FREE:
            nodes[n, STAMP], nodes[n, DISTANCE] = time, nearest + 1
            continue
        for i in range(np.uint64(start[n]), np.uint64(start[n + _ONE])):
            arc = np.uint64(arcs[i])
            m = np.uint64(heads[arc])
            up = nodes[m, PARENT]
            if up == FREE:
                continue
            if residual[arc] > 0:
                back = _let_wait(m, nodes, queue, back)
            if up >= 0 and np.uint64(up) == arc ^ _ONE:
                nodes[m, PARENT] = ORPHAN
                orphans[lost] = m
                lost += 1
    return back, looked_at


@compiled
def _distance(n, heads, nodes, time):
    """How far a node is from the sink, remembered along the way; far if it leads to an orphan."""
    m, distance = n, np.int32(0)
    while nodes[m, STAMP] != time:
        up = nodes[m, PARENT]
        distance += np.int32(1)
        if up == ORPHAN:
            return np.int32(_NOWHERE)
        if up == SINK:
            nodes[m, STAMP], nodes[m, DISTANCE] = time, 1
            break
        m = np.uint64(heads[np.uint64(up)])
    else:
        distance += nodes[m, DISTANCE]
    total = distance
    m = n
    while nodes[m, STAMP] != time:
        nodes[m, STAMP], nodes[m, DISTANCE] = time, distance
        distance -= np.int32(1)
        m = np.uint64(heads[np.uint64(nodes[m, PARENT])])
    return total
