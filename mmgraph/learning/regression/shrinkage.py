"""How far regressions of few rows are shrunk: as the data itself asks, or by so many rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.leaves.gaussian_moments import raised
from mmgraph.learning.regression.prior import RegressionPrior
from mmgraph.learning.regression.spectrum import Spectrum
from mmgraph.learning.regression.statistics import RegressionStatistics

_STRENGTHS = (1e-8, 1e8)
"""The range of strengths of a prior, in rows."""
_STEPS = 24
"""From the weakest of them to the strongest."""
_ROUNDS = 4
_LEAST = 1e-12
"""A variance, where no floor is wanted, below which there is no telling one from another."""


def weighted_prior(
    statistics: RegressionStatistics, rows: float, floor: float, name: str
) -> RegressionPrior:
    """Return a prior of so many rows, shared out over the configurations as BDeu does.

    It expects that the child does not depend on its parents.
    """
    each = rows / len(statistics.weights)
    prior = RegressionPrior.flat(statistics, floor, name)
    return replace(prior, intercept_rows=each, slope_rows=each, covariance_rows=each)


@torch.no_grad()
def advised_prior(statistics: RegressionStatistics, floor: float, name: str) -> RegressionPrior:
    """Return the prior under which the rows are most probable: as strong as the data asks.

    Coefficients are drawn to zero by a ridge. With several configurations, theirs are drawn to the
    regression within all of them, and so are intercepts and covariances; a configuration without
    rows has that. Each strength maximises the marginal likelihood (type II maximum likelihood:
    MacKay 1992, "Bayesian interpolation"; Efron & Morris 1973), of which the sums over rows and
    the integrals over parameters are closed forms. With ample rows it is weak.

    Raises
    ------
    LearningError
        As :func:`fitted_regression`.
    """
    pooled = pooled_prior(statistics, floor, name, None)
    if len(statistics.weights) == 1:
        return pooled
    return _hierarchical(statistics.in_units(pooled.origin, pooled.units), pooled)


def pooled_prior(
    statistics: RegressionStatistics, floor: float, name: str, ridge: float | None
) -> RegressionPrior:
    """Return the prior that shrinks one configuration; of several the regression within them.

    The ridge has so many rows, or by default the likeliest number.
    """
    if not 0 <= floor < math.inf:
        raise LearningError(f"'{name}': the variance floor is a number >= 0, not {floor}")
    flat = RegressionPrior.flat(statistics, floor, name)
    scaled = statistics.in_units(flat.origin, flat.units)
    q, alone = scaled.regressors, len(scaled.weights) == 1
    rows = float((scaled.weights - 1).clamp_min(0.0).sum())
    products = scaled.within().unsqueeze(0)
    if rows < 1:  # nothing varies within the configurations
        whole = scaled.pooled()
        rows, products = max(float(whole.weights[0]) - 1, 1.0), whole.products
    spectrum = Spectrum.of(products, q)
    if ridge is None:
        ridge = _likeliest(lambda r: _log_marginal_of_ridge(spectrum, r, rows, floor)) if q else 1.0
    elif alone:
        return flat
    if alone:
        return replace(flat, slope_rows=ridge)
    centre = flat.centre.clone()
    centre[:, 1:] = spectrum.slopes(ridge)[0].mT
    counted = rows if ridge else float(scaled.weights.sum())
    covariance = _raised(spectrum.residual(ridge)[0] / counted, floor)
    return replace(flat, centre=centre, covariance=covariance)


def _raised(covariance: Float[Tensor, "features features"], floor: float) -> Tensor:
    least = floor or _LEAST
    return raised("full", covariance, covariance.new_ones(len(covariance)), least)


def _log_marginal_of_ridge(spectrum: Spectrum, ridge: float, rows: float, floor: float) -> float:
    """Log-probability of the rows' deviations, the covariance's prior being Jeffreys'."""
    d = spectrum.child.shape[-1]
    residual = spectrum.residual(ridge)[0] + rows * (floor or _LEAST) * torch.eye(d).double()
    fit = -rows * torch.logdet(residual)
    return float(0.5 * (d * spectrum.log_shrinkage(ridge)[0] + fit))


def log_marginal(
    spectrum: Spectrum,
    weights: Float[Tensor, " configurations"],
    slope_rows: float,
    covariance_rows: float,
    covariance: Float[Tensor, "features features"],
) -> Float[Tensor, " configurations"]:
    """Return log-densities of deviations of rows from what a prior expects, parameters integrated.

    Up to what the strengths do not change. Products are those once the intercept is integrated out.
    """
    d = covariance.shape[-1]
    scatter = covariance_rows * covariance
    degrees = weights + covariance_rows
    start = covariance.new_tensor(covariance_rows / 2)
    return (
        0.5 * d * spectrum.log_shrinkage(slope_rows)
        + 0.5 * covariance_rows * torch.logdet(scatter)
        - 0.5 * degrees * torch.logdet(scatter + spectrum.residual(slope_rows))
        + torch.mvlgamma(degrees / 2, d)
        - torch.mvlgamma(start, d)
    )


