"""A number cut into bins, and how it is distributed within each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import LearningError

_LEAST_ROWS = 5
"""A bin has so many rows, where there are enough of them for as many bins as wanted."""


@dataclass(frozen=True, eq=False)
class TargetBins:
    """Bins of about the same number of rows.

    Within a bin the target is uniform; beyond the outermost ends it falls off exponentially, with
    the mean that training rows have there.

    Attributes
    ----------
    ends : ndarray, shape (bins - 1,)
        Where one bin ends and the next begins, each half way between two numbers that occur.
    scales : ndarray, shape (2,)
        How far beyond the first and the last end the target lies on average.
    """

    ends: Float64[np.ndarray, " ends"]
    scales: Float64[np.ndarray, " 2"]

    @classmethod
    def fitted(
        cls,
        values: Float64[np.ndarray, " rows"],
        weights: Float64[np.ndarray, " rows"],
        count: int,
    ) -> TargetBins:
        """Return bins at the quantiles of numbers, fewer where many of these are the same.

        Raises
        ------
        LearningError
            If but for a row the numbers are all the same.
        """
        distinct, rows = np.unique(values, return_counts=True)
        between = 0.5 * distinct[:-1] + 0.5 * distinct[1:]
        below = np.cumsum(rows)[:-1]
        least = max(2, min(_LEAST_ROWS, len(values) // (2 * count)))
        usable = np.flatnonzero((below >= least) & (below <= len(values) - least))
        if not len(usable):
            raise LearningError("the target is the same number in nearly every row")
        chosen: list[int] = []
        for quantile in np.arange(1, count) * len(values) / count:
            place = usable[np.abs(below[usable] - quantile).argmin()]
            if not chosen or below[place] - below[chosen[-1]] >= least:
                chosen.append(int(place))
        ends = between[chosen]
        outside = (values <= ends[0], values > ends[-1])
        scales = [
            abs(np.average(values[rows], weights=np.maximum(weights[rows], 1e-12)) - end)
            for rows, end in zip(outside, ends[[0, -1]], strict=True)
        ]
        smallest = np.spacing(np.abs(ends[[0, -1]]))
        return cls(ends, np.maximum(scales, smallest))

    def codes(self, values: Float64[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
        """Return the bin in which each number lies."""
        return np.searchsorted(self.ends, values, side="left").astype(np.int64)

    def means(self) -> Float64[np.ndarray, " bins"]:
        """Return the mean of each bin."""
        inner = 0.5 * self.ends[:-1] + 0.5 * self.ends[1:]
        first, last = self.ends[0] - self.scales[0], self.ends[-1] + self.scales[1]
        return np.concatenate([[first], inner, [last]])

    def within(
        self,
        bins: Int64[np.ndarray, "*shape"],
        below: Float64[np.ndarray, "*shape"],
        above: Float64[np.ndarray, "*shape"],
    ) -> Float64[np.ndarray, "*shape"]:
        """Return the quantiles of bins, of which some share is below and the rest above."""
        last = len(self.ends)
        tiny = np.finfo(float).tiny
        start = self.ends[np.clip(bins - 1, 0, last - 1)]
        end = self.ends[np.clip(bins, 0, last - 1)]
        inner = start + np.clip(below, 0.0, 1.0) * (end - start)
        lower = self.ends[0] + self.scales[0] * np.log(np.clip(below, tiny, 1.0))
        upper = self.ends[-1] - self.scales[1] * np.log(np.clip(above, tiny, 1.0))
        return np.where(bins == 0, lower, np.where(bins == last, upper, inner))

    def log_density(self, values: Float64[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
        """Return the logarithms of the densities of numbers, each within its bin."""
        widths = np.concatenate([self.scales[:1], np.diff(self.ends), self.scales[1:]])
        beyond = np.maximum(
            (self.ends[0] - values) / self.scales[0], (values - self.ends[-1]) / self.scales[1]
        )
        return -np.maximum(beyond, 0.0) - np.log(widths[self.codes(values)])
