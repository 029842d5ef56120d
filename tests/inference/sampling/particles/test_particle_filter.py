"""Particles come near what exact recursions say, of discrete and of real states."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from mmgraph.graph.errors import EvidenceError, GraphError, ZeroProbabilityError
from mmgraph.inference.sampling.particles.particle_filter import HiddenProcess, particle_filter
from tests.inference.exact.chain.enumerated_paths import enumerated

START = torch.tensor([0.6, 0.4])
TRANSITION = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
MEANS = torch.tensor([-1.0, 1.0])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(chances, generator):
    cumulated = chances.cumsum(-1)
    uniform = torch.rand(chances.shape[:-1], generator=generator, device=generator.device)
    return (uniform[..., None] > cumulated).sum(-1)


def markov_chain():
    """A hidden Markov model of two states, whose parameters go where the generator is."""
    return HiddenProcess(
        lambda shape, g: drawn(START.to(g.device).expand(*shape, 2), g),
        lambda states, step, g: drawn(TRANSITION.to(g.device)[states], g),
        lambda row, states, step: -0.5 * (row[..., 0] - MEANS.to(row.device)[states]) ** 2,
        lambda before, after, step: TRANSITION.to(before.device)[before, after].log(),
    )


def walk(variance=0.5):
    """A random walk seen through noise: ``x' = 0.9 x + e``, ``y = x + d``, ``d`` of variance 1."""

    def normal(difference, v):
        return -0.5 * difference**2 / v - 0.5 * np.log(2 * np.pi * v)

    def noise(shape, generator, v):
        return v**0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)

    return HiddenProcess(
        lambda shape, g: noise(shape, g, 1.0),
        lambda x, step, g: 0.9 * x + noise(x.shape, g, variance),
        lambda row, x, step: normal(row[..., 0] - x, 1.0),
        lambda before, after, step: normal(after - 0.9 * before, variance),
    )


def kalman(rows, variance=0.5):
    """Filtered means, smoothed means and the log-likelihood, from the joint normal density."""
    steps = len(rows)
    marginal = np.empty(steps)
    marginal[0] = 1.0
    for t in range(1, steps):
        marginal[t] = 0.81 * marginal[t - 1] + variance
    lag = np.arange(steps)
    covariance = 0.9 ** abs(lag[:, None] - lag) * marginal[np.minimum(lag[:, None], lag)]
    there = np.flatnonzero(~np.isnan(rows))
    filtered = np.zeros(steps)
    for t in range(steps):
        past = there[there <= t]
        seen = covariance[np.ix_(past, past)] + np.eye(len(past))
        filtered[t] = covariance[t, past] @ np.linalg.solve(seen, rows[past])
    seen = covariance[np.ix_(there, there)] + np.eye(len(there))
    smoothed = covariance[:, there] @ np.linalg.solve(seen, rows[there])
    quadratic = rows[there] @ np.linalg.solve(seen, rows[there])
    return filtered, smoothed, -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * seen)[1])


def test_particles_of_a_markov_chain_come_near_enumeration(device):
    rows = torch.tensor([[0.5, -2.0, torch.nan, 1.5, 2.0], [0.1, 0.2, 0.3, 0.4, 0.5]])[..., None]
    answer = particle_filter(markov_chain(), rows.to(device), 3000, seeded(), threshold=0.9)
    assert answer.states.device.type == torch.device(device).type
    paths = answer.sample_paths(1000, seeded(1))
    found = one_hot(paths, 2).float().mean(2).cpu().numpy()
    for i in range(2):
        densities = np.nan_to_num(-0.5 * (rows[i].numpy() - MEANS.numpy()) ** 2)
        truth = enumerated(START.numpy(), TRANSITION.numpy(), densities)
        np.testing.assert_allclose(found[:, i], truth.probabilities, atol=0.06)
        assert float(answer.log_likelihood[i]) == pytest.approx(truth.log_likelihood, abs=0.1)


def test_particles_of_a_walk_come_near_the_normal_density():
    rows = np.random.default_rng(0).normal(size=12).cumsum()
    rows[4] = np.nan
    answer = particle_filter(walk(), torch.from_numpy(rows)[None, :, None], 3000, seeded())
    filtered, smoothed, log_likelihood = kalman(rows)
    assert (answer.method, answer.exact) == ("particle filter", False)
    np.testing.assert_allclose(answer.expectation()[:, 0], filtered, atol=0.08)
    paths = answer.sample_paths(400, seeded(1))
    np.testing.assert_allclose(paths.mean(2)[:, 0], smoothed, atol=0.13)
    assert float(answer.log_likelihood) == pytest.approx(log_likelihood, abs=0.1)


def test_the_likelihood_is_unbiased_at_any_threshold():
    rows = torch.tensor([1.0, -1.0, 2.0, 0.5], dtype=torch.float64)
    log_likelihood = kalman(rows.numpy())[2]
    for threshold in (0.0, 0.5, 1.0):
        many = rows[None, :, None].expand(4000, -1, -1)
        answer = particle_filter(walk(), many, 10, seeded(), threshold)
        ratios = (answer.log_likelihood - log_likelihood).exp()
        assert abs(float(ratios.mean()) - 1) < 4 * float(ratios.std()) / 4000**0.5
        sizes = answer.effective_sample_sizes
        assert ((sizes >= 1 - 1e-9) & (sizes <= 10 + 1e-9)).all()


def test_a_missing_row_weighs_nothing_and_a_seed_decides():
    rows = torch.tensor([[1.0, torch.nan, 0.0]])[..., None].double()
    one, two = (particle_filter(walk(), rows, 50, seeded(7), 1.0) for _ in range(2))
    assert float(one.effective_sample_sizes[1, 0]) == pytest.approx(50)
    assert torch.equal(one.states, two.states)


def test_bad_input_is_named():
    process, rows = walk(), torch.zeros(2, 3, 1, dtype=torch.float64)
    with pytest.raises(EvidenceError, match=r"batch, steps, features.*\(2, 3\)"):
        particle_filter(process, rows[..., 0])
    with pytest.raises(EvidenceError, match="particles is 0"):
        particle_filter(process, rows, 0)

    def emitting(value):
        return HiddenProcess(process.initial, process.transition, lambda row, x, step: x * value)

    with pytest.raises(EvidenceError, match="NaN at step 0"):
        particle_filter(emitting(torch.nan), rows)

    def never(row, x, step):
        return torch.where((row[..., 0] > 5), -torch.inf, x * 0)

    rows[1, 2] = 9.0
    with pytest.raises(
        ZeroProbabilityError, match="sequence 1 could have emitted the row of step 2"
    ) as caught:
        particle_filter(HiddenProcess(process.initial, process.transition, never), rows)
    assert caught.value.rows == (1,)
    with pytest.raises(GraphError, match="transition_log_density"):
        particle_filter(emitting(0.0), rows, 10).sample_paths(2)
