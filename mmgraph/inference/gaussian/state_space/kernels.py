"""Compiled square-root Kalman filter and smoother; sequences of one missing pattern share a pass.

Covariances are carried as triangular roots ``S`` with ``P = S' S``. Cells of a row are taken one by
one (Carlson 1973, "Fast triangular formulation of the square root filter"), after rows of
correlated noise are made independent. The step in time is modified Gram-Schmidt over the rows of
``[F S', L]`` with ``Q = L L'`` (Thornton 1976); those of ``[S', 0]`` are made orthogonal to them as
well, which leaves the gain of the smoother and a root of the covariance of a state given the next
one. No covariance is subtracted from another or inverted, so that none turns indefinite.

None of it depends on the values observed. Where the same cells are there for long, roots settle,
and are computed no more; ``place`` says which stored step each step of a sequence uses.

The number of states is read off ``System.lanes``. Of a tuple it is a constant of the compiled code,
whose loops unroll; then ``states`` is one of few sizes, to which zeros pad a system.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from mmgraph.inference.numerics.compiling import compiled, uncounted

_EPSILON = 2.0**-52
_TINY = (8 * _EPSILON) ** 2
"""A square that shrinks by so much through cancellation is zero but for rounding."""

_WINDOW = 16
_SETTLED_ROOT, _SETTLED_VARIANCE = 1e-14, 1e-12
"""Roots and variances of innovations that change less in a window of steps have settled."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


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
    """What does not depend on the values of a sequence; arrays without steps are not filled.

    Attributes
    ----------
    place : array of shape (steps,)
        Where in the other arrays each step is.
    filtered : array of shape (stored steps, states, states)
        The covariance given the rows up to a step.
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
def _independent_cells(system, mask, cells, rows, whitening, lower, variances):
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
def _observe(lanes, root, row, variance, gain, products):
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
def _advance(system, root, rows, weights):
    """Replace a filtered root by that of the next step; the smoother's parts stay in the buffers.

    ``rows`` are those of ``[F S', L]`` and, if there is room, of ``[S', 0]``; ``weights[j]`` are
    the coefficients of all of them on row ``j``.
    """
    states = len(system.lanes)
    smoothing = len(rows) > states
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


@uncounted
def _store_smoother(lanes, rows, weights, gain, rest):
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
def _square(lanes, root, covariance):
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


@uncounted
def _has_settled(lanes, root, earlier, variances, earlier_variances, count):
    """Whether roots and innovations are those of a window before; they are noted."""
    states = len(lanes)
    settled = True
    for i in range(states):
        square, most = 0.0, 0.0
        for j in range(i, states):
            square += root[j, i] * root[j, i]
            most = max(most, abs(root[j, i] - earlier[j, i]))
            earlier[j, i] = root[j, i]
        settled = settled and most * most <= _SETTLED_ROOT * _SETTLED_ROOT * square
    for i in range(count):
        change = abs(variances[i] - earlier_variances[i])
        settled = settled and change <= _SETTLED_VARIANCE * variances[i]
        earlier_variances[i] = variances[i]
    return settled


@compiled
def forward(system, values, mask, means, root, filtered_means, recursion, log_likelihoods):
    """Filter sequences of one missing pattern; return the first impossible one and its step.

    Parameters
    ----------
    system : System
    values : array of shape (sequences, steps, features)
        Zero where missing.
    mask : array of bool, shape (steps, features)
        Which cells are there.
    means, root : arrays of shape (sequences, states) and (states, states)
        The prediction of the first step; becomes that of the step after the last.
    filtered_means : array of shape (sequences, steps, states)
    recursion : Recursion
    log_likelihoods : array of shape (sequences,)
        Is added to.

    Returns
    -------
    sequence, step : int
        Of the first row whose cells contradict what is certain; -1 if there is none.
    stored : int
        How many steps of the recursion are filled.
    """
    sequences, steps, features = values.shape
    lanes, states = system.lanes, len(system.lanes)
    smoothing = len(recursion.gains) > 0
    cells = np.zeros(features, np.int64)
    rows, gains = np.zeros((features, states)), np.zeros((features, states))
    whitening, lower = np.zeros((features, features)), np.zeros((features, features))
    noise, variances = np.zeros(features), np.zeros(features)
    earlier_variances, centred = np.zeros(features), np.zeros(features)
    earlier, work = np.zeros((states, states)), np.zeros((states, states))
    buffer = np.zeros(((1 + smoothing) * states, 2 * states))
    weights, products = np.zeros((states, 2 * states)), np.zeros(states)
    same, settled, slot, count, constant = 0, False, -1, 0, 0.0
    for t in range(steps):
        changed = t == 0
        for i in range(features):
            changed = changed or mask[t, i] != mask[t - 1, i]
        if changed:
            count = _independent_cells(system, mask[t], cells, rows, whitening, lower, noise)
            same, settled = 0, False
        if not settled:
            slot += 1
            constant = 0.0
            for i in range(count):
                variances[i] = _observe(
                    lanes, root, rows[i], noise[i], gains[i], products
                )
                if variances[i] > 0:
                    constant -= 0.5 * math.log(variances[i]) + _HALF_LOG_TWO_PI
            if len(recursion.filtered) > 0:
                _square(lanes, root, recursion.filtered[slot])
                lift(lanes, recursion.filtered[slot], work)
            _advance(system, root, buffer, weights)
            if smoothing:
                _store_smoother(
                    lanes, buffer, weights, recursion.gains[slot], recursion.rests[slot]
                )
            same += 1
            if same % _WINDOW == 0:
                settled = _has_settled(
                    lanes, root, earlier, variances, earlier_variances, count
                )
                settled = settled and same > _WINDOW
        recursion.place[t] = slot
        for s in range(sequences):
            total = 0.0
            for i in range(states):
                filtered_means[s, t, i] = means[s, i]
            for i in range(count):
                centred[i] = values[s, t, cells[i]] - system.observation_offset[cells[i]]
                residual = 0.0
                for j in range(i + 1):
                    residual += whitening[i, j] * centred[j]
                size = abs(residual)
                for k in range(states):
                    product = rows[i, k] * filtered_means[s, t, k]
                    residual -= product
                    size += abs(product)
                if variances[i] > 0:
                    total += residual * residual / variances[i]
                    for k in range(states):
                        filtered_means[s, t, k] += gains[i, k] * residual
                elif abs(residual) > 1e-7 * size:
                    return s, t, slot + 1
            log_likelihoods[s] += constant - 0.5 * total
            for i in range(states):
                total = system.offset[i]
                for k in range(states):
                    total += system.transition[i, k] * filtered_means[s, t, k]
                means[s, i] = total
    return -1, -1, slot + 1


@compiled
def backward(system, filtered_means, recursion, covariance, smoothed_means, place, smoothed):
    """Smooth what was filtered; return how many covariances are stored.

    Parameters
    ----------
    system : System
    filtered_means : array of shape (sequences, steps, states)
    recursion : Recursion
    covariance : array of shape (states, states)
        Of the last step; becomes that of the first.
    smoothed_means : array of shape (sequences, steps, states)
    place : array of shape (steps,)
        Where in ``smoothed`` the covariance of each step is.
    smoothed : array of shape (stored steps, states, states)
    """
    sequences, steps, _ = filtered_means.shape
    lanes, states = system.lanes, len(system.lanes)
    product, work = np.zeros_like(covariance), np.zeros_like(covariance)
    change, earlier = np.zeros(states), np.zeros_like(covariance)
    slot, same, settled = 0, 0, False
    smoothed[0] = covariance
    lift(lanes, smoothed[0], work)
    place[steps - 1] = 0
    for s in range(sequences):
        for i in range(states):
            smoothed_means[s, steps - 1, i] = filtered_means[s, steps - 1, i]
    for t in range(steps - 2, -1, -1):
        at = recursion.place[t]
        if t == steps - 2 or at != recursion.place[t + 1]:
            same, settled = 0, False
        if not settled:
            slot += 1
            for i in range(states):
                for k in range(states):
                    total = 0.0
                    for j in range(states):
                        total += recursion.gains[at, i, j] * covariance[j, k]
                    product[i, k] = total
            for i in range(states):
                for j in range(i + 1):
                    total = recursion.rests[at, i, j]
                    for k in range(states):
                        total += product[i, k] * recursion.gains[at, j, k]
                    covariance[i, j] = total
                    covariance[j, i] = total
                    smoothed[slot, i, j] = total
            lift(lanes, smoothed[slot], work)
            same += 1
            if same % _WINDOW == 0:
                settled = same > _WINDOW
                for i in range(states):
                    for j in range(i + 1):
                        size = math.sqrt(covariance[i, i] * covariance[j, j])
                        apart = abs(covariance[i, j] - earlier[i, j])
                        settled = settled and apart <= _SETTLED_ROOT * size
                        earlier[i, j] = covariance[i, j]
        place[t] = slot
        for s in range(sequences):
            for i in range(states):
                total = smoothed_means[s, t + 1, i] - system.offset[i]
                for k in range(states):
                    total -= system.transition[i, k] * filtered_means[s, t, k]
                change[i] = total
            for i in range(states):
                total = filtered_means[s, t, i]
                for k in range(states):
                    total += recursion.gains[at, i, k] * change[k]
                smoothed_means[s, t, i] = total
    return slot + 1
