"""Maximum flow by two search trees that are kept between augmentations, compiled.

The algorithm is that of Boykov and Kolmogorov (2004, "An experimental comparison of min-cut/max-flow
algorithms for energy minimization in vision", section 3), with the time stamps and distances of
Kolmogorov's thesis (2004, section 3.2.3) that keep the paths to the terminals short.

A node's record holds, in a row of one array, what the search asks of it together: the arc to its
parent, the tree it belongs to, and when its distance to the terminal was last known to be right. An
arc's record holds its head and the arc back.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.min_sum_kernels import compiled

# What stands in place of the arc to the parent.
FREE, TERMINAL, ORPHAN = -1, -2, -3
# Columns of a node's record. A node whose place in the queue was taken is not queued twice.
PARENT, IN_SINK_TREE, STAMP, DISTANCE = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
HEAD, BACK = np.uint64(0), np.uint64(1)
_NOWHERE = 2**31 - 1
_ONE = np.uint64(1)


@compiled
def arcs_of_edges(first, second, forward, backward, nodes):
    """Sort the two arcs of every edge by their tails.

    Returns where each node's arcs start, the records of the arcs and their residual capacities.
    """
    start = np.zeros(nodes + 1, np.int64)
    for e in range(len(first)):
        start[first[e] + 1] += 1
        start[second[e] + 1] += 1
    for n in range(nodes):
        start[n + 1] += start[n]
    arcs = np.empty((2 * len(first), 2), np.uint32)
    residual = np.empty(2 * len(first), forward.dtype)
    place = start[:-1].copy()
    for e in range(len(first)):
        there, back = place[first[e]], place[second[e]]
        place[first[e]] += 1
        place[second[e]] += 1
        arcs[there, 0], arcs[there, 1] = second[e], back
        arcs[back, 0], arcs[back, 1] = first[e], there
        residual[there], residual[back] = forward[e], backward[e]
    return start, arcs, residual


@compiled
def saturate(start, arcs, residual, terminal):
    """Push as much as possible from the source to the sink; residuals change in place.

    ``terminal`` is the capacity from the source where positive, to the sink where negative. Returns
    the flow (``inf`` at once if a path has no finite capacity) and whether each node is on the
    sink's side of a minimum cut; nodes that neither tree reaches are on the source's side.
    """
    count = len(terminal)
    nodes = np.zeros((count, 4), np.int32)
    queue = np.empty(count + 1, np.uint32)
    queued = np.zeros(count, np.bool_)
    orphans = np.empty(count, np.uint32)
    front, back = 0, 0
    for n in range(np.uint64(count)):
        nodes[n, PARENT] = FREE
        if terminal[n] != 0:
            nodes[n, PARENT] = TERMINAL
            nodes[n, IN_SINK_TREE] = terminal[n] < 0
            nodes[n, DISTANCE] = 1
            queue[back] = n
            queued[n] = True
            back += 1
    flow, time = 0.0, 0
    while front != back:
        n = np.uint64(queue[front])
        if nodes[n, PARENT] != FREE:
            arc, back = _grow(n, start, arcs, residual, nodes, queue, queued, back)
            if arc >= 0:
                time += 1
                pushed, lost = _augment(np.uint64(arc), arcs, residual, terminal, nodes, orphans)
                flow += pushed
                if flow == np.inf:
                    break
                back = _adopt(
                    start, arcs, residual, nodes, orphans, lost, time, queue, queued, back
                )
                continue  # its other arcs come next
        queued[n] = False
        front = 0 if front == count else front + 1
    side = np.empty(count, np.bool_)
    for n in range(np.uint64(count)):
        side[n] = nodes[n, PARENT] != FREE and nodes[n, IN_SINK_TREE] == 1
    return flow, side


@compiled
def _append(n, queue, queued, back):
    if queued[n]:
        return back
    queued[n] = True
    queue[back] = n
    return 0 if back == len(queued) else back + 1


@compiled
def _grow(n, start, arcs, residual, nodes, queue, queued, back):
    """Let a node take free neighbours into its tree; return the arc that meets the other tree."""
    in_sink_tree = nodes[n, IN_SINK_TREE]
    for a in range(np.uint64(start[n]), np.uint64(start[n + _ONE])):
        returning = np.uint64(arcs[a, BACK])
        along = returning if in_sink_tree else a
        if residual[along] <= 0:
            continue
        m = np.uint64(arcs[a, HEAD])
        if nodes[m, PARENT] == FREE:
            nodes[m, IN_SINK_TREE] = in_sink_tree
            back = _append(m, queue, queued, back)
        elif nodes[m, IN_SINK_TREE] != in_sink_tree:
            return np.int64(along), back
        elif not (
            nodes[m, STAMP] <= nodes[n, STAMP] and nodes[m, DISTANCE] > nodes[n, DISTANCE] + 1
        ):
            continue
        nodes[m, PARENT] = np.int32(returning)
        nodes[m, STAMP] = nodes[n, STAMP]
        nodes[m, DISTANCE] = nodes[n, DISTANCE] + 1
    return np.int64(-1), back


@compiled
def _augment(arc, arcs, residual, terminal, nodes, orphans):
    """Saturate the path through an arc between the trees; return the flow and the orphans' number.

    Orphans are listed from the terminals towards the arc on each side.
    """
    pushed = residual[arc]
    tail, head = np.uint64(arcs[np.uint64(arcs[arc, BACK]), HEAD]), np.uint64(arcs[arc, HEAD])
    n = tail
    while nodes[n, PARENT] != TERMINAL:
        up = np.uint64(nodes[n, PARENT])
        pushed = min(pushed, residual[np.uint64(arcs[up, BACK])])
        n = np.uint64(arcs[up, HEAD])
    pushed = min(pushed, terminal[n])
    n = head
    while nodes[n, PARENT] != TERMINAL:
        up = np.uint64(nodes[n, PARENT])
        pushed = min(pushed, residual[up])
        n = np.uint64(arcs[up, HEAD])
    pushed = min(pushed, -terminal[n])
    if pushed == np.inf:
        return pushed, 0
    residual[arc] -= pushed
    residual[np.uint64(arcs[arc, BACK])] += pushed
    lost = 0
    for side in range(2):
        n = head if side else tail
        begin = lost
        while nodes[n, PARENT] != TERMINAL:
            up = np.uint64(nodes[n, PARENT])
            down = np.uint64(arcs[up, BACK])
            along, against = (up, down) if side else (down, up)
            residual[along] -= pushed
            residual[against] += pushed
            if residual[along] <= 0:
                nodes[n, PARENT] = ORPHAN
                orphans[lost] = n
                lost += 1
            n = np.uint64(arcs[up, HEAD])
        terminal[n] += pushed if side else -pushed
        if terminal[n] == 0:
            nodes[n, PARENT] = ORPHAN
            orphans[lost] = n
            lost += 1
        orphans[begin:lost] = orphans[begin:lost][::-1].copy()
    return pushed, lost


@compiled
def _adopt(start, arcs, residual, nodes, orphans, lost, time, queue, queued, back):
    """Find a parent for every orphan, or set it free and make orphans of its children."""
    place = 0
    while place < lost:
        n = np.uint64(orphans[place])
        place += 1
        in_sink_tree = nodes[n, IN_SINK_TREE]
        parent, nearest = FREE, _NOWHERE
        for a in range(np.uint64(start[n]), np.uint64(start[n + _ONE])):
            m = np.uint64(arcs[a, HEAD])
            if nodes[m, IN_SINK_TREE] != in_sink_tree or nodes[m, PARENT] == FREE:
                continue
            if residual[a if in_sink_tree else np.uint64(arcs[a, BACK])] > 0:
                distance = _distance(m, arcs, nodes, time)
                if distance < nearest:
                    parent, nearest = np.int32(a), distance
        nodes[n, PARENT] = parent
        if parent != FREE:
            nodes[n, STAMP] = time
            nodes[n, DISTANCE] = nearest + 1
            continue
        for a in range(np.uint64(start[n]), np.uint64(start[n + _ONE])):
            m = np.uint64(arcs[a, HEAD])
            up = nodes[m, PARENT]
            if nodes[m, IN_SINK_TREE] != in_sink_tree or up == FREE:
                continue
            if residual[a if in_sink_tree else np.uint64(arcs[a, BACK])] > 0:
                back = _append(m, queue, queued, back)
            if up >= 0 and np.uint64(arcs[np.uint64(up), HEAD]) == n:
                nodes[m, PARENT] = ORPHAN
                orphans[lost] = m
                lost += 1
    return back


@compiled
def _distance(n, arcs, nodes, time):
    """How far a node is from its terminal, remembered along the way; far if it leads to an orphan."""
    m, distance = n, np.int32(0)
    while nodes[m, STAMP] != time:
        up = nodes[m, PARENT]
        distance += np.int32(1)
        if up == ORPHAN:
            return np.int32(_NOWHERE)
        if up == TERMINAL:
            nodes[m, STAMP] = time
            nodes[m, DISTANCE] = 1
            break
        m = np.uint64(arcs[np.uint64(up), HEAD])
    else:
        distance += nodes[m, DISTANCE]
    found = distance
    m = n
    while nodes[m, STAMP] != time:
        nodes[m, STAMP] = time
        nodes[m, DISTANCE] = distance
        distance -= np.int32(1)
        m = np.uint64(arcs[np.uint64(nodes[m, PARENT]), HEAD])
    return found
