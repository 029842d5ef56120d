"""Compiled square-root Kalman filter and smoother; sequences of one missing pattern share a pass.

Covariances do not depend on the values observed. Where the same cells are there for long, they
settle, and are computed no more; ``place`` says which stored step each step of a sequence uses.
"""

from __future__ import annotations

import math

import numpy as np

from mmgraph.inference.gaussian.state_space.root_kernels import (
    Recursion,
    advance,
    independent_cells,
    lift,
    observe,
    square,
    store_smoother,
)
from mmgraph.inference.numerics.compiling import compiled, uncounted

_WINDOW = 16
_SETTLED_ROOT, _SETTLED_VARIANCE = 1e-14, 1e-12
"""Roots and variances of innovations that change less in a window of steps have settled."""

_LARGEST = 1e150
"""A variance whose square is a number, too."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


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
        Zeros.

    Returns
    -------
    sequence, step : int
        Of the first row whose cells contradict what is certain; -1 if there is none. The step alone
        where variances overflow.
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
            count = independent_cells(system, mask[t], cells, rows, whitening, lower, noise)
            same, settled = 0, False
        if not settled:
            slot += 1
            constant = 0.0
            for i in range(count):
                variances[i] = observe(lanes, root, rows[i], noise[i], gains[i], products)
                if variances[i] > 0:
                    constant -= 0.5 * math.log(variances[i]) + _HALF_LOG_TWO_PI
            at = min(slot, len(recursion.filtered) - 1)
            square(lanes, root, recursion.filtered[at])
            lift(lanes, recursion.filtered[at], work)
            if advance(system, root, buffer, weights) > _LARGEST:
                return -1, t
            if smoothing:
                store_smoother(lanes, buffer, weights, recursion.gains[slot], recursion.rests[slot])
            same += 1
            if same % _WINDOW == 0:
                settled = _has_settled(lanes, root, earlier, variances, earlier_variances, count)
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
                    return s, t
            log_likelihoods[s] += constant - 0.5 * total
            for i in range(states):
                total = system.offset[i]
                for k in range(states):
                    total += system.transition[i, k] * filtered_means[s, t, k]
                means[s, i] = total
    return -1, -1


@compiled
def backward(system, filtered_means, recursion, covariance, smoothed_means, place, smoothed):
    """Smooth what was filtered.

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
    smoothed : array of shape (steps, states, states)
        Filled from the end.
    """
    sequences, steps, _ = filtered_means.shape
    lanes, states = system.lanes, len(system.lanes)
    product, work = np.zeros_like(covariance), np.zeros_like(covariance)
    change, earlier = np.zeros(states), np.zeros_like(covariance)
    slot, same, settled = steps - 1, 0, False
    smoothed[slot] = covariance
    lift(lanes, smoothed[slot], work)
    place[steps - 1] = slot
    for s in range(sequences):
        for i in range(states):
            smoothed_means[s, steps - 1, i] = filtered_means[s, steps - 1, i]
    for t in range(steps - 2, -1, -1):
        at = recursion.place[t]
        if t == steps - 2 or at != recursion.place[t + 1]:
            same, settled = 0, False
        if not settled:
            slot -= 1
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


@compiled
def lagged(system, filtered_means, recursion, lag, means, covariances):
    """Smooth each step by so many rows after it: the last steps by what there is."""
    sequences, steps, states = filtered_means.shape
    window = np.empty((sequences, lag + 1, states))
    place, smoothed = np.empty(lag + 1, np.int64), np.empty((lag + 1, states, states))
    for end in range(min(lag, steps - 1), steps):
        first = max(0, end - lag)
        count = end - first + 1
        part = Recursion(
            recursion.place[first : end + 1], recursion.filtered, recursion.gains, recursion.rests
        )
        backward(
            system,
            filtered_means[:, first : end + 1],
            part,
            recursion.filtered[recursion.place[end]].copy(),
            window[:, :count],
            place[:count],
            smoothed[:count],
        )
        for t in range(count if end == steps - 1 else 1):
            means[:, first + t] = window[:, t]
            covariances[first + t] = smoothed[place[t]]
