"""Choosing between two states at every node: the binary energy, compiled.

Energies are in double precision, and ``inf`` is a hard zero: two infinite energies are never
subtracted. Where a hard zero rules a choice out whatever the neighbours do, that is noted, and the
rest of the edge's energy goes to its other end.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled, inlined
from mmgraph.inference.pairwise.energy_kernels import edge_energy
from mmgraph.inference.pairwise.graph import LINEAR, POTTS

# Bits: which of the two choices are ruled out.
NOT_ZERO, NOT_ONE = np.uint8(1), np.uint8(2)
_ONE, _TWO = np.uint64(1), np.uint64(2)


@inlined
def four_energies(kind, weight, truncation, place, tables, x, u, y, v, rows, columns):
    """The energies of an edge for the states ``x`` or ``u`` of one end and ``y`` or ``v`` there."""
    w = np.float64(weight)
    if kind == POTTS:
        a, b = w * np.float64(x != y), w * np.float64(x != v)
        c, d = w * np.float64(u != y), w * np.float64(u != v)
    elif kind == LINEAR:
        most = np.float64(truncation)
        a, b = w * min(most, np.float64(abs(x - y))), w * min(most, np.float64(abs(x - v)))
        c, d = w * min(most, np.float64(abs(u - y))), w * min(most, np.float64(abs(u - v)))
    else:
        a = np.float64(edge_energy(kind, w, truncation, place, tables, x, y, rows, columns))
        b = np.float64(edge_energy(kind, w, truncation, place, tables, x, v, rows, columns))
        c = np.float64(edge_energy(kind, w, truncation, place, tables, u, y, rows, columns))
        d = np.float64(edge_energy(kind, w, truncation, place, tables, u, v, rows, columns))
    return a, b, c, d


@inlined
def is_opposed(a, b, c, d, tolerance):
    """Whether equal choices at two ends cost more than different ones."""
    equal, different = a + d, b + c
    if equal == np.inf or different == np.inf:
        return different < np.inf
    return equal - different > tolerance * (abs(a) + abs(b) + abs(c) + abs(d))


@compiled
def edges_inside(members, position, start, middle, incident, second):
    """Number the members of a region in ``position`` and list the edges between them.

    ``position`` is -1 at all nodes before. Returns the edges' numbers and the places of their ends
    among the members.
    """
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


@compiled
def rises(
    members, position, zero, one, unary, start, incident,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """How much dearer one is than zero for each member, the edges that leave the region included.

    Returns that and which choices are ruled out.
    """
    terminal = np.zeros(len(members), np.float64)
    barred = np.zeros(len(members), np.uint8)
    none_leaves = len(members) == len(zero)
    for k in range(len(members)):
        n = members[k]
        x, u = zero[n], one[n]
        if x == u:
            continue
        before, after = np.float64(unary[offsets[n] + x]), np.float64(unary[offsets[n] + u])
        total = 0.0
        barred[k] |= _ruled_out(before, after)
        if barred[k] == 0:
            total = after - before
        for i in range(start[n], start[n] if none_leaves else start[n + 1]):
            e = incident[i]
            a, b, f = first[e], second[e], function[e]
            other = b if a == n else a
            if position[other] >= 0:
                continue
            y = zero[other]
            w, rows = np.float64(weight[e]), offsets[a + 1] - offsets[a]
            columns = offsets[b + 1] - offsets[b]
            before = np.float64(
                edge_energy(
                    kind[f], w, truncation[f], place[f], tables,
                    x if a == n else y, x if b == n else y, rows, columns,
                )
            )  # fmt: skip
            after = np.float64(
                edge_energy(
                    kind[f], w, truncation[f], place[f], tables,
                    u if a == n else y, u if b == n else y, rows, columns,
                )
            )  # fmt: skip
            ruled_out = _ruled_out(before, after)
            barred[k] |= ruled_out
            if ruled_out == 0:
                total += after - before
        terminal[k] = total
    return terminal, barred


@compiled
def _ruled_out(zero, one):
    return (NOT_ZERO if zero == np.inf else np.uint8(0)) | (
        NOT_ONE if one == np.inf else np.uint8(0)
    )


@compiled
def _split(a, b, c, d, tilt):
    """Split an edge's energy, which need not be finite, see :func:`split_edges`.

    Returns the ends' shares, the costs of (0, 1) and (1, 0), and which choices are ruled out at
    each end.
    """
    free = np.uint8(0)
    if a + b + c + d < np.inf:
        room = max(b + c - a - d, 0.0)
        share = max(min(0.5 * (d - a + tilt), b - a), b - a - room)
        there = min(max(b - a - share, 0.0), room)
        return d - a - share, share, there, room - there, free, free
    if a < np.inf and d < np.inf:
        rise = d - a
        own = 0.5 * rise if b == c else b - a if b < np.inf else rise - (c - a)
        across, back = (np.inf if b == np.inf else 0.0), (np.inf if c == np.inf else 0.0)
        return rise - own, own, across, back, free, free
    # A choice of one end is ruled out; what is left depends on the other end alone.
    one, two = _ruled_out(min(a, b), min(c, d)), _ruled_out(min(a, c), min(b, d))
    x = min(c, d) - min(a, b) if one == 0 else 0.0
    y = min(b, d) - min(a, c) if two == 0 else 0.0
    return x, y, 0.0, 0.0, one, two


@compiled
def split_edges(
    edges, ends, zero, one, tolerance, terminal, barred,
    slots, towards_first, towards_second,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """Divide the energy of edges inside a region between their ends and themselves.

    The ends' shares are added to ``terminal`` and ``barred``; messages tell how large each should
    be. Returns for each edge the costs of the choices (0, 1) and (1, 0), and whether it is opposed:
    then its second end counts the other way round.
    """
    residual = np.empty(2 * len(edges), np.float64)
    opposed = np.zeros(len(edges), np.bool_)
    with_messages = len(towards_first) > 0
    for k in range(np.uint64(len(edges))):
        e = np.uint64(edges[k])
        n, m, f = np.uint64(first[e]), np.uint64(second[e]), np.uint64(function[e])
        x, u, y, v = zero[n], one[n], zero[m], one[m]
        tilt = 0.0
        if with_messages:
            slot = np.uint64(slots[e])
            tilt = _tilt(
                towards_first[slot + np.uint64(x)], towards_first[slot + np.uint64(u)],
                towards_second[slot + np.uint64(y)], towards_second[slot + np.uint64(v)],
            )  # fmt: skip
        if kind[f] <= LINEAR:  # a metric: nothing to look out for
            w, most = np.float64(weight[e]), np.float64(truncation[f] if kind[f] else 1)
            a, b = w * min(most, np.float64(abs(x - y))), w * min(most, np.float64(abs(x - v)))
            c, d = w * min(most, np.float64(abs(u - y))), w * min(most, np.float64(abs(u - v)))
            room = max(b + c - a - d, 0.0)
            share = max(min(0.5 * (d - a + tilt), b - a), b - a - room)
            own = d - a - share
            there = min(max(b - a - share, 0.0), room)
            back = room - there
        else:
            a, b, c, d = four_energies(
                kind[f], weight[e], truncation[f], place[f], tables, x, u, y, v,
                offsets[n + _ONE] - offsets[n], offsets[m + _ONE] - offsets[m],
            )  # fmt: skip
            opposed[k] = x != u and y != v and is_opposed(a, b, c, d, tolerance)
            if opposed[k]:
                a, b, c, d, tilt = b, a, d, c, 0.0
            own, share, there, back, bar, other = _split(a, b, c, d, tilt)
            if opposed[k]:
                share = -share
            # None is barred at an opposed edge, whose two different choices are possible.
            barred[np.uint64(ends[0, k])] |= bar
            barred[np.uint64(ends[1, k])] |= other
        residual[_TWO * k], residual[_TWO * k + _ONE] = there, back
        terminal[np.uint64(ends[0, k])] += own
        terminal[np.uint64(ends[1, k])] += share
    return residual, opposed


@inlined
def _tilt(before, after, left, right):
    """The difference of what the messages add to the two ends of an edge."""
    tilt = 0.0
    if max(max(before, after), max(left, right)) < np.inf:
        tilt = (np.float64(right) - np.float64(left)) - (np.float64(after) - np.float64(before))
    return tilt


@compiled
def opposed_edge(
    zero, one, tolerance, offsets, first, second, function, weight, kind, truncation, place, tables
):  # fmt: skip
    """The first edge between nodes with a choice that is opposed, and its four energies, or -1."""
    for e in range(len(first)):
        n, m = first[e], second[e]
        if zero[n] == one[n] or zero[m] == one[m]:
            continue
        f = function[e]
        a, b, c, d = four_energies(
            kind[f], weight[e], truncation[f], place[f], tables,
            zero[n], one[n], zero[m], one[m],
            offsets[n + 1] - offsets[n], offsets[m + 1] - offsets[m],
        )  # fmt: skip
        if is_opposed(a, b, c, d, tolerance):
            return e, a, b, c, d
    return -1, 0.0, 0.0, 0.0, 0.0


@compiled
def change(
    members, before, after, unary, start, incident,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """How much the energy rises when the members that differ change their states; and how many."""
    total, changed = 0.0, 0
    for k in range(len(members)):
        n = members[k]
        if before[n] == after[n]:
            continue
        changed += 1
        total += np.float64(unary[offsets[n] + after[n]]) - unary[offsets[n] + before[n]]
        for i in range(start[n], start[n + 1]):
            e = incident[i]
            a, b = first[e], second[e]
            if b == n and before[a] != after[a]:
                continue  # counted at its first end
            f = function[e]
            apart, _, _, together = four_energies(
                kind[f], weight[e], truncation[f], place[f], tables,
                before[a], after[a], before[b], after[b],
                offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b],
            )  # fmt: skip
            total += together - apart
    return total, changed


@compiled
def broken_inequality(
    swaps, tolerance, offsets,
    first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """An edge and the states for which a move would be opposed, or -1.

    With ``swaps`` states ``x`` and ``y`` are exchanged; otherwise the ends at ``x`` and ``y`` may
    take a third state. Each function is looked at once for each sign of its weight.
    """
    seen = np.zeros((len(kind), 2), np.bool_)
    for e in range(len(first)):
        f, negative = function[e], np.int64(weight[e] < 0)
        if seen[f, negative]:
            continue
        seen[f, negative] = True
        if not negative and (kind[f] == POTTS or kind[f] == LINEAR):
            continue  # these are metrics
        rows = offsets[first[e] + 1] - offsets[first[e]]
        columns = offsets[second[e] + 1] - offsets[second[e]]
        for z in range(min(rows, columns)):
            for x in range(z + 1, min(rows, columns)) if swaps else range(rows):
                for y in range(x, x + 1) if swaps else range(columns):
                    a, b, c, d = four_energies(
                        kind[f], weight[e], truncation[f], place[f], tables,
                        x, z, y, z, rows, columns,
                    )  # fmt: skip
                    if is_opposed(a, b, c, d, tolerance):
                        return e, x, y, z
    return -1, 0, 0, 0


@compiled
def best_responses(
    labelling, unary, start, incident,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """The best state of each node if all others keep theirs."""
    answer = labelling.copy()
    for n in range(len(labelling)):
        lowest = np.inf
        for x in range(offsets[n + 1] - offsets[n]):
            energy = np.float64(unary[offsets[n] + x])
            for i in range(start[n], start[n + 1]):
                if energy >= lowest:
                    break
                e = incident[i]
                f, a, b = function[e], first[e], second[e]
                energy += edge_energy(
                    kind[f], weight[e], truncation[f], place[f], tables,
                    x if a == n else labelling[a], x if b == n else labelling[b],
                    offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b],
                )  # fmt: skip
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
