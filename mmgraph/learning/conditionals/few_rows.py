"""Warn of covariances that their rows do not determine."""

from __future__ import annotations

from collections.abc import Sequence

from mmgraph.graph.errors import warn_caller
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.gaussian_moments import GaussianStatistics
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.learning.regression.statistics import RegressionStatistics

_REMEDIES = {
    "full": "more rows, fewer features, or a shared or diagonal covariance",
    "shared": "more rows, fewer features, or a diagonal covariance",
    "diagonal": "more rows",
}


class FewRowsWarning(UserWarning):
    """A covariance of no more rows than features: it is what shrinkage and floor make of it.

    So is a regression of no more rows than coefficients.
    """


def warn_of_few_rows(
    leaves: Sequence[ContinuousLeaf],
    moments: Sequence[GaussianStatistics | None],
    shrinkage: float | None,
) -> None:
    """Warn of each leaf fitted to such covariances: where, how many rows, and how many features."""
    if shrinkage is None:
        made = "it was shrunk by as much as the data asks for (Ledoit and Wolf), or pooled"
    else:
        made = f"it was shrunk by {shrinkage:g}"
    for leaf, statistics in zip(leaves, moments, strict=True):
        if statistics is None:
            continue
        kind, features = statistics.covariance, statistics.sums.shape[1]
        rows = statistics.weights.sum(0, keepdim=True) if kind == "shared" else statistics.weights
        enough = 1 if kind == "diagonal" else features
        few = ((rows > 0) & (rows <= enough + 1e-9)).nonzero().flatten().tolist()
        if few:
            where = "" if kind == "shared" else leaf.place_of(few[0])
            more = f" (and {len(few) - 1} more like it)" if len(few) > 1 else ""
            warn_caller(
                f"'{leaf.child.name}' has {features} features and {float(rows[few[0]]):.4g} rows"
                f"{where and f' at {where}'}{more}, too few for a {kind} covariance: {made}; "
                f"{_REMEDIES[kind]} would determine it",
                FewRowsWarning,
            )


def warn_of_few_rows_of_regression(
    factor: LinearGaussian, statistics: RegressionStatistics, shrinkage: float | None
) -> None:
    """Warn of a regression with fewer rows than numbers to determine, some or none of them: where.

    Those are its intercept and coefficients, and the covariance of the noise.
    """
    coefficients = 1 + statistics.regressors
    features = statistics.means.shape[1] - statistics.regressors
    few = (statistics.weights <= coefficients + features - 1 + 1e-9).nonzero().flatten().tolist()
    if not few:
        return
    if shrinkage is None:
        made = (
            "it was drawn to what the configurations have in common"
            if len(statistics.weights) > 1
            else "it was shrunk by as much as the data asks for"
        )
    else:
        made = f"it was shrunk by {shrinkage:g}"
    place = factor.place_of(few[0])
    more = f" (and {len(few) - 1} more like it)" if len(few) > 1 else ""
    warn_caller(
        f"the regression of '{factor.child.name}' has {coefficients} coefficients and "
        f"{float(statistics.weights[few[0]]):.4g} rows{place and f' at ({place})'}{more}, too few "
        f"to determine it: {made}",
        FewRowsWarning,
    )
