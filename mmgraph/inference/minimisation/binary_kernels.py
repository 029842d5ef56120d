"""Choosing between two states at every node: the binary energy, compiled.

Energies are in double precision, and ``inf`` is a hard zero: two infinite energies are never
subtracted. Where a hard zero rules a choice out whatever the neighbours do, that is noted, and the
rest of the edge's energy goes to its other end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from mmgraph.inference.numerics.compiling import compiled, inlined, uncounted
from mmgraph.inference.pairwise.energy_kernels import edge_at, edge_energy, energy_between
from mmgraph.inference.pairwise.graph import LINEAR

# Bits: which of the two choices are ruled out.
NOT_ZERO, NOT_ONE = np.uint8(1), np.uint8(2)
_ONE, _TWO = np.uint64(1), np.uint64(2)


class BinaryChoice(NamedTuple):
    """The energy of a choice between zero and one at each member of a region.

    One is by ``terminal`` dearer than zero, ``barred`` says which of the two are ruled out. The
    choices (0, 1) and (1, 0) at the ends of each edge cost ``residual``; where equal choices cost
    more the edge is ``opposed``, and its second end counts the other way round.
    """

    terminal: Float64[np.ndarray, " members"]
    barred: UInt8[np.ndarray, " members"]
    residual: Float64[np.ndarray, " arcs"]
    opposed: Bool[np.ndarray, " edges"]


@inlined
def metric_energies(weight, most, x, u, y, v):
    """The energies of a Potts or linear edge, see :func:`four_energies`."""
    a, b = weight * min(most, np.float64(abs(x - y))), weight * min(most, np.float64(abs(x - v)))
    c, d = weight * min(most, np.float64(abs(u - y))), weight * min(most, np.float64(abs(u - v)))
    return a, b, c, d


@inlined
def four_energies(edges, e, x, u, y, v):
    """The energies of an edge for the states ``x`` or ``u`` of one end and ``y`` or ``v`` there."""
    edge, tables = edge_at(edges, e, np.float64(edges.weight[e])), edges.tables
    if edge.kind <= LINEAR:
        most = np.float64(edge.truncation if edge.kind else 1)
        return metric_energies(edge.weight, most, x, u, y, v)
    return (
        np.float64(edge_energy(edge, tables, x, y)),
        np.float64(edge_energy(edge, tables, x, v)),
        np.float64(edge_energy(edge, tables, u, y)),
        np.float64(edge_energy(edge, tables, u, v)),
    )


@inlined
def is_opposed(a, b, c, d, tolerance):
    """Whether equal choices at two ends cost more than different ones."""
    equal, different = a + d, b + c
    if equal == np.inf or different == np.inf:
        return different < np.inf
    return equal - different > tolerance * (abs(a) + abs(b) + abs(c) + abs(d))


@compiled
def edges_inside(members, position, adjacency, second):
    """Number the members of a region in ``position`` and list the edges between them.

    ``position`` is -1 at all nodes before. Returns the edges' numbers and the places of their ends
    among the members.
    """
    start, middle, incident = adjacency
    for k in range(len(members)):
        position[members[k]] = k
    count = 0
    for k in range(len(members)):
        n = members[k]
        for i in range(middle[n], start[n + 1]):
            count += position[second[incident[i]]] >= 0
    edges = np.empty(count, np.int32)
    ends = np.empty((2, count), np.int32)
    edge = 0
    for k in range(len(members)):
        n = members[k]
        for i in range(middle[n], start[n + 1]):
            e = incident[i]
            if position[second[e]] >= 0:
                edges[edge], ends[0, edge], ends[1, edge] = e, k, position[second[e]]
                edge += 1
    return edges, ends


@uncounted
def add_rises(choice, members, position, zero, one, unary, edges, adjacency):
    """Add how much dearer one is than zero for each member, the edges that leave included.

    Which choices are ruled out is noted, too.
    """
    offsets, start = edges.offsets, adjacency.start
    none_leaves = len(members) == len(zero)
    for k in range(len(members)):
        n = members[k]
        x, u = zero[n], one[n]
        if x == u:
            continue
        before, after = np.float64(unary[offsets[n] + x]), np.float64(unary[offsets[n] + u])
        ruled_out = _ruled_out(before, after)
        total = 0.0 if ruled_out else after - before
        for i in range(start[n], start[n] if none_leaves else start[n + 1]):
            e = adjacency.edges[i]
            is_first = edges.first[e] == n
            other = edges.second[e] if is_first else edges.first[e]
            if position[other] >= 0:
                continue
            y, edge = zero[other], edge_at(edges, e, np.float64(edges.weight[e]))
            if is_first:
                before = np.float64(edge_energy(edge, edges.tables, x, y))
                after = np.float64(edge_energy(edge, edges.tables, u, y))
            else:
                before = np.float64(edge_energy(edge, edges.tables, y, x))
                after = np.float64(edge_energy(edge, edges.tables, y, u))
            ruled_out_here = _ruled_out(before, after)
            ruled_out |= ruled_out_here
            if ruled_out_here == 0:
                total += after - before
        choice.terminal[k] += total
        choice.barred[k] |= ruled_out


@compiled
def _ruled_out(zero, one):
    return (NOT_ZERO if zero == np.inf else np.uint8(0)) | (
        NOT_ONE if one == np.inf else np.uint8(0)
    )


@inlined
def _split_finite(a, b, c, d, tilt):
    """Split an edge's finite energy; return the ends' shares and the costs of (0, 1) and (1, 0)."""
    room = max(b + c - a - d, 0.0)
    share = max(min(0.5 * (d - a + tilt), b - a), b - a - room)
    there = min(max(b - a - share, 0.0), room)
    return d - a - share, share, there, room - there


@compiled
def _split(a, b, c, d, tilt):
    """Split an edge's energy, which need not be finite, see :func:`split_edges`.

    Returns the ends' shares, the costs of (0, 1) and (1, 0), and which choices are ruled out at
    each end.
    """
    free = np.uint8(0)
    if a + b + c + d < np.inf:
        first, second, across, back = _split_finite(a, b, c, d, tilt)
        return first, second, across, back, free, free
    if a < np.inf and d < np.inf:
        rise = d - a
        at_second = 0.5 * rise if b == c else b - a if b < np.inf else rise - (c - a)
        across, back = (np.inf if b == np.inf else 0.0), (np.inf if c == np.inf else 0.0)
        return rise - at_second, at_second, across, back, free, free
    # A choice of one end is ruled out; what is left depends on the other end alone.
    one, two = _ruled_out(min(a, b), min(c, d)), _ruled_out(min(a, c), min(b, d))
    x = min(c, d) - min(a, b) if one == 0 else 0.0
    y = min(b, d) - min(a, c) if two == 0 else 0.0
    return x, y, 0.0, 0.0, one, two


@uncounted
def split_edges(choice, region, zero, one, tolerance, messages, edges):
    """Divide the energy of edges inside a region between their ends and themselves.

    The ends' shares are added to ``choice.terminal`` and ``choice.barred``; messages tell how large
    each should be. Each edge's costs of (0, 1) and (1, 0) and whether it is opposed are written to
    ``choice.residual`` and ``choice.opposed``.
    """
    terminal, barred, residual, opposed = choice
    inside, ends = region
    slots, towards_second, towards_first = messages
    first, second, function = edges.first, edges.second, edges.function
    kind, truncation, weight = edges.kind, edges.truncation, edges.weight
    with_messages = len(towards_first) > 0
    for k in range(np.uint64(len(inside))):
        e = np.uint64(inside[k])
        n, m, f = np.uint64(first[e]), np.uint64(second[e]), np.uint64(function[e])
        x, u, y, v = zero[n], one[n], zero[m], one[m]
        tilt = 0.0
        if with_messages:
            slot = np.uint64(slots[e])
            tilt = _tilt(
                towards_first[slot + np.uint64(x)],
                towards_first[slot + np.uint64(u)],
                towards_second[slot + np.uint64(y)],
                towards_second[slot + np.uint64(v)],
            )
        if kind[f] <= LINEAR:  # a metric: nothing to look out for
            most = np.float64(truncation[f] if kind[f] else 1)
            a, b, c, d = metric_energies(np.float64(weight[e]), most, x, u, y, v)
            at_first, share, there, back = _split_finite(a, b, c, d, tilt)
        else:
            a, b, c, d = four_energies(edges, e, x, u, y, v)
            opposed[k] = x != u and y != v and is_opposed(a, b, c, d, tolerance)
            if opposed[k]:
                a, b, c, d, tilt = b, a, d, c, 0.0
            at_first, share, there, back, bar, other = _split(a, b, c, d, tilt)
            if opposed[k]:
                share = -share
            # None is barred at an opposed edge, whose two different choices are possible.
            barred[np.uint64(ends[0, k])] |= bar
            barred[np.uint64(ends[1, k])] |= other
        residual[_TWO * k], residual[_TWO * k + _ONE] = there, back
        terminal[np.uint64(ends[0, k])] += at_first
        terminal[np.uint64(ends[1, k])] += share


@inlined
def _tilt(before, after, left, right):
    """The difference of what the messages add to the two ends of an edge."""
    tilt = 0.0
    if max(max(before, after), max(left, right)) < np.inf:
        tilt = (np.float64(right) - np.float64(left)) - (np.float64(after) - np.float64(before))
    return tilt


@uncounted
def opposed_edge(zero, one, tolerance, edges):
    """The first edge between nodes with a choice that is opposed, and its four energies, or -1."""
    for e in range(len(edges.first)):
        n, m = edges.first[e], edges.second[e]
        if zero[n] == one[n] or zero[m] == one[m]:
            continue
        a, b, c, d = four_energies(edges, e, zero[n], one[n], zero[m], one[m])
        if is_opposed(a, b, c, d, tolerance):
            return e, a, b, c, d
    return -1, 0.0, 0.0, 0.0, 0.0


@uncounted
def change(members, before, after, unary, edges, adjacency):
    """How much the energy rises when the members that differ change their states."""
    offsets, start = edges.offsets, adjacency.start
    total = 0.0
    for k in range(len(members)):
        n = members[k]
        if before[n] == after[n]:
            continue
        total += np.float64(unary[offsets[n] + after[n]]) - unary[offsets[n] + before[n]]
        for i in range(start[n], start[n + 1]):
            e = adjacency.edges[i]
            a, b = edges.first[e], edges.second[e]
            if b == n and before[a] != after[a]:
                continue  # counted at its first end
            f, weight = edges.function[e], np.float64(edges.weight[e])
            x, u, y, v = before[a], after[a], before[b], after[b]
            if edges.kind[f] <= LINEAR:
                most = np.float64(edges.truncation[f] if edges.kind[f] else 1)
                total += weight * (min(most, abs(u - v)) - min(most, abs(x - y)))
            else:
                edge, tables = edge_at(edges, e, weight), edges.tables
                total += edge_energy(edge, tables, u, v) - edge_energy(edge, tables, x, y)
    return total


@compiled
def broken_inequality(swaps, tolerance, edges):
    """An edge and the states for which a move would be opposed, or -1.

    With ``swaps`` states ``x`` and ``y`` are exchanged; otherwise the ends at ``x`` and ``y`` may
    take a third state. Each function is looked at once for each sign of its weight.
    """
    checked = np.zeros((len(edges.kind), 2), np.bool_)
    for e in range(len(edges.first)):
        f, negative = edges.function[e], np.int64(edges.weight[e] < 0)
        if checked[f, negative]:
            continue
        checked[f, negative] = True
        if not negative and edges.kind[f] <= LINEAR:
            continue  # these are metrics
        edge = edge_at(edges, e, edges.weight[e])
        rows, columns = edge.rows, edge.columns
        for z in range(min(rows, columns)):
            for x in range(z + 1, min(rows, columns)) if swaps else range(rows):
                for y in range(x, x + 1) if swaps else range(columns):
                    a, b, c, d = four_energies(edges, e, x, z, y, z)
                    if is_opposed(a, b, c, d, tolerance):
                        return e, x, y, z
    return -1, 0, 0, 0


@compiled
def best_responses(labelling, unary, edges, adjacency):
    """The best state of each node if all others keep theirs."""
    offsets, first, second = edges.offsets, edges.first, edges.second
    start, incident = adjacency.start, adjacency.edges
    answer = labelling.copy()
    for n in range(len(labelling)):
        lowest = np.inf
        for x in range(offsets[n + 1] - offsets[n]):
            energy = np.float64(unary[offsets[n] + x])
            for i in range(start[n], start[n + 1]):
                if energy >= lowest:
                    break
                e = incident[i]
                y = labelling[first[e]] if second[e] == n else x
                z = labelling[second[e]] if first[e] == n else x
                energy += energy_between(edges, e, y, z)
            if energy < lowest:
                lowest, answer[n] = energy, x
    return answer


@compiled
def takes_state(labelling, state, unary, offsets):
    """The labelling with a state wherever a node has it and may take it."""
    answer = labelling.copy()
    for n in range(len(labelling)):
        place = offsets[n] + state
        if place < offsets[n + 1] and unary[place] < np.inf:
            answer[n] = state
    return answer
