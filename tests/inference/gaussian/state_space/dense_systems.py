"""Random linear Gaussian systems, and their answers from the joint normal density of all steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmgraph.networks.dynamic.linear_gaussian_system import LinearGaussianSystem


class DenseAnswer(NamedTuple):
    means: np.ndarray
    covariances: np.ndarray
    log_likelihood: float


def random_system(
    generator: np.random.Generator, states: int, features: int, rank: int | None = None
) -> LinearGaussianSystem:
    """A stable system; the noise of states and rows and the start have covariances of a rank."""

    def covariance(size: int) -> np.ndarray:
        root = generator.normal(size=(size, size if rank is None else min(rank, size)))
        return root @ root.T / size

    transition = generator.normal(size=(states, states))
    transition *= 0.95 / np.abs(np.linalg.eigvals(transition)).max()
    return LinearGaussianSystem(
        transition=transition,
        observation=generator.normal(size=(features, states)),
        transition_covariance=covariance(states),
        observation_covariance=covariance(features),
        start_mean=generator.normal(size=states),
        start_covariance=covariance(states),
        transition_offset=generator.normal(size=states),
        observation_offset=generator.normal(size=features),
    )


def drawn(
    system: LinearGaussianSystem, steps: int, missing: float, generator: np.random.Generator
) -> np.ndarray:
    """Rows of a system, of which a part of the cells is missing."""
    rows = system.sample(steps, random_state=int(generator.integers(2**31)))[0][0]
    return np.where(generator.random(rows.shape) < missing, np.nan, rows)


def dense_answer(system: LinearGaussianSystem, rows: np.ndarray) -> DenseAnswer:
    """Means and covariances of the states of each step given the cells that are there."""
    means, covariances, log_likelihood = _conditioned(system, rows)
    return DenseAnswer(
        means, np.stack([covariances[t, :, t] for t in range(len(rows))]), log_likelihood
    )


def dense_joint(system: LinearGaussianSystem, rows: np.ndarray) -> np.ndarray:
    """The covariance of the states of all steps, (steps, states, steps, states)."""
    return _conditioned(system, rows)[1]


def _conditioned(
    system: LinearGaussianSystem, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Condition the states of all steps, one long normal vector, on the cells that are there."""
    p, steps = system.system, len(rows)
    n = p.states
    mean, whole = np.zeros((steps, n)), np.zeros((steps, n, steps, n))
    state, covariance = p.start_mean, p.start_covariance
    for t in range(steps):
        mean[t], cross = state, covariance
        for u in range(t, steps):
            whole[t, :, u], whole[u, :, t] = cross, cross.T
            cross = cross @ p.transition.T
        state = p.transition @ state + p.transition_offset
        covariance = p.transition @ covariance @ p.transition.T + p.transition_covariance
    there = ~np.isnan(rows.ravel())
    joint = whole.reshape(steps * n, steps * n)
    looking = np.kron(np.eye(steps), p.observation)[there]
    noise = np.kron(np.eye(steps), p.observation_covariance)[np.ix_(there, there)]
    spread = looking @ joint @ looking.T + noise
    offset = np.tile(p.observation_offset, steps)[there]
    error = rows.ravel()[there] - looking @ mean.ravel() - offset
    gain = np.linalg.solve(spread, looking @ joint).T
    rest = (joint - gain @ looking @ joint).reshape(steps, n, steps, n)
    square = error @ np.linalg.solve(spread, error)
    return (
        (mean.ravel() + gain @ error).reshape(steps, n),
        rest,
        -0.5 * (square + np.linalg.slogdet(2 * np.pi * spread)[1]),
    )
