"""M-steps of linear Gaussian distributions: with priors held, EM climbs one objective."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.learning.regression.fit import fitted_regression
from mmgraph.learning.regression.prior import RegressionPrior
from mmgraph.learning.regression.shrinkage import advised_prior
from mmgraph.learning.regression.statistics import RegressionStatistics

K = mm.Variable("k", 2)
X, Y = (mm.Variable(name, family="gaussian") for name in "xy")


def rows(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Lines of two slopes, whose configuration is latent; some y are missing."""
    source = np.random.default_rng(seed)
    x = source.normal(1.0, 2.0, 60)
    y = np.where(source.random(60) < 0.4, 2 * x - 1, 1 - x) + 0.5 * source.normal(size=60)
    y[::4] = np.nan
    return torch.as_tensor(x), torch.as_tensor(y)


def expected(
    factor: mm.LinearGaussian, share: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> tuple[RegressionStatistics, torch.Tensor, float]:
    """The E-step by hand: the latent configuration, and y where it is missing."""
    mean = factor.intercept + x.unsqueeze(1) * factor.coefficients[:, 0]
    noise = factor.variance
    missing = y.isnan()
    apart = (y.unsqueeze(1) - mean).nan_to_num()
    fit = -0.5 * (apart.square() / noise + (2 * torch.pi * noise).log())
    logs = share.log() + torch.where(missing.unsqueeze(1), 0.0, fit)
    belief = logs.softmax(1)
    filled = torch.where(missing.unsqueeze(1), mean, y.nan_to_num().unsqueeze(1))
    means = torch.stack([x.unsqueeze(1).expand(-1, 2), filled], -1)
    covariances = torch.zeros(len(x), 2, 2, 2, dtype=torch.float64)
    covariances[..., 1, 1] = missing.unsqueeze(1) * noise
    statistics = RegressionStatistics.expected(1, belief, means, covariances)
    return statistics, belief.mean(0), float(logs.logsumexp(1).sum())


@pytest.mark.parametrize("shrunk", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_objective_never_falls(shrunk, seed):
    x, y = rows(seed)
    factor = mm.LinearGaussian(Y, [K, X], [[0.5], [-0.5]], [0.0, 1.0], [4.0, 4.0])
    share = torch.tensor([0.5, 0.5], dtype=torch.float64)
    statistics, share, log_likelihood = expected(factor, share, x, y)
    prior: float | RegressionPrior = 0.0
    if shrunk:
        prior = advised_prior(statistics, 1e-6, "y").held()
    objectives = []
    for _ in range(40):
        factor = fitted_regression(factor, statistics, prior)
        statistics, share, log_likelihood = expected(factor, share, x, y)
        added = prior.log_density(factor) if isinstance(prior, RegressionPrior) else 0.0
        objectives.append(log_likelihood + added)
    assert np.diff(objectives).min() > -1e-8
    assert objectives[-1] > objectives[0]
    slopes = sorted(factor.coefficients[:, 0].tolist())
    np.testing.assert_allclose(slopes, [-1, 2], atol=0.6 if shrunk else 0.25)


def test_held_priors_count_as_no_more_rows_than_are_ample():
    x = torch.linspace(-1, 1, 40, dtype=torch.float64).unsqueeze(1)
    y = x + torch.randn(40, 1, generator=torch.Generator().manual_seed(0)).double()
    places = torch.arange(40) % 2
    prior = advised_prior(RegressionStatistics.of_rows(x, y, places, 2), 1e-6, "y")
    strengths = ("intercept_rows", "slope_rows", "covariance_rows")
    assert max(getattr(prior, name) for name in strengths) > 20
    assert max(getattr(prior.held(), name) for name in strengths) == 20


def test_em_from_a_network_without_noise_raises_it_to_the_floor_or_names_the_variable():
    x = np.linspace(-1.0, 1.0, 30)
    data = {"x": x, "y": np.where(np.arange(30) % 5 == 0, np.nan, 2 * x + 1)}
    root = mm.LinearGaussian(X, [], [], 0.0, 1.0)
    net = mm.BayesianNetwork([X, Y], [root, mm.LinearGaussian(Y, [X], [2.0], 1.0, 0.0)])
    with pytest.raises(LearningError, match="the variance of 'y' is zero"):
        net.fit(data, "em", start="current", floor=0.0)
    net.fit(data, "em", start="current")
    fitted = net.distribution("y")
    np.testing.assert_allclose(fitted.coefficients, [2.0], rtol=1e-4)
    assert 0 < float(fitted.variance) < 1e-5
