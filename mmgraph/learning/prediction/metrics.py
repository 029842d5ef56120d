"""How good predicted probabilities are: accuracy, log-loss, Brier score, calibration."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from mmgraph.graph.errors import MmgraphError

SMALLEST_PROBABILITY = 1e-15
"""What the probability of a label counts as, if it is less."""
BINS = 15
"""How many bins of confidence the calibration error is taken over."""


def classification_metrics(
    probabilities: Float[np.ndarray, "rows states"], labels: Int[np.ndarray, " rows"]
) -> dict[str, float]:
    """Return accuracy, log-loss, Brier score, and calibration error as it is and debiased."""
    check_probabilities(probabilities, labels)
    one_hot = np.eye(probabilities.shape[1])[labels]
    bins = reliability_bins(probabilities, labels)
    return {
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "log_loss": float(negative_log_likelihoods(probabilities, labels).mean()),
        "brier_score": float(((probabilities - one_hot) ** 2).sum(1).mean()),
        "expected_calibration_error": bins.expected_calibration_error,
        "debiased_calibration_error": bins.debiased_calibration_error,
    }


def negative_log_likelihoods(
    probabilities: Float[np.ndarray, "rows states"], labels: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """Return each row's minus log-probability of its label; a certain mistake stays finite."""
    likelihood = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.maximum(likelihood, SMALLEST_PROBABILITY))


def calibration_bins(
    confidence: Float[np.ndarray, " rows"], bins: int = BINS
) -> Int[np.ndarray, " rows"]:
    """Return the bin of equal width in which each confidence lies."""
    return np.minimum((confidence * bins).astype(int), bins - 1)


class ReliabilityBins(NamedTuple):
    """How many predictions each bin of confidence holds, and their means; not of empty bins."""

    confidence: Float[np.ndarray, " bins"]
    accuracy: Float[np.ndarray, " bins"]
    counts: Int[np.ndarray, " bins"]

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of accuracy from confidence (Naeini et al., AAAI 2015)."""
        weights = self.counts / self.counts.sum()
        return float(weights @ np.abs(self.accuracy - self.confidence))

    @property
    def debiased_calibration_error(self) -> float:
        """The error without what the noise of each bin's accuracy adds to it; at least zero.

        A bin of ``n`` predictions whose accuracy is ``a`` has it up to a normal error of variance
        ``a(1-a)/n``, which alone makes the mean distance larger (Kumar, Liang and Ma, NeurIPS 2019,
        "Verified uncertainty calibration", section 4; for absolute distances their code draws the
        errors, whose mean is known: that of a folded normal distribution).
        """
        distance = np.abs(self.accuracy - self.confidence)
        deviation = np.sqrt(self.accuracy * (1 - self.accuracy) / self.counts)
        noisy = deviation > 0
        ratio = np.divide(distance, deviation, out=np.full_like(distance, np.inf), where=noisy)
        folded = deviation * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2)
        bias = folded - 2 * distance * ndtr(-ratio)
        weights = self.counts / self.counts.sum()
        return max(0.0, float(weights @ (distance - bias)))


def reliability_bins(
    probabilities: Float[np.ndarray, "rows states"],
    labels: Int[np.ndarray, " rows"],
    bins: int = BINS,
) -> ReliabilityBins:
    """Return predictions by the probability of the predicted state, in bins of equal width."""
    return confidence_bins(probabilities.max(1), probabilities.argmax(1) == labels, bins)


def confidence_bins(
    confidence: Float[np.ndarray, " rows"], right: Bool[np.ndarray, " rows"], bins: int = BINS
) -> ReliabilityBins:
    """Return statements by their confidence, in bins of equal width, and how many were right."""
    place = calibration_bins(confidence, bins)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    return ReliabilityBins(
        np.bincount(place, confidence, bins)[filled] / counts[filled],
        np.bincount(place, right, bins)[filled] / counts[filled],
        counts[filled],
    )


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
    return reliability_bins(probabilities, labels, bins).expected_calibration_error


def check_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Raise MmgraphError unless every row is a distribution and has a label."""
    if not len(labels) or len(labels) != len(probabilities):
        raise MmgraphError(f"{len(probabilities)} rows of probabilities, {len(labels)} labels")
    sums = probabilities.sum(1)
    wrong = ~((np.abs(sums - 1) < 1e-6) & (probabilities >= 0).all(1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise MmgraphError(f"row {row} is not a distribution: it sums to {sums[row]:.9g}")


def label_metrics(
    truth: Int[np.ndarray, " rows"], predicted: Int[np.ndarray, " rows"], classes: int
) -> dict[str, float]:
    """Return overall accuracy, average accuracy and Cohen's kappa of labels.

    The average accuracy is the mean over the classes that occur of the share that is right, so that
    rare classes count as much as common ones; kappa is the agreement beyond that of chance
    (Cohen 1960, "A coefficient of agreement for nominal scales").
    """
    if not len(truth) or len(truth) != len(predicted):
        raise MmgraphError(f"{len(truth)} true labels, {len(predicted)} predicted ones")
    for what, codes in (("true", truth), ("predicted", predicted)):
        if codes.min() < 0 or codes.max() >= classes:
            raise MmgraphError(f"a {what} label is not one of {classes} classes")
    counts = np.bincount(truth * classes + predicted, minlength=classes**2)
    table = counts.reshape(classes, classes) / len(truth)
    occurring = table.sum(1) > 0
    agreement = float(np.trace(table))
    by_chance = float(table.sum(1) @ table.sum(0))
    kappa = 1.0 if by_chance >= 1 else (agreement - by_chance) / (1 - by_chance)
    return {
        "overall_accuracy": agreement,
        "average_accuracy": float((np.diag(table)[occurring] / table.sum(1)[occurring]).mean()),
        "kappa": kappa,
    }
