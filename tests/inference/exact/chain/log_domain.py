"""Forward-backward in the log domain, step by step: the referee of what compiled passes answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Smoothed(NamedTuple):
    log_likelihood: float
    filtered: np.ndarray
    marginals: np.ndarray
    transitions: np.ndarray


def smoothed(start, transition, log_densities) -> Smoothed:
    """Answer about one sequence; an impossible one has a log-likelihood of ``-inf``.

    Messages are normalised at each step: differences of long sums would lose digits.
    """
    steps, states = log_densities.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        start, transition = np.log(start), np.log(transition)
        ahead, back, norms = np.empty((steps, states)), np.zeros((steps, states)), np.empty(steps)
        for t in range(steps):
            before = start if t == 0 else np.logaddexp.reduce(ahead[t - 1][:, None] + transition, 0)
            norms[t] = np.logaddexp.reduce(before + log_densities[t])
            ahead[t] = before + log_densities[t] - norms[t]
        counts = np.zeros((states, states))
        for t in range(steps - 1, 0, -1):
            pairs = transition + log_densities[t] + back[t] - norms[t]
            back[t - 1] = np.logaddexp.reduce(pairs, 1)
            counts += np.exp(ahead[t - 1][:, None] + pairs)
        marginals = np.exp(ahead + back)
        marginals /= marginals.sum(1, keepdims=True)
    return Smoothed(float(norms.sum()), np.exp(ahead), marginals, counts)
