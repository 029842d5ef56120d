"""Metrics of predicted probabilities as functions of how much each row counts.

Weights come in batches: ones give the figure, the counts of a bootstrap sample the figure of that
sample, zeros and ones that of a fold. By their derivatives each figure has an influence of each row
(the infinitesimal jackknife, Jaeckel 1972), and so a standard error. Macro averages are over the
classes that occur; where rows are all of one class, areas under curves are not a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from mmgraph.learning.prediction.metrics import (
    BINS,
    calibration_bins,
    check_probabilities,
    negative_log_likelihoods,
)

Weights = Float64[Tensor, "batch rows"]
Figure = Float64[Tensor, " batch"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The probabilities of each class in rows whose class is known."""

    probabilities: Float64[Tensor, "rows classes"]
    codes: Int64[Tensor, " rows"]

    @classmethod
    def of(
        cls, probabilities: Float[np.ndarray, "rows classes"], codes: Int[np.ndarray, " rows"]
    ) -> Predictions:
        """Return arrays as predictions; raise MmgraphError where a row is no distribution."""
        check_probabilities(probabilities, codes)
        table = np.ascontiguousarray(probabilities, np.float64)
        return cls(torch.from_numpy(table), torch.from_numpy(np.array(codes, np.int64)))

    @cached_property
    def classes(self) -> int:
        """How many classes there are."""
        return self.probabilities.shape[1]

    @cached_property
    def truth(self) -> Float64[Tensor, "rows classes"]:
        """Ones where a row is of a class."""
        return one_hot(self.codes, self.classes).double()

    @cached_property
    def chosen(self) -> Float64[Tensor, "rows classes"]:
        """Ones where a class is the most probable one."""
        return one_hot(self.probabilities.argmax(1), self.classes).double()

    @cached_property
    def right(self) -> Float64[Tensor, " rows"]:
        """Ones where the most probable class is the true one."""
        return (self.truth * self.chosen).sum(1)

    @cached_property
    def losses(self) -> Float64[Tensor, " rows"]:
        """Minus the log-probability of the class of each row."""
        return torch.from_numpy(
            negative_log_likelihoods(self.probabilities.numpy(), self.codes.numpy())
        )

    @cached_property
    def confidence(self) -> Float64[Tensor, " rows"]:
        """The probability of the most probable class."""
        return self.probabilities.max(1).values

    @cached_property
    def bins(self) -> Float64[Tensor, "rows bins"]:
        """Ones in the bin of each row's confidence."""
        places = calibration_bins(self.confidence.numpy())
        return one_hot(torch.from_numpy(places), BINS).double()

    @cached_property
    def ranks(self) -> tuple[Int64[Tensor, " rows"], ...]:
        """By class, the place of each row's probability among the distinct ones, upwards."""
        return tuple(
            torch.unique(column, return_inverse=True)[1] for column in self.probabilities.T
        )


def accuracy(predictions: Predictions, weights: Weights) -> Figure:
    """Return the share of rows whose most probable class is right."""
    return _mean(predictions.right, weights)


def log_loss(predictions: Predictions, weights: Weights) -> Figure:
    """Return the mean of minus log-probabilities, which are floored at 1e-15."""
    return _mean(predictions.losses, weights)


def brier_score(predictions: Predictions, weights: Weights) -> Figure:
    """Return the mean squared distance of probabilities from the truth, summed over classes."""
    squares = (predictions.probabilities - predictions.truth) ** 2
    return _mean(squares.sum(1), weights)


def balanced_accuracy(predictions: Predictions, weights: Weights) -> Figure:
    """Return the mean over classes of the share of their rows that is right."""
    truth = predictions.truth
    return _mean_ratio(weights @ (truth * predictions.right[:, None]), weights @ truth)


def macro_f1(predictions: Predictions, weights: Weights) -> Figure:
    """Return the mean over classes of the harmonic mean of precision and recall."""
    truth, chosen = predictions.truth, predictions.chosen
    return _mean_ratio(2 * (weights @ (truth * chosen)), weights @ (truth + chosen))


def expected_calibration_error(predictions: Predictions, weights: Weights) -> Figure:
    """Return the mean distance of accuracy from confidence over bins of equal width."""
    return plain_error(*_binned(predictions, weights))


def debiased_calibration_error(predictions: Predictions, weights: Weights) -> Figure:
    """Return that error without what the noise of each bin's accuracy adds; at least zero."""
    return debiased_error(*_binned(predictions, weights))


