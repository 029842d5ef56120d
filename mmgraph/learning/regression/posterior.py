"""What rows say of regressions, by a conjugate prior: Normal-inverse-gamma, or -Wishart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.leaves.gaussian_moments import raised
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.inference.options import check_type
from mmgraph.learning.regression.prior import RegressionPrior
from mmgraph.learning.regression.spectrum import Spectrum
from mmgraph.learning.regression.statistics import RegressionStatistics


@dataclass(frozen=True, eq=False)
class RegressionPosterior:
    """The parameters of a linear Gaussian distribution, given rows: closed forms.

    In each configuration the noise's covariance is inverse Wishart (of a scalar child: its variance
    inverse gamma) and, given it, intercept and coefficients are matrix normal. Numbers are in the
    units of the prior, where regressors and child have mean 0 and variance 1.

    Attributes
    ----------
    factor : LinearGaussian
        Its variables, and whether the features of the child are independent.
    prior : RegressionPrior
    location : Tensor, shape (configurations, features, 1 + regressors)
        Means of the intercept and of the coefficients.
    root : Tensor, shape (configurations, 1 + regressors, 1 + regressors)
        Times its transpose, and times the noise's covariance, their covariance.
    scatter : Tensor, shape (configurations, features, features)
    degrees : Tensor, shape (configurations,)
        Of the inverse Wishart distribution, with ``scatter``.

    References
    ----------
    Rossi, Allenby & McCulloch (2005), *Bayesian Statistics and Marketing*, section 2.8; Gelman et
    al. (2013), *Bayesian Data Analysis*, chapters 3 and 14.
    """

    factor: LinearGaussian
    prior: RegressionPrior
    location: Float[Tensor, "configurations features coefficients"]
    root: Float[Tensor, "configurations coefficients coefficients"]
    scatter: Float[Tensor, "configurations features features"]
    degrees: Float[Tensor, " configurations"]

    @classmethod
    @torch.no_grad()
    def of(
        cls, factor: LinearGaussian, statistics: RegressionStatistics, prior: RegressionPrior
    ) -> RegressionPosterior:
        """Return the posterior of a distribution's parameters given the statistics of its rows."""
        q, n = statistics.regressors, statistics.weights
        moved = prior.deviations(statistics)
        spectrum = Spectrum.of(prior.products_about(moved), q)
        slopes = spectrum.slopes(prior.slope_rows)
        residual = spectrum.residual(prior.slope_rows)
        rows = n + prior.intercept_rows
        weight = torch.where(rows > 0, n / torch.where(rows > 0, rows, 1.0), 0.0)
        x, y = moved.means[:, :q], moved.means[:, q:]
        intercept = weight.unsqueeze(-1) * (y - (x.unsqueeze(1) @ slopes).squeeze(1))
        location = prior.centre + torch.cat([intercept.unsqueeze(-1), slopes.mT], -1)
        along = spectrum.vectors * spectrum.variances(prior.slope_rows).sqrt().unsqueeze(1)
        root = n.new_zeros(len(n), 1 + q, 1 + q)
        root[:, 0, 0] = torch.where(rows > 0, rows, 0.0).rsqrt()
        root[:, 0, 1:] = -weight.unsqueeze(-1) * (x.unsqueeze(1) @ along).squeeze(1)
        root[:, 1:, 1:] = along
        scatter = prior.covariance_rows * prior.covariance + residual
        return cls(factor, prior, location, root, scatter, n + prior.degrees_added(q))

    @property
    def _independent(self) -> bool:
        """Whether the features of the child are: then each has a posterior of its own."""
        return self.factor.variance.ndim == self.factor.intercept.ndim

    def mean(self) -> LinearGaussian:
        """Return the distribution with the expected intercept and coefficients.

        The noise's covariance is the inverse of the expected precision, raised to the floor; that
        of the prior where nothing is known of it.
        """
        rows = self.degrees + self.prior.degrees_back(self.location.shape[-1] - 1)
        counted = rows > 1e-9
        covariance = self.scatter / torch.where(counted, rows, 1.0)[:, None, None]
        covariance = torch.where(counted[:, None, None], covariance, self.prior.covariance)
        unit = covariance.new_ones(covariance.shape[-1])
        return self._restored(self.location, raised("full", covariance, unit, self.prior.floor))

    def _restored(self, location: Tensor, covariance: Tensor) -> LinearGaussian:
        """The factor with these numbers, in its variables' own units."""
        q = location.shape[-1] - 1
        origin, units = self.prior.origin, self.prior.units
        coefficients = location[..., 1:] * units[q:].unsqueeze(1) / units[:q]
        intercept = origin[q:] + location[..., 0] * units[q:] - coefficients @ origin[:q]
        covariance = covariance * units[q:].unsqueeze(1) * units[q:]
        template = self.factor
        if self._independent:
            covariance = covariance.diagonal(dim1=-2, dim2=-1)
        return LinearGaussian(
            template.child,
            template.scope[:-1],
            coefficients.reshape(template.coefficients.shape),
            intercept.reshape(template.intercept.shape),
            covariance.reshape(template.variance.shape),
        )

    def check_proper(self) -> RegressionPosterior:
        """Return the posterior itself if it is a distribution in every configuration.

        Raises
        ------
        LearningError
            If a configuration has too few rows for a posterior without a prior.
        """
        least = 0 if self._independent else self.location.shape[1] - 1
        finite = self.root.isfinite().all(-1).all(-1)
        improper = ~finite | (self.degrees <= least)
        if bool(improper.any()):
            place = self.factor.place_of(int(improper.nonzero()[0]))
            raise LearningError(
                f"'{self.factor.child.name}' has too few rows{place and f' at ({place})'}, or "
                "regressors that determine each other: without a prior its parameters have no "
                "posterior; leave `shrinkage` to the data, or give an equivalent_sample_size"
            )
        return self

    @torch.no_grad()
    def sample(self, generator: torch.Generator | None = None) -> LinearGaussian:
        """Return the distribution with parameters drawn from the posterior."""
        check_type("generator", generator, "torch.Generator | None")
        count, d, columns = self.location.shape
        noise = torch.randn(count, columns, d, generator=generator, dtype=torch.float64)
        factor = self._inverse_wishart_roots(generator)
        location = self.location + (self.root @ noise @ factor.mT).mT
        unit = factor.new_ones(d)
        drawn = raised("full", factor @ factor.mT, unit, self.prior.floor)
        return self._restored(location, drawn)

    def _inverse_wishart_roots(
        self, generator: torch.Generator | None
    ) -> Float64[Tensor, "configurations features features"]:
        """Roots of drawn covariances, by Bartlett's decomposition of the precision."""
        count, d = len(self.degrees), self.scatter.shape[-1]
        independent, scatter = self._independent, self.scatter
        if independent:
            scatter = torch.diag_embed(scatter.diagonal(dim1=-2, dim2=-1))
        less = torch.zeros(d) if independent else torch.arange(d)
        shape = (self.degrees.unsqueeze(-1) - less) / 2
        gamma = torch._standard_gamma(shape.double(), generator=generator)
        lower = torch.diag_embed((2 * gamma).sqrt())
        if not independent:
            below = torch.randn(count, d, d, generator=generator, dtype=torch.float64).tril(-1)
            lower = lower + below
        values, vectors = torch.linalg.eigh(scatter)
        root = vectors * values.clamp_min(1e-300).sqrt().unsqueeze(-2)
        # precision = root⁻ᵀ A Aᵀ root⁻¹ with A lower, so that the covariance is root A⁻ᵀ A⁻¹ rootᵀ.
        inverse = torch.linalg.solve_triangular(
            lower, torch.eye(d, dtype=torch.float64).expand(count, d, d), upper=False
        )
        made: Tensor = root @ inverse.mT
        return made

    def interval(self, level: float = 0.95) -> dict[str, Any]:
        """Return central intervals of intercept, coefficients and variances.

        A variance is not below the floor of the prior, as in draws.

        Parameters
        ----------
        level : float, default 0.95
            How probable it is that a parameter lies within, by itself.

        Returns
        -------
        dict of str to ndarray
            ``intercept`` and ``variance`` (of each feature), of shape ``(*states, *features, 2)``,
            and ``coefficients``, ``(*states, *features, regressors, 2)``: the last axis is that of
            the lower and the upper end. In the units of the variables.

        Raises
        ------
        LearningError
            If the level does not lie between 0 and 1.
        """
        from scipy import stats

        if not 0 < level < 1:
            raise LearningError(f"a level lies between 0 and 1, not at {level}")
        q, d = self.location.shape[-1] - 1, self.location.shape[1]
        origin, units = self.prior.origin, self.prior.units
        degrees = (self.degrees - (0 if self._independent else d - 1)).numpy()
        scale = self.scatter.diagonal(dim1=-2, dim2=-1).numpy() / degrees[:, None]
        # In the variables' own units coefficients are rows / units, and the intercept moves along.
        change = torch.eye(1 + q, dtype=torch.float64)
        change[1:, 1:] /= units[:q]
        change[0, 1:] = -origin[:q] / units[:q]
        spread = (change @ self.root).square().sum(-1).numpy()
        deviation = np.sqrt(scale[:, :, None] * spread[:, None, :]) * units[q:, None].numpy()
        form = self.mean().linear_form()
        centre = torch.cat([form.intercept.unsqueeze(-1), form.coefficients], -1).numpy()
        tail = (1 - level) / 2
        reach = stats.t.ppf(1 - tail, degrees)[:, None, None] * deviation
        ends = np.stack([centre - reach, centre + reach], -1)
        chi = stats.chi2.ppf([1 - tail, tail], degrees[:, None])[:, None, :]
        variances = scale[:, :, None] * degrees[:, None, None] / chi
        variances = np.maximum(variances, self.prior.floor) * units[q:, None].square().numpy()
        template = self.factor
        return {
            "intercept": ends[:, :, 0].reshape(*template.intercept.shape, 2),
            "coefficients": ends[:, :, 1:].reshape(*template.coefficients.shape, 2),
            "variance": variances.reshape(*template.intercept.shape, 2),
        }
