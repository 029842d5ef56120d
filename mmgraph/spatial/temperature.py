"""How far marginals must be flattened to be as sure as they are right.

Loopy belief propagation hears the same news again over every loop, and is the surer of itself the
stronger the edges are; that neighbours agree is only a model, too. One number, the temperature,
mends most of it: each marginal is raised to the power of one over it. The most probable class of a
pixel stays what it was.

References
----------
Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks" (2017), section 4.2.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int64
from scipy.optimize import minimize_scalar

_HIGHEST = 100.0
"""No temperature is higher; hardly anything is left of marginals then."""

_SMALLEST_PROBABILITY = 1e-12


def tempered(
    marginals: Float[np.ndarray, "*shape classes"], temperature: float
) -> Float[np.ndarray, "*shape classes"]:
    """Return marginals to the power of one over the temperature, normalised."""
    if temperature == 1.0:
        return marginals
    powers = np.asarray(marginals, np.float64) ** (1.0 / temperature)
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def log_loss(
    marginals: Float[np.ndarray, "pixels classes"], codes: Int64[np.ndarray, " pixels"]
) -> float:
    """Return the mean log-loss in nats; a probability below 1e-12 counts as that."""
    probability = marginals[np.arange(len(codes)), codes].astype(np.float64)
    return -float(np.log(np.maximum(probability, _SMALLEST_PROBABILITY)).mean())


def fitted_temperature(
    marginals: Float[np.ndarray, "pixels classes"], codes: Int64[np.ndarray, " pixels"]
) -> float:
    """Return the temperature, between 1 and 100, of least log-loss; 1 without any pixel."""
    if not len(codes):
        return 1.0

    def loss(log_temperature: float) -> float:
        return log_loss(tempered(marginals, math.exp(log_temperature)), codes)

    minimum = minimize_scalar(loss, bounds=(0.0, math.log(_HIGHEST)), method="bounded")
    return math.exp(minimum.x) if minimum.fun < loss(0.0) else 1.0