def auroc(predictions: Predictions, weights: Weights) -> Figure:
    """Return the mean over classes of the area under the ROC curve of each against the rest.

    Rows of equal probability count half, as in the statistic of Mann and Whitney.
    """
    areas = []
    for code, ranks in enumerate(predictions.ranks):
        positive, negative = _by_rank(predictions, weights, code, ranks)
        below = negative.cumsum(1) - negative / 2
        areas.append(_ratio((positive * below).sum(1), positive.sum(1) * negative.sum(1)))
    return torch.stack(areas, 1).nanmean(1)


def average_precision(predictions: Predictions, weights: Weights) -> Figure:
    """Return the mean over classes of the precision, averaged over steps of recall."""
    averages = []
    for code, ranks in enumerate(predictions.ranks):
        positive, negative = (side.flip(1) for side in _by_rank(predictions, weights, code, ranks))
        hits = positive.cumsum(1)
        named = hits + negative.cumsum(1)
        precision = hits / torch.where(named > 0, named, 1.0)
        averages.append(_ratio((positive * precision).sum(1), positive.sum(1)))
    return torch.stack(averages, 1).nanmean(1)


Metric = Callable[[Predictions, Weights], Figure]

METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "log_loss": log_loss,
    "brier_score": brier_score,
    "expected_calibration_error": expected_calibration_error,
    "debiased_calibration_error": debiased_calibration_error,
    "auroc": auroc,
    "average_precision": average_precision,
}
"""By name."""

LOSSES = frozenset(
    {"log_loss", "brier_score", "expected_calibration_error", "debiased_calibration_error"}
)
"""Those of which less is better."""


def plain_error(
    counts: Float64[Tensor, "batch bins"],
    confidence: Float64[Tensor, "batch bins"],
    right: Float64[Tensor, "batch bins"],
) -> Figure:
    """Return the calibration error of bins, by their sums over rows."""
    return (confidence - right).abs().sum(1) / counts.sum(1)


def debiased_error(
    counts: Float64[Tensor, "batch bins"],
    confidence: Float64[Tensor, "batch bins"],
    right: Float64[Tensor, "batch bins"],
) -> Figure:
    """Return the debiased calibration error of bins, by their sums over rows.

    As ``ReliabilityBins.debiased_calibration_error``, whose source it names. Its derivative is that
    of the error before it is cut at zero, so that a standard error remains there.
    """
    filled = counts > 0
    size = torch.where(filled, counts, 1.0)
    share = right / size
    distance = (confidence / size - share).abs()
    variance = share * (1 - share) / size
    noisy = variance > 0
    deviation = torch.where(noisy, variance, 1.0).sqrt()
    ratio = distance / deviation
    folded = deviation * math.sqrt(2 / math.pi) * torch.exp(-(ratio**2) / 2)
    bias = folded - distance * torch.erfc(ratio / math.sqrt(2))
    debiased = distance - torch.where(noisy, bias, 0.0)
    error = (counts * debiased).sum(1) / counts.sum(1)
    return error + (error.clamp(min=0) - error).detach()


def _mean(values: Float64[Tensor, " rows"], weights: Weights) -> Figure:
    return weights @ values / weights.sum(1)


def _mean_ratio(
    parts: Float64[Tensor, "batch classes"], wholes: Float64[Tensor, "batch classes"]
) -> Figure:
    """The mean over classes of part by whole, where there is a whole."""
    there = wholes > 0
    return (parts / torch.where(there, wholes, 1.0)).sum(1) / there.sum(1)


def _ratio(part: Figure, whole: Figure) -> Figure:
    """Part by whole, not a number where there is none."""
    return torch.where(whole > 0, part / torch.where(whole > 0, whole, 1.0), torch.nan)


def _binned(
    predictions: Predictions, weights: Weights
) -> tuple[Float64[Tensor, "batch bins"], ...]:
    """Of each bin the rows, and the sums of their confidence and of those that are right."""
    bins = predictions.bins
    return (
        weights @ bins,
        weights @ (bins * predictions.confidence[:, None]),
        weights @ (bins * predictions.right[:, None]),
    )


def _by_rank(
    predictions: Predictions, weights: Weights, code: int, ranks: Int64[Tensor, " rows"]
) -> tuple[Float64[Tensor, "batch ranks"], Float64[Tensor, "batch ranks"]]:
    """The weights of rows of a class, and of others, by the rank of its probability."""
    member = predictions.truth[:, code]
    none = weights.new_zeros(len(weights), int(ranks.max()) + 1)
    positive = none.index_add(1, ranks, weights * member)
    return positive, none.index_add(1, ranks, weights * (1 - member))
