"""Posteriors of regressions, against numerical integration, scipy and their own draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.learning.regression.fit import fitted_regression, regression_posterior
from mmgraph.learning.regression.shrinkage import weighted_prior
from mmgraph.learning.regression.statistics import RegressionStatistics

X, Y = (mm.Variable(name, family="gaussian") for name in "xy")
LINE = mm.LinearGaussian(Y, [X], [0.0], 0.0, 1.0)


def line(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    source = np.random.default_rng(seed)
    x = source.normal(2.0, 1.5, rows)
    return x, 1.0 - 0.7 * x + 0.5 * source.normal(size=rows)


def statistics_of(x: np.ndarray, y: np.ndarray) -> RegressionStatistics:
    columns = (torch.as_tensor(np.reshape(part, (len(x), -1))) for part in (x, y))
    return RegressionStatistics.of_rows(*columns, torch.zeros(len(x)).long(), 1)


def test_it_is_the_product_of_prior_and_likelihood_integrated_by_brute_force():
    x, y = line(7)
    data = statistics_of(x, y)
    prior = weighted_prior(data, 3.0, 1e-6, "y")
    posterior = regression_posterior(LINE, data, prior)
    sx, sy, mx, my = x.std(), y.std(), x.mean(), y.mean()
    # a grid over the intercept at the mean, the slope and the logarithm of the variance, in units
    level, slope = np.linspace(-2, 2, 121)[:, None, None], np.linspace(-3, 2, 121)[:, None]
    variance = np.exp(np.linspace(-4.5, 3.0, 161))
    log = stats.invgamma.logpdf(variance, 1.5, scale=1.5) + np.log(variance)
    for coefficient in (level, slope):
        log = log + stats.norm.logpdf(coefficient, 0, np.sqrt(variance / 3))
    for u, v in zip((x - mx) / sx, (y - my) / sy, strict=True):
        log = log + stats.norm.logpdf(v, level + slope * u, np.sqrt(variance))
    density = np.exp(log - log.max())
    density /= density.sum()
    slopes = density.sum((0, 2))
    mean = float(slopes @ slope[:, 0])
    assert float(posterior.mean().coefficients[0]) == pytest.approx(mean * sy / sx, rel=1e-4)
    low, high = posterior.interval(0.9)["coefficients"][0] * sx / sy
    shares = np.interp([low, high], slope[:, 0] + 2.5 / 120, slopes.cumsum())
    np.testing.assert_allclose(shares, [0.05, 0.95], atol=2e-3)
    variances = density.sum((0, 1))
    low, high = np.log(posterior.interval(0.9)["variance"] / sy**2)
    places = np.linspace(-4.5, 3.0, 161) + 7.5 / 320
    np.testing.assert_allclose(
        np.interp([low, high], places, variances.cumsum()), [0.05, 0.95], atol=3e-3
    )
    # the intercept of the variables' own units is that at the mean, moved along the slope
    levels = density.sum(2)
    own = my + sy * level[:, 0] - sy / sx * mx * slope[:, 0]
    low, high = posterior.interval(0.9)["intercept"]
    assert float(levels[own < low].sum()) == pytest.approx(0.05, abs=5e-3)
    assert float(levels[own > high].sum()) == pytest.approx(0.05, abs=5e-3)


def test_without_a_prior_intervals_are_those_of_least_squares():
    x, y = line(12)
    posterior = regression_posterior(LINE, statistics_of(x, y), 0.0).check_proper()
    theirs = stats.linregress(x, y)
    interval = posterior.interval(0.95)
    reach = stats.t.ppf(0.975, 10)
    for name, centre, error in (
        ("coefficients", theirs.slope, theirs.stderr),
        ("intercept", theirs.intercept, theirs.intercept_stderr),
    ):
        ends = np.reshape(interval[name], 2)
        np.testing.assert_allclose(ends, [centre - reach * error, centre + reach * error])


@pytest.mark.parametrize("features", [None, 2])
@pytest.mark.parametrize("independent", [False, True])
def test_draws_have_the_intervals_and_the_mean(features, independent):
    if features is None and not independent:
        pytest.skip("the noise of a scalar child has no covariance")
    x, y = line(15)
    if features:
        y = np.stack([y, y + x + np.random.default_rng(1).normal(size=len(x))], 1)
    shape = () if features is None else (features,)
    child = mm.Variable("y", family="gaussian", shape=shape)
    noise = np.ones(shape) if independent else np.eye(2)
    factor = mm.LinearGaussian(child, [X], np.zeros((*shape, 1)), np.zeros(shape), noise)
    posterior = regression_posterior(factor, statistics_of(x, y))
    source = torch.Generator().manual_seed(0)
    draws = [posterior.sample(source) for _ in range(1200)]
    interval = posterior.interval(0.8)
    for name in ("intercept", "coefficients", "variance"):
        values = np.stack([getattr(d, name).numpy() for d in draws])
        if name == "variance" and not independent:
            values = np.diagonal(values, axis1=-2, axis2=-1)
        low, high = np.moveaxis(interval[name], -1, 0)
        np.testing.assert_allclose((values < low).mean(0), 0.1, atol=0.03)
        np.testing.assert_allclose((values > high).mean(0), 0.1, atol=0.03)
    if not independent:  # features depend on each other as the noise's expected precision says
        precision = np.linalg.inv(np.mean([np.linalg.inv(d.variance.numpy()) for d in draws], 0))
        np.testing.assert_allclose(precision, posterior.mean().variance, rtol=0.1, atol=0.02)
    assert all(d.variance.shape == factor.variance.shape for d in draws[:1])
    again = posterior.sample(torch.Generator().manual_seed(0))
    assert torch.equal(again.coefficients, draws[0].coefficients)


def test_variances_of_an_exact_fit_are_the_floor_in_draws_and_intervals():
    x = np.linspace(0.0, 1.0, 20)
    posterior = regression_posterior(LINE, statistics_of(x, 2 * x + 1))
    source = torch.Generator().manual_seed(0)
    drawn = np.array([float(posterior.sample(source).variance) for _ in range(600)])
    low, high = posterior.interval(0.9)["variance"]
    least = posterior.prior.floor * float(posterior.prior.units[1]) ** 2
    assert drawn.min() == pytest.approx(least)
    assert low == pytest.approx(np.quantile(drawn, 0.05), rel=0.15)
    assert high == pytest.approx(np.quantile(drawn, 0.95), rel=0.15)
    assert least <= low <= high


def test_its_mean_is_the_fit():
    x, y = line(9)
    data = statistics_of(x, y)
    for shrinkage in (None, 0.0):
        mean = regression_posterior(LINE, data, shrinkage).mean()
        fit = fitted_regression(LINE, data, shrinkage)
        assert torch.equal(mean.coefficients, fit.coefficients)


def test_too_few_rows_have_no_posterior_without_a_prior_but_have_one_with():
    K = mm.Variable("k", ("a", "b"))
    factor = mm.LinearGaussian(Y, [K, X], np.zeros((2, 1)), [0, 0], [1, 1])
    x, y = line(12)
    columns = (torch.as_tensor(part[:, None]) for part in (x, y))
    data = RegressionStatistics.of_rows(*columns, torch.zeros(12).long(), 2)
    with pytest.raises(LearningError, match=r"'y' has too few rows at \(k=b\).* no posterior"):
        regression_posterior(factor, data, 0.0).check_proper()
    posterior = regression_posterior(factor, data).check_proper()
    wide, narrow = np.ptp(posterior.interval()["intercept"], axis=-1)[::-1]
    assert wide > 2 * narrow
    assert bool(posterior.sample().intercept.isfinite().all())
    with pytest.raises(LearningError, match="level lies between 0 and 1, not at 1"):
        posterior.interval(1)
