"""Ridge regressions of every strength at the cost of one decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_RANK = 1e-13
"""A share of the largest eigenvalue below which a direction of the regressors does not vary."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Centred products of regressors and child, in the eigenbasis of those of the regressors.

    A ridge of so many ``rows`` adds them to every eigenvalue.

    Attributes
    ----------
    values : Tensor, shape (configurations, regressors)
        The eigenvalues.
    vectors : Tensor, shape (configurations, regressors, regressors)
    cross : Tensor, shape (configurations, regressors, features)
        Products of regressors, in the basis, and child.
    child : Tensor, shape (configurations, features, features)
    """

    values: Float[Tensor, "configurations regressors"]
    vectors: Float[Tensor, "configurations regressors regressors"]
    cross: Float[Tensor, "configurations regressors features"]
    child: Float[Tensor, "configurations features features"]

    @classmethod
    def of(
        cls, products: Float[Tensor, "configurations columns columns"], regressors: int
    ) -> Spectrum:
        """Return the spectra of products, whose first columns are regressors."""
        q = regressors
        values, vectors = torch.linalg.eigh(products[:, :q, :q])
        cross = vectors.mT @ products[:, :q, q:]
        return cls(values.clamp_min(0.0), vectors, cross, products[:, q:, q:])

    def variances(self, rows: float) -> Float[Tensor, "configurations regressors"]:
        """Return those of the coefficients, where the noise has 1; infinite where none varies."""
        if not self.values.shape[1]:
            return self.values
        total = self.values + rows
        varies = total > _RANK * total.amax(-1, keepdim=True)
        return torch.where(varies, 1 / torch.where(varies, total, 1.0), torch.inf)

    def inverse(self, rows: float) -> Float[Tensor, "configurations regressors"]:
        """Return the same, but zero where the regressors do not vary: the pseudo-inverse."""
        variances = self.variances(rows)
        return torch.where(variances.isinf(), 0.0, variances)

    def slopes(self, rows: float) -> Float[Tensor, "configurations regressors features"]:
        """Return the coefficients, least in norm where rows do not determine them."""
        return self.vectors @ (self.inverse(rows).unsqueeze(-1) * self.cross)

    def residual(self, rows: float) -> Float[Tensor, "configurations features features"]:
        """Return what is left of the child's products, with the ridge's part."""
        explained = self.cross.mT @ (self.inverse(rows).unsqueeze(-1) * self.cross)
        left = self.child - explained
        return 0.5 * (left + left.mT)

    def log_shrinkage(self, rows: float) -> Float[Tensor, " configurations"]:
        """Return the logarithm of the posterior's volume over the prior's, squared."""
        return (rows / (self.values + rows)).log().sum(-1)
