"""How the answers of two models to the same rows differ, with intervals and chances."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64

from mmgraph.comparison.results import Answers, Tested
from mmgraph.comparison.statistics.folds import (
    check_rope,
    corrected_t_test,
    correlated_t_posterior,
)
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
        folds_agree = self.p_value is not None and self.p_value < _BELOW
        sure = not self.grouped or self.units >= FEW_GROUPS or folds_agree
        return METRICS[self.metric] * int(np.sign(self.difference)) if outside and sure else 0

    def as_record(self) -> dict[str, Any]:
        """Return the fields but for the resampled units, and the verdict in words."""
        words = {1: f"{self.a} is better", -1: f"{self.b} is better"}
        record = {**self._asdict(), "verdict": words.get(self.verdict, "cannot be told apart")}
        return {key: value for key, value in record.items() if key not in ("units", "grouped")}


class PairedRows:
    """The tested rows of a split, by which answers are compared; samples of them are drawn once.

    Samples are those of a bootstrap over rows or, of a grouped split, over groups. All answers are
    compared in the same ones, so that the interval of a difference of two means comes from the
    means of each.
    """

    def __init__(self, tested: Tested, draws: int = _DRAWS, seed: int = _SEED) -> None:
        self.tested, self.draws, self.seed = tested, draws, seed
        groups = tested.groups
        index = (
            np.arange(len(tested.rows))
            if groups is None
            else np.unique(groups, return_inverse=True)[1]
        )
        self._index, self.units = index, int(index.max()) + 1
        self._means: dict[tuple[int, str], tuple[Answers, np.ndarray]] = {}

    def difference(
        self, a: Answers, b: Answers, metric: str = "log_loss", rope: float = ROPE
    ) -> Difference:
        """Return how answers ``a`` differ from answers ``b``.

        Raises
        ------
        MmgraphError
            If there is no such metric, or the region of equivalence is negative.
        """
        check_choice("metric", metric, METRICS, MmgraphError)
        check_rope(rope)
        apart = row_values(a, self.tested, metric) - row_values(b, self.tested, metric)
        samples = self._sampled(a, metric) - self._sampled(b, metric)
        low, high = np.quantile(samples, (0.025, 0.975))
        return Difference(
            *(a.split, a.given, metric, a.model, b.model, float(apart.mean())),
            *(float(low), float(high)),
            *self._over_folds(METRICS[metric] * apart, rope),
            self.units,
            self.tested.groups is not None,
        )

    def interval(self, answers: Answers, metric: str) -> tuple[float, float]:
        """Return the 95% interval of a metric: percentiles, which leave no possible range."""
        low, high = np.quantile(self._sampled(answers, metric), (0.025, 0.975))
        return float(low), float(high)

    def _sampled(self, answers: Answers, metric: str) -> Float[np.ndarray, " draws"]:
        """The mean of what rows add to a metric, in each sample."""
        key = (id(answers), metric)
        if key not in self._means:  # the answers are kept, too, lest others get their identity
            sums = np.bincount(self._index, row_values(answers, self.tested, metric))
            self._means[key] = answers, (self._counts @ sums) / self._sizes
        return self._means[key][1]

    @cached_property
    def _counts(self) -> Float64[np.ndarray, "draws units"]:
        """How often each row, or group, is in each sample."""
        generator = np.random.default_rng(self.seed)
        drawn = generator.integers(self.units, size=(self.draws, self.units))
        drawn += np.arange(self.draws)[:, None] * self.units
        counts = np.bincount(drawn.ravel(), minlength=self.draws * self.units)
        return counts.reshape(self.draws, self.units).astype(np.float64)

    @cached_property
    def _sizes(self) -> Float64[np.ndarray, " draws"]:
        return self._counts @ np.bincount(self._index)

    def _over_folds(
        self, better: Float[np.ndarray, " rows"], rope: float
    ) -> tuple[float | None, float | None, float | None, float | None]:
        """The p-value of the corrected t-test, and the chances of better, the same, worse."""
        numbers, fold, counts = np.unique(
            self.tested.folds, return_inverse=True, return_counts=True
        )
        if len(numbers) < 2:
            return None, None, None, None
        means = np.bincount(fold, better) / counts
        ratio = float(counts.mean() / np.mean(self.tested.training_rows))
        p_value = corrected_t_test(means, ratio).p_value
        return p_value, *correlated_t_posterior(means, ratio, rope)


def row_values(answers: Answers, tested: Tested, metric: str) -> Float[np.ndarray, " rows"]:
    """Return what each row adds to a metric, which is the mean of that."""
    if metric == "accuracy":
        return (answers.probabilities.argmax(1) == tested.codes).astype(np.float64)
    return negative_log_likelihoods(answers.probabilities, tested.codes)
