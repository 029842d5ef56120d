"""Random linear Gaussian systems, and their answers from the joint normal density of all steps."""

from __future__ import annotations

from typing import NamedTuple

import mpmath
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


def precise_means(system: LinearGaussianSystem, rows: np.ndarray) -> np.ndarray:
    """Means of the states given the cells, by 60 digits: of systems with singular covariances too.

    A ridge of 1e-25 stands in for the limit of noise that vanishes.
    """
    p, steps = system.system, len(rows)
    with mpmath.workdps(60):
        matrices = [mpmath.matrix(np.atleast_2d(a).tolist()) for a in p]
        named = dict(zip(p._fields, matrices, strict=True))
        move, show = named["transition"], named["observation"]
        mean, spread = named["start_mean"].T, named["start_covariance"]
        means, across = [mean], {(0, 0): spread}
        for t in range(1, steps):
            mean = move * mean + named["transition_offset"].T
            spread = move * spread * move.T + named["transition_covariance"]
            means.append(mean)
            across[t, t] = spread
        for t in range(steps):
            for u in range(t + 1, steps):
                across[t, u] = across[t, u - 1] * move.T
                across[u, t] = across[t, u].T
        cells = [
            (t, k) for t in range(steps) for k in range(p.features) if rows[t, k] == rows[t, k]
        ]
        size = len(cells)
        inside, left = mpmath.matrix(size, size), mpmath.matrix(size, 1)
        for a, (t, k) in enumerate(cells):
            expected = show[k, :] * means[t]
            left[a] = mpmath.mpf(rows[t, k]) - expected[0] - mpmath.mpf(p.observation_offset[k])
            for b, (u, j) in enumerate(cells):
                inside[a, b] = (show[k, :] * across[t, u] * show[j, :].T)[0]
                if t == u:
                    inside[a, b] += named["observation_covariance"][k, j]
            inside[a, a] += mpmath.mpf(10) ** -25
        weights = mpmath.lu_solve(inside, left) if size else left
        found = np.empty((steps, p.states))
        for t in range(steps):
            total = means[t]
            for b, (u, j) in enumerate(cells):
                total = total + across[t, u] * show[j, :].T * weights[b]
            found[t] = [float(value) for value in total]
    return found
