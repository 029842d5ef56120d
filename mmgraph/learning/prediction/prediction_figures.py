"""All figures of predicted probabilities at once, with standard errors and what chance does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.learning.prediction.brier_parts import brier_parts
from mmgraph.learning.prediction.metrics import SMALLEST_PROBABILITY
from mmgraph.learning.prediction.noise import right_by_chance, standard_error
from mmgraph.learning.prediction.weighted_metrics import (
    METRICS,
    Predictions,
    debiased_error,
    plain_error,
)


def prediction_figures(
    probabilities: Float[np.ndarray, "rows classes"],
    codes: Int[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
    metrics: Sequence[str] | None = None,
) -> dict[str, float | int | None]:
    """Return every figure of predictions, each with its standard error.

    Parameters
    ----------
    probabilities : ndarray, shape (rows, classes)
    codes : ndarray, shape (rows,)
        The class of each row.
    groups : ndarray, shape (rows,), optional
        What rows belong together, where not they but groups are independent draws.
    metrics : sequence of str, optional
        Those of :data:`METRICS` that are wanted, by default all.

    Returns
    -------
    dict
        Each metric by its name, and ``…_standard_error``: None where all rows are of one class and
        there is no area under a curve, or of a single group. Beside ``log_loss`` stands
        ``floored_probabilities``, how many labels had less than 1e-15; beside ``brier_score`` its
        parts (``brier_reliability``, ``brier_resolution``, …; see :class:`BrierParts`); beside
        either calibration error ``…_by_chance`` and ``…_by_chance_95``, the mean and the 95%
        quantile of what calibrated predictions of these probabilities would have.

    Raises
    ------
    MmgraphError
        If a row is no distribution (which), or there is no such metric.
    """
    predictions = Predictions.of(probabilities, codes)
    figures: dict[str, float | int | None] = {}
    for name in METRICS if metrics is None else metrics:
        check_choice("metric", name, METRICS, MmgraphError)
        figures |= _with_error(name, predictions, groups)
        if name == "log_loss":
            figures["floored_probabilities"] = int(
                (probabilities[np.arange(len(codes)), codes] < SMALLEST_PROBABILITY).sum()
            )
        elif name == "brier_score":
            parts = brier_parts(probabilities, codes)._asdict()
            figures |= {f"brier_{part}": value for part, value in parts.items()}
        elif name in _CALIBRATION_ERRORS:
            errors = _CALIBRATION_ERRORS[name](*_bins_by_chance(predictions)).numpy()
            figures[f"{name}_by_chance"] = float(errors.mean())
            figures[f"{name}_by_chance_95"] = float(np.quantile(errors, 0.95))
    return figures


_CALIBRATION_ERRORS = {
    "expected_calibration_error": plain_error,
    "debiased_calibration_error": debiased_error,
}


def _with_error(
    name: str, predictions: Predictions, groups: Int[np.ndarray, " rows"] | None
) -> dict[str, float | int | None]:
    """A metric and its standard error, by the influence of each row; None where not defined."""
    weights = torch.ones(1, len(predictions.codes), dtype=torch.float64, requires_grad=True)
    value = METRICS[name](predictions, weights)
    if not bool(value.isfinite()):
        return {name: None, f"{name}_standard_error": None}
    (slopes,) = torch.autograd.grad(value.sum(), weights)
    influences = slopes[0].numpy() * len(predictions.codes)
    return {name: value.item(), f"{name}_standard_error": standard_error(influences, groups)}


def _bins_by_chance(predictions: Predictions) -> tuple[Tensor, Tensor, Tensor]:
    """The sums of :func:`debiased_error` for labels that are drawn from the predictions."""
    right = torch.from_numpy(right_by_chance(predictions.confidence.numpy()))
    confidence = (predictions.bins * predictions.confidence[:, None]).sum(0)
    return predictions.bins.sum(0).expand_as(right), confidence.expand_as(right), right
