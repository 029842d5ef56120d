"""Emissions with random parameters, and rows for them with cells missing."""

from __future__ import annotations

import numpy as np

from mmgraph.learning.dynamic.emissions.autoregressive import AutoregressiveEmission
from mmgraph.learning.dynamic.emissions.categorical import CategoricalEmission
from mmgraph.learning.dynamic.emissions.emission import Emission
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.learning.dynamic.emissions.mixture import MixtureEmission
from mmgraph.learning.dynamic.emissions.modalities import ModalityEmission
from mmgraph.learning.dynamic.emissions.scores import ScoreEmission

COVARIANCES = ("diagonal", "full", "tied", "spherical")
KINDS = (*COVARIANCES, "mixture", "tied mixture", "categorical", "autoregressive", "modalities")


def drawn_covariances(generator, kind, states, features):
    """Covariances of a kind, and the same as full matrices ``(states, features, features)``."""
    if kind == "diagonal":
        given = generator.gamma(2, size=(states, features)) + 0.1
        return given, np.array([np.diag(row) for row in given])
    if kind == "spherical":
        given = generator.gamma(2, size=states) + 0.1
        return given, given[:, None, None] * np.eye(features)
    roots = generator.standard_normal((states, features, features))
    full = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(features)
    return (full[0], np.tile(full[0], (states, 1, 1))) if kind == "tied" else (full, full)


def drawn_gaussian(generator, kind, states, features) -> GaussianEmission:
    means = 2 * generator.standard_normal((states, features))
    return GaussianEmission(means, drawn_covariances(generator, kind, states, features)[0], kind)


def drawn(generator, kind, states=3, features=3) -> Emission:
    """An emission of one of :data:`KINDS`, or ``scores``."""
    if kind == "scores":
        return ScoreEmission(states)
    if kind.endswith("mixture"):
        covariance = "tied" if kind == "tied mixture" else "full"
        parts = drawn_gaussian(generator, covariance, 2 * states, features)
        return MixtureEmission(generator.dirichlet([2, 2], states), parts)
    if kind == "categorical":
        sizes = range(2, 2 + features)
        return CategoricalEmission([generator.dirichlet(np.ones(k), states) for k in sizes])
    if kind == "autoregressive":
        coefficients = 0.3 * generator.standard_normal((states, features, 2 * features + 1))
        noise = drawn_covariances(generator, "full", states, features)[0]
        return AutoregressiveEmission(coefficients, noise, 2, np.full(features, 0.1))
    if kind == "modalities":
        names = ("full", "categorical", "autoregressive")
        return ModalityEmission({name: drawn(generator, name, states, 2) for name in names})
    return drawn_gaussian(generator, kind, states, features)


def drawn_rows(generator, emission: Emission, steps: int, missing: float = 0.25):
    """Prepared rows that random states emit, with cells missing, some rows altogether."""
    rows = emission.sample(generator.integers(emission.states, size=steps), generator)
    rows[generator.random(rows.shape) < missing] = np.nan
    if missing:
        rows[generator.integers(steps)] = np.nan
    return np.ascontiguousarray(emission.prepared(rows))
