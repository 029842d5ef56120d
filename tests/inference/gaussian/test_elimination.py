"""Elimination against dense conditioning, many digits, and messages along a tree."""

from __future__ import annotations

import resource

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf

import mmgraph as mm
from tests.inference.gaussian.gaussian_networks import chain, conditioned, dense_joint, real

NETWORKS = ("ecoli70", "arth150", "magic-niab", "magic-irri")


def drawn_rows(net, names, rows, missing, seed=0):
    generator = torch.Generator().manual_seed(seed)
    drawn = mm.sample(net, rows, {}, generator)
    values = np.stack([drawn[name] for name in names], 1)
    return np.where(np.random.default_rng(seed).random(values.shape) < missing, np.nan, values)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("missing", [0.05, 0.5, 0.95])
def test_networks_equal_dense_conditioning(network, missing):
    """Random patterns; beside the spread of each variable, whose units differ."""
    net = mm.read(network)
    names, mean, covariance = dense_joint(net)
    rows = drawn_rows(net, names, 3, missing)
    evidence = dict(zip(names, rows.T, strict=True))
    posterior = mm.query(net, evidence, names)
    moments = mm.joint_moments(net, names, evidence)
    spread = np.sqrt(covariance.diagonal())
    means, covariances = moments.mean.numpy(), moments.covariance.numpy()
    for i, row in enumerate(rows):
        log_density, given, left = conditioned(mean, covariance, row)
        assert float(posterior.log_evidence[i]) == pytest.approx(log_density, abs=1e-9, rel=1e-9)
        scale = spread + abs(mean)
        np.testing.assert_allclose(means[i] / scale, given / scale, atol=1e-9)
        units = np.outer(spread, spread)
        np.testing.assert_allclose(covariances[i] / units, left / units, atol=1e-9)
        for j, name in enumerate(names):
            assert float(posterior.mean(name)[i]) == pytest.approx(float(means[i, j]), rel=1e-9)
            expected = float(covariances[i, j, j])
            assert float(posterior.variance(name)[i]) == pytest.approx(
                expected, rel=1e-9, abs=1e-12
            )


@pytest.mark.parametrize("network", ["ecoli70", "magic-irri"])
def test_rows_of_many_patterns_equal_rows_one_by_one(network):
    net = mm.read(network)
    names = list(net.variables)
    rows = drawn_rows(net, names, 200, 0.4)
    assert len(np.unique(np.isnan(rows), axis=0)) == 200
    together = mm.query(net, dict(zip(names, rows.T, strict=True)), names)
    for i, row in enumerate(rows[::10]):
        alone = mm.query(net, dict(zip(names, row, strict=True)), names)
        np.testing.assert_allclose(together.log_evidence[10 * i], alone.log_evidence[0], rtol=1e-12)
        for name in names:
            for answer in (mm.Posterior.mean, mm.Posterior.variance):
                here, there = answer(together, name)[10 * i], answer(alone, name)[0]
                assert float(here) == pytest.approx(float(there), rel=1e-11, abs=1e-12)


def smoothed(slopes, variances, observed):
    """Means and variances of a chain by the smoother of Rauch, Tung and Striebel in 80 digits."""
    with mpmath.workdps(80):
        return _smoothed(
            [mpf(float(a)) for a in slopes], [mpf(float(q)) for q in variances], observed
        )


def _smoothed(slopes, variances, observed):
    predicted, filtered = [], []
    for i, variance in enumerate(variances):
        if i:
            mean, spread = filtered[-1]
            here = (slopes[i] * mean, slopes[i] ** 2 * spread + variance)
        else:
            here = (mpf(0), variance)
        predicted.append(here)
        filtered.append((mpf(observed[i]), mpf(0)) if i in observed else here)
    answers = [filtered[-1]]
    for i in range(len(variances) - 2, -1, -1):
        gain = filtered[i][1] * slopes[i + 1] / predicted[i + 1][1]
        mean = filtered[i][0] + gain * (answers[-1][0] - predicted[i + 1][0])
        spread = filtered[i][1] + gain**2 * (answers[-1][1] - predicted[i + 1][1])
        answers.append((mean, spread))
    return np.array([[float(number) for number in pair] for pair in reversed(answers)]).T


