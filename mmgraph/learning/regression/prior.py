"""What a regression is taken to be like before its rows, and how strongly: in rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.leaves.feature_spread import FeatureSpread
from mmgraph.graph.leaves.gaussian_moments import raised
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.graph.leaves.shrinkage import AMPLE
from mmgraph.learning.regression.statistics import RegressionStatistics


@dataclass(frozen=True, eq=False)
class RegressionPrior:
    """A conjugate prior, the same in every configuration of the discrete parents.

    Numbers are in units of ``units`` about ``origin``: what a column is measured in changes
    nothing.

    Attributes
    ----------
    origin, units : Tensor, shape (regressors + features,)
        The mean and standard deviation of each column over all rows.
    centre : Tensor, shape (features, 1 + regressors)
        The expected intercept and coefficients.
    covariance : Tensor, shape (features, features)
        Of the noise.
    intercept_rows, slope_rows, covariance_rows : float
        So many rows of regressors that have a standard deviation of one, and whose children lie on
        the expected regression, count as much as the prior does. None of the intercept's: it is
        left to the rows.
    floor : float
        The least variance of the noise in any direction.
    """

    origin: Float[Tensor, " columns"]
    units: Float[Tensor, " columns"]
    centre: Float[Tensor, "features coefficients"]
    covariance: Float[Tensor, "features features"]
    intercept_rows: float = 0.0
    slope_rows: float = 0.0
    covariance_rows: float = 0.0
    floor: float = 1e-6

    @classmethod
    def flat(cls, statistics: RegressionStatistics, floor: float, name: str) -> RegressionPrior:
        """Return a prior of no rows: what it is about are the child's mean and covariance.

        Raises
        ------
        LearningError
            If a feature of the child is constant, and no floor stands in for its variance.
        """
        pooled, q = statistics.pooled(), statistics.regressors
        total, mean = pooled.weights, pooled.means[0]
        squares = pooled.products[0].diagonal()
        zero = torch.zeros_like(mean)
        whole = FeatureSpread(mean, total.expand(len(mean)), zero, squares)
        child = FeatureSpread(mean[q:], whole.weights[q:], zero[q:], squares[q:])
        variance, _ = child.variance(floor, name)
        regressors = squares[:q] / total
        constant = regressors <= (1e-12 * mean[:q]).square()
        units = torch.cat([torch.where(constant, 1.0, regressors), variance]).sqrt()
        scaled = pooled.products[0, q:, q:] / total / units[q:].unsqueeze(1) / units[q:]
        centre = mean.new_zeros(len(mean) - q, 1 + q)
        return cls(mean, units, centre, scaled, floor=floor)

    @property
    def is_flat(self) -> bool:
        """Whether the likelihood is all that counts."""
        return not (self.intercept_rows or self.slope_rows or self.covariance_rows)

    def deviations(self, statistics: RegressionStatistics) -> RegressionStatistics:
        """Return the statistics of regressors and of what the centre leaves of the child."""
        q = statistics.regressors
        scaled = statistics.in_units(self.origin, self.units)
        change = torch.eye(len(self.units), dtype=self.units.dtype)
        change[q:, :q] = -self.centre[:, 1:]
        means = scaled.means @ change.T
        means[:, q:] -= self.centre[:, 0]
        return replace(scaled, means=means, products=change @ scaled.products @ change.T)

    def products_about(
        self, deviations: RegressionStatistics
    ) -> Float[Tensor, "configurations columns columns"]:
        """Return the products of :meth:`deviations` once the intercept is integrated out.

        The offset of a configuration from the expected regression counts beside its rows'.
        """
        weights, means = deviations.weights, deviations.means
        rows = weights + self.intercept_rows
        share = weights * self.intercept_rows / torch.where(rows > 0, rows, 1.0)
        offset = means.unsqueeze(-1) * means.unsqueeze(-2)
        return deviations.products + share[:, None, None] * offset

    def degrees_added(self, regressors: int) -> float:
        """Return the degrees of freedom of the noise's covariance, less the number of rows."""
        return self.covariance_rows - self._unweighted(regressors)

    def degrees_back(self, regressors: int) -> float:
        """Return what likelihood alone, which is biased, counts as rows beyond the degrees."""
        return self._unweighted(regressors) if self.is_flat else 0.0

    def _unweighted(self, regressors: int) -> int:
        """How many coefficients have no prior."""
        return (self.intercept_rows == 0) + (regressors if self.slope_rows == 0 else 0)

    def held(self) -> RegressionPrior:
        """Return the prior with strengths of no more rows than would be ample.

        For EM, in which configurations may gather rows later on.
        """
        most = float(AMPLE * self.centre.shape[1])
        return replace(
            self,
            intercept_rows=min(self.intercept_rows, most),
            slope_rows=min(self.slope_rows, most),
            covariance_rows=min(self.covariance_rows, most),
        )

    @torch.no_grad()
    def log_density(self, factor: LinearGaussian) -> float:
        """Return what, added to an expected log-likelihood, is greatest at the fit by this prior.

        It is the logarithm of a density, without its constants, and of an improper one where the
        intercept has no prior. Variances below the floor count as the floor.

        Raises
        ------
        LearningError
            If a variance is zero, and so is the floor.
        """
        if self.is_flat:
            return 0.0
        form = factor.linear_form()
        q = form.coefficients.shape[-1]
        slopes = form.coefficients * self.units[:q] / self.units[q:].unsqueeze(1)
        level = form.intercept - self.origin[q:] + form.coefficients @ self.origin[:q]
        covariance = form.covariance / self.units[q:].unsqueeze(1) / self.units[q:]
        covariance = raised(
            "full", covariance, covariance.new_ones(len(self.units) - q), self.floor
        )
        apart = torch.cat([(level / self.units[q:]).unsqueeze(-1), slopes], -1) - self.centre
        rows = apart.new_full((1 + q,), self.slope_rows)
        rows[0] = self.intercept_rows
        scatter = (apart * rows) @ apart.mT + self.covariance_rows * self.covariance
        degrees = self.degrees_added(q) + self.degrees_back(q)
        root, failed = torch.linalg.cholesky_ex(covariance)
        if bool(failed.any()):
            place = factor.place_of(int(failed.nonzero()[0]))
            raise LearningError(
                f"the variance of '{factor.child.name}' is zero{place and f' at ({place})'}, and "
                "so is the floor: give a floor above 0, or start where variances are positive"
            )
        log_determinant = 2 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        fit = (torch.cholesky_inverse(root) * scatter).sum((-2, -1)) + degrees * log_determinant
        return float(-0.5 * fit.sum())
