"""First clusters of rows, some of whose cells may be missing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from scipy.cluster.vq import kmeans2

from mmgraph.graph.errors import LearningError

_WIDEST = 1e75
"""Squares of squares of less are finite, and of more than its inverse above zero."""

_MOST_ROWS = 20_000
"""How many rows the centres are of; all rows are assigned to them."""


def clusters(
    rows: Float64[np.ndarray, "steps features"], count: int, generator: np.random.Generator
) -> tuple[Float64[np.ndarray, "clusters features"], Int64[np.ndarray, " steps"]]:
    """Return centres by k-means++ and the cluster of each row, features in units of their spread.

    A missing cell stands at the mean of its feature. Where there are fewer distinct rows than
    clusters, the centres that are left over lie a little beside others.

    Raises
    ------
    LearningError
        If a feature is missing in all rows, a cell is infinite, or squares of what cells differ by
        are beyond the range of doubles.

    References
    ----------
    Arthur & Vassilvitskii (2007), "k-means++: the advantages of careful seeding".
    """
    if np.isinf(rows).any():
        step, feature = np.argwhere(np.isinf(rows))[0]
        raise LearningError(f"feature {feature} of step {step} is infinite")
    gone = np.isnan(rows).all(0)
    if gone.any():
        raise LearningError(f"feature {int(gone.argmax())} is missing in all rows")
    extent = np.nanmax(rows, 0) - np.nanmin(rows, 0)
    for feature, (width, most) in enumerate(zip(extent, np.nanmax(abs(rows), 0), strict=True)):
        if most > _WIDEST or 0 < width < 1 / _WIDEST:
            raise LearningError(
                f"feature {feature} has cells of {most:.3g} that differ by {width:.3g}: their "
                "squares do not fit doubles; give it in another unit"
            )
    mean, spread = np.nanmean(rows, 0), np.nanstd(rows, 0)
    spread[spread == 0] = 1.0
    scaled = np.where(np.isnan(rows), 0.0, (rows - mean) / spread)
    pick = scaled
    if len(scaled) > _MOST_ROWS:
        pick = scaled[generator.choice(len(scaled), _MOST_ROWS, replace=False)]
    distinct = np.unique(pick, axis=0)
    if len(distinct) <= count:
        extra = distinct[generator.integers(len(distinct), size=count - len(distinct))]
        extra = extra + 0.01 * generator.standard_normal(extra.shape)
        centres = np.concatenate([distinct, extra])
    else:
        centres, _ = kmeans2(pick, count, iter=20, minit="++", rng=generator, missing="warn")
    label = _nearest(scaled, centres)
    return centres * spread + mean, label


def variances(rows: Float64[np.ndarray, "steps features"]) -> Float64[np.ndarray, " features"]:
    """Return the variance of each feature, of one that does not vary a little above zero."""
    found = np.nanvar(rows, axis=0)
    return np.where(found > 0, found, np.maximum(np.nanmean(rows, 0) ** 2, 1.0) * 1e-6)


def _nearest(
    rows: Float64[np.ndarray, "steps features"], centres: Float64[np.ndarray, "clusters features"]
) -> Int64[np.ndarray, " steps"]:
    label = np.empty(len(rows), np.int64)
    norms = (centres**2).sum(1) / 2
    for begin in range(0, len(rows), 4096):
        part = rows[begin : begin + 4096]
        label[begin : begin + 4096] = (part @ centres.T - norms).argmax(1)
    return label
