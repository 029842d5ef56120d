"""Compiled passes along slices: sums, sums in the log domain, maxima; and back.

``which`` says of each step which plan it runs, and ``begins`` whether a sequence starts there.
Static tables lie one behind the other in ``static``, from ``base``; a step takes the part of them
that ``offsets`` says, for what is observed of them. Tables of rows lie in ``row_tables`` from
``column``, a line a step.
"""

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled, inlined

FLOOR = 1e-25
"""The least cell of a message that is possible at all; raised cells are watched (see the chain)."""

LEAST_SCORE = -500.0
"""What logarithms of tables of rows are raised to, shared among the tables of a step."""


@inlined
def _place(program, operation, t, base, offsets, column):
    number = program.table[operation]
    if program.of_rows[operation]:
        return column[number]
    return base[number] + offsets[t, number]


@compiled
def _run(program, plan, t, static, base, offsets, row_tables, column, work):
    """Run the operations of a step in the room for work; return where its message stands."""
    end = 0
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
        table = row_tables[t] if program.of_rows[o] else static
        place = _place(program, o, t, base, offsets, column)
        for i in range(begin, stop):
            work[target + program.to[i]] += (
                work[source + program.of[i]] * table[place + program.at[i]]
            )
    return end


@compiled
def forward(
    program, which, begins, static, base, offsets, row_tables, column, message, messages, increments
):
    """Write normalised messages; return the cells raised and the impossible step, or -1."""
    work = np.empty(program.room)
    raised = 0
    for t in range(len(which)):
        plan = which[t]
        if begins[t]:
            work[0] = 1.0
        else:
            work[: program.incoming[plan]] = message[: program.incoming[plan]]
        end = _run(program, plan, t, static, base, offsets, row_tables, column, work)
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
    which,
    begins,
    static,
    base,
    offsets,
    row_tables,
    column,
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
    for t in range(len(which) - 1, -1, -1):
        plan = which[t]
        incoming, size = program.incoming[plan], program.outgoing[plan]
        if begins[t]:
            work[0] = 1.0
        elif t > 0:
            work[:incoming] = messages[t - 1, :incoming]
        else:
            work[:incoming] = before[:incoming]
        end = _run(program, plan, t, static, base, offsets, row_tables, column, work)
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
            table = row_tables[t] if of_rows else static
            believed = beliefs[t] if of_rows else counts
            place = _place(program, o, t, base, offsets, column)
            for i in range(begin, stop):
                j, k = source + program.of[i], place + program.at[i]
                back = adjoint[target + program.to[i]] * table[k]
                adjoint[j] += back
                believed[k] += work[j] * back
        if begins[t]:
            later[:] = 1.0
        else:
            later[:incoming] = adjoint[:incoming]


@compiled
def log_run(program, plan, t, static, base, offsets, row_tables, column, work, maxima, best):
    """As :func:`_run`, of logarithms; with ``best`` the maximum in place of the sum."""
    end = 0
    for o in range(program.first[plan], program.first[plan + 1]):
        source, target = program.source[o], program.target[o]
        end = target
        size, number = program.size[o], program.table[o]
        for i in range(size):
            maxima[i] = -np.inf
        begin, stop = program.cells[o], program.cells[o + 1]
        table = row_tables[t] if program.of_rows[o] else static
        place = _place(program, o, t, base, offsets, column) if number >= 0 else 0
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
def log_forward(
    program, which, begins, static, base, offsets, row_tables, column, message, messages, best
):
    """Write the logarithms of messages, not normalised; return the impossible step, or -1."""
    work, maxima = np.empty(program.room), np.empty(program.room)
    for t in range(len(which)):
        plan = which[t]
        if begins[t]:
            work[0] = 0.0
        else:
            work[: program.incoming[plan]] = message[: program.incoming[plan]]
        end = log_run(
            program, plan, t, static, base, offsets, row_tables, column, work, maxima, best
        )
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
    which,
    begins,
    static,
    base,
    offsets,
    row_tables,
    column,
    messages,
    later,
    log_total,
    beliefs,
    counts,
):
    """As :func:`backward`, of logarithms, of one whole sequence of this log-likelihood."""
    work, maxima = np.empty(program.room), np.empty(program.room)
    adjoint = np.empty(program.room)
    for t in range(len(which) - 1, -1, -1):
        plan = which[t]
        incoming, size = program.incoming[plan], program.outgoing[plan]
        if begins[t]:
            work[0] = 0.0
        else:
            work[:incoming] = messages[t - 1, :incoming]
        end = log_run(
            program, plan, t, static, base, offsets, row_tables, column, work, maxima, False
        )
        adjoint[end : end + size] = later[:size]
        beliefs[t] = 0.0
        for o in range(program.first[plan + 1] - 1, program.first[plan] - 1, -1):
            source, target, number = program.source[o], program.target[o], program.table[o]
            last = program.size[o - 1] if o > program.first[plan] else incoming
            maxima[:last] = -np.inf
            begin, stop = program.cells[o], program.cells[o + 1]
            of_rows = program.of_rows[o]
            table = row_tables[t] if of_rows else static
            believed = beliefs[t] if of_rows else counts
            place = _place(program, o, t, base, offsets, column) if number >= 0 else 0
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
    which,
    begins,
    static,
    base,
    offsets,
    row_tables,
    column,
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
    for t in range(len(which) - 1, -1, -1):
        plan = which[t]
        incoming = program.incoming[plan]
        if begins[t]:
            work[0] = 0.0
        elif t > 0:
            work[:incoming] = messages[t - 1, :incoming]
        else:
            work[:incoming] = before[:incoming]
        end = log_run(
            program, plan, t, static, base, offsets, row_tables, column, work, maxima, best
        )
        first = program.first[plan]
        if last < 0:
            size = program.outgoing[plan]
            level = 2.0 if best else uniform[t, program.first[plan + 1] - first]
            last = _pick(work[end : end + size], level)
        for o in range(program.first[plan + 1] - 1, first - 1, -1):
            source, number = program.source[o], program.table[o]
            begin, stop = program.cells[o], program.cells[o + 1]
            table = row_tables[t] if program.of_rows[o] else static
            place = _place(program, o, t, base, offsets, column) if number >= 0 else 0
            aim = work[program.target[o] + last]
            level, choice, largest = 0.0, -1, -np.inf
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
            last = program.of[choice]
        if begins[t]:
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
