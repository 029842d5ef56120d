"""Compiled passes along slices: sums, sums in the log domain, maxima; and back.

They take a :class:`~mmgraph.inference.exact.slices.plan.Program` and the :class:`Piece` of steps
that it is run on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.inference.numerics.compiling import compiled, inlined

FLOOR = 1e-25
"""The least cell of a message that is possible at all; raised cells are watched (see the chain)."""

LEAST_SCORE = -500.0
"""What logarithms of tables of rows are raised to, shared among the tables of a step."""


class Piece(NamedTuple):
    """Some steps, and the tables that go with them: probabilities, or their logarithms.

    Attributes
    ----------
    which : ndarray of int64, shape (steps,)
        The plan that a step runs.
    begins : ndarray of bool, shape (steps,)
        Whether a sequence starts there.
    static : ndarray of float64, shape (cells,)
        Tables that are the same at all steps, one behind the other.
    base : ndarray of int64, shape (static tables + 1,)
        Where each begins.
    offsets : ndarray of int64, shape (steps, static tables)
        Which part of each a step takes, for what is observed of it.
    row_tables : ndarray of float64, shape (steps, columns)
        Tables of the steps' own, side by side.
    column : ndarray of int64, shape (tables of rows + 1,)
        Where each begins.
    """

    which: Int64[np.ndarray, " steps"]
    begins: Bool[np.ndarray, " steps"]
    static: Float64[np.ndarray, " cells"]
    base: Int64[np.ndarray, " tables_and_one"]
    offsets: Int64[np.ndarray, "steps tables"]
    row_tables: Float64[np.ndarray, "steps columns"]
    column: Int64[np.ndarray, " row_tables_and_one"]

    def part(self, begin: int, end: int | None = None) -> Piece:
        """Return the steps of the piece from ``begin`` on, up to ``end``."""
        steps = slice(begin, end)
        return self._replace(
            which=self.which[steps],
            begins=self.begins[steps],
            offsets=self.offsets[steps],
            row_tables=self.row_tables[steps],
        )


@inlined
def _place(program, operation, t, piece):
    number = program.table[operation]
    if program.of_rows[operation]:
        return np.uint64(piece.column[number])
    return np.uint64(piece.base[number] + piece.offsets[t, number])


@inlined
def _enter(piece, t, incoming, before, messages, work, nothing):
    """Put the message before a step into the room for work; ``nothing`` where a sequence begins."""
    if piece.begins[t]:
        work[0] = nothing
    elif t > 0:
        work[:incoming] = messages[t - 1, :incoming]
    else:
        work[:incoming] = before[:incoming]


@compiled
def _run(program, plan, t, piece, work):
    """Run the operations of a step in the room for work; return where its message stands."""
    end = np.uint64(0)
    for o in range(program.first[plan], program.first[plan + 1]):
        source, target = program.source[o], program.target[o]
        end = target
        for i in range(target, target + program.size[o]):
            work[i] = 0.0
        number = program.table[o]
        begin, stop = program.cells[o], program.cells[o + 1]
        if number < 0:
            for i in range(begin, stop):
                work[target + program.to[i]] += work[source + program.of[i]]
            continue
        table = piece.row_tables[t] if program.of_rows[o] else piece.static
        place = _place(program, o, t, piece)
        for i in range(begin, stop):
            work[target + program.to[i]] += (
                work[source + program.of[i]] * table[place + program.at[i]]
            )
    return end


@compiled
def forward(program, piece, message, messages, increments):
    """Write normalised messages; return the cells raised and the impossible step, or -1."""
    work = np.empty(program.room)
    raised = 0
    for t in range(len(piece.which)):
        plan = piece.which[t]
        if piece.begins[t]:
            work[0] = 1.0
        else:
            work[: program.incoming[plan]] = message[: program.incoming[plan]]
        end = _run(program, plan, t, piece, work)
        size = program.outgoing[plan]
        mass = 0.0
        for i in range(size):
            mass += work[end + i]
        if not mass > 0.0:
            return raised, t
        increments[t] = np.log(mass)
        for i in range(size):
            value = work[end + i] / mass
            if 0.0 < value < FLOOR:
                value = FLOOR
                raised += 1
            message[i] = value
            messages[t, i] = value
    return raised, -1


@compiled
def backward(
    program,
    piece,
    before,
    messages,
    later,
    beliefs,
    counts,
    suspect,
):
    """Go back over a piece: write what is believed of the tables of rows, and add up counts.

    ``before`` is the message before the piece; ``later`` that from after its last step, and then
    that into the step before the piece. ``beliefs`` (steps, columns) receives the posterior of each
    cell of the tables of rows, ``counts`` that of the static tables, which is added.
    """
    work, adjoint = np.empty(program.room), np.empty(program.room)
    for t in range(len(piece.which) - 1, -1, -1):
        plan = piece.which[t]
        incoming, size = program.incoming[plan], program.outgoing[plan]
        _enter(piece, t, incoming, before, messages, work, 1.0)
        end = _run(program, plan, t, piece, work)
        total, doubt = 0.0, 0.0
        for i in range(size):
            chance = messages[t, i] * later[i]
            total += chance
            if messages[t, i] == FLOOR:
                doubt += chance
        suspect[t] = doubt / total
        mass = 0.0
        for i in range(size):
            mass += work[end + i] * later[i]
        for i in range(size):
            adjoint[end + i] = later[i] / mass
        beliefs[t] = 0.0
        for o in range(program.first[plan + 1] - 1, program.first[plan] - 1, -1):
            source, target, number = program.source[o], program.target[o], program.table[o]
            last = program.size[o - 1] if o > program.first[plan] else incoming
            for i in range(source, source + last):
                adjoint[i] = 0.0
            begin, stop = program.cells[o], program.cells[o + 1]
            if number < 0:
                for i in range(begin, stop):
                    adjoint[source + program.of[i]] += adjoint[target + program.to[i]]
                continue
            of_rows = program.of_rows[o]
            table = piece.row_tables[t] if of_rows else piece.static
            believed = beliefs[t] if of_rows else counts
            place = _place(program, o, t, piece)
            for i in range(begin, stop):
                j, k = source + program.of[i], place + program.at[i]
                back = adjoint[target + program.to[i]] * table[k]
                adjoint[j] += back
                believed[k] += work[j] * back
        if piece.begins[t]:
            later[:] = 1.0
        else:
            later[:incoming] = adjoint[:incoming]


@compiled
def log_run(program, plan, t, piece, work, maxima, best):
    """As :func:`_run`, of logarithms; with ``best`` the maximum in place of the sum."""
    end = np.uint64(0)
    for o in range(program.first[plan], program.first[plan + 1]):
        source, target = program.source[o], program.target[o]
        end = target
        size, number = program.size[o], program.table[o]
        for i in range(size):
            maxima[i] = -np.inf
        begin, stop = program.cells[o], program.cells[o + 1]
        table = piece.row_tables[t] if program.of_rows[o] else piece.static
        place = _place(program, o, t, piece) if number >= 0 else np.uint64(0)
        for i in range(begin, stop):
            value = work[source + program.of[i]]
            if number >= 0:
                value += table[place + program.at[i]]
            maxima[program.to[i]] = max(maxima[program.to[i]], value)
        if best:
            work[target : target + size] = maxima[:size]
            continue
        work[target : target + size] = 0.0
        for i in range(begin, stop):
            j = program.to[i]
            if maxima[j] == -np.inf:
                continue
            value = work[source + program.of[i]]
            if number >= 0:
                value += table[place + program.at[i]]
            work[target + j] += np.exp(value - maxima[j])
        for i in range(size):
            if maxima[i] == -np.inf:
                work[target + i] = -np.inf
            else:
                work[target + i] = np.log(work[target + i]) + maxima[i]
    return end


@compiled
def log_forward(program, piece, message, messages, best):
    """Write the logarithms of messages, not normalised; return the impossible step, or -1."""
    work, maxima = np.empty(program.room), np.empty(program.room)
    for t in range(len(piece.which)):
        plan = piece.which[t]
        if piece.begins[t]:
            work[0] = 0.0
        else:
            work[: program.incoming[plan]] = message[: program.incoming[plan]]
        end = log_run(program, plan, t, piece, work, maxima, best)
        largest = -np.inf
        for i in range(program.outgoing[plan]):
            message[i] = work[end + i]
            messages[t, i] = work[end + i]
            largest = max(largest, work[end + i])
        if largest == -np.inf:
            return t
    return -1


@compiled
def log_backward(
    program,
    piece,
    before,
    messages,
    later,
    log_total,
    beliefs,
    counts,
):
    """As :func:`backward`, of logarithms; ``log_total`` is what the last message sums to."""
    work, maxima = np.empty(program.room), np.empty(program.room)
    adjoint = np.empty(program.room)
    for t in range(len(piece.which) - 1, -1, -1):
        plan = piece.which[t]
        incoming, size = program.incoming[plan], program.outgoing[plan]
        _enter(piece, t, incoming, before, messages, work, 0.0)
        end = log_run(program, plan, t, piece, work, maxima, False)
        adjoint[end : end + size] = later[:size]
        beliefs[t] = 0.0
        for o in range(program.first[plan + 1] - 1, program.first[plan] - 1, -1):
            source, target, number = program.source[o], program.target[o], program.table[o]
            last = program.size[o - 1] if o > program.first[plan] else incoming
            maxima[:last] = -np.inf
            begin, stop = program.cells[o], program.cells[o + 1]
            of_rows = program.of_rows[o]
            table = piece.row_tables[t] if of_rows else piece.static
            believed = beliefs[t] if of_rows else counts
            place = _place(program, o, t, piece) if number >= 0 else np.uint64(0)
            for i in range(begin, stop):
                back = adjoint[target + program.to[i]]
                if number >= 0:
                    back += table[place + program.at[i]]
                    value = work[source + program.of[i]] + back - log_total
                    believed[place + program.at[i]] += np.exp(value)
                maxima[program.of[i]] = max(maxima[program.of[i]], back)
            adjoint[source : source + last] = 0.0
            for i in range(begin, stop):
                j = program.of[i]
                if maxima[j] == -np.inf:
                    continue
                back = adjoint[target + program.to[i]]
                if number >= 0:
                    back += table[place + program.at[i]]
                adjoint[source + j] += np.exp(back - maxima[j])
            for j in range(last):
                if maxima[j] == -np.inf:
                    adjoint[source + j] = -np.inf
                else:
                    adjoint[source + j] = np.log(adjoint[source + j]) + maxima[j]
        later[:incoming] = adjoint[:incoming]


@compiled
def trace_back(
    program,
    piece,
    before,
    messages,
    uniform,
    last,
    chosen,
):
    """Choose a cell of every operation of a piece, from its last step back; return the cell before.

    With ``uniform`` (steps, operations) the messages are logarithms of sums and the cell is drawn;
    where it is empty they are logarithms of maxima and it is the best. ``last`` is the cell of the
    message after the piece, -1 where its last step ends a sequence; ``chosen`` (steps, operations
    of a plan) receives the place of the cell within its operation.
    """
    best = uniform.size == 0
    work, maxima = np.empty(program.room), np.empty(program.room)
    for t in range(len(piece.which) - 1, -1, -1):
        plan = piece.which[t]
        incoming = program.incoming[plan]
        _enter(piece, t, incoming, before, messages, work, 0.0)
        end = log_run(program, plan, t, piece, work, maxima, best)
        first = program.first[plan]
        if last < 0:
            size = program.outgoing[plan]
            level = 2.0 if best else uniform[t, program.first[plan + 1] - first]
            last = _pick(work[end : end + size], level)
        for o in range(program.first[plan + 1] - 1, first - 1, -1):
            source, number = program.source[o], program.table[o]
            begin, stop = program.cells[o], program.cells[o + 1]
            table = piece.row_tables[t] if program.of_rows[o] else piece.static
            place = _place(program, o, t, piece) if number >= 0 else np.uint64(0)
            aim = work[program.target[o] + np.uint64(last)]
            level, choice, largest = 0.0, begin, -np.inf
            for i in range(begin, stop):
                if program.to[i] != last:
                    continue
                value = work[source + program.of[i]]
                if number >= 0:
                    value += table[place + program.at[i]]
                if value == -np.inf:
                    continue
                if best:
                    if value > largest:
                        choice, largest = i, value
                else:
                    choice = i
                    level += np.exp(value - aim)
                    if level >= uniform[t, o - first]:
                        break
            chosen[t, o - first] = choice - begin
            last = np.int64(program.of[choice])
        if piece.begins[t]:
            last = -1
    return last


@compiled
def _pick(logs, level):
    """The largest, or by a level below one a draw, of what logarithms are in proportion to."""
    largest, place = -np.inf, 0
    for i in range(len(logs)):
        if logs[i] > largest:
            largest, place = logs[i], i
    if level > 1.0:
        return place
    total = 0.0
    for i in range(len(logs)):
        total += np.exp(logs[i] - largest)
    reached = 0.0
    for i in range(len(logs)):
        reached += np.exp(logs[i] - largest) / total
        if reached >= level and logs[i] > -np.inf:
            return i
    return place
