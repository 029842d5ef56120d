"""Choosing between two states at every node: the binary energy, compiled.

A node that has the choice is settled at once where no decision of its neighbours could change its
own. What is left becomes a minimum cut. Energies are in double precision, and ``inf`` is a hard
zero: two infinite energies are never subtracted.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.min_sum_kernels import compiled, edge_energy, inlined
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
def four_energies(kind, weight, truncation, place, tables, x, u, y, v, rows, columns):
    """The energies of an edge for the states ``x`` or ``u`` of one end and ``y`` or ``v`` there."""
    w = np.float64(weight)
    if kind == POTTS:
        return w * (x != y), w * (x != v), w * (u != y), w * (u != v)
    return (
        np.float64(edge_energy(kind, w, truncation, place, tables, x, y, rows, columns)),
        np.float64(edge_energy(kind, w, truncation, place, tables, x, v, rows, columns)),
        np.float64(edge_energy(kind, w, truncation, place, tables, u, y, rows, columns)),
        np.float64(edge_energy(kind, w, truncation, place, tables, u, v, rows, columns)),
    )


@compiled
def _rise(kind, weight, truncation, place, tables, at_first, low, high, y, rows, columns):
    """Whether an edge says anything, and how much dearer ``high`` is than ``low`` at one end.

    ``y`` is the state of its other end; where that rules out both states the edge says nothing.
    """
    w = np.float64(weight)
    if at_first:
        before = edge_energy(kind, w, truncation, place, tables, low, y, rows, columns)
        after = edge_energy(kind, w, truncation, place, tables, high, y, rows, columns)
    else:
        before = edge_energy(kind, w, truncation, place, tables, y, low, rows, columns)
        after = edge_energy(kind, w, truncation, place, tables, y, high, rows, columns)
    says = before < np.inf or after < np.inf
    return says, np.float64(after - before) if says else 0.0


@inlined
def _verdict(
    n, own, zero, one, choice, start, incident,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """What a node chooses whatever its open neighbours do, ``OPEN`` if that depends."""
    least, most = own, own
    forced = OPEN
    for i in range(np.uint64(start[n]), np.uint64(start[n + 1])):
        e = np.uint64(incident[i])
        f = np.uint64(function[e])
        at_first = first[e] == n
        m = second[e] if at_first else first[e]
        decided, x, y = choice[m], zero[m], one[m]
        if kind[f] == POTTS:
            w = np.float64(weight[e])
            low = w * (np.float64(one[n] != x) - np.float64(zero[n] != x))
            high = w * (np.float64(one[n] != y) - np.float64(zero[n] != y))
            low, high = (high if decided == ONE else low), (low if decided == ZERO else high)
            least += min(low, high)
            most += max(low, high)
            continue
        low, high = np.inf, -np.inf
        rows = offsets[first[e] + 1] - offsets[first[e]]
        columns = offsets[second[e] + 1] - offsets[second[e]]
        for other in range(2):
            if decided == 1 - other:  # it has chosen the other state
                continue
            says, rise = _rise(
                kind[f], weight[e], truncation[f], place[f], tables, at_first,
                zero[n], one[n], y if other == 1 else x, rows, columns,
            )  # fmt: skip
            if says:
                low, high = min(low, rise), max(high, rise)
        if low == np.inf and high == np.inf:
            forced = ZERO
            break
        if low == -np.inf and high == -np.inf:
            forced = ONE
            break
        if low <= high:
            least += low
            most += high
    if forced == OPEN:
        forced = ZERO if least >= 0 else ONE if most <= 0 else OPEN
    return forced


@compiled
def settle(
    members, zero, one, choice, unary, spread, start, incident,
    offsets, first, second, function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """Decide every member that can be decided alone, again after each decision beside it.

    ``members`` are in ascending order; ``choice`` is ``OPEN`` at them and ``ZERO`` elsewhere, and
    is changed in place. Returns the members that stay open.
    """
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
            decision = _verdict(
                n, own, zero, one, choice, start, incident, offsets,
                first, second, function, weight, kind, truncation, place, tables,
            )  # fmt: skip
            choice[n] = decision
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
def _tilt(before, after, left, right):
    """The difference of what the messages add to the two ends of an edge."""
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
            f = function[e]
            m = second[e] if first[e] == n else first[e]
            if choice[m] != OPEN:
                y = one[m] if choice[m] == ONE else zero[m]
                says, rise = _rise(
                    kind[f], weight[e], truncation[f], place[f], tables,
                    first[e] == n, zero[n], one[n], y,
                    offsets[first[e] + 1] - offsets[first[e]],
                    offsets[second[e] + 1] - offsets[second[e]],
                )  # fmt: skip
                terminal[k] += rise
                continue
            if first[e] != n:
                continue
            a, b, c, d = four_energies(
                kind[f], weight[e], truncation[f], place[f], tables,
                zero[n], one[n], zero[m], one[m],
                offsets[n + 1] - offsets[n], offsets[m + 1] - offsets[m],
            )  # fmt: skip
            sign = 1.0
            if is_opposed(a, b, c, d, tolerance):
                a, b, c, d, sign = b, a, d, c, -1.0
            tilt = 0.0
            if sign > 0 and len(towards_first) > 0:
                slot = slots[e]
                tilt = _tilt(
                    towards_first[slot + zero[n]], towards_first[slot + one[n]],
                    towards_second[slot + zero[m]], towards_second[slot + one[m]],
                )  # fmt: skip
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
