"""Compiled steps of a filter, in the log domain, where nothing underflows."""

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled


@compiled
def filter_step(log_transition, log_filtered, log_densities, out):
    """Write the log-probabilities of the states after a step; return what it adds to the
    log-likelihood.

    ``log_filtered`` are those before it; -inf is returned, and nothing written, if it is
    impossible.
    """
    states = len(log_filtered)
    whole = -np.inf
    for k in range(states):
        largest = -np.inf
        for j in range(states):
            largest = max(largest, log_filtered[j] + log_transition[j, k])
        if largest == -np.inf or log_densities[k] == -np.inf:
            out[k] = -np.inf
            continue
        total = 0.0
        for j in range(states):
            total += np.exp(log_filtered[j] + log_transition[j, k] - largest)
        out[k] = np.log(total) + largest + log_densities[k]
        whole = max(whole, out[k])
    if whole == -np.inf:
        return whole
    total = 0.0
    for k in range(states):
        total += np.exp(out[k] - whole)
    norm = np.log(total) + whole
    for k in range(states):
        out[k] -= norm
    return norm


@compiled
def lagged_marginals(log_start, log_transition, log_densities, lag, out):
    """Write the distribution of each step given rows up to ``lag`` steps later.

    Of one sequence; returns the first impossible step, or -1.
    """
    steps, states = log_densities.shape
    filtered = np.empty((steps, states))
    impartial = np.full((states, states), -np.inf)
    for k in range(states):
        impartial[k, k] = 0.0
    for t in range(steps):
        if t == 0:
            gain = filter_step(impartial, log_start, log_densities[t], filtered[t])
        else:
            gain = filter_step(log_transition, filtered[t - 1], log_densities[t], filtered[t])
        if gain == -np.inf:
            return t
    for t in range(steps):
        later = log_densities[t + 1 : min(t + 1 + lag, steps)]
        lagged_marginal(log_transition, filtered[t], later, out[t])
    return -1


@compiled
def lagged_marginal(log_transition, log_filtered, log_densities, out):
    """Write the distribution of a step given that step and those after it, whose densities are
    given.

    ``log_filtered`` is that of the step; ``log_densities`` ``(later steps, states)``.
    """
    states = len(log_filtered)
    later, row = np.zeros(states), np.empty(states)
    for t in range(len(log_densities) - 1, -1, -1):
        for k in range(states):
            row[k] = later[k] + log_densities[t, k]
        for j in range(states):
            largest = -np.inf
            for k in range(states):
                largest = max(largest, log_transition[j, k] + row[k])
            if largest == -np.inf:
                later[j] = -np.inf
                continue
            total = 0.0
            for k in range(states):
                total += np.exp(log_transition[j, k] + row[k] - largest)
            later[j] = np.log(total) + largest
    largest = -np.inf
    for k in range(states):
        out[k] = log_filtered[k] + later[k] if later[k] > -np.inf else -np.inf
        largest = max(largest, out[k])
    total = 0.0
    for k in range(states):
        out[k] = np.exp(out[k] - largest)
        total += out[k]
    for k in range(states):
        out[k] /= total
