"""Small networks of discrete and real variables, and their posteriors on a grid."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch.distributions import Bernoulli, Poisson

import mmgraph as mm

GRID = np.linspace(-8, 9, 341)
HEIGHTS = np.linspace(-20, 22, 841)


RATES = torch.tensor([1.0, 4.0], dtype=torch.float64)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def real(name: str, *shape: int) -> mm.Variable:
    return mm.Variable(name, family="gaussian", shape=shape)


def counts() -> mm.BayesianNetwork:
    """A count whose rate depends on a state and a measurement, which has a cause of its own."""
    k, r, x, n = mm.Variable("k", ["a", "b"]), mm.Variable("r", ["lo", "hi"]), real("x"), real("n")
    leaf = mm.GaussianLeaf(x, [k], [[-1.0], [1.0]], [[1.0], [0.5]], covariance="diagonal")
    return mm.BayesianNetwork(
        [k, r, x, n],
        [
            mm.TableFactor([k], [0.3, 0.7], child=k),
            mm.TableFactor([k, r], [[0.9, 0.1], [0.2, 0.8]], child=r),
            leaf,
            mm.PyroNode(n, [r, x], lambda r, x: Poisson(RATES[r] * x.exp())),
        ],
    )


def chain() -> mm.BayesianNetwork:
    """A state, two real variables that depend on it, and a logistic regression on both."""
    k, x, z, c = mm.Variable("k", 2), real("x"), real("z"), mm.Variable("c", 2)
    return mm.BayesianNetwork(
        [k, x, z, c],
        [
            mm.TableFactor([k], [0.3, 0.7], child=k),
            mm.LinearGaussian(x, [k], [[], []], [-1.0, 1.0], [1.0, 0.5]),
            mm.LinearGaussian(z, [k, x], [[0.5], [2.0]], [0.0, 1.0], [1.0, 1.0]),
            mm.PyroNode(c, [x, z], lambda x, z: Bernoulli(logits=x - z)),
        ],
    )


def chain_posterior(z: float | None, c: int | None) -> dict[str, float]:
    """Expectations given what is observed, by sums over a grid, and log P(evidence)."""
    heights = HEIGHTS if z is None else np.array([z])
    joint = np.stack([0.3 * stats.norm.pdf(GRID, -1, 1), 0.7 * stats.norm.pdf(GRID, 1, 0.5**0.5)])[
        :, :, None
    ]
    below = GRID[:, None]
    joint = joint * np.stack(
        [stats.norm.pdf(heights, 0.5 * below, 1), stats.norm.pdf(heights, 1 + 2 * below, 1)]
    )
    chance = 1 / (1 + np.exp(heights - below))
    if c is not None:
        joint = joint * (chance if c else 1 - chance)
    step = (GRID[1] - GRID[0]) * (HEIGHTS[1] - HEIGHTS[0] if z is None else 1.0)
    total = joint.sum()
    share = joint / total
    return {
        "k": share.sum((1, 2))[1],
        "x": (share * below).sum(),
        "z": (share * heights).sum(),
        "c": (share * chance).sum() if c is None else float(c),
        "log_evidence": float(np.log(total * step)),
    }