def test_an_ill_conditioned_chain_keeps_its_digits_where_moments_lose_them():
    """Precise copies between vague steps, variances from 1e-12 to 1e3, and a growing scale."""
    count = 1000
    slopes = np.where(np.arange(count) % 2 == 0, 1.02, 1.0)
    variances = 10.0 ** np.random.default_rng(0).integers(-12, 4, count)
    net = chain(slopes, [1.0, *variances[1:]])
    observed = {i: 1.01**i for i in range(0, count, 50)}
    evidence = {f"x{i}": x for i, x in observed.items()}
    names = list(net.variables)
    means, spreads = smoothed(slopes, [1.0, *variances[1:]], observed)
    free = np.array([i not in observed for i in range(count)])

    def answered(rows):
        posterior = mm.query(net, rows, names)
        answers = [(posterior.mean(n).item(), posterior.variance(n).item()) for n in names]
        return np.array(answers).T

    mean, variance = answered(evidence)
    assert (variance[free] > 0).all()
    np.testing.assert_allclose(variance[free], spreads[free], rtol=1e-12)
    assert (abs(mean - means) / (abs(means) + np.sqrt(spreads)))[free].max() < 1e-12

    rows = mm.Evidence.of(evidence, net.variables)
    for values in rows.values.values():
        values.requires_grad_()  # so that torch answers, in moment form
    naive = answered(rows)[1]
    assert (naive[free] < 0).any()
    assert (abs(naive - spreads)[free] / spreads[free]).max() > 1.0


def random_tree(count, rng):
    """A tree in which parents stand up to 50 places above, and its parents by number."""
    variables = [real(f"x{i}") for i in range(count)]
    parents = [0, *(int(rng.integers(max(0, i - 50), i)) for i in range(1, count))]
    factors = [mm.LinearGaussian(variables[0], [], [], 0.0, 1.0)]
    factors += [
        mm.LinearGaussian(variables[i], [variables[parents[i]]], [0.9], 0.1, 0.5)
        for i in range(1, count)
    ]
    return mm.FactorGraph(variables, factors), parents


def tree_messages(parents, observed):
    """Means and variances on a random tree by messages of precisions, upwards and down."""
    count = len(parents)
    upwards = np.zeros((count, 2))  # precision and precision times mean, about the parent
    inside = np.zeros((count, 2))
    for i in range(count - 1, 0, -1):
        if i in observed:
            precision, shift = 1 / 0.5, (observed[i] - 0.1) / 0.5
        elif inside[i, 0] == 0:
            continue
        else:
            spread = 0.5 + 1 / inside[i, 0]
            precision, shift = 1 / spread, (inside[i, 1] / inside[i, 0] - 0.1) / spread
        upwards[i] = 0.81 * precision, 0.9 * shift
        inside[parents[i]] += upwards[i]
    answers = np.zeros((count, 2))
    for i in range(count):
        if i in observed:
            answers[i] = observed[i], 0.0
            continue
        if i == 0:
            mean, spread = 0.0, 1.0
        elif parents[i] in observed:
            mean, spread = 0.1 + 0.9 * observed[parents[i]], 0.5
        else:
            above = answers[parents[i]]
            precision = 1 / above[1] - upwards[i, 0]
            mean = 0.1 + 0.9 * (above[0] / above[1] - upwards[i, 1]) / precision
            spread = 0.5 + 0.81 / precision
        precision = 1 / spread + inside[i, 0]
        answers[i] = (mean / spread + inside[i, 1]) / precision, 1 / precision
    return answers


def tree_evidence(count, rng):
    return {int(i): float(rng.normal()) for i in rng.choice(count, count // 5, replace=False)}


def test_a_tree_equals_messages_along_it():
    rng = np.random.default_rng(1)
    net, parents = random_tree(2000, rng)
    observed = tree_evidence(2000, rng)
    expected = tree_messages(parents, observed)
    names = list(net.variables)
    posterior = mm.query(net, {f"x{i}": x for i, x in observed.items()}, names)
    answers = [(posterior.mean(n).item(), posterior.variance(n).item()) for n in names]
    np.testing.assert_allclose(answers, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.slow
def test_the_memory_of_large_trees_is_linear():
    """Numbers for each variable, whatever the size; a dense covariance would take 80 GB."""
    rng = np.random.default_rng(2)
    net, _ = random_tree(100_000, rng)
    names = list(net.variables)
    evidence = {f"x{i}": x for i, x in tree_evidence(100_000, rng).items()}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    posterior = mm.query(net, evidence, names)
    variances = torch.cat([posterior.variance(name) for name in names])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert bool((variances >= 0).all())
    assert bool(((variances > 0) == torch.tensor([n not in evidence for n in names])).all())
    assert after - before < 20 * 100_000  # kilobytes
