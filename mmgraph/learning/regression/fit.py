"""Linear Gaussian distributions that fit statistics: likeliest, or shrunk as the data asks."""

from __future__ import annotations

from dataclasses import replace

from mmgraph.graph.errors import LearningError
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.learning.regression.posterior import RegressionPosterior
from mmgraph.learning.regression.prior import RegressionPrior
from mmgraph.learning.regression.shrinkage import advised_prior, pooled_prior
from mmgraph.learning.regression.statistics import RegressionStatistics


def fitted_regression(
    factor: LinearGaussian,
    statistics: RegressionStatistics,
    shrinkage: float | RegressionPrior | None = None,
    floor: float = 1e-6,
) -> LinearGaussian:
    """Return the linear Gaussian distribution that fits statistics best: the M-step of EM.

    Parameters
    ----------
    factor : LinearGaussian
        Its variables, and whether the features of the child are independent; no number of it.
    statistics : RegressionStatistics
        Of all rows.
    shrinkage : float or RegressionPrior, optional
        Between 0 and 1: the moments of regressors and child move so far towards those within all
        configurations; with 0 the likelihood is maximised. By default the data decides, see
        :func:`~mmgraph.learning.regression.shrinkage.advised_prior`. A prior is held fixed, as EM
        needs it.
    floor : float, default 1e-6
        The least variance of the noise, in any direction, as a share of the child's over all rows.

    Returns
    -------
    LinearGaussian
        A configuration without rows has the coefficients and the noise of all, and the intercept
        of a regression through their means.

    Raises
    ------
    LearningError
        If a feature of the child is constant or never observed, or an option is out of range.
    """
    return regression_posterior(factor, statistics, shrinkage, floor).mean()


def regression_posterior(
    factor: LinearGaussian,
    statistics: RegressionStatistics,
    shrinkage: float | RegressionPrior | None = None,
    floor: float = 1e-6,
) -> RegressionPosterior:
    """Return the posterior of which :func:`fitted_regression` is the mean; arguments as there."""
    name = factor.child.name
    if isinstance(shrinkage, RegressionPrior):
        return RegressionPosterior.of(factor, statistics, shrinkage)
    if shrinkage is None:
        prior = advised_prior(statistics, floor, name)
        return RegressionPosterior.of(factor, statistics, prior)
    if not 0 <= shrinkage <= 1:
        raise LearningError(f"'{name}': shrinkage lies between 0 and 1, not at {shrinkage}")
    prior = pooled_prior(statistics, floor, name, 0.0)
    if shrinkage:
        total = statistics.weights.sum()
        share = (statistics.weights / total)[:, None, None]
        mixed = (1 - shrinkage) * statistics.products + shrinkage * share * statistics.within()
        statistics = replace(statistics, products=mixed)
    return RegressionPosterior.of(factor, statistics, prior)
