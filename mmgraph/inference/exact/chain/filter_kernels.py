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
