"""How sure figures of a search are, over queries or whole groups of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from mmgraph.causal.estimation.estimators.intervals import IntervalSettings, estimates
from mmgraph.causal.estimation.estimators.sample import Sample
from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.interval import Interval


def mean_intervals(
    figures: Mapping[str, Float[np.ndarray, " queries"]],
    groups: Shaped[np.ndarray, " queries"] | None = None,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return means over queries with percentile intervals of a bootstrap that all share.

    Parameters
    ----------
    figures : mapping of str to ndarray, shape (queries,)
        What is averaged: whether the rank is at most K, its reciprocal, the average precision, or
        the difference of two searches in one of these.
    groups : ndarray, shape (queries,), optional
        What is drawn instead of queries: all of a group at once, say drawings of one artist.
    level, draws, seed
        The share that intervals cover, how many samples are drawn, and by which seed.

    Raises
    ------
    MmgraphError
        If figures are of different queries, or of fewer than two; LearningError, where not finite.

    Warns
    -----
    FewGroupsWarning
        If there are fewer than ten groups, of which intervals are too narrow.
    """
    sizes = {len(column) for column in (*figures.values(), *([] if groups is None else [groups]))}
    if len(sizes) != 1:
        raise MmgraphError(f"figures and groups are of different numbers of queries: {sizes}")
    columns = torch.from_numpy(np.stack([*figures.values()], 1).astype(np.float64))

    def functional(weights: Float64[Tensor, "batch queries"]) -> Float64[Tensor, "batch figures"]:
        return weights @ columns / weights.sum(1, keepdim=True)

    ones = torch.ones(len(columns), dtype=torch.float64)
    units = None if groups is None else torch.from_numpy(np.unique(groups, return_inverse=True)[1])
    settings = IntervalSettings("percentile", level, draws, torch.Generator().manual_seed(seed))
    made = estimates(functional, Sample({}, {}, ones, ones, units), settings)
    ends = zip(figures, made.values, made.errors, made.low, made.high, strict=True)
    return {name: Interval(*map(float, interval)) for name, *interval in ends}
