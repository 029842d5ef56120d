"""Sufficient statistics of a regression: weights, means and centred products."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError


@dataclass(frozen=True, eq=False)
class RegressionStatistics:
    """Moments of regressors and child in each configuration of discrete parents.

    Add up (``+``) those of chunks of rows: in whatever chunks, the sums are the same to rounding,
    also where means are large beside deviations (Chan, Golub & LeVeque 1983, "Algorithms for
    computing the sample variance"). Below, a column is a regressor or, after them, an element of
    the child.

    Attributes
    ----------
    regressors : int
        How many columns are regressors.
    weights : Tensor, shape (configurations,)
        Rows, or the sums of their weights.
    means : Tensor, shape (configurations, columns)
        Zero where there are no rows.
    products : Tensor, shape (configurations, columns, columns)
        Weighted sums of products of deviations from the means.
    """

    regressors: int
    weights: Float[Tensor, " configurations"]
    means: Float[Tensor, "configurations columns"]
    products: Float[Tensor, "configurations columns columns"]

    @classmethod
    def empty(cls, configurations: int, regressors: int, features: int) -> RegressionStatistics:
        """Return the statistics of no rows."""
        means = torch.zeros(configurations, regressors + features, dtype=torch.float64)
        products = means.new_zeros(*means.shape, means.shape[1])
        return cls(regressors, means.new_zeros(configurations), means, products)

    @classmethod
    def of_rows(
        cls,
        regressors: Float[Tensor, "rows regressors"],
        child: Float[Tensor, "rows features"],
        configurations: Int64[Tensor, " rows"],
        count: int,
        weights: Float[Tensor, " rows"] | None = None,
    ) -> RegressionStatistics:
        """Return the statistics of complete rows, whose configurations are among ``count``."""
        made = cls.empty(count, regressors.shape[1], child.shape[1])
        columns = torch.cat([regressors, child], 1).double()
        weights = columns.new_ones(len(columns)) if weights is None else weights.double()
        order = configurations.argsort(stable=True)
        present, sizes = configurations[order].unique_consecutive(return_counts=True)
        for configuration, rows in zip(present, order.split(sizes.tolist()), strict=True):
            weight, here = weights[rows], columns[rows]
            total = weight.sum()
            if not total > 0:
                continue
            origin = here[0]  # near the rows, so that sums keep their digits
            mean = origin + weight @ (here - origin) / total
            deviation = here - mean
            made.weights[configuration] = total
            made.means[configuration] = mean
            made.products[configuration] = (deviation * weight.unsqueeze(1)).T @ deviation
        return made

    @classmethod
    def expected(
        cls,
        regressors: int,
        weights: Float[Tensor, "rows configurations"],
        means: Float[Tensor, "rows configurations columns"],
        covariances: Float[Tensor, "#rows #configurations columns columns"],
    ) -> RegressionStatistics:
        """Return the statistics that incomplete rows are expected to have: the E-step of EM.

        Parameters
        ----------
        regressors : int
            How many columns are regressors.
        weights : Tensor, shape (rows, configurations)
            The probability of each configuration in each row, times the row's weight.
        means : Tensor, shape (rows, configurations, columns)
            Of the columns, given what is observed in the row and the configuration. What has no
            weight is not looked at.
        covariances : Tensor, shape (rows, configurations, columns, columns)
            The same; axes of rows and configurations may have length one.
        """
        weights = weights.double()
        means = torch.where(weights.unsqueeze(-1) > 0, means.double(), 0.0)
        total = weights.sum(0)
        safe = torch.where(total > 0, total, 1.0).unsqueeze(-1)
        first = (weights > 0).double().argmax(0)
        origin = means[first, torch.arange(len(total))]
        mean = origin + (weights.unsqueeze(-1) * (means - origin)).sum(0) / safe
        deviation = means - mean
        products = torch.einsum("rk,rki,rkj->kij", weights, deviation, deviation)
        shares = weights
        if covariances.shape[0] == 1:
            shares = shares.sum(0, keepdim=True)
        present = torch.where(shares[..., None, None] > 0, covariances.double(), 0.0)
        products = products + (shares[..., None, None] * present).sum(0)
        return cls(regressors, total, mean, 0.5 * (products + products.mT))

    @classmethod
    def expected_by_pattern(
        cls,
        regressors: int,
        weights: Float[Tensor, "rows configurations"],
        means: Float[Tensor, "rows configurations columns"],
        patterns: Int64[Tensor, " rows"],
        covariances: Float[Tensor, "patterns configurations columns columns"],
    ) -> RegressionStatistics:
        """As :meth:`expected`, of rows whose covariance is that of their missing pattern."""
        made = cls.expected(regressors, weights, means, means.new_zeros(1, 1, 1, 1))
        shares = weights.new_zeros(len(covariances), weights.shape[1])
        shares = shares.index_add(0, patterns, weights)
        present = torch.where(shares[..., None, None] > 0, covariances, 0.0)
        return replace(made, products=made.products + (shares[..., None, None] * present).sum(0))

    def __add__(self, other: RegressionStatistics) -> RegressionStatistics:
        if self.regressors != other.regressors or self.means.shape != other.means.shape:
            raise LearningError(
                f"statistics of {self.regressors} regressors in shape {tuple(self.means.shape)} do "
                f"not add to those of {other.regressors} in {tuple(other.means.shape)}"
            )
        weights = self.weights + other.weights
        share = torch.where(weights > 0, other.weights / weights, 0.0)
        apart = other.means - self.means
        between = (self.weights * share)[:, None, None] * _squares(apart)
        return replace(
            self,
            weights=weights,
            means=self.means + share.unsqueeze(1) * apart,
            products=self.products + other.products + between,
        )

    def pooled(self) -> RegressionStatistics:
        """Return the statistics of all rows together, as those of a single configuration."""
        total = self.weights.sum()
        share = torch.where(total > 0, self.weights / total, 0.0)
        mean = share @ self.means
        deviation = self.means - mean
        between = (self.weights[:, None, None] * _squares(deviation)).sum(0)
        products = self.products.sum(0) + between
        return replace(
            self,
            weights=total.reshape(1),
            means=mean.unsqueeze(0),
            products=products.unsqueeze(0),
        )

    def within(self) -> Float[Tensor, "columns columns"]:
        """Return the sum over all rows of products of deviations within their configurations."""
        return self.products.sum(0)

    def in_units(
        self, origin: Float[Tensor, " columns"], units: Float[Tensor, " columns"]
    ) -> RegressionStatistics:
        """Return the statistics of ``(columns - origin) / units``."""
        products = self.products / units.unsqueeze(1) / units
        return replace(self, means=(self.means - origin) / units, products=products)


def _squares(rows: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns columns"]:
    return rows.unsqueeze(-1) * rows.unsqueeze(-2)
