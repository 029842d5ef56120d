"""How uncertain regressions are by a prior that the same rows have estimated."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.learning.regression.posterior import RegressionPosterior
from mmgraph.learning.regression.statistics import RegressionStatistics

_HYPERPRIOR_ROWS = 1e-2
"""What is taken to be known of the common regression, where no configuration says anything."""


@torch.no_grad()
def with_estimated_centre(
    posterior: RegressionPosterior, statistics: RegressionStatistics
) -> RegressionPosterior:
    """Return a posterior that is as uncertain as what its prior expects, and with the same mean.

    Configurations that are alike are drawn to their common regression as if it were known, up to
    1e8 rows strong. But it is estimated: given the strengths, it has the precision of all
    configurations' rows, each as far as it is like the others (generalised least squares), and so
    has the common noise. Where configurations are the same this is least squares with common
    coefficients.

    References
    ----------
    Morris (1983), "Parametric empirical Bayes inference"; Kass & Steffey (1989), "Approximate
    Bayesian inference in conditionally independent hierarchical models".
    """
    prior, conditional = posterior.prior, posterior.root @ posterior.root.mT
    if len(conditional) == 1 or not bool(conditional.isfinite().all()):
        return posterior
    coefficients = conditional.shape[-1]
    strength = conditional.new_full((coefficients,), prior.slope_rows)
    strength[0] = prior.intercept_rows
    moments = _moments(statistics, posterior)
    unlike = moments @ conditional * strength  # (moments⁻¹ + strength⁻¹)⁻¹, without an inverse
    hyper = _HYPERPRIOR_ROWS * torch.eye(coefficients, dtype=unlike.dtype)
    centre = torch.linalg.inv(0.5 * (unlike + unlike.mT).sum(0) + hyper)
    drawn = conditional * strength
    covariance = conditional + drawn @ centre @ drawn.mT
    values, vectors = torch.linalg.eigh(0.5 * (covariance + covariance.mT))
    degrees = _degrees(posterior, statistics)
    return replace(
        posterior,
        root=vectors * values.clamp_min(0.0).sqrt().unsqueeze(-2),
        scatter=posterior.scatter * (degrees / posterior.degrees)[:, None, None],
        degrees=degrees,
    )


def _moments(
    statistics: RegressionStatistics, posterior: RegressionPosterior
) -> Float[Tensor, "configurations coefficients coefficients"]:
    """Sums of products of regressors, a column of ones before them, in the prior's units."""
    scaled, q = posterior.prior.deviations(statistics), statistics.regressors
    design = torch.cat([torch.ones_like(scaled.means[:, :1]), scaled.means[:, :q]], 1)
    made = scaled.weights[:, None, None] * design.unsqueeze(-1) * design.unsqueeze(-2)
    made[:, 1:, 1:] += scaled.products[:, :q, :q]
    return made


def _degrees(
    posterior: RegressionPosterior, statistics: RegressionStatistics
) -> Float[Tensor, " configurations"]:
    """Those of noise whose prior has a scale with degrees of freedom, too.

    Variances of logarithms, 2 / degrees, add up.
    """
    strength, weights = posterior.prior.covariance_rows, statistics.weights
    features, coefficients = posterior.location.shape[1:]
    centre = (weights * strength / (weights + strength)).sum() - coefficients
    share = strength / (weights + strength)
    total = 1 / (1 / posterior.degrees + share.square() / centre.clamp_min(1.0))
    least = posterior.degrees.clamp_max(features + 1.0)
    return torch.maximum(total, least)
