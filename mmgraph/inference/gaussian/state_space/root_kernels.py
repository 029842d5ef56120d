"""Compiled steps of a square-root Kalman filter and smoother.

Covariances are carried as triangular roots ``S`` with ``P = S' S``. Cells of a row are taken one by
one (Carlson 1973, "Fast triangular formulation of the square root filter"), after rows of
correlated noise are made independent. The step in time is modified Gram-Schmidt over the rows of
``[F S', L]`` with ``Q = L L'`` (Thornton 1976); those of ``[S', 0]`` are made orthogonal to them as
well, which leaves the gain of the smoother and a root of the covariance of a state given the next
one. No covariance is subtracted from another or inverted, so that none turns indefinite.

The number of states is read off ``System.lanes``. Of a tuple it is a constant of the compiled code,
whose loops unroll; then ``states`` is one of few sizes, to which zeros pad a system.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from mmgraph.inference.numerics.compiling import uncounted

_EPSILON = 2.0**-52
_TINY = (8 * _EPSILON) ** 2
"""A square that shrinks by so much through cancellation is zero but for rounding."""


class System(NamedTuple):
    """The arrays of a linear Gaussian system, as compiled code takes them.

    Attributes
    ----------
    lanes : tuple or array of ``states`` zeros
    transition : array of shape (states, states)
    offset : array of shape (states,)
    noise : array of shape (states, states)
        A root of the transition's covariance.
    observation : array of shape (features, states)
    observation_offset : array of shape (features,)
    observation_covariance : array of shape (features, features)
    """

    lanes: Any
    transition: np.ndarray
    offset: np.ndarray
    noise: np.ndarray
    observation: np.ndarray
    observation_offset: np.ndarray
    observation_covariance: np.ndarray


class Recursion(NamedTuple):
    """What does not depend on the values of a sequence; gains and rests may have no room.

    Attributes
    ----------
    place : array of shape (steps,)
        Where in the other arrays each step is.
    filtered : array of shape (stored steps, states, states)
        The covariance given the rows up to a step. Where there is room for one, the last is left.
    gains : array of shape (stored steps, states, states)
        The coefficients of a state (second axis) on the next one, given the rows so far.
    rests : array of shape (stored steps, states, states)
        The covariance that a state has when the next one is known, too.
    """

    place: np.ndarray
    filtered: np.ndarray
    gains: np.ndarray
    rests: np.ndarray


@uncounted
def independent_cells(system, mask, cells, rows, whitening, lower, variances):
    """Write the rows of the observation, with independent noise, of the cells that are there.

    ``whitening`` is the inverse of the unit triangular factor of their covariance. Returns how many
    there are.
    """
    count = 0
    for i in range(len(mask)):
        if mask[i]:
            cells[count] = i
            count += 1
    for i in range(count):
        for j in range(i + 1):
            total = system.observation_covariance[cells[i], cells[j]]
            for k in range(j):
                total -= lower[i, k] * lower[j, k] * variances[k]
            if i == j:
                least = 4 * count * _EPSILON * system.observation_covariance[cells[i], cells[i]]
                variances[i] = total if total > least else 0.0
            else:
                lower[i, j] = total / variances[j] if variances[j] > 0 else 0.0
    for i in range(count):
        for j in range(i):
            total = -lower[i, j]
            for k in range(j + 1, i):
                total -= lower[i, k] * whitening[k, j]
            whitening[i, j] = total
        whitening[i, i] = 1.0
        for k in range(len(system.lanes)):
            total = system.observation[cells[i], k]
            for j in range(i):
                total -= lower[i, j] * rows[j, k]
            rows[i, k] = total
    return count


@uncounted
def observe(lanes, root, row, variance, gain, products):
    """Condition a root on one cell; return the variance of its innovation.

    That is zero where rounding is all that is left of it: the cell is determined already.
    """
    states = len(lanes)
    scale, total = variance, variance
    for j in range(states):
        product = 0.0
        for i in range(j + 1):
            term = root[j, i] * row[i]
            product += term
            scale += term * term
        products[j] = product
        total += product * product
        gain[j] = 0.0
    if total <= _TINY * scale:
        return 0.0
    before = variance
    for j in range(states):
        product = products[j]
        after = before + product * product
        shrink, turn = 1.0, 0.0
        if after > 0:
            shrink = math.sqrt(before / after)
            if before > 0:
                turn = product / (after * shrink)
        for i in range(j + 1):
            old = root[j, i]
            root[j, i] = old * shrink - gain[i] * turn
            gain[i] += old * product
        before = after
    inverse = 1 / before
    for j in range(states):
        gain[j] *= inverse
    return before


@uncounted
def advance(system, root, rows, weights):
    """Replace a filtered root by that of the next step, and return the largest variance of it.

    The smoother's parts stay in the buffers:
    ``rows`` are those of ``[F S', L]`` and, if there is room, of ``[S', 0]``; ``weights[j]`` are
    the coefficients of all of them on row ``j``.
    """
    states = len(system.lanes)
    smoothing, largest = len(rows) > states, 0.0
    for i in range(states):
        for k in range(states):
            total = 0.0
            for j in range(k + 1):
                total += system.transition[i, j] * root[k, j]
            rows[i, k] = total
            rows[i, states + k] = system.noise[i, k]
        square = 0.0
        for k in range(2 * states):
            square += rows[i, k] * rows[i, k]
        weights[i, i] = square
        largest = max(largest, square)
    if smoothing:
        for i in range(states):
            for k in range(states):
                rows[states + i, k] = root[k, i]
                rows[states + i, states + k] = 0.0
    for back in range(states):
        j = states - 1 - back
        square = 0.0
        for k in range(2 * states):
            square += rows[j, k] * rows[j, k]
        length, inverse = 0.0, 0.0
        if square > _TINY * weights[j, j]:
            length, inverse = math.sqrt(square), 1 / square
        root[j, j] = length
        for i in range(2 * states):
            if i < j or (smoothing and i >= states):
                weight = 0.0
                for k in range(2 * states):
                    weight += rows[j, k] * rows[i, k]
                weight *= inverse
                weights[j, i] = weight
                for k in range(2 * states):
                    rows[i, k] -= weight * rows[j, k]
                if i < j:
                    root[j, i] = weight * length
    return largest


@uncounted
def store_smoother(lanes, rows, weights, gain, rest):
    """Write the smoother's gain and what it leaves, from the buffers of a step in time."""
    states = len(lanes)
    for i in range(states):
        for j in range(states):
            total = weights[j, states + i]
            for k in range(j):
                total -= gain[i, k] * weights[j, k]
            gain[i, j] = total
        for j in range(i + 1):
            total = 0.0
            for k in range(2 * states):
                total += rows[states + i, k] * rows[states + j, k]
            rest[i, j] = total


@uncounted
def square(lanes, root, covariance):
    """Write the covariance that has a root."""
    states = len(lanes)
    for i in range(states):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, states):
                total += root[k, i] * root[k, j]
            covariance[i, j] = total


@uncounted
def lift(lanes, covariance, work):
    """Make a lower triangle a covariance, lifted by rounding's size if rounding made it indefinite.

    ``work`` has its shape.
    """
    states = len(lanes)
    trace, positive = 0.0, True
    for i in range(states):
        trace += covariance[i, i]
        for j in range(i):
            covariance[j, i] = covariance[i, j]
    most = 4 * states * _EPSILON * trace
    for i in range(states):
        own = covariance[i, i]
        left = own - min(most, 1e-10 * own)
        for j in range(i):
            total = covariance[i, j]
            for k in range(j):
                total -= work[i, k] * work[j, k]
            total *= work[j, j]
            work[i, j] = total
            left -= total * total
        positive = positive and (left > 0 or own == 0)
        work[i, i] = 1 / math.sqrt(left) if left > 0 else 0.0
    if not positive:
        for i in range(states):
            covariance[i, i] += 2 * min(most, 1e-10 * covariance[i, i])
