"""Detectors' confidences on any scale as log-odds that there is somebody.

No truth is needed: who is there is there in the frames around, too, so that the share of boxes
which others support tells how good boxes of a confidence are.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

_BINS = 8
_LEAST = 40
_REMEMBERED = 2000
_STRONGEST = 2.5
_BY_CHANCE = 0.3
_FOUND_AGAIN = 0.9
"""How often an error is supported by another, and a person is found in the next frame, too."""


class ConfidenceScale:
    """Learns, from boxes that tracks support or not, what confidences are worth.

    Parameters
    ----------
    generally : float
        The share that counts of the log-odds of all boxes. Less than 1, since errors that persist
        support each other; confidences count in full as far as they differ from the usual ones.
    """

    def __init__(self, generally: float) -> None:
        self._generally = generally
        self._values = np.zeros(0)
        self._supported = np.zeros(0)
        self._fresh = 0
        self._edges, self._odds = np.zeros(0), np.zeros(1)

    def learn(
        self, confidences: Float64[np.ndarray, " boxes"], supported: Bool[np.ndarray, " boxes"]
    ) -> None:
        """Take in confidences, and whether the boxes were where the frames around expect one."""
        known = np.isfinite(confidences)
        self._values = np.append(self._values, confidences[known])[-_REMEMBERED:]
        self._supported = np.append(self._supported, supported[known])[-_REMEMBERED:]
        self._fresh += int(known.sum())
        if self._fresh >= max(_LEAST, len(self._values) // 10):
            self._fit()

    def _fit(self) -> None:
        self._fresh = 0
        self._edges = np.unique(np.quantile(self._values, np.arange(1, _BINS) / _BINS))
        bins = np.searchsorted(self._edges, self._values, side="right")
        counts = np.bincount(bins, minlength=len(self._edges) + 1)
        overall = self._supported.mean()
        hits = np.bincount(bins, self._supported, minlength=len(counts))
        shares = _rising((hits + 5 * overall) / (counts + 5), counts + 5.0)
        # Those who are there are found again at the rate of the surest boxes.
        found_again = max(shares[-1], _FOUND_AGAIN)
        true = (np.append(shares, overall) - _BY_CHANCE) / (found_again - _BY_CHANCE)
        true = np.clip(true, 0.02, 0.98)
        odds = np.log(true / (1 - true))
        self._odds = np.clip(odds[:-1] - (1 - self._generally) * odds[-1], -_STRONGEST, _STRONGEST)

    def log_odds(self, confidences: Float64[np.ndarray, " boxes"]) -> Float64[np.ndarray, " boxes"]:
        """Return the log-odds that boxes are no errors; 0 where nothing is known."""
        known = np.isfinite(confidences)
        bins = np.searchsorted(self._edges, np.where(known, confidences, 0.0), side="right")
        return np.where(known, self._odds[bins], 0.0)


def _rising(
    shares: Float64[np.ndarray, " bins"], weights: Float64[np.ndarray, " bins"]
) -> Float64[np.ndarray, " bins"]:
    """Return the nearest shares that never fall (isotonic regression, by pooling neighbours)."""
    pools: list[list[float]] = []
    for share, weight in zip(shares, weights, strict=True):
        pools.append([share, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            last = pools.pop()
            before = pools[-1]
            total = before[1] + last[1]
            pools[-1] = [
                (before[0] * before[1] + last[0] * last[1]) / total,
                total,
                before[2] + last[2],
            ]
    return np.concatenate([np.full(int(size), share) for share, _, size in pools])
