"""Intervals of metrics and of their differences, by resampling rows or whole groups of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from mmgraph.causal.estimation.estimators.intervals import IntervalSettings, estimates
from mmgraph.causal.estimation.estimators.sample import Sample
from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.learning.prediction.interval import Interval
from mmgraph.learning.prediction.weighted_metrics import METRICS, Predictions

Contrast = str | tuple[str, str]
"""A model, or two: the first less the second."""


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
    asked: list[Contrast] = [*tables] if contrasts is None else [*contrasts]
    if contrasts is None:
        asked += combinations(tables, 2)
    if not asked:
        return {}
    names = list(tables)
    combined = np.zeros((len(names), len(asked)))
    for column, contrast in enumerate(asked):
        pair = (contrast,) if isinstance(contrast, str) else contrast
        for name, sign in zip(pair, (1, -1), strict=False):
            check_choice("model", name, tables, MmgraphError)
            combined[names.index(name), column] += sign
    settings = IntervalSettings(kind, level, draws, torch.Generator().manual_seed(seed))
    intervals = combined_intervals(
        [tables[name] for name in names], codes, groups, combined, metric, settings
    )
    return dict(zip(asked, intervals, strict=True))


def combined_intervals(
    tables: Sequence[Float[np.ndarray, "rows classes"]],
    codes: Int[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None,
    combined: Float64[np.ndarray, "tables combinations"],
    metric: str,
    settings: IntervalSettings,
) -> list[Interval]:
    """Return intervals of sums of a metric of several tables, each weighted by a column.

    Parameters and errors are those of :func:`paired_bootstrap`.
    """
    check_choice("metric", metric, METRICS, MmgraphError)
    used = np.abs(combined).sum(1) > 0
    predictions = [
        Predictions.of(table, codes) for table, here in zip(tables, used, strict=True) if here
    ]
    columns = torch.from_numpy(combined[used])

    def functional(weights: Float64[Tensor, "batch rows"]) -> Float64[Tensor, "batch combinations"]:
        return torch.stack([METRICS[metric](one, weights) for one in predictions], 1) @ columns

    ones = torch.ones(len(codes), dtype=torch.float64)
    if not bool(functional(ones[None]).isfinite().all()):
        raise MmgraphError(f"'{metric}' is not defined: all {len(codes)} rows are of one class")
    units = None if groups is None else torch.from_numpy(np.unique(groups, return_inverse=True)[1])
    made = estimates(functional, Sample({}, {}, ones, ones, units), settings)
    ends = zip(made.values, made.errors, made.low, made.high, strict=True)
    return [Interval(*map(float, interval)) for interval in ends]
