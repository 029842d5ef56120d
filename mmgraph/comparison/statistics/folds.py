"""Whether a difference is more than chance, by its values in the folds of a cross-validation.

Folds learn from rows that they share, so that their figures are correlated; the variance of a mean
over ``n`` of them is taken as ``1/n + test rows / training rows`` of theirs instead of ``1/n``
(Nadeau and Bengio 2003, "Inference for the generalization error", Machine Learning 52).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from scipy import stats

from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.learning.prediction.weighted_metrics import METRICS, Predictions


class CorrectedT(NamedTuple):
    """The mean of differences, its corrected standard error, and the p-value, of both sides."""

    difference: float
    standard_error: float
    p_value: float


class Chances(NamedTuple):
    """Posterior probabilities that a difference is above a region, within it, or below."""

    above: float
    equivalent: float
    below: float


def fold_values(
    probabilities: Float[np.ndarray, "rows classes"],
    codes: Int[np.ndarray, " rows"],
    folds: Int[np.ndarray, " rows"],
    metric: str = "log_loss",
) -> Float64[np.ndarray, " folds"]:
    """Return a metric of each fold, in the order of their numbers.

    Raises
    ------
    MmgraphError
        If the metric is unknown, or not defined in a fold (which): all its rows are of one class.
    """
    check_choice("metric", metric, METRICS, MmgraphError)
    numbers = np.unique(folds)
    member = torch.from_numpy((folds == numbers[:, None]).astype(np.float64))
    values: np.ndarray = METRICS[metric](Predictions.of(probabilities, codes), member).numpy()
    if not np.isfinite(values).all():
        fold = numbers[~np.isfinite(values)][0]
        raise MmgraphError(f"'{metric}' is not defined in fold {fold}: all rows are of one class")
    return values


def corrected_t_test(
    differences: Float[np.ndarray, " folds"], test_to_training: float
) -> CorrectedT:
    """Return the corrected resampled t-test of differences that are zero by chance.

    Parameters
    ----------
    differences : ndarray, shape (folds,)
        Of two models, in each fold (and repetition) of a cross-validation.
    test_to_training : float
        How many rows a fold tests for each that it learns from: ``1 / (k - 1)`` of ``k`` folds.

    Raises
    ------
    MmgraphError
        If there are fewer than two folds, a difference is not finite, or the ratio not positive.
    """
    mean, error, freedom = _student(differences, test_to_training)
    if error == 0:
        return CorrectedT(mean, 0.0, float(mean == 0))
    return CorrectedT(mean, error, 2 * float(stats.t.sf(abs(mean) / error, freedom)))


def correlated_t_posterior(
    differences: Float[np.ndarray, " folds"], test_to_training: float, rope: float = 0.0
) -> Chances:
    """Return how probable it is that a difference lies above, within, below ``-rope .. rope``.

    Parameters
    ----------
    differences, test_to_training
        As of :func:`corrected_t_test`.
    rope : float
        The half width of the region of practical equivalence.

    Raises
    ------
    MmgraphError
        As :func:`corrected_t_test`; or if the region is negative.

    References
    ----------
    Corani and Benavoli (2015), "A Bayesian approach for comparing cross-validated algorithms on
    multiple data sets", Machine Learning 100: the posterior is Student's, of as many degrees of
    freedom as the test has. ``baycomp`` has it for folds of one size.
    """
    check_rope(rope)
    mean, error, freedom = _student(differences, test_to_training)
    if error == 0:
        above, below = float(mean > rope), float(mean < -rope)
        if rope == 0 == mean:
            above = below = 0.5
    else:
        above = float(stats.t.sf(rope, freedom, mean, error))
        below = float(stats.t.cdf(-rope, freedom, mean, error))
    return Chances(above, max(0.0, 1 - above - below) if rope > 0 else 0.0, below)


def check_rope(rope: float) -> None:
    """Raise MmgraphError unless the half width of a region is a number of at least zero."""
    if not 0 <= rope < np.inf:
        raise MmgraphError(f"the region of practical equivalence cannot be {rope} wide")


def _student(
    differences: Float[np.ndarray, " folds"], test_to_training: float
) -> tuple[float, float, int]:
    """The mean of differences, its corrected standard error, and the degrees of freedom."""
    values = np.asarray(differences, np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise MmgraphError(f"a test over folds needs at least two, not an array {values.shape}")
    if not np.isfinite(values).all():
        raise MmgraphError(f"the difference of fold {np.argmin(np.isfinite(values))} is not finite")
    if not 0 < test_to_training < np.inf:
        raise MmgraphError(f"no fold tests {test_to_training} rows for each that it learns from")
    # Equal differences vary by rounding alone, which is no spread.
    spread = 0.0 if np.ptp(values) == 0 else float(values.var(ddof=1))
    count = len(values)
    return float(values.mean()), float(np.sqrt(spread * (1 / count + test_to_training))), count - 1
