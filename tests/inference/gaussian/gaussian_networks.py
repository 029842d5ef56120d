"""Gaussian networks for tests: short ones of single numbers, and dense joint densities."""

from __future__ import annotations

import numpy as np
from scipy import stats

import mmgraph as mm


def real(name, **options):
    return mm.Variable(name, family="gaussian", **options)


def chain(slopes, variances, intercept=0.0):
    """A chain ``x0 → x1 → …``; the first slope has no part in it."""
    variables = [real(f"x{i}") for i in range(len(variances))]
    slopes = np.broadcast_to(slopes, len(variances))
    first = mm.LinearGaussian(variables[0], [], [], intercept, variances[0])
    others = [
        mm.LinearGaussian(variables[i], [variables[i - 1]], [slopes[i]], intercept, variances[i])
        for i in range(1, len(variances))
    ]
    return mm.BayesianNetwork(variables, [first, *others])


def two_classes(prior=(0.5, 0.5), means=(0.0, 1.0), variances=(1.0, 1.0), slope=1.0, noise=1.0):
    """``z → x → y``, of which x has a mean and a variance for each of two states."""
    z, x, y = mm.Variable("z", ["a", "b"]), real("x"), real("y")
    factors = [
        mm.TableFactor([z], prior, child=z),
        mm.LinearGaussian(x, [z], np.zeros((2, 0)), means, variances),
        mm.LinearGaussian(y, [x], [slope], 0.0, noise),
    ]
    return mm.BayesianNetwork([z, x, y], factors)


def many_parents(count, states=3):
    """Classes, each with a measurement, whose sum is measured: unobserved it joins all classes."""
    classes = [mm.Variable(f"z{i}", states) for i in range(count)]
    parts, total = [real(f"x{i}") for i in range(count)], real("y")
    factors = [mm.TableFactor([z], np.full(states, 1 / states), child=z) for z in classes]
    for z, x in zip(classes, parts, strict=True):
        means = np.arange(states, dtype=float)
        factors.append(mm.LinearGaussian(x, [z], np.zeros((states, 0)), means, np.ones(states)))
    factors.append(mm.LinearGaussian(total, parts, np.ones(count), 0.0, 1.0))
    return mm.BayesianNetwork([*classes, *parts, total], factors)


def dense_joint(net):
    """The names, the mean and the covariance of a network of single numbers."""
    names = list(net.topological_order())
    place = {name: i for i, name in enumerate(names)}
    mean, covariance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for i, name in enumerate(names):
        form = net.distribution(name).linear_form()
        above = [place[p.name] for p in form.continuous]
        slopes = form.coefficients[0, 0].numpy()
        mean[i] = form.intercept.item() + slopes @ mean[above]
        covariance[i, :i] = covariance[:i, i] = slopes @ covariance[above, :i]
        through = slopes @ covariance[np.ix_(above, above)] @ slopes
        covariance[i, i] = form.covariance.item() + through
    return names, mean, covariance


def conditioned(mean, covariance, row):
    """The log-density of what a row observes, and the mean and covariance given that."""
    seen = np.flatnonzero(~np.isnan(row))
    within = covariance[np.ix_(seen, seen)]
    gain = np.linalg.solve(within, covariance[seen]).T if len(seen) else np.zeros((len(row), 0))
    given = mean + gain @ (row[seen] - mean[seen])
    left = covariance - gain @ covariance[seen]
    log_density = (
        stats.multivariate_normal(mean[seen], within).logpdf(row[seen]) if len(seen) else 0
    )
    return float(log_density), given, left
