"""Regressions from statistics, against least squares, scikit-learn and densities by scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import BayesianRidge

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.learning.regression.fit import fitted_regression, regression_posterior
from mmgraph.learning.regression.prior import RegressionPrior
from mmgraph.learning.regression.shrinkage import advised_prior, log_marginal, weighted_prior
from mmgraph.learning.regression.spectrum import Spectrum
from mmgraph.learning.regression.statistics import RegressionStatistics


def template(regressors: int, count: int = 1, features: int | None = None) -> mm.LinearGaussian:
    """A distribution over one discrete parent of so many states, if more than one."""
    parents = [mm.Variable("k", count)] if count > 1 else []
    parents += [mm.Variable(f"x{i}", family="gaussian") for i in range(regressors)]
    shape = () if features is None else (features,)
    axes = (count,) if count > 1 else ()
    noise = (
        np.ones(axes)
        if features is None
        else np.broadcast_to(np.eye(features), (*axes, *shape, *shape))
    )
    return mm.LinearGaussian(
        mm.Variable("y", family="gaussian", shape=shape),
        parents,
        np.zeros((*axes, *shape, regressors)),
        np.zeros((*axes, *shape)),
        noise,
    )


def simulated(seed, rows, regressors, count=1, features=1, alike=False, noise=1.0):
    source = np.random.default_rng(seed)
    x = source.normal(size=(rows, regressors))
    k = source.integers(count, size=rows)
    slopes = source.normal(size=(1 if alike else count, regressors, features))
    levels = source.normal(size=(count, features)) * 2
    mean = levels[k] + np.einsum("rq,rqd->rd", x, slopes[k * (not alike)])
    return x, mean + noise * source.normal(size=mean.shape), k


def statistics_of(x, y, k=None, count=1, weights=None) -> RegressionStatistics:
    place = torch.zeros(len(x)).long() if k is None else torch.as_tensor(k)
    weights = None if weights is None else torch.as_tensor(weights)
    return RegressionStatistics.of_rows(
        torch.as_tensor(x), torch.as_tensor(y), place, count, weights
    )


def least_squares(x, y, weights=None):
    weights = np.ones(len(x)) if weights is None else weights
    design = np.column_stack([np.ones(len(x)), x]) * np.sqrt(weights)[:, None]
    answer = np.linalg.lstsq(design, y * np.sqrt(weights)[:, None], rcond=None)[0]
    residual = y * np.sqrt(weights)[:, None] - design @ answer
    return answer[0], answer[1:].T, residual.T @ residual / weights.sum()


# --- maximum likelihood --------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 4), st.integers(1, 3), st.integers(1, 2))
def test_the_likeliest_is_least_squares_in_each_configuration(seed, regressors, count, features):
    x, y, k = simulated(seed, 60, regressors, count, features)
    weights = np.random.default_rng(seed).random(60) + 0.1
    factor = template(regressors, count, features)
    fit = fitted_regression(factor, statistics_of(x, y, k, count, weights), 0.0).linear_form()
    for state in range(count):
        here = k == state
        level, slopes, noise = least_squares(x[here], y[here], weights[here])
        np.testing.assert_allclose(fit.intercept[state], level, atol=1e-9)
        np.testing.assert_allclose(fit.coefficients[state], slopes, atol=1e-9)
        np.testing.assert_allclose(fit.covariance[state], noise, atol=1e-9)


def test_what_rows_leave_open_is_as_within_all_configurations():
    x, y, k = simulated(3, 200, 2, 3, alike=True, noise=0.5)
    there = (k == 0) | ((k == 1) & (np.cumsum(k == 1) == 1))  # state 1 has a row, state 2 none
    x, y, k = x[there], y[there], k[there]
    fit = fitted_regression(template(2, 3), statistics_of(x, y, k, 3), 0.0)
    first = least_squares(x[k == 0], y[k == 0])
    for state in (1, 2):
        np.testing.assert_allclose(fit.coefficients[state], first[1][0], atol=1e-9)
    through = float(fit.intercept[1] + fit.coefficients[1] @ torch.as_tensor(x[k == 1][0]))
    assert through == pytest.approx(float(y[k == 1][0, 0]), abs=1e-9)
    overall = float(fit.intercept[2] + fit.coefficients[2] @ torch.as_tensor(x.mean(0)))
    assert overall == pytest.approx(y.mean(), abs=1e-9)
    # One row lies on its regression: its variance is the floor, and no zero.
    assert float(fit.variance[1]) == pytest.approx(1e-6 * y.var(), rel=1e-6)
    assert float(fit.variance[2]) == pytest.approx(first[2].item() * (k == 0).mean(), rel=1e-6)


def test_shrinkage_by_a_number_moves_moments_towards_those_within():
    x, y, k = simulated(4, 80, 2, 2)
    data = statistics_of(x, y, k, 2)
    pooled = fitted_regression(template(2, 2), data, 1.0)
    np.testing.assert_allclose(pooled.coefficients[0], pooled.coefficients[1], atol=1e-12)
    np.testing.assert_allclose(pooled.variance[0], pooled.variance[1], atol=1e-12)
    apart = x - np.array([x[k == i].mean(0) for i in range(2)])[k]
    np.testing.assert_allclose(pooled.coefficients[0], least_squares(apart, y)[1][0], atol=1e-9)
    half = fitted_regression(template(2, 2), data, 0.5)
    assert half.coefficients[0, 0] != pooled.coefficients[0, 0]
    with pytest.raises(LearningError, match="shrinkage lies between 0 and 1, not at 2"):
        fitted_regression(template(2, 2), data, 2.0)


# --- shrinkage by the data -----------------------------------------------------------------------


def test_a_ridge_is_as_strong_as_scikit_learn_finds_it():
    for seed in range(6):
        x, y, _ = simulated(seed, 60, 12, noise=3.0)
        fit = fitted_regression(template(12), statistics_of(x, y))
        spread = x.std(0)
        theirs = BayesianRidge(
            alpha_1=1e-12, alpha_2=1e-12, lambda_1=1e-12, lambda_2=1e-12, max_iter=2000, tol=1e-9
        ).fit((x - x.mean(0)) / spread, y[:, 0])
        expected = theirs.coef_ / spread
        np.testing.assert_allclose(fit.coefficients, expected, atol=0.06 * np.abs(expected).max())
        assert float(fit.variance) == pytest.approx(1 / theirs.alpha_, rel=0.08)


def test_shrinkage_predicts_new_rows_better_where_rows_are_few():
    gains = []
    for seed in range(4):
        x, y, k = simulated(seed, 1048, 4, 8, alike=seed % 2 == 0, noise=2.0)
        few, new = slice(0, 48), slice(48, None)
        data = statistics_of(x[few], y[few], k[few], 8)
        scores = []
        for shrinkage in (None, 0.0):
            fit = fitted_regression(template(4, 8), data, shrinkage)
            values = {f"x{i}": torch.as_tensor(x[new, i]) for i in range(4)}
            values |= {"k": torch.as_tensor(k[new]), "y": torch.as_tensor(y[new, 0])}
            scores.append(-float(fit.energy(values).mean()))
        gains.append(scores[0] - scores[1])
    assert min(gains) > 0.5


@pytest.mark.parametrize("count", [1, 3])
def test_with_ample_rows_it_is_the_likeliest_to_within_its_error(count):
    x, y, k = simulated(5, 20_000, 3, count)
    data = statistics_of(x, y, k, count)
    shrunk = fitted_regression(template(3, count), data)
    likeliest = fitted_regression(template(3, count), data, 0.0)
    error = math.sqrt(count / 20_000)
    for name in ("coefficients", "intercept", "variance"):
        apart = getattr(shrunk, name) - getattr(likeliest, name)
        assert float(apart.abs().max()) < (1.4 if name == "variance" else 0.1) * error


def test_opposite_slopes_with_little_noise_are_left_as_they_are():
    x = np.random.default_rng(0).normal(size=(200, 1))
    k = np.arange(200) % 2
    y = np.where(k[:, None] == 0, x, -x) + 0.01 * np.random.default_rng(1).normal(size=x.shape)
    fit = fitted_regression(template(1, 2), statistics_of(x, y, k, 2))
    np.testing.assert_allclose(fit.coefficients[:, 0], [1, -1], atol=0.01)
    np.testing.assert_allclose(fit.variance, 1e-4, rtol=0.3)


def test_marginal_likelihoods_are_those_of_a_student_distribution():
    x, y, k = simulated(6, 14, 2, 2)
    data = statistics_of(x, y, k, 2)
    one = torch.ones(3, dtype=torch.float64)
    centre = torch.tensor([[0.3, 0.5, -0.2]], dtype=torch.float64)

    def ours(intercept: float, slopes: float, noise: float, variance: float) -> float:
        covariance = torch.tensor([[variance]], dtype=torch.float64)
        prior = RegressionPrior(0 * one, one, centre, covariance, intercept, slopes, noise)
        spectrum = Spectrum.of(prior.products_about(prior.deviations(data)), 2)
        total = log_marginal(spectrum, data.weights, slopes, noise, covariance).sum()
        # what only the intercept's strength changes
        return float(total + 0.5 * (intercept / (intercept + data.weights)).log().sum())

    def theirs(intercept: float, slopes: float, noise: float, variance: float) -> float:
        total = 0.0
        for state in range(2):
            rows = x[k == state]
            shape = np.eye(len(rows)) + 1 / intercept + rows @ rows.T / slopes
            mean = 0.3 + rows @ [0.5, -0.2]
            student = stats.multivariate_t(mean, variance * shape, df=noise)
            total += float(student.logpdf(y[k == state, 0]))
        return total

    strengths = [(1.0, 2.0, 3.0, 0.5), (0.1, 10.0, 1.5, 2.0), (5.0, 0.2, 40.0, 1.0)]
    for first, second in itertools.pairwise(strengths):
        assert ours(*first) - ours(*second) == pytest.approx(
            theirs(*first) - theirs(*second), abs=1e-9
        )


def test_no_strength_beside_the_advised_ones_is_likelier():
    x, y, k = simulated(7, 60, 2, 4, alike=True)
    data = statistics_of(x, y, k, 4)
    prior = advised_prior(data, 1e-6, "y")
    spectrum = Spectrum.of(prior.products_about(prior.deviations(data)), 2)

    def height(slopes: float, noise: float) -> float:
        return float(log_marginal(spectrum, data.weights, slopes, noise, prior.covariance).sum())

    best = height(prior.slope_rows, prior.covariance_rows)
    for factor in (0.5, 2.0):
        assert height(prior.slope_rows * factor, prior.covariance_rows) < best + 0.01
        assert height(prior.slope_rows, max(prior.covariance_rows * factor, 1.0)) < best + 0.01


def test_a_prior_of_so_many_rows_counts_as_they_would():
    x, y, k = simulated(8, 40, 1, 2)
    data = statistics_of(x, y, k, 2)
    prior = weighted_prior(data, 10.0, 1e-6, "y")
    assert (prior.intercept_rows, prior.slope_rows, prior.covariance_rows) == (5.0, 5.0, 5.0)
    fit = fitted_regression(template(1, 2), data, prior)
    sx, sy = x.std(), y.std()
    u, v = (x - x.mean()) / sx, (y - y.mean()) / sy
    for state in range(2):
        here = k == state
        # five rows of ridge on each coefficient
        design = np.concatenate(
            [np.column_stack([np.ones(here.sum()), u[here]]), np.sqrt(5) * np.eye(2)]
        )
        target = np.concatenate([v[here, 0], [0, 0]])
        level, slope = np.linalg.lstsq(design, target, rcond=None)[0]
        assert float(fit.coefficients[state, 0]) == pytest.approx(slope * sy / sx, abs=1e-9)
        noise = (np.square(target - design @ [level, slope]).sum() + 5) / (5 + here.sum())
        assert float(fit.variance[state]) == pytest.approx(noise * sy**2, rel=1e-9)


# --- units, floors and bad columns ---------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 1 << 30),
    st.lists(st.floats(-12, 12), min_size=3, max_size=3),
    st.sampled_from([None, 0.0, 0.4]),
    st.sampled_from([1, 3]),
)
def test_units_of_a_column_change_no_prediction(seed, powers, shrinkage, count):
    x, y, k = simulated(seed, 40, 2, count)
    scale = 10.0 ** np.array(powers)
    means = []
    for unit in (np.ones(3), scale):
        u, v = x * unit[:2], y * unit[2]
        fit = fitted_regression(template(2, count), statistics_of(u, v, k, count), shrinkage)
        form, state = fit.linear_form(), torch.as_tensor(k)
        rows = torch.as_tensor(u).unsqueeze(-1)
        mean = form.intercept[state] + (form.coefficients[state] @ rows).squeeze(-1)
        noise = form.covariance[state]
        means.append((mean / unit[2], noise / unit[2] ** 2))
    for plain, scaled in zip(*means, strict=True):
        np.testing.assert_allclose(scaled, plain, atol=1e-8 * y.std())


@pytest.mark.parametrize("shrinkage", [None, 0.0])
@pytest.mark.parametrize("count", [1, 2])
def test_an_exact_function_gets_the_floor(shrinkage, count):
    x, _, k = simulated(9, 50, 2, count)
    y = x @ [[2.0], [-1.0]] + k[:, None] + 3
    fit = fitted_regression(template(2, count), statistics_of(x, y, k, count), shrinkage)
    np.testing.assert_allclose(fit.coefficients.reshape(count, 2), [[2.0, -1.0]] * count, atol=1e-4)
    assert bool((fit.variance >= 0.99e-6 * y.var()).all())
    assert bool((fit.variance < 1e-5 * y.var()).all())


def test_a_constant_regressor_has_no_coefficient_and_a_constant_child_is_refused():
    x, y, _ = simulated(10, 50, 2)
    x[:, 1] = 7.0
    for shrinkage in (None, 0.0):
        fit = fitted_regression(template(2), statistics_of(x, y), shrinkage)
        assert float(fit.coefficients[1]) == 0.0
        assert bool(fit.intercept.isfinite())
    with pytest.raises(LearningError, match="of 'y' has the same value"):
        fitted_regression(template(2), statistics_of(x, 0 * y + 0.1))
    with pytest.raises(LearningError, match="'y' is not observed in any row"):
        fitted_regression(template(2), RegressionStatistics.empty(1, 2, 1))
    with pytest.raises(LearningError, match="floor is a number >= 0, not -1"):
        fitted_regression(template(2), statistics_of(x, y), floor=-1.0)


def test_more_regressors_than_rows_and_copies_of_them():
    x, y, _ = simulated(11, 10, 30)
    fit = fitted_regression(template(30), statistics_of(x, y))
    assert bool(fit.coefficients.isfinite().all())
    x, y, _ = simulated(12, 100, 1)
    twice = fitted_regression(template(2), statistics_of(np.hstack([x, 5 * x]), y), 0.0)
    once = fitted_regression(template(1), statistics_of(x, y), 0.0)
    alike = float(twice.coefficients @ torch.tensor([1.0, 5.0]).double())
    assert alike == pytest.approx(float(once.coefficients[0]), rel=1e-9)


def test_independent_features_have_variances_of_their_own():
    x, y, _ = simulated(13, 300, 2, features=2)
    full = template(2, features=2)
    diagonal = mm.LinearGaussian(full.child, full.parents, np.zeros((2, 2)), [0, 0], [1.0, 1.0])
    fit = fitted_regression(diagonal, statistics_of(x, y), 0.0)
    expected = least_squares(x, y)[2]
    np.testing.assert_allclose(fit.variance, np.diag(expected), rtol=1e-9)


def test_the_log_density_of_a_prior_is_what_the_fit_maximises():
    x, y, k = simulated(14, 25, 2, 2)
    data = statistics_of(x, y, k, 2)
    values = {f"x{i}": torch.as_tensor(x[:, i]) for i in range(2)}
    values |= {"k": torch.as_tensor(k), "y": torch.as_tensor(y[:, 0])}
    for prior in (advised_prior(data, 1e-6, "y"), weighted_prior(data, 4.0, 1e-6, "y")):

        def objective(factor: mm.LinearGaussian, prior: RegressionPrior = prior) -> float:
            return -float(factor.energy(values).sum()) + prior.log_density(factor)

        best = fitted_regression(template(2, 2), data, prior)
        source = torch.Generator().manual_seed(0)
        for _ in range(30):
            moved = [
                t + 0.05 * torch.randn(t.shape, generator=source, dtype=t.dtype)
                for t in (best.coefficients, best.intercept)
            ]
            noise = best.variance * torch.exp(0.1 * torch.randn(2, generator=source).double())
            other = mm.LinearGaussian(best.child, best.parents, *moved, noise)
            assert objective(other) < objective(best)
    assert regression_posterior(template(2, 2), data, 0.0).prior.log_density(best) == 0.0
