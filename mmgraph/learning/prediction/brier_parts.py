"""What the Brier score consists of: reliability, resolution, uncertainty, what bins hide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mmgraph.learning.prediction.metrics import BINS, calibration_bins, check_probabilities


class BrierParts(NamedTuple):
    """The parts of a Brier score, which they add up to exactly: see :attr:`score`.

    Attributes
    ----------
    reliability : float
        How far shares lie from probabilities in bins of these: zero if calibrated.
    resolution : float
        How far the shares of bins lie from those of all rows: the more, the better.
    uncertainty : float
        Of the classes by themselves: the score of their shares.
    within_bin_variance, within_bin_covariance : float
        What probabilities vary by within bins, and what of that goes with the truth, twice.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bin_variance: float
    within_bin_covariance: float

    @property
    def score(self) -> float:
        """The Brier score."""
        within = self.within_bin_variance - self.within_bin_covariance
        return self.reliability - self.resolution + self.uncertainty + within


def brier_parts(
    probabilities: Float[np.ndarray, "rows classes"],
    codes: Int[np.ndarray, " rows"],
    bins: int = BINS,
) -> BrierParts:
    """Return the parts of the Brier score, each the sum over classes of that of one class.

    A class's rows are put into bins of equal width by its probability.

    References
    ----------
    Murphy (1973), "A new vector partition of the probability score"; Stephenson, Coelho and
    Jolliffe (2008), "Two extra components in the Brier score decomposition", for the parts that
    stay within bins.
    """
    check_probabilities(probabilities, codes)
    rows = len(codes)
    parts = np.zeros(5)
    for code, column in enumerate(np.asarray(probabilities, np.float64).T):
        truth = (codes == code).astype(np.float64)
        place = calibration_bins(column, bins)
        counts = np.bincount(place, minlength=bins)
        size = np.maximum(counts, 1)
        mean = np.bincount(place, column, bins) / size
        share = np.bincount(place, truth, bins) / size
        base = truth.mean()
        apart = column - mean[place]
        parts += (
            counts @ (mean - share) ** 2 / rows,
            counts @ (share - base) ** 2 / rows,
            base * (1 - base),
            apart @ apart / rows,
            2 * apart @ (truth - share[place]) / rows,
        )
    return BrierParts(*map(float, parts))
