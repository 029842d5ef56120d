"""How far a covariance of few rows is shrunk: the intensity that the data itself asks for.

Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices",
sections 2 and 3. The target is a multiple of the identity; it is taken in units of the features'
standard deviations, so that what a feature is measured in changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.leaves.covariance_prior import CovariancePrior

AMPLE = 10
"""Rows a feature from which on a covariance of greatest likelihood is left as it is."""


@dataclass(frozen=True, eq=False)
class RadialMoments:
    """Sums over rows of a density's higher moments, for the sampling error of its covariance.

    Cubes are weighted sums of ``q * y`` and squares of ``q ** 2``: ``y`` is a row's deviation
    from a centre and ``q`` its squared length in ``units``, a standard deviation of each feature.
    """

    units: Float[Tensor, " features"]
    cubes: Float[Tensor, "densities features"]
    squares: Float[Tensor, " densities"]

    def plus(
        self,
        deviation: Float[Tensor, "rows densities features"],
        weights: Float[Tensor, "rows densities"],
        uncertainty: Float[Tensor, "densities features"] | float,
    ) -> RadialMoments:
        """Return the moments with rows added.

        The uncertainty is the conditional variances of missing features, filled in by their means.
        """
        units = self.units.square()
        q = (deviation.square() / units).sum(-1)
        if isinstance(uncertainty, Tensor):
            q = q + (uncertainty / units).sum(-1)
        weighted = weights * q
        return replace(
            self,
            cubes=self.cubes + (weighted.unsqueeze(-1) * deviation).sum(0),
            squares=self.squares + (weighted * q).sum(0),
        )

    def about(
        self,
        shift: Float[Tensor, "densities features"],
        weights: Float[Tensor, " densities"],
        sums: Float[Tensor, "densities features"],
        products: Float[Tensor, "densities features features"],
    ) -> RadialMoments:
        """Return the moments about centres from which rows deviate by ``shift`` more.

        Weights, sums and products are the lower moments about the old centres.
        """
        # In units: |y + e|² = q + 2 e·y + |e|², squared and multiplied out; the same times y + e.
        e = shift / self.units
        first, second = sums / self.units, products / (self.units.unsqueeze(-1) * self.units)
        third, length = self.cubes / self.units, e.square().sum(-1)
        total_q = second.diagonal(dim1=-2, dim2=-1).sum(-1)
        along = (second @ e.unsqueeze(-1)).squeeze(-1)
        squares = (
            self.squares
            + 4 * (e * along).sum(-1)
            + weights * length.square()
            + 4 * (e * third).sum(-1)
            + 2 * length * total_q
            + 4 * length * (e * first).sum(-1)
        )
        cubes = third + 2 * along + length.unsqueeze(-1) * first
        sum_q = total_q + 2 * (e * first).sum(-1) + weights * length
        cubes = cubes + sum_q.unsqueeze(-1) * e
        return replace(self, cubes=cubes * self.units, squares=squares)

    def __add__(self, other: RadialMoments) -> RadialMoments:
        return replace(self, cubes=self.cubes + other.cubes, squares=self.squares + other.squares)


def ledoit_wolf(
    covariances: Float[Tensor, "densities features features"],
    weights: Float[Tensor, " densities"],
    squares: Float[Tensor, " densities"],
    units: Float[Tensor, " features"],
) -> CovariancePrior:
    """Return what covariances are drawn towards: independent features, alike in ``units``.

    The covariances are those of greatest likelihood, with the weights of their rows and the squares
    of :class:`RadialMoments` about the means.
    """
    scale = units.unsqueeze(-1) * units
    scaled = covariances / scale
    identity = torch.eye(len(units), dtype=scaled.dtype, device=scaled.device)
    level = scaled.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    dispersion = (scaled - level * identity).square().sum((-2, -1))
    norm = scaled.square().sum((-2, -1))
    error = (squares / weights - norm).clamp_min(0.0) / weights
    intensity = torch.where(dispersion > 0, error / dispersion.clamp_min(1e-300), 0.0)
    intensity = intensity.clamp(0.0, 1.0)
    return CovariancePrior(level * identity * scale, weights * intensity / (1 - intensity))
