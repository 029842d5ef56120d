"""Compiled log-densities and sums of normal emissions; states lie along the fast axis."""

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled


@compiled
def diagonal_log_densities(rows, missing, means, precisions, constants, out):
    """Write log N(row; mean, 1 / precision) of independent features.

    ``means``, ``precisions`` and ``constants`` (half the logarithm of precision / 2π) are
    ``(features, states)``; ``missing`` is ``(steps, features)``, or empty where no cell is.
    """
    some_missing = missing.size > 0
    whole = constants.sum(0)
    states = means.shape[1]
    for t in range(len(rows)):
        row = out[t]
        if some_missing:
            for k in range(states):
                row[k] = 0.0
        else:
            for k in range(states):
                row[k] = whole[k]
        for d in range(len(means)):
            if some_missing:
                if missing[t, d]:
                    continue
                for k in range(states):
                    row[k] += constants[d, k]
            x, mean, precision = rows[t, d], means[d], precisions[d]
            for k in range(states):
                distance = x - mean[k]
                row[k] -= 0.5 * distance * distance * precision[k]


@compiled
def full_log_densities(rows, means, whiteners, constants, out):
    """Write log N(row; mean, covariance), the covariance by its whitener.

    ``means`` is ``(features, states)``, ``whiteners`` ``(features, features, states)``: the
    inverses of the lower Cholesky factors; ``constants`` is ``(states,)``.
    """
    features, states = means.shape
    distances = np.empty((features, states))
    white = np.empty(states)
    for t in range(len(rows)):
        row = out[t]
        row[:] = constants
        for i in range(features):
            x, mean, distance = rows[t, i], means[i], distances[i]
            for k in range(states):
                distance[k] = x - mean[k]
            white[:] = 0.0
            for j in range(i + 1):
                factor, distance = whiteners[i, j], distances[j]
                for k in range(states):
                    white[k] += factor[k] * distance[k]
            for k in range(states):
                row[k] -= 0.5 * white[k] * white[k]


@compiled
def diagonal_sums(rows, missing, weights, means, counts, first, second):
    """Add up weights, weighted distances from means and their squares, (features, states)."""
    some_missing = missing.size > 0
    features, states = means.shape
    for t in range(len(rows)):
        weight = weights[t]
        for d in range(features):
            if some_missing and missing[t, d]:
                continue
            x, mean = rows[t, d], means[d]
            for k in range(states):
                distance = x - mean[k]
                weighted = weight[k] * distance
                first[d, k] += weighted
                second[d, k] += weighted * distance
            if some_missing:
                for k in range(states):
                    counts[d, k] += weight[k]
        if not some_missing:
            for k in range(states):
                counts[0, k] += weight[k]
    if not some_missing:
        for d in range(1, features):
            counts[d] = counts[0]
