"""Intervals of metrics and of their differences, by resampling rows or whole groups of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from mmgraph.causal.estimation.estimators.intervals import (
    Functional,
    IntervalSettings,
    estimates,
)
from mmgraph.causal.estimation.estimators.sample import Sample
from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.learning.prediction.weighted_metrics import METRICS, Predictions

Contrast = str | tuple[str, str]
"""A model, or two: the first less the second."""


class Interval(NamedTuple):
    """A figure or a difference, its standard error, and the ends of its interval."""

    value: float
    standard_error: float
    low: float
    high: float


def paired_bootstrap(
    tables: Mapping[str, Float[np.ndarray, "rows classes"]],
    codes: Int[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
    contrasts: Sequence[Contrast] | None = None,
    *,
    metric: str = "log_loss",
    kind: str = "percentile",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> dict[Contrast, Interval]:
    """Return intervals of a metric of models, and of differences, over samples that they share.

    Parameters
    ----------
    tables : mapping of str to ndarray, shape (rows, classes)
        The probabilities of each model, all of the same rows.
    codes : ndarray, shape (rows,)
        The class of each row.
    groups : ndarray, shape (rows,), optional
        What is drawn instead of rows: all rows of a group at once.
    contrasts : sequence of str or (str, str), optional
        What is asked of: a model, or two, the first less the second. By default all models and
        all pairs.
    metric : str
        One of :data:`~mmgraph.learning.prediction.weighted_metrics.METRICS`.
    kind : str
        ``"percentile"``; ``"BCa"``, which is corrected for bias and skewness (Efron 1987); or
        ``"analytical"``, by influences.
    level, draws, seed
        The share that intervals cover, how many samples are drawn, and by which seed.

    Raises
    ------
    MmgraphError
        If a model or a metric is unknown, probabilities are no distributions or of other rows, or
        the metric is not defined: the area under a curve of rows of one class.

    Warns
    -----
    FewGroupsWarning
        If there are fewer than ten groups, of which intervals are too narrow.
    """
    check_choice("metric", metric, METRICS, MmgraphError)
    asked: list[Contrast] = [*tables] if contrasts is None else [*contrasts]
    if contrasts is None:
        asked += combinations(tables, 2)
    if not asked:
        return {}
    for contrast in asked:
        for name in (contrast,) if isinstance(contrast, str) else contrast:
            check_choice("model", name, tables, MmgraphError)
    functional = _contrasts(metric, {m: Predictions.of(t, codes) for m, t in tables.items()}, asked)
    ones = torch.ones(len(codes), dtype=torch.float64)
    if not bool(functional(ones[None]).isfinite().all()):
        raise MmgraphError(f"'{metric}' is not defined: all {len(codes)} rows are of one class")
    units = None if groups is None else torch.from_numpy(np.unique(groups, return_inverse=True)[1])
    generator = torch.Generator().manual_seed(seed)
    settings = IntervalSettings(kind, level, draws, generator)
    made = estimates(functional, Sample({}, {}, ones, ones, units), settings)
    columns = (made.values, made.errors, made.low, made.high)
    return {
        contrast: Interval(*(float(column[i]) for column in columns))
        for i, contrast in enumerate(asked)
    }


def _contrasts(
    metric: str, predictions: Mapping[str, Predictions], asked: Sequence[Contrast]
) -> Functional:
    """The metric of models and its differences, from the weights of rows."""
    names = list(dict.fromkeys(n for c in asked for n in ((c,) if isinstance(c, str) else c)))
    signs = torch.zeros(len(names), len(asked), dtype=torch.float64)
    for column, contrast in enumerate(asked):
        first, *second = (contrast,) if isinstance(contrast, str) else contrast
        signs[names.index(first), column] += 1
        for name in second:
            signs[names.index(name), column] -= 1

    def functional(weights: Float64[Tensor, "batch rows"]) -> Float64[Tensor, "batch contrasts"]:
        figures = [METRICS[metric](predictions[name], weights) for name in names]
        return torch.stack(figures, 1) @ signs

    return functional
