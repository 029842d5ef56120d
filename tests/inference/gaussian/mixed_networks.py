"""Random networks of discrete and continuous variables, and a referee of many digits."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import mpmath
import numpy as np
import torch
from mpmath import mpf

import mmgraph as mm

DIGITS = 200
TINY = "1e-60"
"""The variance that stands for none."""
HALF_LOG = 68.0
"""Nats of a density that is infinite but for the tiny variance: half the logarithm of it is 69."""


def dyadic(rng, shape, steps=8):
    """Numbers whose sums and products doubles hold exactly, so that functions repeat exactly."""
    return np.round(rng.normal(size=shape) * steps) / steps


def random_mixed(rng, discrete=3, continuous=4, degenerate=0.3):
    """A network in random order: tables, and linear Gaussian distributions of scalars and vectors.

    Second are roots of the covariances of the noise by child.
    """
    states = [mm.Variable(f"d{i}", int(rng.integers(1, 4))) for i in range(discrete)]
    reals, factors, roots = [], [], {}
    for i, v in enumerate(states):
        parents = [p for p in states[:i] if rng.random() < 0.4]
        table = rng.random([p.cardinality for p in parents] + [v.cardinality]) + 0.05
        if rng.random() < degenerate and v.cardinality > 1:
            table[..., 0] = 0.0
        factors.append(mm.TableFactor([*parents, v], table / table.sum(-1, keepdims=True), child=v))
    for i in range(continuous):
        shape = (int(rng.integers(1, 3)),) if rng.random() < 0.3 else ()
        v = mm.Variable(f"x{i}", shape=shape, family="gaussian")
        above = [p for p in states if rng.random() < 0.4] + [p for p in reals if rng.random() < 0.5]
        above = [above[k] for k in rng.permutation(len(above))]
        axes = [p.cardinality for p in above if p.is_discrete]
        width = sum(p.size for p in above if not p.is_discrete)
        slopes = dyadic(rng, (*axes, *shape, width), 4)
        slopes *= rng.random(slopes.shape) > degenerate / 2
        root = dyadic(rng, (*axes, v.size, v.size), 4)
        if not shape or rng.random() < 0.5:
            root = root * np.eye(v.size) + 0.25 * np.eye(v.size)
        root = root * (rng.random((*axes, 1, v.size)) > degenerate)
        roots[v.name] = root
        variance = root @ np.swapaxes(root, -1, -2)
        variance = variance if shape else variance[..., 0, 0]
        factors.append(mm.LinearGaussian(v, above, slopes, dyadic(rng, (*axes, *shape)), variance))
        reals.append(v)
    order = rng.permutation(len(factors))
    return mm.BayesianNetwork([*states, *reals], [factors[k] for k in order]), roots


def rows_with_gaps(net, roots, rng, rows, missing):
    """Rows that the network may give, some cells missing: codes (-1) and values (NaN) by name."""
    cells: dict[str, np.ndarray] = {}
    for name in net.topological_order():
        factor, v = net.distribution(name), net.variables[name]
        if v.is_discrete:
            table = factor.values.numpy()
            chances = [table[tuple(cells[p.name][r] for p in factor.parents)] for r in range(rows)]
            cells[name] = np.array([rng.choice(v.cardinality, p=c) for c in chances])
            continue
        form = factor.linear_form()
        drawn = np.empty((rows, v.size))
        for r in range(rows):
            state = tuple(cells[p.name][r] for p in form.discrete)
            above = np.concatenate([cells[p.name][r] for p in form.continuous] or [np.empty(0)])
            number = (
                np.ravel_multi_index(state, [p.cardinality for p in form.discrete] or [1])
                if (state)
                else 0
            )
            noise = roots[name][state] @ dyadic(rng, v.size)
            slopes, intercept = form.coefficients[number].numpy(), form.intercept[number].numpy()
            drawn[r] = intercept + slopes @ above + noise
        cells[name] = drawn
    for name, drawn in cells.items():
        gone = rng.random(drawn.shape) < missing
        cells[name] = np.where(gone, -1 if net.variables[name].is_discrete else np.nan, drawn)
    return cells


def as_evidence(net, cells):
    made = {}
    for name, drawn in cells.items():
        v = net.variables[name]
        if v.is_discrete:
            made[name] = [None if c < 0 else mm.index(int(c)) for c in drawn]
        else:
            made[name] = torch.from_numpy(drawn.reshape(-1, *v.shape))
    return made


class Referee(NamedTuple):
    """What is true of one row: log P(evidence), states, and joint moments of all elements.

    ``repeats`` says how many observations the configurations that are left foretell without noise,
    and ``ties`` how many such configurations there are.
    """

    log_evidence: float
    shares: dict[tuple[int, ...], float]
    mean: np.ndarray
    covariance: np.ndarray
    repeats: int
    ties: int


def referee(net, cells, row):
    """Enumerate configurations and condition densely in many digits; None if all are impossible."""
    with mpmath.workdps(DIGITS):
        return _referee(net, cells, row)


def _referee(net, cells, row):
    states = [v for v in net.variables.values() if v.is_discrete]
    reals = [v for v in net.variables.values() if not v.is_discrete]
    place, size = {}, 0
    for v in reals:
        place[v.name] = list(range(size, size + v.size))
        size += v.size
    seen = np.concatenate([cells[v.name][row] for v in reals] or [np.empty(0)])
    logs, moments = {}, {}
    for configuration in itertools.product(*(range(v.cardinality) for v in states)):
        codes = {v.name: c for v, c in zip(states, configuration, strict=True)}
        if any(cells[n][row] not in (-1, c) for n, c in codes.items()):
            continue
        chance = mpf(1)
        for v in states:
            factor = net.distribution(v.name)
            chance *= mpf(float(factor.values[tuple(codes[u.name] for u in factor.scope)]))
        if chance == 0:
            continue
        mean, covariance = _joint(net, place, codes, size)
        density, mean, covariance = _conditioned(mean, covariance, seen)
        if density > -1e20:
            logs[configuration] = mpmath.log(chance) + density
            moments[configuration] = (mean, covariance)
    if not logs:
        return None
    top = max(logs.values())
    weights = {c: mpmath.exp(log - top) for c, log in logs.items()}
    total = sum(weights.values())
    shares = {c: w / total for c, w in weights.items()}
    mean = sum((moments[c][0] * shares[c] for c in shares), mpmath.zeros(size, 1))
    covariance = mpmath.zeros(size, size)
    for c, share in shares.items():
        away = moments[c][0] - mean
        covariance += share * (moments[c][1] + away * away.T)
    repeats = round(float(top) / HALF_LOG) if float(top) > HALF_LOG / 2 else 0
    log = top + mpmath.log(total) + repeats * mpmath.log(2 * mpmath.pi * mpf(TINY)) / 2
    return Referee(
        float(log),
        {c: float(s) for c, s in shares.items()},
        np.array([float(m) for m in mean]),
        np.array(covariance.tolist(), float).reshape(size, size),
        repeats,
        sum(float(top - log) < HALF_LOG / 2 for log in logs.values()),
    )


def _joint(net, place, codes, size):
    mean, covariance = mpmath.zeros(size, 1), mpmath.zeros(size, size)
    done: list[int] = []
    for name in net.topological_order():
        if net.variables[name].is_discrete:
            continue
        form = net.distribution(name).linear_form()
        sizes = [p.cardinality for p in form.discrete]
        states = [codes[p.name] for p in form.discrete]
        number = int(np.ravel_multi_index(states, sizes)) if sizes else 0
        slopes = mpmath.matrix(form.coefficients[number].tolist() or [[0]])
        regressors = [e for p in form.continuous for e in place[p.name]]
        for i, e in enumerate(place[name]):
            parts = [(k, slopes[i, j]) for j, k in enumerate(regressors)]
            mean[e] = mpf(float(form.intercept[number, i])) + sum(s * mean[k] for k, s in parts)
            for other in done:
                cross = sum(s * covariance[k, other] for k, s in parts)
                covariance[e, other] = covariance[other, e] = cross
        for i, e in enumerate(place[name]):
            for j, f in enumerate(place[name]):
                noise = mpf(float(form.covariance[number, i, j])) + (mpf(TINY) if i == j else 0)
                through = sum(
                    slopes[i, a] * covariance[k, m] * slopes[j, b]
                    for a, k in enumerate(regressors)
                    for b, m in enumerate(regressors)
                )
                covariance[e, f] = noise + through
        done += place[name]
    return mean, covariance


def _conditioned(mean, covariance, seen):
    observed = [i for i, x in enumerate(seen) if not np.isnan(x)]
    size = len(seen)
    if not observed:
        return mpf(0), mean, covariance
    known = mpmath.matrix([mpf(float(seen[i])) - mean[i] for i in observed])
    within = mpmath.matrix([[covariance[i, j] for j in observed] for i in observed])
    cross = mpmath.matrix([[covariance[i, j] for j in observed] for i in range(size)])
    inverse = within**-1
    gain = cross * inverse
    density = (
        -(
            (known.T * inverse * known)[0]
            + mpmath.log(mpmath.det(within))
            + len(observed) * mpmath.log(2 * mpmath.pi)
        )
        / 2
    )
    return density, mean + gain * known, covariance - gain * cross.T
