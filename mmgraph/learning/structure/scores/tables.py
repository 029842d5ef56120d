"""Scores of discrete families, and how they change when a parent joins or leaves.

One pass gives the counts of a family with every variable that may join its parents. Where tables
are small, rows are bits, and a count is the number of bits that two sets of rows share (Moore and
Lee 1998, "Cached sufficient statistics for efficient machine learning with large datasets", count
by such sets, too); where they are large, the rows are gone through.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from mmgraph.learning.structure.scores.records import (
    AIC,
    BDEU,
    BDS,
    BIC,
    HELD_OUT,
    MAX_CELLS,
)

compiled = numba.njit(
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath={"nsz", "contract", "reassoc"},
)

_NS_PER_WORD = 0.15
_NS_PER_ROW = 2.0


@intrinsic
def _ones(typing_context, word):
    """The number of bits of a word that are set."""

    def code(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


@compiled
def _shared(first, second):
    """How many rows two sets of rows share."""
    total = np.uint64(0)
    for i in range(len(first)):
        total += _ones(first[i] & second[i])  # type: ignore[call-arg]
    return np.float64(total)


@compiled
def table_score(counts, held_out, groups, states, kind, strength, total, complete):
    """The score of a table of counts, in which the cells of each state of the parents lie together.

    Where cells are missing, the score of the rows that have all of them stands for that of all.
    """
    score, counted = 0.0, 0.0
    if kind in (BIC, AIC):
        for g in range(groups):
            mass = 0.0
            for c in range(g * states, (g + 1) * states):
                if counts[c] > 0:
                    mass += counts[c]
                    score += counts[c] * math.log(counts[c])
            if mass > 0:
                counted += mass
                score -= mass * math.log(mass)
        price = 0.5 * math.log(max(counted, 1.0)) if kind == BIC else 1.0
        score = _of_all_rows(score - price * groups * (states - 1), counted, total, complete)
    elif kind == HELD_OUT:
        for g in range(groups):
            mass = 0.0
            for c in range(g * states, (g + 1) * states):
                mass += counts[c]
            for c in range(g * states, (g + 1) * states):
                if held_out[c] > 0:
                    counted += held_out[c]
                    share = (counts[c] + strength) / (mass + strength * states)
                    score += held_out[c] * math.log(share)
    else:
        cell = _pseudo_count(counts, groups, states, kind, strength)
        group = cell * states
        offset, group_offset = math.lgamma(cell), math.lgamma(group)
        for g in range(groups):
            mass = 0.0
            for c in range(g * states, (g + 1) * states):
                if counts[c] > 0:
                    mass += counts[c]
                    score += math.lgamma(cell + counts[c]) - offset
            if mass > 0:
                counted += mass
                score += group_offset - math.lgamma(group + mass)
        score = _of_all_rows(score, counted, total, complete)
    return score


@compiled
def _of_all_rows(score, counted, total, complete):
    if complete:
        return score
    return score * (total / counted) if counted > 0 else -np.inf


@compiled
def _pseudo_count(counts, groups, states, kind, strength):
    """What the prior puts into a cell: K2 one; BDeu, and BDs over groups with rows, their share."""
    if kind == BDEU:
        return strength / (groups * states)
    if kind == BDS:
        with_rows = 0
        for g in range(groups):
            for c in range(g * states, (g + 1) * states):
                if counts[c] > 0:
                    with_rows += 1
                    break
        return strength / (max(with_rows, 1) * states)
    return 1.0


@compiled
def discrete_family(rows, child, parents, gains):
    """The score of a family, and what it gains by each change of parents where ``gains`` has room.

    ``parents`` are numbers of discrete variables. A table that is too large scores ``-inf``.
    """
    states, group_count = rows.states[child], 1
    for parent in parents:
        group_count *= rows.states[parent]
        if group_count * states > MAX_CELLS:
            return -np.inf
    here = rows.rows_of[child]
    cell, weights = _cells(rows, child, parents, rows.weights[here])
    cells = group_count * states
    counts = _histogram(cell, weights, cells)
    held_weights, held = weights, counts
    if rows.kind == HELD_OUT:
        _, held_weights = _cells(rows, child, parents, rows.held_out[here])
        held = _histogram(cell, held_weights, cells)
    rest = (states, rows.kind, rows.strength, rows.totals[here], rows.complete)
    score = table_score(counts, held, group_count, *rest)
    if len(gains):
        _gains_of_leaving(rows, parents, counts, held, score, rest, gains)
        joining = _that_may_join(rows, child, parents, cells, score)
        few = _with_few_states(rows, child, parents, joining, counts, len(cell))
        if len(few):
            _gains_by_bits(rows, child, parents, few, counts, score, rest, gains)
        for v in joining:
            if v in few:
                continue
            codes = rows.codes[rows.place[v]]
            more = _joint_histogram(cell, codes, weights, cells, rows.states[v])
            more_held = more
            if rows.kind == HELD_OUT:
                more_held = _joint_histogram(cell, codes, held_weights, cells, rows.states[v])
            gains[v] = _gain(more, more_held, cells, score, rest)
    return score


@compiled
def _gain(more, more_held, cells, score, rest):
    """What a variable gains by joining; in ``more`` its states move slowest.

    Where cells are missing, both families are scored on the rows that have all of the larger one:
    on different rows, chance alone would tell them apart.
    """
    states, complete = rest[0], rest[-1]
    after = table_score(more, more_held, len(more) // states, *rest)
    if complete:
        return after - score
    fewer = np.zeros(cells)
    for c in range(len(more)):
        fewer[c % cells] += more[c]
    return after - table_score(fewer, fewer, cells // states, *rest)


@compiled
def _with_few_states(rows, child, parents, joining, counts, size):
    """The variables that may join whose counts are had sooner from bits than from the rows."""
    none = joining[:0]
    if rows.bits.shape[1] == 0 or rows.first_bit[rows.place[child]] < 0:
        return none
    for parent in parents:
        if rows.first_bit[rows.place[parent]] < 0:
            return none
    few = np.empty(len(joining), np.int64)
    number, states, filled = 0, 0, 0
    for v in joining:
        if rows.first_bit[rows.place[v]] >= 0:
            few[number] = v
            number += 1
            states += rows.states[v]
    for c in range(len(counts)):
        filled += counts[c] > 0
    by_bits = _NS_PER_WORD * filled * rows.bits.shape[1] * states
    return few[:number] if by_bits < _NS_PER_ROW * number * size else none


@compiled
def parents_of_set(limits, child, some):
    """The parents in a set, bit ``i`` the ``i``-th variable but the child, and whether they may be.

    ``limits`` are what may and must be a parent, and how many there may be.
    """
    allowed, required, most = limits
    parents = np.empty(len(allowed), np.int64)
    count, legal = 0, True
    for v in range(len(allowed)):
        if v == child:
            continue
        if some >> (v if v < child else v - 1) & 1:
            parents[count] = v
            count += 1
            legal = legal and allowed[v]
        else:
            legal = legal and not required[v]
    return parents[:count], legal and count <= most


@compiled
def _cells(rows, child, parents, weights):
    """The cell of each row in the family's table, and its weight: 0 where a cell is missing."""
    size = rows.codes.shape[1]
    cell = np.zeros(size, np.int32)
    for parent in parents:
        codes, states = rows.codes[rows.place[parent]], np.int32(rows.states[parent])
        for i in range(size):
            cell[i] = cell[i] * states + codes[i]
    codes, states = rows.codes[rows.place[child]], np.int32(rows.states[child])
    for i in range(size):
        cell[i] = cell[i] * states + codes[i]
    if rows.complete:
        return cell, weights
    weights = weights.copy()
    for member in range(len(parents) + 1):
        v = child if member == len(parents) else parents[member]
        codes = rows.codes[rows.place[v]]
        for i in range(size):
            if codes[i] < 0:
                weights[i], cell[i] = 0.0, 0
    return cell, weights


