"""Warn of covariances that their rows do not determine."""

from __future__ import annotations

from collections.abc import Sequence

from mmgraph.graph.errors import warn_caller
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.gaussian_moments import GaussianStatistics

_REMEDIES = {
    "full": "more rows, fewer features, or a shared or diagonal covariance",
    "shared": "more rows, fewer features, or a diagonal covariance",
    "diagonal": "more rows",
}


class FewRowsWarning(UserWarning):
    """A covariance of no more rows than features: it is what shrinkage and floor make of it."""


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
