"""Elimination of continuous elements by orthogonal transformations (numeric).

Densities stay in square-root information form: equations in units of their noise, which Householder
reflections bring into triangular form. Nothing is ever subtracted from a variance, so that none
comes out negative, and columns may be in any units (Bierman 1977, *Factorization Methods for
Discrete Sequential Estimation*; Lauritzen and Jensen 2001, "Stable local computation with
conditional Gaussian distributions", have the same aim). An equation without noise is solved for
one of its elements and put into the others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.inference.gaussian.equation_rows import (
    HALF_LOG_TWO_PI,
    check,
    has_unknowns,
    largest,
    read_message,
    read_sizes,
    reflect,
    substitute,
    write_equation,
    write_message,
)
from mmgraph.inference.numerics.compiling import compiled, inlined, uncounted


class Conditionals(NamedTuple):
    """Each element given later ones: ``x = constant - gains · later elements + deviation × noise``.

    Attributes
    ----------
    gains : array
        Laid out as the columns of the fronts.
    constants : array of shape (fronts, rows)
    deviations : array of shape (fronts,)
    """

    gains: Float64[np.ndarray, "..."]
    constants: Float64[np.ndarray, "fronts rows"]
    deviations: Float64[np.ndarray, " fronts"]


class Density(NamedTuple):
    """Log-densities of rows, and how many observations each row only repeats.

    Such an observation follows without noise from others; ``repeated`` counts those that agree, and
    the density is that of the others. Where one does not agree the log-density is ``-inf``. Where
    doubles do not hold the equations of an element ``repeated`` is -1 less its number.
    """

    log_density: Float64[np.ndarray, " rows"]
    repeated: Int64[np.ndarray, " rows"]


class _Task(NamedTuple):
    """What is eliminated: the rows of one missing pattern, in one configuration.

    Attributes
    ----------
    position : array of shape (elements,)
        The front of each unobserved element, -1 of others.
    configuration : array of shape (factors,)
        Which of its configurations each factor is in.
    values : array of shape (elements, rows)
    """

    position: Int64[np.ndarray, " elements"]
    configuration: Int64[np.ndarray, " factors"]
    values: Float64[np.ndarray, "elements rows"]


class _Workspace(NamedTuple):
    """Arrays that all fronts use one after the other, and what they leave to one another.

    Attributes
    ----------
    matrix : array
        The equations that meet at a front: its element, its columns, the constants of all rows.
    soft, hard : array
        Those with and without noise.
    local : array of shape (fronts,)
        The column of each element that is one of the front's.
    messages : array
        What fronts leave over, as rows of the matrix without the eliminated element.
    offset : array of shape (fronts + 1,)
        Where the messages of each begin.
    lengths : array of shape (fronts,)
        How many equations each left over.
    without_noise : array
        Of each equation left over.
    """

    matrix: Float64[np.ndarray, "equations numbers"]
    soft: Int64[np.ndarray, " equations"]
    hard: Int64[np.ndarray, " equations"]
    local: Int64[np.ndarray, " fronts"]
    scratch: Float64[np.ndarray, " numbers"]
    messages: Float64[np.ndarray, "..."]
    offset: Int64[np.ndarray, "..."]
    lengths: Int64[np.ndarray, " fronts"]
    without_noise: Bool[np.ndarray, "..."]


@compiled
def eliminated(equations, fronts, position, configuration, values, exact, density):  # type: ignore[no-untyped-def]
    """Eliminate all fronts of rows that lack the same elements; fill their densities.

    Parameters
    ----------
    position, configuration, values
        See ``_Task``.
    exact : bool
        Whether an equation may be without noise. Behind the numbers of such a one stand the sums of
        the sizes of the terms that each is made of.
    density : Density
        Written.

    Returns
    -------
    Conditionals
    """
    count, batch = len(fronts.elements), values.shape[1]
    parts = 2 if exact else 1
    widest, most, total = 1 + batch, 1, 0
    offset = np.empty(count + 1, np.int64)
    for front in range(count):
        offset[front] = total
        span = fronts.first[front + 1] - fronts.first[front] + batch
        total += (fronts.message_first[front + 1] - fronts.message_first[front]) * parts * span
        widest, most = max(widest, span + 1), max(most, fronts.rows[front])
    offset[count] = total
    work = _Workspace(
        np.empty((most, parts * widest)),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(count, np.int64),
        np.empty(widest),
        np.empty(total),
        offset,
        np.empty(count, np.int64),
        np.empty(fronts.message_first[count], np.bool_),
    )
    made = Conditionals(np.empty(fronts.first[count]), np.empty((count, batch)), np.empty(count))
    task = _Task(position, configuration, values)
    _eliminate_all(equations, fronts, task, work, made, density)
    return made


@uncounted
def _eliminate_all(equations, fronts, task, work, made, density):  # type: ignore[no-untyped-def]
    batch = task.values.shape[1]
    constant, product = 0.0, 1.0
    for b in range(batch):
        density.log_density[b] = 0.0
        density.repeated[b] = 0
    for front in range(len(fronts.elements)):
        width = 1 + fronts.first[front + 1] - fronts.first[front]
        softs, hards, more = _gather(equations, fronts, front, task, work)
        constant += more
        row, start, softs, hards = _solve(work, softs, hards, width, width + batch)
        size = abs(work.matrix[row, 0])
        if not 0.0 < size < np.inf:
            density.repeated[:] = -1 - fronts.elements[front]
            return
        constant += start * HALF_LOG_TWO_PI
        if not 1e-100 < size < 1e100:
            constant -= math.log(size)
        else:
            product *= size
            if not 1e-200 < product < 1e200:  # one logarithm of many takes less time than many
                constant -= math.log(product)
                product = 1.0
        made.deviations[front] = start / size
        lead = 1.0 / work.matrix[row, 0]
        for j in range(1, width):
            made.gains[fronts.first[front] + j - 1] = work.matrix[row, j] * lead
        for b in range(batch):
            made.constants[front, b] = work.matrix[row, width + b] * lead
        _pass_on(fronts, front, task, work, start, softs, hards, density)
    count = len(fronts.elements)
    for i in range(fronts.own_first[count], fronts.own_first[count + 1]):
        place = write_equation(equations, fronts.own[i], task, work, 0, 1)
        if equations.is_exact[place]:
            check(work.matrix, 0, 1, 1 + batch, density)
        else:
            constant += equations.log_factors[place]
            for b in range(batch):
                density.log_density[b] -= 0.5 * work.matrix[0, 1 + b] ** 2
    constant -= math.log(product)
    for b in range(batch):
        density.log_density[b] += constant


@inlined
def _gather(equations, fronts, front, task, work):  # type: ignore[no-untyped-def]
    """Write the equations that meet at a front; return how many have noise, and how many not.

    Third is the logarithm of what the densities of its own equations are multiplied by.
    """
    begin, end = fronts.first[front], fronts.first[front + 1]
    width = 1 + end - begin
    span = width + task.values.shape[1]
    work.local[front] = 0
    for j in range(begin, end):
        work.local[fronts.columns[j]] = j - begin + 1
    softs, hards, constant = 0, 0, 0.0
    for i in range(fronts.own_first[front], fronts.own_first[front + 1]):
        row = softs + hards
        place = write_equation(equations, fronts.own[i], task, work, row, width)
        if equations.is_exact[place]:
            work.hard[hards] = row
            hards += 1
        else:
            constant += equations.log_factors[place]
            work.soft[softs] = row
            softs += 1
    below = fronts.child[front]
    while below >= 0:
        first = fronts.message_first[below]
        at = work.offset[below]
        for i in range(work.lengths[below]):
            row = softs + hards
            at = read_message(fronts, below, at, work, row, width, span)
            if work.without_noise[first + i]:
                at = read_sizes(fronts, below, at, work, row, width, span)
                work.hard[hards] = row
                hards += 1
            else:
                work.soft[softs] = row
                softs += 1
        below = fronts.sibling[below]
    return softs, hards, constant


@inlined
def _solve(work, softs, hards, width, span):  # type: ignore[no-untyped-def]
    """Solve one equation for the element of a front, and take that out of the others.

    Returns
    -------
    row : int
        Of the equation that was solved; its first entry is zero if none can be.
    start : int
        How many of the equations with noise were used up: 0 if one without noise was solved.
    softs, hards : int
        How many there are of each kind.
    """
    pivot = largest(work.matrix, work.hard, hards, width) if hards > 0 else -1
    if pivot >= 0:
        row = work.hard[pivot]
        hards -= 1
        work.hard[pivot] = work.hard[hards]
        for i in range(hards):
            substitute(work.matrix, work.hard[i], row, span, True)
        for i in range(softs):
            substitute(work.matrix, work.soft[i], row, span, False)
        return row, 0, softs, hards
    if softs == 0:
        work.matrix[0, 0] = 0.0
        return 0, 0, softs, hards
    reflect(work.matrix, work.soft, 0, softs, 0, span, work.scratch)
    return work.soft[0], 1, softs, hards


@inlined
def _pass_on(fronts, front, task, work, start, softs, hards, density):  # type: ignore[no-untyped-def]
    """Leave what remains of a front's equations to its parent, as few as its columns are."""
    width = 1 + fronts.first[front + 1] - fronts.first[front]
    batch = task.values.shape[1]
    span = width + batch
    last = softs
    if softs - start >= width:
        last = start
        for column in range(1, width):
            if reflect(work.matrix, work.soft, last, softs, column, span, work.scratch) != 0.0:
                last += 1
        for i in range(last, softs):
            for b in range(batch):
                density.log_density[b] -= 0.5 * work.matrix[work.soft[i], width + b] ** 2
    first, sent, at = fronts.message_first[front], 0, work.offset[front]
    for i in range(start, last):
        at = write_message(work, at, work.soft[i], 1, span)
        work.without_noise[first + sent] = False
        sent += 1
    for i in range(hards):
        if has_unknowns(work.matrix, work.hard[i], width, span):
            at = write_message(work, at, work.hard[i], 1, span)
            at = write_message(work, at, work.hard[i], span + 1, 2 * span)
            work.without_noise[first + sent] = True
            sent += 1
        else:
            check(work.matrix, work.hard[i], width, span, density)
    work.lengths[front] = sent
