"""Parts of pictures as clusters: by their numbers, or softly by their vectors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped
from scipy.cluster.vq import kmeans2
from scipy.special import softmax

from mmgraph.graph.errors import MmgraphError
from mmgraph.retrieval.alignment.scores import Rows, checked_rows, directions, standardisation

MOST_EXEMPLARS = 2000
"""Up to so many parts each is a cluster of its own."""

Parts = Shaped[np.ndarray, "parts ..."]


def checked_parts(items: Any) -> list[Parts]:
    """Return the parts of each item: a vector of whole numbers, or rows of features.

    A matrix of real numbers is of items of one part each.

    Raises
    ------
    MmgraphError
        If there is no item, or one has no part, or others than the first; names the item.
    """
    if isinstance(items, np.ndarray) and items.ndim == 2 and items.dtype.kind == "f":
        items = items[:, None]
    if isinstance(items, str) or not isinstance(items, Sequence | np.ndarray) or not len(items):
        raise MmgraphError("a is a list of bags of parts, one bag for each picture, and not empty")
    bags: list[Parts] = []
    for place, item in enumerate(items):
        parts = np.asarray(item)
        if parts.dtype.kind not in "iu" or parts.ndim != 1 or not parts.size:
            parts = checked_rows(item, f"item {place} of a")
        if bags and parts.shape[1:] != bags[0].shape[1:]:
            raise MmgraphError(f"parts of item {place} of a are of another kind than of item 0")
        bags.append(parts)
    return bags


@dataclass(frozen=True, eq=False)
class PartClusters:
    """Clusters of parts.

    Attributes
    ----------
    names : tuple of int
        The numbers of discrete parts, or 0, 1, … of the centres.
    centres : ndarray, shape (clusters, features), or None
        Directions of features, which ``shift`` and ``scale`` standardise; None of discrete parts.
    concentration : float
        A part belongs to a cluster in proportion to exp(concentration cosine): equally probable
        von Mises-Fisher distributions around the centres (Banerjee et al. 2005).
    """

    names: tuple[int, ...]
    centres: Rows | None = None
    shift: Float64[np.ndarray, "features"] | float = 0.0
    scale: Float64[np.ndarray, "features"] | float = 1.0
    concentration: float = 0.0

    @classmethod
    def of(
        cls,
        bags: Sequence[Parts],
        clusters: int | None,
        concentration: float,
        widths: Sequence[int] | None,
        seed: int,
    ) -> PartClusters:
        """Return the clusters of the parts of many items."""
        rows = np.concatenate(bags)
        if rows.ndim == 1:
            return cls(tuple(np.unique(rows).tolist()))
        shift, scale = standardisation(rows, widths)
        centres = directions((rows - shift) * scale)
        count = clusters or MOST_EXEMPLARS
        if count < len(rows):
            with warnings.catch_warnings(action="ignore"):  # of clusters that end up empty
                centres = directions(kmeans2(centres, count, minit="++", seed=seed)[0])
        return cls(tuple(range(len(centres))), centres, shift, scale, concentration)

    def mixing(self, bags: Sequence[Parts]) -> Float64[np.ndarray, "items clusters"]:
        """Return how probably a part of each item belongs to each cluster; each is as likely.

        A number that is no cluster's adds nothing, so that sums may be below one.

        Raises
        ------
        MmgraphError
            If parts are of another kind or width than those of the clusters.
        """
        rows = np.concatenate(bags)
        if rows.shape[1:] != (() if self.centres is None else self.centres.shape[1:]):
            raise MmgraphError("these parts are of another kind or width than those learned from")
        if self.centres is None:
            members = (rows[:, None] == np.array(self.names)).astype(float)
        else:
            cosines = directions((rows - self.shift) * self.scale) @ self.centres.T
            members = softmax(self.concentration * cosines, axis=1)
        sizes = np.array([len(bag) for bag in bags])
        return np.asarray(np.add.reduceat(members, np.cumsum(sizes) - sizes) / sizes[:, None])