def _hierarchical(scaled: RegressionStatistics, pooled: RegressionPrior) -> RegressionPrior:
    """The prior of several configurations: what they have in common, and how alike they are.

    One strength is sought after the other, given the rest.
    """
    d = len(pooled.centre)
    zero, one = torch.zeros_like(pooled.origin), torch.ones_like(pooled.units)
    prior = replace(pooled, origin=zero, units=one, slope_rows=1.0, covariance_rows=10.0 * d)
    within = Spectrum.of(prior.deviations(scaled).products, scaled.regressors)
    rows, present = (scaled.weights - 1).clamp_min(0.0).sum(), (scaled.weights > 0).sum()
    if 0 < scaled.regressors * present < rows:  # each configuration may have slopes of its own
        prior = _with_common_noise(within, float(rows), prior)
    for _ in range(_ROUNDS):
        prior = _with_intercepts(scaled, within, prior)
        products = prior.products_about(prior.deviations(scaled))
        spectrum = Spectrum.of(products, scaled.regressors)
        prior = _with_slopes_and_noise(spectrum, scaled.weights, prior)
    return replace(prior, origin=pooled.origin, units=pooled.units)


def _with_common_noise(spectrum: Spectrum, rows: float, prior: RegressionPrior) -> RegressionPrior:
    """The prior with the likeliest noise, alike in all configurations, and strength of slopes.

    Products are those within configurations.
    """
    d = len(prior.centre)

    def noise(slope_rows: float) -> Tensor:
        return _raised(spectrum.residual(slope_rows).sum(0) / rows, prior.floor)

    def height(slope_rows: float) -> float:
        volume = d * spectrum.log_shrinkage(slope_rows).sum()
        return float(0.5 * (volume - rows * torch.logdet(noise(slope_rows))))

    slope_rows = _likeliest(height)
    return replace(prior, covariance=noise(slope_rows), slope_rows=slope_rows)


def _with_slopes_and_noise(
    spectrum: Spectrum, weights: Tensor, prior: RegressionPrior
) -> RegressionPrior:
    """The prior with the likeliest strengths of coefficients and noise, given the intercepts'."""

    def height(slope_rows: float, covariance_rows: float) -> float:
        each = log_marginal(spectrum, weights, slope_rows, covariance_rows, prior.covariance)
        return float(each.sum())

    if spectrum.values.shape[1]:
        slopes = _likeliest(lambda rows: height(rows, prior.covariance_rows))
        prior = replace(prior, slope_rows=slopes)
    residual = spectrum.residual(prior.slope_rows).sum(0)
    prior = replace(prior, covariance=_raised(residual / weights.sum(), prior.floor))
    least = float(len(prior.centre))  # so that the prior of the noise is a distribution
    return replace(
        prior, covariance_rows=_likeliest(lambda rows: height(prior.slope_rows, rows), least)
    )


def _with_intercepts(
    scaled: RegressionStatistics, within: Spectrum, prior: RegressionPrior
) -> RegressionPrior:
    """The prior with the likeliest mean and strength of intercepts, given slopes and noise.

    Those of the configurations are normal about it (a one-way layout with random effects, by
    restricted maximum likelihood); that their slopes are estimated makes them less certain.
    """
    present = scaled.weights > 0
    q, d = scaled.regressors, len(prior.centre)
    moved = replace(prior, centre=prior.centre * prior.centre.new_tensor([0.0] + [1.0] * q))
    means = moved.deviations(scaled).means[present]
    slopes = within.slopes(prior.slope_rows)[present]
    levels = means[:, q:] - (means[:, None, :q] @ slopes).squeeze(1)
    along = (within.vectors[present].mT @ means[:, :q, None]).squeeze(-1)
    unsure = (along.square() * within.inverse(prior.slope_rows)[present]).sum(-1)
    weights = 1 / (1 / scaled.weights[present] + unsure)
    if len(weights) < 2:
        rows, level = 1.0, levels[0]
    else:
        precision = torch.linalg.inv(prior.covariance)

        def share(rows: float) -> Tensor:
            return weights * rows / (weights + rows)

        def mean(rows: float) -> Tensor:
            weight = share(rows)
            return weight @ levels / weight.sum()

        def log_likelihood(rows: float) -> float:
            weight, apart = share(rows), levels - mean(rows)
            fit = weight @ ((apart @ precision) * apart).sum(-1)
            return float(0.5 * (d * (weight.log().sum() - weight.sum().log()) - fit))

        rows = _likeliest(log_likelihood)
        level = mean(rows)
    centre = torch.cat([level.unsqueeze(1), prior.centre[:, 1:]], 1)
    return replace(prior, centre=centre, intercept_rows=rows)


def _likeliest(log_likelihood: Callable[[float], float], least: float = _STRENGTHS[0]) -> float:
    """The strength of greatest likelihood, of a coarse grid, and then of a fine one around it.

    Of strengths that are as likely, the greatest: a grid and this rule leave no choice to rounding.
    """
    low, high = math.log(least), math.log(_STRENGTHS[1])
    step = (high - low) / _STEPS
    centre, strength = low + step * (_STEPS // 2), least
    for width in (step, step / 8):
        count = _STEPS // 2 if width == step else 8
        grid = [centre + width * i for i in range(count, -count - 1, -1)]
        grid = [x for x in grid if low - 1e-9 <= x <= high + 1e-9]
        heights = [log_likelihood(math.exp(x)) for x in grid]
        best = max(heights) - 1e-6
        centre = next(x for x, height in zip(grid, heights, strict=True) if height >= best)
        strength = math.exp(centre)
    return strength
