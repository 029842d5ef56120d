"""Linear maps of modalities into one space, in which the same rows correlate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import needs

Rows = Float64[np.ndarray, "rows width"]
_SHRINKAGE = 0.1
"""Of covariances towards the identity: columns are on one scale, and may be alike."""


@dataclass(frozen=True, eq=False)
class CanonicalMaps:
    """Linear canonical correlation analysis, of several sets of variables where there are more.

    Attributes
    ----------
    means : dict of str to ndarray
        Of each modality's columns.
    weights : dict of str to ndarray, shape (columns, width)
        The maps, scaled so that a component's deviation is its mean correlation.
    """

    means: dict[str, Float64[np.ndarray, " columns"]]
    weights: dict[str, Float64[np.ndarray, "columns width"]]

    @classmethod
    def fitted(
        cls, tables: Mapping[str, Rows], width: int, counts: Float64[np.ndarray, " rows"]
    ) -> Self:
        """Return the maps of rows that have all modalities, by cca-zoo's ``MCCA``.

        Parameters
        ----------
        tables : mapping of str to ndarray, shape (rows, columns)
        width : int
            How many components there may be; there are as many as the narrowest table has columns.
        counts : ndarray
            How much each row counts.

        Raises
        ------
        MissingExtraError
            If cca-zoo is not installed.
        """
        with needs("deep", "cca_zoo", "canonical correlation analysis"):
            from cca_zoo.linear import MCCA
        shares = counts / counts.sum()
        means = {m: shares @ table for m, table in tables.items()}
        centred = [table - means[m] for m, table in tables.items()]
        width = min(width, *(table.shape[1] for table in centred))
        fitted = MCCA(n_components=width, shrinkage=_SHRINKAGE)
        fitted.fit(centred, sample_weight=counts / counts.mean())
        scaled, unit = [], []
        for table, weights in zip(centred, fitted.weights_, strict=True):
            deviation = np.sqrt(shares @ (table @ weights) ** 2)
            scaled.append(weights / np.where(deviation > 0, deviation, 1.0))
            unit.append(table @ scaled[-1])
        # The variance of a sum of k variables of variance 1 is k + k (k - 1) times their mean
        # correlation.
        several = len(unit)
        variance = shares @ sum(unit) ** 2
        correlations = (variance - several) / (several * (several - 1))
        # In the order of files: a product must not be another one after reading.
        weighted = (np.ascontiguousarray(weights * correlations.clip(0)) for weights in scaled)
        return cls(means, dict(zip(tables, weighted, strict=True)))

    def mapped(self, modality: str, rows: Rows) -> Rows:
        """Return rows of a modality in the space of all."""
        return (rows - self.means[modality]) @ self.weights[modality]
