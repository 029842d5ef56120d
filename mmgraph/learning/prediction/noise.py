"""How far figures vary by chance: standard errors, and the calibration error of a true model."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from mmgraph.learning.prediction.metrics import (
    BINS,
    calibration_bins,
    check_probabilities,
    classification_metrics,
    negative_log_likelihoods,
)

DRAWS, SEED = 1000, 0
"""Of labels that predictions are compared with, if they are calibrated."""


def figures_with_noise(
    probabilities: Float[np.ndarray, "rows states"],
    labels: Int[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
) -> dict[str, float | None]:
    """Return the figures of :func:`classification_metrics`, and what they would vary by.

    Groups say which rows belong together, where those are no independent draws but groups are.
    """
    by_chance = calibration_error_by_chance(probabilities)
    right = (probabilities.argmax(1) == labels).astype(float)
    losses = negative_log_likelihoods(probabilities, labels)
    return {
        **classification_metrics(probabilities, labels),
        "accuracy_standard_error": standard_error(right, groups),
        "log_loss_standard_error": standard_error(losses, groups),
        "calibration_error_by_chance": float(by_chance.mean()),
        "calibration_error_by_chance_95": float(np.quantile(by_chance, 0.95)),
    }


def standard_error(
    values: Float[np.ndarray, " rows"], groups: Int[np.ndarray, " rows"] | None = None
) -> float | None:
    """Return the standard error of a mean over rows, or over groups of rows.

    With groups it is that of a ratio estimate, by the groups' sums and sizes (Cochran 1977,
    "Sampling Techniques", chapter 9A). With a single row or group there is none.
    """
    index = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(index.max()) + 1
    if count < 2:
        return None
    residuals = np.bincount(index, values - values.mean())
    return float(np.sqrt(count / (count - 1) * (residuals**2).sum()) / len(values))


def calibration_error_by_chance(
    probabilities: Float[np.ndarray, "rows states"],
    bins: int = BINS,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Float[np.ndarray, " draws"]:
    """Return expected calibration errors that predictions would have if they were calibrated.

    Labels are drawn from the predictions themselves, again and again. What is returned is not zero,
    since a bin of few rows is off by chance; an error that is no larger shows no miscalibration.
    (Vaicenavicius et al. 2019, "Evaluating model calibration in classification": consistency
    resampling.)
    """
    check_probabilities(probabilities, probabilities.argmax(1))
    confidence = probabilities.max(1)
    right = right_by_chance(confidence, bins, draws, seed)
    expected = np.bincount(calibration_bins(confidence, bins), confidence, bins)
    return np.abs(right - expected).sum(1) / len(confidence)


def right_by_chance(
    confidence: Float[np.ndarray, " rows"], bins: int = BINS, draws: int = DRAWS, seed: int = SEED
) -> Float[np.ndarray, "draws bins"]:
    """Return how many predictions of each bin of confidence are right, drawn again and again."""
    member = np.eye(bins)[calibration_bins(confidence, bins)]
    # Of a label drawn from a row only matters whether it is the most probable one.
    hits = np.random.default_rng(seed).random((draws, len(confidence))) < confidence
    return hits @ member
