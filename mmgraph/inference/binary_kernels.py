"""Choosing between two states at every node: the binary energy, compiled.

A node that has the choice is settled at once where no decision of its neighbours could change its
own. What is left becomes a minimum cut. Energies are in double precision, and ``inf`` is a hard
zero: two infinite energies are never subtracted.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.min_sum_kernels import compiled, edge_energy
from mmgraph.inference.pairwise_graph import LINEAR, POTTS, QUADRATIC, TABLE

# A member that waits to be looked at again is open, too.
ZERO, ONE, OPEN, WAITING = 0, 1, 2, 3


@compiled
def spreads(
    offsets, first, second, function, weight, kind, truncation, place, tables
):  # fmt: skip
    """How much all edges at a node together can prefer one of its states to another."""
    total = np.zeros(len(offsets) - 1, np.float64)
    known = np.full(len(kind), -1.0)
    for e in range(len(first)):
        f, a, b = function[e], first[e], second[e]
        if known[f] < 0:
            rows, columns = offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b]
            farthest = np.float64(max(rows, columns) - 1)
            if kind[f] == POTTS:
                known[f] = 1.0
            elif kind[f] == LINEAR:
                known[f] = min(np.float64(truncation[f]), farthest)
            elif kind[f] == QUADRATIC:
                known[f] = min(np.float64(truncation[f]), farthest * farthest)
            elif kind[f] == TABLE:
                low, high = np.inf, -np.inf
                for i in range(place[f], place[f] + rows * columns):
                    low, high = min(low, tables[i]), max(high, tables[i])
                known[f] = high - low if high < np.inf else np.inf
            else:
                known[f] = np.inf
        total[a] += abs(weight[e]) * known[f]
        total[b] += abs(weight[e]) * known[f]
    return total


@compiled
def pair_energy(e, x, y, offsets, first, second, function, weight, kind, truncation, place, tables):
    """The energy of edge ``e`` at states ``x`` and ``y`` of its ends, in double precision."""
    f, a, b = function[e], first[e], second[e]
    return np.float64(
        edge_energy(
            kind[f], np.float64(weight[e]), truncation[f], place[f], tables,
            x, y, offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b],
        )
    )  # fmt: skip


@compiled
def _rise(
    e, n, low, high, y,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """Whether edge ``e`` says anything, and how much dearer ``high`` is than ``low`` at node ``n``.

    ``y`` is the state of its other end; where that rules out both states the edge says nothing.
    """
    if kind[function[e]] == POTTS:
        return True, np.float64(weight[e]) * (np.float64(high != y) - np.float64(low != y))
    arrays = (offsets, first, second, function, weight, kind, truncation, place, tables)
    if first[e] == n:
        before, after = pair_energy(e, low, y, *arrays), pair_energy(e, high, y, *arrays)
    else:
        before, after = pair_energy(e, y, low, *arrays), pair_energy(e, y, high, *arrays)
    if before == np.inf and after == np.inf:
        return False, 0.0
    return True, after - before


@compiled
def _verdict(
    n, own, zero, one, choice, start, incident,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """What a node chooses whatever its open neighbours do, ``OPEN`` if that depends."""
    arrays = (offsets, first, second, function, weight, kind, truncation, place, tables)
    least, most = own, own
    for i in range(start[n], start[n + 1]):
        e = incident[i]
        m = second[e] if first[e] == n else first[e]
        low, high = np.inf, -np.inf
        if choice[m] != ONE:
            says, rise = _rise(e, n, zero[n], one[n], zero[m], *arrays)
            if says:
                low, high = min(low, rise), max(high, rise)
        if choice[m] != ZERO:
            says, rise = _rise(e, n, zero[n], one[n], one[m], *arrays)
            if says:
                low, high = min(low, rise), max(high, rise)
        if low > high:
            continue
        if low == np.inf:
            return ZERO
        if high == -np.inf:
            return ONE
        least += low
        most += high
    if least >= 0:
        return ZERO
    return ONE if most <= 0 else OPEN


@compiled
def settle(
    members, zero, one, choice, unary, spread, start, incident,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """Decide every member that can be decided alone, again after each decision beside it.

    ``members`` are in ascending order; ``choice`` is ``OPEN`` at them and ``ZERO`` elsewhere, and
    is changed in place. Returns the members that stay open.
    """
    arrays = (offsets, first, second, function, weight, kind, truncation, place, tables)
    queue = np.empty(len(members), np.int64)
    waiting, step, scanned = 0, 0, np.int64(-1)
    while step < len(members) or waiting > 0:
        if waiting > 0:
            waiting -= 1
            n = queue[waiting]
            choice[n] = OPEN
        else:
            n = scanned = np.int64(members[step])
            step += 1
        before, after = unary[offsets[n] + zero[n]], unary[offsets[n] + one[n]]
        own = np.float64(after) - np.float64(before) if before < np.inf else -np.inf
        if zero[n] == one[n] or after == np.inf or own >= spread[n]:
            choice[n] = ZERO
        elif own <= -spread[n]:
            choice[n] = ONE
        else:
            choice[n] = _verdict(n, own, zero, one, choice, start, incident, *arrays)
            if choice[n] == OPEN:
                continue
        for i in range(start[n], start[n + 1]):
            e = incident[i]
            m = second[e] if first[e] == n else first[e]
            if choice[m] == OPEN and m <= scanned:  # the others will be looked at anyway
                choice[m] = WAITING
                queue[waiting] = m
                waiting += 1
    left = 0
    for i in range(len(members)):
        if choice[members[i]] == OPEN:
            queue[left] = members[i]
            left += 1
    return queue[:left]


@compiled
def _split(a, b, c, d, tilt):
    """Write four energies as a constant, two unary terms and the costs of (0, 1) and (1, 0).

    ``tilt`` is how much more of the whole rise the second end should carry than the first.
    """
    rise = d - a
    if b == np.inf and c == np.inf:
        own = 0.5 * (rise + tilt)
        return rise - own, own, np.inf, np.inf
    if b == np.inf:
        return c - a, rise - (c - a), np.inf, 0.0
    if c == np.inf:
        return rise - (b - a), b - a, 0.0, np.inf
    room = max(b + c - a - d, 0.0)
    own = max(min(0.5 * (rise + tilt), b - a), b - a - room)
    across = min(max(b - a - own, 0.0), room)
    return rise - own, own, across, room - across


@compiled
def is_opposed(a, b, c, d, tolerance):
    """Whether equal choices at two ends cost more than different ones."""
    if a == np.inf or d == np.inf:
        return b < np.inf and c < np.inf
    if b == np.inf or c == np.inf:
        return False
    return a + d - b - c > tolerance * (abs(a) + abs(b) + abs(c) + abs(d))


@compiled
def _tilt(e, x, y, zero, one, first, second, slots, towards_first, towards_second):
    """The difference of what the messages add to the two ends of an edge."""
    if len(towards_first) == 0:
        return 0.0
    slot = slots[e]
    before, after = towards_first[slot + zero[x]], towards_first[slot + one[x]]
    left, right = towards_second[slot + zero[y]], towards_second[slot + one[y]]
    if max(max(before, after), max(left, right)) == np.inf:
        return 0.0
    return (np.float64(right) - np.float64(left)) - (np.float64(after) - np.float64(before))


@compiled
def remainder(
    members, position, zero, one, choice, unary, tolerance, start, incident,
    slots, towards_first, towards_second,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """Return the energy of the open members: rises of single nodes, and edges between them.

    An edge costs ``forward`` for the choices (0, 1) and ``backward`` for (1, 0); where it is opposed
    the choice of its second end counts the other way round.
    """
    arrays = (offsets, first, second, function, weight, kind, truncation, place, tables)
    count = 0
    for k in range(len(members)):
        n = members[k]
        position[n] = k
        for i in range(start[n], start[n + 1]):
            e = incident[i]
            count += first[e] == n and choice[second[e]] == OPEN
    terminal = np.zeros(len(members), np.float64)
    ends = np.empty((2, count), np.int32)
    costs = np.empty((2, count), np.float64)
    opposed = np.zeros(count, np.bool_)
    edge = 0
    for k in range(len(members)):
        n = members[k]
        terminal[k] += np.float64(unary[offsets[n] + one[n]]) - unary[offsets[n] + zero[n]]
        for i in range(start[n], start[n + 1]):
            e = incident[i]
            m = second[e] if first[e] == n else first[e]
            if choice[m] != OPEN:
                y = one[m] if choice[m] == ONE else zero[m]
                says, rise = _rise(e, n, zero[n], one[n], y, *arrays)
                terminal[k] += rise
                continue
            if first[e] != n:
                continue
            a, b = pair_energy(e, zero[n], zero[m], *arrays), pair_energy(e, zero[n], one[m], *arrays)
            c, d = pair_energy(e, one[n], zero[m], *arrays), pair_energy(e, one[n], one[m], *arrays)
            sign = 1.0
            if is_opposed(a, b, c, d, tolerance):
                a, b, c, d, sign = b, a, d, c, -1.0
            messages = (first, second, slots, towards_first, towards_second)
            tilt = _tilt(e, n, m, zero, one, *messages) if sign > 0 else 0.0
            x, y, costs[0, edge], costs[1, edge] = _split(a, b, c, d, tilt)
            terminal[k] += x
            terminal[position[m]] += sign * y
            ends[0, edge], ends[1, edge] = k, position[m]
            opposed[edge] = sign < 0
            edge += 1
    return terminal, ends, costs, opposed


@compiled
def opposed_edge(
    zero, one, tolerance, offsets, first, second, function, weight, kind, truncation, place, tables
):  # fmt: skip
    """The first edge between nodes with a choice that is opposed, and its four energies, or -1."""
    arrays = (offsets, first, second, function, weight, kind, truncation, place, tables)
    for e in range(len(first)):
        n, m = first[e], second[e]
        if zero[n] == one[n] or zero[m] == one[m]:
            continue
        a, b = pair_energy(e, zero[n], zero[m], *arrays), pair_energy(e, zero[n], one[m], *arrays)
        c, d = pair_energy(e, one[n], zero[m], *arrays), pair_energy(e, one[n], one[m], *arrays)
        if is_opposed(a, b, c, d, tolerance):
            return e, a, b, c, d
    return -1, 0.0, 0.0, 0.0, 0.0


@compiled
def change(
    members, before, after, unary, start, incident,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """How much the energy rises when the members that differ change their states; and how many."""
    arrays = (offsets, first, second, function, weight, kind, truncation, place, tables)
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
            total += pair_energy(e, after[a], after[b], *arrays)
            total -= pair_energy(e, before[a], before[b], *arrays)
    return total, changed
