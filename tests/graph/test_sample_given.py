"""Missing features drawn given the others: moments against the exact conditional density."""

from __future__ import annotations

import numpy as np
import torch

import mmgraph as mm

A = mm.Variable("a", 2)
X = mm.Variable("x", shape=(3,), family="gaussian")


def test_conditional_draws_of_a_gaussian_leaf_have_the_exact_moments():
    generator = np.random.default_rng(0)
    root = generator.normal(size=(2, 3, 3))
    covariances = root @ np.swapaxes(root, 1, 2) + 0.3 * np.eye(3)
    means = generator.normal(size=(2, 3))
    leaf = mm.GaussianLeaf(X, [A], means, covariances)
    count = 40_000
    observed = torch.tensor([0.7, torch.nan, torch.nan], dtype=torch.float64).expand(count, 3)
    codes = {"a": torch.ones(count, dtype=torch.int64)}
    drawn = leaf.sample_given(codes, observed, torch.Generator().manual_seed(0))
    gain = covariances[1][1:, :1] / covariances[1][0, 0]
    mean = means[1][1:] + gain[:, 0] * (0.7 - means[1][0])
    covariance = covariances[1][1:, 1:] - gain @ covariances[1][:1, 1:]
    assert bool((drawn[:, 0] == 0.7).all())
    np.testing.assert_allclose(drawn[:, 1:].mean(0).numpy(), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(drawn[:, 1:].numpy().T), covariance, atol=0.15)


def test_the_component_of_a_mixture_follows_what_is_observed():
    means = [[[0.0, 0.0, 0.0], [10.0, 10.0, 10.0]]] * 2
    leaf = mm.GaussianMixtureLeaf(
        X, [A], [[0.5, 0.5]] * 2, means, torch.eye(3).double(), covariance="shared"
    )
    observed = torch.tensor([[9.5, torch.nan, torch.nan]] * 200, dtype=torch.float64)
    codes = {"a": torch.zeros(200, dtype=torch.int64)}
    drawn = leaf.sample_given(codes, observed, torch.Generator().manual_seed(0))
    assert float(drawn[:, 1:].min()) > 5.0


def test_sampling_a_network_keeps_observed_features_and_draws_the_others():
    leaf = mm.GaussianLeaf(X, [A], np.zeros((2, 3)), np.ones((2, 3)), covariance="diagonal")
    net = mm.BayesianNetwork([A, X], [mm.TableFactor([A], [0.5, 0.5], child=A), leaf])
    drawn = mm.sample(net, 50, {"x": np.array([[2.0, np.nan, np.nan]])}).codes
    assert bool((drawn["x"][:, 0] == 2.0).all())
    assert not bool(drawn["x"].isnan().any())
    assert float(drawn["x"][:, 1].std()) > 0.5
