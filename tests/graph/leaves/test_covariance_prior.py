"""Priors of covariances: the mode of the posterior, and the density that it maximises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from mmgraph.graph.leaves.covariance_prior import CovariancePrior


def positive(seed: int, count: int = 2, features: int = 3) -> torch.Tensor:
    roots = torch.from_numpy(np.random.default_rng(seed).normal(size=(count, features, features)))
    return roots @ roots.mT + 0.1 * torch.eye(features, dtype=torch.float64)


def normal(covariance: torch.Tensor) -> MultivariateNormal:
    return MultivariateNormal(covariance.new_zeros(len(covariance)), covariance)


@pytest.mark.parametrize("diagonal", [False, True])
def test_the_density_is_a_divergence(diagonal: bool):
    targets, own = positive(0), positive(1)
    if diagonal:
        targets, own = (c.diagonal(dim1=-2, dim2=-1) for c in (targets, own))
    prior = CovariancePrior(targets, torch.tensor([3.0, 0.0]).double())
    assert prior.log_density(targets) == pytest.approx(0.0, abs=1e-12)
    pair = [c[0].diag() if diagonal else c[0] for c in (targets, own)]
    expected = -3.0 * float(kl_divergence(normal(pair[0]), normal(pair[1])))
    assert prior.log_density(own) == pytest.approx(expected)


def test_no_covariance_near_the_mixed_one_is_better():
    own, weights = positive(1), torch.tensor([5.0, 40.0]).double()
    prior = CovariancePrior(positive(0), torch.tensor([3.0, 8.0]).double())

    def objective(found: torch.Tensor) -> float:
        scale = torch.linalg.solve(found, own).diagonal(dim1=-2, dim2=-1).sum(-1)
        likelihood = -0.5 * (weights * (torch.logdet(found) + scale)).sum()
        return float(likelihood) + prior.log_density(found)

    best = prior.mixed(own, weights)
    for seed in range(20):
        assert objective(best + 1e-3 * positive(seed)) < objective(best)
        assert objective(best * (1 - 1e-3 * (1 + seed))) < objective(best)


def test_strengths_of_nothing_and_of_infinity():
    own, targets = positive(1, count=3), positive(0, count=3)
    prior = CovariancePrior(targets, torch.tensor([0.0, torch.inf, 2.0]).double())
    mixed = prior.mixed(own, torch.tensor([0.0, 4.0, 6.0]).double())
    torch.testing.assert_close(mixed[0], own[0])
    torch.testing.assert_close(mixed[1], targets[1])
    torch.testing.assert_close(mixed[2], 0.75 * own[2] + 0.25 * targets[2])


def test_a_shared_covariance_has_the_rows_of_all():
    own, target = positive(1, count=1), positive(0, count=1)
    prior = CovariancePrior(target, torch.tensor([2.0]).double())
    mixed = prior.mixed(own[0], torch.tensor([1.0, 5.0]).double())
    torch.testing.assert_close(mixed, 0.75 * own[0] + 0.25 * target[0])
