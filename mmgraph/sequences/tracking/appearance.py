"""Appearance as evidence: how much likelier two boxes look so alike where both show one person."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

_LEAST_PAIRS = 30
_STRONGEST = 3.0


class _Moments:
    """Mean and variance of distances as they come."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0.0, 0.0, 0.0

    def add(self, distances: Float64[np.ndarray, " pairs"]) -> None:
        distances = distances[np.isfinite(distances)]
        if len(distances):
            self.count += len(distances)
            off = distances - self.mean
            self.mean += off.sum() / self.count
            self.squares += float((off * (distances - self.mean)).sum())

    def log_density(self, distances: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        variance = max(self.squares / self.count, 1e-12)
        return -0.5 * ((distances - self.mean) ** 2 / variance + np.log(variance))


class AppearanceEvidence:
    """Learns how far features lie apart of one person and of two, while it tracks.

    Until it has seen enough pairs of both kinds, and of boxes without features, it says nothing.
    Where it is ``alone`` it begins with the rule that one person is less than half as far from
    itself as boxes are from each other on average.
    """

    def __init__(self, alone: bool = False) -> None:
        self._same, self._different = _Moments(), _Moments()
        self._alone = alone

    def learn(
        self,
        same: Float64[np.ndarray, " pairs"],
        different: Float64[np.ndarray, " others"],
    ) -> None:
        """Take in distances between features of one person, and of different ones."""
        self._same.add(same)
        self._different.add(different)

    def log_ratios(self, distances: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """Return by how much, in logarithms, such distances favour one person over two."""
        enough = min(self._same.count, self._different.count) >= _LEAST_PAIRS
        if self._alone and not enough and np.isfinite(distances).any():
            usual = max(float(np.nanmean(distances)), 1e-12)
            return np.nan_to_num(_STRONGEST * (1 - 2 * distances / usual), nan=-_STRONGEST)
        if not enough or self._same.mean >= self._different.mean:
            return np.zeros_like(distances)
        # Beyond the usual distances, Gaussian tails would have the opposite say.
        usual = np.clip(distances, self._same.mean, self._different.mean)
        ratio = self._same.log_density(usual) - self._different.log_density(usual)
        return np.clip(np.nan_to_num(ratio, nan=0.0), -_STRONGEST, _STRONGEST)


def distances_between(
    some: Float64[np.ndarray, "some features"], others: Float64[np.ndarray, "others features"]
) -> Float64[np.ndarray, "some others"]:
    """Return Euclidean distances between features, NaN where any is not known."""
    squares = (some**2).sum(1)[:, None] + (others**2).sum(1) - 2 * some @ others.T
    return np.sqrt(np.maximum(squares, 0.0))
