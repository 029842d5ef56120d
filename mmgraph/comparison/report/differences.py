"""How the answers of two models to the same rows differ, with intervals and chances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from mmgraph.comparison.results import Answers, Tested
from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.learning.prediction.metrics import negative_log_likelihoods

METRICS = {"log_loss": -1, "accuracy": 1}
"""By what answers are compared, and whether more is better."""
ROPE = 0.01
"""Differences in accuracy and log-loss that make none in practice."""
FEW_GROUPS = 10
"""Below so many a bootstrap over groups is too narrow to be believed by itself."""
_DRAWS, _SEED = 2000, 0
_BELOW = 0.05


class Difference(NamedTuple):
    """Answers ``a`` less answers ``b`` by a metric.

    Attributes
    ----------
    split, given : str, tuple of str
        The modalities that ``a`` was given.
    metric : str
    a, b : str
        The models.
    difference, low, high : float
        ``a`` less ``b`` over all rows, and the 95% interval of a paired bootstrap over rows or, of
        a grouped split, over groups.
    p_value : float or None
        Of the corrected resampled t-test over folds (Nadeau and Bengio 2003); None of one fold.
    better, equivalent, worse : float or None
        The posterior probability that ``a`` is better by more than the region of practical
        equivalence, within it, or worse by more (Corani and Benavoli 2015).
    units : int
        How many rows, or groups, were resampled.
    grouped : bool
    """

    split: str
    given: tuple[str, ...]
    metric: str
    a: str
    b: str
    difference: float
    low: float
    high: float
    p_value: float | None
    better: float | None
    equivalent: float | None
    worse: float | None
    units: int
    grouped: bool

    @property
    def verdict(self) -> int:
        """1 where ``a`` is better, -1 where it is worse, 0 where they cannot be told apart.

        They can where zero lies outside the interval; where that is of fewer than ten groups the
        t-test must agree.
        """
        outside = self.low > 0 or self.high < 0
        sure = not self.grouped or self.units >= FEW_GROUPS or (self.p_value or 1.0) < _BELOW
        return METRICS[self.metric] * int(np.sign(self.difference)) if outside and sure else 0


def difference_of(
    a: Answers, b: Answers, tested: Tested, metric: str = "log_loss", rope: float = ROPE
) -> Difference:
    """Return how answers ``a`` to the tested rows differ from answers ``b``.

    Raises
    ------
    MmgraphError
        If there is no such metric, or the region of equivalence is negative.
    """
    check_choice("metric", metric, METRICS, MmgraphError)
    if not rope >= 0:
        raise MmgraphError(f"the region of practical equivalence cannot be {rope} wide")
    apart = row_values(a, tested, metric) - row_values(b, tested, metric)
    low, high, units = _interval(apart, tested.groups)
    return Difference(
        *(a.split, a.given, metric, a.model, b.model, float(apart.mean()), low, high),
        *_over_folds(METRICS[metric] * apart, tested, rope),
        units,
        tested.groups is not None,
    )


def _interval(
    apart: Float[np.ndarray, " rows"], groups: Int[np.ndarray, " rows"] | None
) -> tuple[float, float, int]:
    """The interval of a mean by bootstrap over rows or groups, and how many there are."""
    place = np.arange(len(apart)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes, sums = np.bincount(place), np.bincount(place, apart)
    units = len(sizes)
    drawn = np.random.default_rng(_SEED).multinomial(units, np.full(units, 1 / units), _DRAWS)
    low, high = np.quantile((drawn @ sums) / (drawn @ sizes), (0.025, 0.975))
    return float(low), float(high), units


def _over_folds(
    better: Float[np.ndarray, " rows"], tested: Tested, rope: float
) -> tuple[float | None, float | None, float | None, float | None]:
    """The p-value of the corrected t-test, and the chances that it is better, the same, worse."""
    numbers = np.unique(tested.folds)
    if len(numbers) < 2:
        return None, None, None, None
    folds = np.array([better[tested.folds == number].mean() for number in numbers])
    spread = folds.std(ddof=1)
    if spread == 0:
        mean = folds.mean()
        chances = (float(mean > rope), float(abs(mean) <= rope), float(mean < -rope))
        return float(mean == 0), *chances
    ratio = len(tested.rows) / len(numbers) / np.mean(tested.training_rows)
    student = stats.t(len(folds) - 1, folds.mean(), spread * np.sqrt(1 / len(folds) + ratio))
    below, above = float(student.cdf(-rope)), float(student.sf(rope))
    p_value = 2 * min(float(student.cdf(0)), float(student.sf(0)))
    return p_value, above, 1 - below - above, below


def row_values(answers: Answers, tested: Tested, metric: str) -> Float[np.ndarray, " rows"]:
    """Return what each row adds to a metric, which is the mean of that."""
    if metric == "accuracy":
        return (answers.probabilities.argmax(1) == tested.codes).astype(np.float64)
    return negative_log_likelihoods(answers.probabilities, tested.codes)
