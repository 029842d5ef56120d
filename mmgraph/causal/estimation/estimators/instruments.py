"""Effects by an instrument: two-stage least squares, and intervals that a weak one keeps right."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64
from scipy import stats
from torch import Tensor

from mmgraph.causal.estimation.estimators.contrast import Contrast
from mmgraph.causal.estimation.estimators.intervals import Functional, sums_by_group
from mmgraph.causal.estimation.estimators.regressions import design, least_squares
from mmgraph.causal.estimation.estimators.sample import Sample
from mmgraph.graph.errors import CausalError, LearningError

Interval = tuple[float, float]

WEAK = 10.0
"""An instrument with a smaller F statistic in the first stage is weak (Staiger and Stock 1997)."""


class InstrumentRegression:
    """Two-stage least squares of one treatment, by instruments and given controls."""

    def __init__(
        self, sample: Sample, contrast: Contrast, instruments: Sequence[str], given: Sequence[str]
    ) -> None:
        treatment, steps = contrast.changes(sample)
        if treatment.shape[1] != 1:
            raise CausalError("an instrument tells the effect of one treatment at a time")
        self.sample, self.step = sample, float(steps[0])
        self.controls = design(sample, given)
        moved = design(sample, instruments, intercept=False)
        if not moved.shape[1]:
            raise LearningError(f"the instrument '{instruments[0]}' is the same in every row")
        self.variables = torch.cat([moved, treatment, contrast.values(sample)[:, None]], 1)
        self.instruments = moved.shape[1]
        if sample.rows <= self.instruments + self.controls.shape[1] + 1:
            raise LearningError(f"{sample.rows} rows are too few for two-stage least squares")

    def _residuals(self, weights: Tensor) -> Float64[Tensor, "batch cells columns"]:
        """Instruments, treatment and outcome less what the controls say of them."""
        fitted = self.controls @ least_squares(self.controls, self.variables, weights)
        return self.variables - fitted

    def functional(self) -> Functional:
        """Return the effect; where instrument and treatment have two states it is Wald's."""
        count = self.instruments

        def effect(weights: Tensor) -> Float64[Tensor, "batch quantities"]:
            left = self._residuals(weights)
            gram = (weights[:, :, None] * left).transpose(1, 2) @ left
            stage = torch.linalg.solve_ex(gram[:, :count, :count], gram[:, :count, count:])[0]
            moved = gram[:, count, :count]
            ratio = (moved * stage[:, :, 1]).sum(1) / (moved * stage[:, :, 0]).sum(1)
            return self.step * ratio[:, None]

        return effect

    def _moments(self) -> tuple[Float64[np.ndarray, "columns columns"], float]:
        """Cross products of the residuals, weights scaled to sum to the rows; free rows."""
        weights = self.sample.weights[None] * (self.sample.rows / self.sample.weights.sum())
        left = self._residuals(weights)[0]
        free = self.sample.rows - self.instruments - self.controls.shape[1]
        return ((weights[0, :, None] * left).T @ left).numpy(), float(free)

    def first_stage_f(self) -> float:
        """Return the F statistic of the instruments in the regression of the treatment."""
        gram, free = self._moments()
        count = self.instruments
        told = gram[:count, count] @ np.linalg.solve(gram[:count, :count], gram[:count, count])
        unexplained = gram[count, count] - told
        return float(told / count / (unexplained / free)) if unexplained > 0 else math.inf

    def anderson_rubin(self, level: float) -> list[Interval]:
        """Return all effects that a test of the instrument does not reject (Anderson, Rubin 1949).

        They are right however weak the instrument is: an interval, the whole line, all but an
        interval, or, of several instruments that contradict each other, none. With one instrument
        the test allows for unequal variances and for groups.
        """
        if self.instruments == 1:
            square, cross, constant = self._robust(level)
        else:
            square, cross, constant = self._classical(level)
        ends = [end * self.step for end in _at_most_zero(square, cross, constant)]
        pairs = [(ends[i], ends[i + 1]) for i in range(0, len(ends), 2)]
        return sorted((min(pair), max(pair)) for pair in pairs)

    def _robust(self, level: float) -> tuple[float, float, float]:
        """Coefficients of ``square b^2 - 2 cross b + constant <= 0``, of one instrument."""
        sample = self.sample
        left = self._residuals(sample.weights[None])[0]
        free = sample.rows - self.controls.shape[1] - 1.0
        scores = (left[:, :1] * left[:, 1:] * sample.row_weights[:, None]).numpy()
        repeats = sample.counts.numpy()
        if sample.groups is not None:
            scores = sums_by_group(scores * repeats[:, None], sample.groups.numpy())
            repeats = np.ones(len(scores))
            free = len(scores) - 1.0
        total = repeats @ scores
        critical = stats.f.ppf(level, 1, free)
        form = np.outer(total, total) - critical * (scores.T * repeats) @ scores
        return float(form[0, 0]), float(form[0, 1]), float(form[1, 1])

    def _classical(self, level: float) -> tuple[float, float, float]:
        gram, free = self._moments()
        count = self.instruments
        told = gram[count:, :count] @ np.linalg.solve(gram[:count, :count], gram[:count, count:])
        critical = stats.f.ppf(level, count, free) * count / free
        form = told - critical * (gram[count:, count:] - told)
        return float(form[0, 0]), float(form[0, 1]), float(form[1, 1])


def _at_most_zero(square: float, cross: float, constant: float) -> list[float]:
    """The ends of the intervals in which ``square b^2 - 2 cross b + constant <= 0``."""
    inside = cross**2 - square * constant
    if square == 0 or inside < 0:
        return [] if square > 0 else [-math.inf, math.inf]
    roots = sorted((cross + sign * math.sqrt(inside)) / square for sign in (-1, 1))
    return roots if square > 0 else [-math.inf, roots[0], roots[1], math.inf]
