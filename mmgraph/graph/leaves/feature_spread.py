"""Mean and variance of every feature over all rows, whatever density they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import LearningError

_CONSTANT = 1e-12
"""A standard deviation, relative to the mean, that only rounding can explain."""


@dataclass(frozen=True, eq=False)
class FeatureSpread:
    """Mean and variance of every feature over the cells in which it is observed.

    They are weighted sums over those cells: of 1, of ``x - origin`` and of its square.
    """

    origin: Float[Tensor, " features"]
    weights: Float[Tensor, " features"]
    sums: Float[Tensor, " features"]
    squares: Float[Tensor, " features"]

    @classmethod
    def of(
        cls,
        values: Float[Tensor, "rows features"],
        weights: Float[Tensor, " rows"],
        origin: Float[Tensor, " features"],
    ) -> FeatureSpread:
        """Return the spread of weighted rows; NaN is missing."""
        observed = (~values.isnan()).to(values)
        deviation = torch.where(values.isnan(), 0.0, values - origin)
        return cls(origin, weights @ observed, weights @ deviation, weights @ deviation.square())

    def __add__(self, other: FeatureSpread) -> FeatureSpread:
        shift = other.origin - self.origin
        sums = other.sums + other.weights * shift
        squares = other.squares + shift * (other.sums + sums)
        return FeatureSpread(
            self.origin, self.weights + other.weights, self.sums + sums, self.squares + squares
        )

    def mean(self, name: str) -> Float[Tensor, " features"]:
        """Return the mean of every feature; LearningError names one that is never observed."""
        if not bool((self.weights > 0).any()):
            raise LearningError(f"'{name}' is not observed in any row that has weight")
        if not bool((self.weights > 0).all()):
            feature = int((self.weights <= 0).nonzero()[0])
            raise LearningError(
                f"feature {feature} of '{name}' is not observed in any row that has weight"
            )
        return self.origin + self.sums / self.weights

    def variance(self, floor: float, name: str) -> tuple[Tensor, Tensor]:
        """Return the variance of every feature, positive throughout, and which are constant.

        Raises
        ------
        LearningError
            If a feature is constant and ``floor`` cannot help: it is 0, or every feature is
            constant. With a floor above 0 the largest variance of any feature stands in for that
            of a constant one, as it does in scikit-learn's ``GaussianNB``.
        """
        mean = self.mean(name)
        offset = self.sums / self.weights
        variance = self.squares / self.weights - offset.square()
        noise = (_CONSTANT * mean).square() + 1e-15 * offset.square()
        constant = variance <= noise
        if not bool(constant.any()):
            return variance, constant
        if floor == 0 or bool(constant.all()):
            feature = int(constant.nonzero()[0])
            remedy = "" if bool(constant.all()) else ", or give a variance floor above 0"
            raise LearningError(
                f"feature {feature} of '{name}' has the same value ({float(mean[feature]):.6g}) "
                f"wherever it is observed: leave it out{remedy}"
            )
        return torch.where(constant, variance.max(), variance), constant
