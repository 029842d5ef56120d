"""Sum-product passes over forests of elements, compiled, for structured mean field.

All values are energies in double precision; ``inf`` is a hard zero.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.pairwise.energy_kernels import Edge, edge_energy
from mmgraph.inference.pairwise.graph import POTTS, SELECTS_FIRST

_TINY = 1e-290
"""Sums of exponentials below this have lost their digits."""


@compiled
def _root(parents, n):
    while parents[n] != n:
        parents[n] = parents[parents[n]]
        n = parents[n]
    return n


@compiled
def _admits(p, n, part, sets, first, second, function, kind, start, incident, seen, mark):
    """Whether a node may join a part: it closes no cycle there, and shares no table."""
    for i in range(start[n], start[n + 1]):
        e = incident[i]
        other = first[e] + second[e] - n
        if kind[function[e]] >= SELECTS_FIRST:
            for j in range(start[other], start[other + 1]):
                far = first[incident[j]] + second[incident[j]] - other
                if far != n and part[far] == p:
                    return False
        elif part[other] == p:
            root = _root(sets, other)
            if seen[root] == mark:
                return False
            seen[root] = mark
    return True


@compiled
def part_into_forests(preferred, first, second, function, kind, start, incident):
    """Put each node into the preferred part, or else the first one, that stays a forest."""
    nodes = len(preferred)
    part = np.full(nodes, -1, np.int64)
    sets = np.arange(nodes)
    seen = np.full(nodes, -1, np.int64)
    mark = 0
    for n in range(nodes):
        if preferred[n] < 0:
            continue
        p, step = preferred[n], 0
        while not _admits(
            p, n, part, sets, first, second, function, kind, start, incident, seen, mark
        ):
            p, step, mark = step, step + 1, mark + 1
        mark += 1
        part[n] = p
        for i in range(start[n], start[n + 1]):
            e = incident[i]
            other = first[e] + second[e] - n
            if kind[function[e]] < SELECTS_FIRST and part[other] == p:
                sets[_root(sets, other)] = n
    return part


@compiled
def forest_order(part, first, second, function, kind, start, incident):
    """List the nodes of all trees, parents first, and the edge from each node to its parent."""
    nodes = len(part)
    order = np.empty(nodes, np.int64)
    parent_edge = np.full(nodes, -1, np.int64)
    visited = np.zeros(nodes, np.bool_)
    count = 0
    for root in range(nodes):
        if part[root] < 0 or visited[root]:
            continue
        visited[root] = True
        order[count] = root
        place, count = count, count + 1
        while place < count:
            n = order[place]
            place += 1
            for i in range(start[n], start[n + 1]):
                e = incident[i]
                other = first[e] + second[e] - n
                inside = kind[function[e]] < SELECTS_FIRST and part[other] == part[n]
                if inside and not visited[other]:
                    visited[other] = True
                    parent_edge[other] = e
                    order[count] = other
                    count += 1
    return order[:count], parent_edge


@compiled
def ascend_forests(
    beliefs, iterations, tolerance, part, order, starts, parent_edge, offsets, unary, first, second,
    function, weight, kind, truncation, place, tables, start, incident, slots, largest,
):  # fmt: skip
    """Update part after part until no probability changes by more than the tolerance.

    Returns the lower bound on the logarithm of the partition function, the largest change of the
    last sweep, and the number of sweeps.
    """
    effective = np.empty(len(unary), np.float64)
    cost = np.empty(len(unary), np.float64)
    messages = np.empty(slots[-1], np.float64)
    source = np.empty(largest, np.float64)
    parts = len(starts) - 1
    inside = np.zeros(parts, np.float64)  # entropy less the mean energy of each part's own edges
    change, done = np.inf, 0
    while done < iterations and change > tolerance:
        change = 0.0
        for p in range(parts):
            for i in range(starts[p], starts[p + 1]):
                _mean_energies(
                    order[i], effective, beliefs, part, offsets, unary, first, second, function,
                    weight, kind, truncation, place, tables, start, incident,
                )  # fmt: skip
            inside[p], moved = _pass(
                starts[p], starts[p + 1], effective, cost, messages, source, beliefs, order,
                parent_edge, offsets, first, second, function, weight, kind, truncation, place,
                tables, slots,
            )  # fmt: skip
            change = max(change, moved)
        done += 1
    bound = np.sum(inside) - _mean_outside(
        beliefs, part, offsets, unary, first, second, function, weight, kind, truncation, place,
        tables, start, incident,
    )  # fmt: skip
    return bound, change, done


@compiled
def _mean_energies(
    n, effective, beliefs, part, offsets, unary, first, second, function,
    weight, kind, truncation, place, tables, start, incident,
):  # fmt: skip
    """What the unary energies and the means of the other parts cost each state of a node."""
    begin, states = offsets[n], offsets[n + 1] - offsets[n]
    for k in range(begin, begin + states):
        effective[k] = unary[k]
    for i in range(start[n], start[n + 1]):
        e = incident[i]
        f = function[e]
        other = first[e] + second[e] - n
        if kind[f] >= SELECTS_FIRST:
            _add_table(
                n, place[f], states, other, effective, beliefs, offsets, unary,
                first, second, function, place, start, incident,
            )  # fmt: skip
        elif part[other] != part[n]:
            far, count = offsets[other], offsets[other + 1] - offsets[other]
            if kind[f] == POTTS:
                for k in range(states):
                    effective[begin + k] += weight[e] * (1.0 - beliefs[far + k])
                continue
            for j in range(count):
                probability = beliefs[far + j]
                if probability == 0:
                    continue
                for k in range(states):
                    x, y = (k, j) if first[e] == n else (j, k)
                    a, b = (states, count) if first[e] == n else (count, states)
                    edge = Edge(kind[f], weight[e], truncation[f], place[f], a, b)
                    effective[begin + k] += probability * edge_energy(edge, tables, x, y)


@compiled
def _add_table(
    n, stride, states, table, effective, beliefs, offsets, unary,
    first, second, function, place, start, incident,
):  # fmt: skip
    """Add the mean of a table over several variables for each state of one of them."""
    for cell in range(offsets[table + 1] - offsets[table]):
        probability = 1.0
        for i in range(start[table], start[table + 1]):
            e = incident[i]
            other = first[e] + second[e] - table
            if other != n:
                count = offsets[other + 1] - offsets[other]
                probability *= beliefs[offsets[other] + (cell // place[function[e]]) % count]
        if probability > 0:
            effective[offsets[n] + (cell // stride) % states] += (
                probability * unary[offsets[table] + cell]
            )


@compiled
def _soft_minimum(
    e, towards_second, source, rows, target, begin, columns,
    function, weight, kind, truncation, place, tables,
):  # fmt: skip
    """Write the message ``-log sum exp(-source - edge)`` to each state of the other end."""
    f = function[e]
    if kind[f] == POTTS:
        low = np.inf
        for j in range(rows):
            low = min(low, source[j])
        total, equal = 0.0, np.exp(-weight[e])
        for j in range(rows):
            total += np.exp(low - source[j])
        for k in range(columns):
            value = (1.0 - equal) * np.exp(low - source[k]) + equal * total
            best = min(source[k] - low, weight[e])
            target[begin + k] = low + (-np.log(value) if value > _TINY else best)
        return
    for k in range(columns):
        low, total = np.inf, 0.0
        for j in range(rows):
            x, y = (j, k) if towards_second else (k, j)
            a, b = (rows, columns) if towards_second else (columns, rows)
            edge = Edge(kind[f], weight[e], truncation[f], place[f], a, b)
            value = source[j] + edge_energy(edge, tables, x, y)
            if value == np.inf:
                continue
            if value < low:  # keep the sum relative to the smallest value so far
                total = total * np.exp(value - low) + 1.0
                low = value
            else:
                total += np.exp(low - value)
        target[begin + k] = low - np.log(total) if low < np.inf else low


@compiled
def _pass(
    begin, end, effective, cost, messages, source, beliefs, order, parent_edge, offsets,
    first, second, function, weight, kind, truncation, place, tables, slots,
):  # fmt: skip
    """Pass messages from the leaves to the roots and back, and set the part's beliefs.

    Returns the entropy of the trees less the mean energy of their edges, and the largest change.
    """
    for i in range(begin, end):
        for k in range(offsets[order[i]], offsets[order[i] + 1]):
            cost[k] = effective[k]
    for i in range(end - 1, begin - 1, -1):
        n = order[i]
        e = parent_edge[n]
        if e >= 0:
            parent = first[e] + second[e] - n
            states = offsets[parent + 1] - offsets[parent]
            _soft_minimum(
                e, first[e] == n, cost[offsets[n] : offsets[n + 1]], offsets[n + 1] - offsets[n],
                messages, slots[e], states, function, weight, kind, truncation, place, tables,
            )  # fmt: skip
            for k in range(states):
                cost[offsets[parent] + k] += messages[slots[e] + k]
    inside, change = 0.0, 0.0
    for i in range(begin, end):
        n = order[i]
        e = parent_edge[n]
        states = offsets[n + 1] - offsets[n]
        if e >= 0:
            parent = first[e] + second[e] - n
            rows = offsets[parent + 1] - offsets[parent]
            for k in range(rows):
                message = messages[slots[e] + k]
                # Where the message is infinite the cost is, and stays so.
                source[k] = cost[offsets[parent] + k] - (message if message < np.inf else 0.0)
            _soft_minimum(
                e, first[e] == parent, source, rows, messages, slots[e], states,
                function, weight, kind, truncation, place, tables,
            )  # fmt: skip
            for k in range(states):
                cost[offsets[n] + k] += messages[slots[e] + k]
        low, total = np.inf, 0.0
        for k in range(offsets[n], offsets[n + 1]):
            low = min(low, cost[k])
        for k in range(offsets[n], offsets[n + 1]):
            total += np.exp(low - cost[k])
        if e < 0:
            inside += np.log(total) - low
        for k in range(offsets[n], offsets[n + 1]):
            probability = np.exp(low - cost[k]) / total
            change = max(change, abs(probability - beliefs[k]))
            beliefs[k] = probability
            if probability > 0:
                inside += probability * effective[k]
    return inside, change


@compiled
def _mean_outside(
    beliefs, part, offsets, unary, first, second, function, weight, kind, truncation, place,
    tables, start, incident,
):  # fmt: skip
    """The mean of the unary energies, of tables, and of edges between different parts."""
    total = 0.0
    for n in range(len(part)):
        if part[n] < 0:
            continue
        for k in range(offsets[n], offsets[n + 1]):
            if beliefs[k] > 0:
                total += beliefs[k] * unary[k]
    for n in range(len(part)):
        if part[n] >= 0:
            continue
        for cell in range(offsets[n + 1] - offsets[n]):
            probability = 1.0
            for i in range(start[n], start[n + 1]):
                e = incident[i]
                other = first[e] + second[e] - n
                count = offsets[other + 1] - offsets[other]
                probability *= beliefs[offsets[other] + (cell // place[function[e]]) % count]
            if probability > 0:
                total += probability * unary[offsets[n] + cell]
    for e in range(len(first)):
        f, a, b = function[e], first[e], second[e]
        if kind[f] >= SELECTS_FIRST or part[a] == part[b]:
            continue
        rows, columns = offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b]
        for x in range(rows):
            for y in range(columns):
                probability = beliefs[offsets[a] + x] * beliefs[offsets[b] + y]
                if probability > 0:
                    edge = Edge(kind[f], weight[e], truncation[f], place[f], rows, columns)
                    total += probability * edge_energy(edge, tables, x, y)
    return total
