"""How good predicted probabilities are: accuracy, log-loss, Brier score, calibration."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from mmgraph.graph.errors import MmgraphError

_SMALLEST_PROBABILITY = 1e-15
BINS = 15
"""How many bins of confidence the calibration error is taken over."""


def classification_metrics(
    probabilities: Float[np.ndarray, "rows states"], labels: Int[np.ndarray, " rows"]
) -> dict[str, float]:
    """Return accuracy, log-loss, Brier score and expected calibration error.

    Parameters
    ----------
    probabilities : ndarray
        Each row a distribution over the states.
    labels : ndarray
        The true states as indices.

    Raises
    ------
    MmgraphError
        If there are no rows, or a row is not a distribution.
    """
    check_probabilities(probabilities, labels)
    rows = np.arange(len(labels))
    one_hot = np.eye(probabilities.shape[1])[labels]
    likelihood = np.maximum(probabilities[rows, labels], _SMALLEST_PROBABILITY)
    return {
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "log_loss": float(-np.log(likelihood).mean()),
        "brier_score": float(((probabilities - one_hot) ** 2).sum(1).mean()),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
    }


def expected_calibration_error(
    probabilities: Float[np.ndarray, "rows states"],
    labels: Int[np.ndarray, " rows"],
    bins: int = BINS,
) -> float:
    """Return how far confidence and accuracy lie apart, on average over equal-width bins.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015); Guo et al. (2017), section 2.
    """
    check_probabilities(probabilities, labels)
    confidence = probabilities.max(1)
    hit = probabilities.argmax(1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(place, hit.astype(float) - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def check_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Raise MmgraphError unless every row is a distribution and has a label."""
    if not len(labels) or len(labels) != len(probabilities):
        raise MmgraphError(f"{len(probabilities)} rows of probabilities, {len(labels)} labels")
    sums = probabilities.sum(1)
    wrong = ~((np.abs(sums - 1) < 1e-6) & (probabilities >= 0).all(1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise MmgraphError(f"row {row} is not a distribution: it sums to {sums[row]:.9g}")