@compiled
def _histogram(cell, weights, cells):
    counts = np.zeros(cells)
    for i in range(len(cell)):
        counts[cell[i]] += weights[i]
    return counts


@compiled
def _joint_histogram(cell, codes, weights, cells, states):
    """Counts of the family's table with one more variable, whose states move slowest."""
    counts = np.zeros(cells * states)
    stride = np.int32(cells)
    for i in range(len(cell)):
        if codes[i] >= 0:
            counts[cell[i] + stride * np.int32(codes[i])] += weights[i]
    return counts


@compiled
def _gains_of_leaving(rows, parents, counts, held, score, rest, gains):
    """What the score gains by each parent's leaving: its axis is summed out of the counts.

    So the rows are the same where cells are missing, too, as they are in ``_gain``.
    """
    cells, inner = len(counts), rest[0]
    for at in range(len(parents) - 1, -1, -1):
        states = rows.states[parents[at]]
        fewer = _without_axis(counts, states, inner)
        fewer_held = _without_axis(held, states, inner) if rows.kind == HELD_OUT else fewer
        groups = cells // states // rest[0]
        gains[parents[at]] = table_score(fewer, fewer_held, groups, *rest) - score
        inner *= states


@compiled
def _without_axis(counts, states, inner):
    fewer = np.zeros(len(counts) // states)
    for outer in range(len(counts) // (states * inner)):
        for s in range(states):
            for j in range(inner):
                fewer[outer * inner + j] += counts[(outer * states + s) * inner + j]
    return fewer


@compiled
def _that_may_join(rows, child, parents, cells, score):
    """The variables that may become parents: not those whose price alone exceeds what can be won.

    A likelihood is at most 1, so that a family's BIC or AIC is at most minus its price.
    """
    price = 0.0
    if rows.kind == BIC:
        price = 0.5 * math.log(rows.totals[rows.rows_of[child]])
    elif rows.kind == AIC:
        price = 1.0
    price *= cells // rows.states[child] * (rows.states[child] - 1)
    joining = np.empty(len(rows.states), np.int64)
    count = 0
    for v in range(len(rows.states)):
        if not rows.allowed[v, child] or rows.states[v] == 0 or v in parents:
            continue
        if cells * rows.states[v] <= MAX_CELLS and price * rows.states[v] <= -score:
            joining[count] = v
            count += 1
    return joining[:count]


@compiled
def _gains_by_bits(rows, child, parents, joining, counts, score, rest, gains):
    """As the loop over histograms, from the bits of the rows."""
    cells = len(counts)
    begin = np.zeros(len(joining) + 1, np.int64)
    for i in range(len(joining)):
        begin[i + 1] = begin[i] + rows.states[joining[i]]
    tables = np.zeros((begin[-1], cells))
    mask = np.empty(rows.bits.shape[1], np.uint64)
    for c in range(cells):
        if counts[c] == 0:
            continue
        _rows_of_cell(rows, child, parents, c, mask)
        for i in range(len(joining)):
            first = rows.first_bit[rows.place[joining[i]]]
            last = rows.states[joining[i]] - 1
            left = counts[c]
            for s in range(last):
                tables[begin[i] + s, c] = _shared(mask, rows.bits[first + s])
                left -= tables[begin[i] + s, c]
            if rows.complete:
                tables[begin[i] + last, c] = left
            else:
                tables[begin[i] + last, c] = _shared(mask, rows.bits[first + last])
    for i in range(len(joining)):
        table = tables[begin[i] : begin[i + 1]].reshape(-1)
        gains[joining[i]] = _gain(table, table, cells, score, rest)


@compiled
def _rows_of_cell(rows, child, parents, cell, mask):
    """Write the rows of one cell of a family's table, as bits."""
    here = rows.counted[rows.rows_of[child]]
    state = rows.bits[rows.first_bit[rows.place[child]] + cell % rows.states[child]]
    cell //= rows.states[child]
    for i in range(len(mask)):
        mask[i] = here[i] & state[i]
    for at in range(len(parents) - 1, -1, -1):
        v = parents[at]
        state = rows.bits[rows.first_bit[rows.place[v]] + cell % rows.states[v]]
        cell //= rows.states[v]
        for i in range(len(mask)):
            mask[i] &= state[i]
