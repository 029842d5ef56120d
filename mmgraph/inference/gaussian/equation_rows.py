"""Equations as rows of a matrix: written, passed on, put into each other, and reflected."""

from __future__ import annotations

import math

import numpy as np

from mmgraph.graph.leaves.unit_factors import AGREEMENT
from mmgraph.inference.numerics.compiling import inlined, uncounted

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

ROUNDING = 1e-11
"""A coefficient that is this small beside the terms it is the sum of is zero."""


@inlined
def write_equation(equations, e, task, work, row, width):  # type: ignore[no-untyped-def]
    """Write an equation into a row of the matrix; return where its constant stands."""
    matrix, batch = work.matrix, task.values.shape[1]
    span = width + batch
    state = task.configuration[equations.factor[e]]
    constant_place = equations.constant_place[e] + state
    constant = equations.constants[constant_place]
    exact = equations.is_exact[constant_place]
    for j in range(width):
        matrix[row, j] = 0.0
    for j in range(width, span):
        matrix[row, j] = constant
    if exact:
        for j in range(span, 2 * span):
            matrix[row, j] = abs(constant)
    first = equations.first[e]
    size = equations.first[e + 1] - first
    place = equations.place[e] + state * size
    for j in range(size):
        coefficient = equations.coefficients[place + j]
        element = equations.columns[first + j]
        front = task.position[element]
        if front >= 0:
            matrix[row, work.local[front]] += coefficient
        elif coefficient != 0.0:
            for b in range(batch):
                matrix[row, width + b] -= coefficient * task.values[element, b]
            if exact:
                for b in range(batch):
                    matrix[row, span + width + b] += abs(coefficient * task.values[element, b])
    if exact:
        for j in range(width):
            matrix[row, span + j] = abs(matrix[row, j])
    return constant_place


@inlined
def read_message(fronts, below, at, work, row, width, span):  # type: ignore[no-untyped-def]
    """Write an equation that another front left over into a row; return where the next begins."""
    for j in range(width):
        work.matrix[row, j] = 0.0
    for j in range(fronts.first[below], fronts.first[below + 1]):
        work.matrix[row, work.local[fronts.columns[j]]] = work.messages[at]
        at += 1
    for j in range(width, span):
        work.matrix[row, j] = work.messages[at]
        at += 1
    return at


@inlined
def read_sizes(fronts, below, at, work, row, width, span):  # type: ignore[no-untyped-def]
    """The same of the sizes of its terms."""
    for j in range(width):
        work.matrix[row, span + j] = 0.0
    for j in range(fronts.first[below], fronts.first[below + 1]):
        work.matrix[row, span + work.local[fronts.columns[j]]] = work.messages[at]
        at += 1
    for j in range(width, span):
        work.matrix[row, span + j] = work.messages[at]
        at += 1
    return at


@inlined
def write_message(work, at, row, begin, end):  # type: ignore[no-untyped-def]
    """Leave some numbers of an equation to another front; return where the next go."""
    for j in range(begin, end):
        work.messages[at] = work.matrix[row, j]
        at += 1
    return at


@inlined
def largest(matrix, hard, hards, width):  # type: ignore[no-untyped-def]
    """The equation without noise that is best solved for the first column, or -1."""
    best, pivot = 0.0, -1
    for i in range(hards):
        row = hard[i]
        if matrix[row, 0] != 0.0:
            size = 0.0
            for j in range(width):
                size = max(size, abs(matrix[row, j]))
            if abs(matrix[row, 0]) > best * size:
                best, pivot = abs(matrix[row, 0]) / size, i
    return pivot


@inlined
def substitute(matrix, row, pivot, span, exact):  # type: ignore[no-untyped-def]
    """Put the first element, as an equation without noise gives it, into another equation."""
    if matrix[row, 0] == 0.0:
        return
    share = matrix[row, 0] / matrix[pivot, 0]
    for j in range(1, span):
        matrix[row, j] -= share * matrix[pivot, j]
    if exact:
        for j in range(span + 1, 2 * span):
            matrix[row, j] += abs(share) * matrix[pivot, j]


@inlined
def has_unknowns(matrix, row, width, span):  # type: ignore[no-untyped-def]
    """Whether an equation without noise has a coefficient; what is mere rounding becomes zero."""
    some = False
    for j in range(1, width):
        if abs(matrix[row, j]) <= ROUNDING * matrix[row, span + j]:
            matrix[row, j] = 0.0
        some |= matrix[row, j] != 0.0
    return some


@inlined
def check(matrix, row, width, span, density):  # type: ignore[no-untyped-def]
    """Count an equation without noise and unknowns as repeated, or as impossible."""
    for b in range(span - width):
        if abs(matrix[row, width + b]) <= AGREEMENT * matrix[row, span + width + b]:
            density.repeated[b] += 1
        else:
            density.log_density[b] = -np.inf


@uncounted
def reflect(matrix, rows, start, stop, column, span, scratch):  # type: ignore[no-untyped-def]
    """Bring a column of some rows to zero but for the first, and return what stands there then.

    The row with the largest entry goes first, so that rows of very different size, as those of
    precise and vague equations are, each keep their digits (Cox and Higham 1998).
    """
    largest, at = 0.0, start
    for i in range(start, stop):
        if abs(matrix[rows[i], column]) > largest:
            largest, at = abs(matrix[rows[i], column]), i
    if largest == 0.0:
        return 0.0
    rows[start], rows[at] = rows[at], rows[start]
    head = rows[start]
    squares = 0.0
    for i in range(start + 1, stop):
        squares += (matrix[rows[i], column] / largest) ** 2
    if squares == 0.0:
        return matrix[head, column]
    norm = largest * math.sqrt(1.0 + squares)
    scale = 1.0 / norm  # the squares of numbers may be beyond doubles
    lead = scale * matrix[head, column] + math.copysign(1.0, matrix[head, column])
    factor = 1.0 / (1.0 + scale * largest)
    for j in range(column + 1, span):
        scratch[j] = lead * matrix[head, j]
    for i in range(start + 1, stop):
        row = rows[i]
        entry = scale * matrix[row, column]
        if entry != 0.0:
            for j in range(column + 1, span):
                scratch[j] += entry * matrix[row, j]
    for j in range(column + 1, span):
        scratch[j] *= factor
        matrix[head, j] -= lead * scratch[j]
    for i in range(start + 1, stop):
        row = rows[i]
        entry = scale * matrix[row, column]
        if entry != 0.0:
            for j in range(column + 1, span):
                matrix[row, j] -= entry * scratch[j]
        matrix[row, column] = 0.0
    matrix[head, column] = -math.copysign(norm, lead)
    return matrix[head, column]
