"""What is said of a number in each row: its mean, quantiles and density."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtri

from mmgraph.predictors.regression.target_bins import TargetBins

Numbers = Float64[np.ndarray, " rows"]


class Densities(abc.ABC):
    """A density of a number for each row."""

    @abc.abstractmethod
    def mean(self) -> Numbers:
        """Return the mean in each row."""

    @abc.abstractmethod
    def quantiles(
        self, levels: Float64[np.ndarray, " levels"]
    ) -> Float64[np.ndarray, "rows levels"]:
        """Return the numbers below which the target lies with some probabilities."""

    @abc.abstractmethod
    def log_density(self, values: Numbers) -> Numbers:
        """Return the logarithm of the density of a number in each row."""


@dataclass(frozen=True, eq=False)
class NormalDensities(Densities):
    """Normal densities.

    Attributes
    ----------
    means, deviations : ndarray, shape (rows,)
    """

    means: Numbers
    deviations: Numbers

    def mean(self) -> Numbers:
        """As :meth:`Densities.mean`."""
        return self.means

    def quantiles(
        self, levels: Float64[np.ndarray, " levels"]
    ) -> Float64[np.ndarray, "rows levels"]:
        """As :meth:`Densities.quantiles`."""
        return self.means[:, None] + self.deviations[:, None] * ndtri(levels)

    def log_density(self, values: Numbers) -> Numbers:
        """As :meth:`Densities.log_density`."""
        scaled = (values - self.means) / self.deviations
        return -0.5 * (scaled**2 + np.log(2 * np.pi)) - np.log(self.deviations)


@dataclass(frozen=True, eq=False)
class BinnedDensities(Densities):
    """Mixtures of the densities within bins.

    Attributes
    ----------
    bins : TargetBins
        Of the target.
    probabilities : ndarray, shape (rows, bins)
        Of each bin in each row.
    """

    bins: TargetBins
    probabilities: Float64[np.ndarray, "rows bins"]

    def mean(self) -> Numbers:
        """As :meth:`Densities.mean`."""
        return self.probabilities @ self.bins.means()

    def quantiles(
        self, levels: Float64[np.ndarray, " levels"]
    ) -> Float64[np.ndarray, "rows levels"]:
        """As :meth:`Densities.quantiles`."""
        below = np.cumsum(self.probabilities, axis=1)
        below /= below[:, -1:]
        bins = (below[:, :-1, None] < levels).sum(1)
        start = np.hstack([np.zeros((len(below), 1)), below])
        lower = np.take_along_axis(start, bins, axis=1)
        upper = np.take_along_axis(start, bins + 1, axis=1)
        width = np.maximum(upper - lower, np.finfo(float).tiny)
        return self.bins.within(bins, (levels - lower) / width, (upper - levels) / width)

    def log_density(self, values: Numbers) -> Numbers:
        """As :meth:`Densities.log_density`."""
        codes = self.bins.codes(values)
        chosen = np.take_along_axis(self.probabilities, codes[:, None], axis=1)[:, 0]
        return np.log(np.maximum(chosen, np.finfo(float).tiny)) + self.bins.log_density(values)
