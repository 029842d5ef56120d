"""Features as models see them: on one scale, missing ones filled in by those that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.blocks.block import Features
from mmgraph.graph.errors import LearningError, needs

_FACTORS = 10
"""The most directions in which features vary together, by which missing ones are told."""
_ROUNDS = 8
_QUANTILES = 200
_FARTHEST = 1e9
"""Standard deviations from the mean beyond which new values are taken to lie there: classifiers
compute in single precision."""
_ENDS = 1e-7
"""Values as near as that to the smallest or largest one have the outermost normal quantile."""


@dataclass(frozen=True, eq=False)
class Preparation:
    """A scale of each feature, and how features vary together.

    Attributes
    ----------
    varying : ndarray of bool, shape (features,)
        Those that had two values at least; others are left out.
    scale : object
        scikit-learn's transformer of those.
    mean : ndarray, shape (varying,)
        Of scaled features.
    loadings : ndarray, shape (varying, factors)
        How scaled features vary together: a row is ``mean + loadings @ normal + noise``.
    noise : float
        The variance of what the factors do not tell.
    """

    varying: Bool[np.ndarray, " features"]
    scale: Any
    mean: Float64[np.ndarray, " varying"]
    loadings: Float64[np.ndarray, "varying factors"]
    noise: float

    @classmethod
    def fitted(cls, features: Features, quantiles: bool) -> Preparation:
        """Return the preparation of features by their mean and deviation, or by normal quantiles.

        Missing values are filled in by probabilistic principal components (Tipping and Bishop 1999,
        "Probabilistic principal component analysis"), found from the rows' own filled-in values in
        a few rounds.
        """
        with needs("data", "scikit-learn", "scaling features"):
            from sklearn.preprocessing import QuantileTransformer, StandardScaler
        there = ~np.isnan(features)
        low = np.where(there, features, np.inf).min(0)
        high = np.where(there, features, -np.inf).max(0)
        varying = high > low
        table = features[:, varying]
        scale = (
            QuantileTransformer(
                output_distribution="normal",
                n_quantiles=min(_QUANTILES, len(table)),
                subsample=None,  # of many rows a part would be drawn, another one each time
            )
            if quantiles
            else StandardScaler()
        )
        if not varying.any():
            return cls(varying, scale, np.zeros(0), np.zeros((0, 0)), 1.0)
        scaled = _on_scale(scale.fit(table), table)
        missing = np.isnan(scaled)
        mean = np.where(missing, 0.0, scaled).sum(0) / np.maximum((~missing).sum(0), 1)
        filled = np.where(missing, mean, scaled)
        count = min(_FACTORS, max(len(filled) // 10, 1), filled.shape[1])
        preparation = cls(varying, scale, mean, np.zeros((filled.shape[1], 0)), 1.0)
        for _ in range(_ROUNDS if missing.any() else 1):
            preparation = preparation._with_factors(filled, count)
            if missing.any():
                filled = preparation._filled(np.where(missing, np.nan, scaled))
        return preparation

    def scaled(self, features: Features) -> Features:
        """Return rows on one scale; missing values are NaN still.

        Raises
        ------
        LearningError
            If they have not as many features as those learned from.
        """
        if features.shape[1] != len(self.varying):
            raise LearningError(
                f"rows have {features.shape[1]} features, not the {len(self.varying)} learned from"
            )
        table = features[:, self.varying]
        return _on_scale(self.scale, table) if table.shape[1] else table

    def forward(self, features: Features) -> Features:
        """Return rows on one scale, without missing values."""
        return self._filled(self.scaled(features))

    def _with_factors(self, filled: Features, count: int) -> Preparation:
        """The same scale with the factors of complete rows."""
        mean = filled.mean(0)
        values, vectors = np.linalg.eigh(np.cov(filled.T, bias=True).reshape(2 * (len(mean),)))
        rest = values[: len(values) - count]
        noise = max(float(rest.mean()) if len(rest) else 0.0, 1e-3)
        loadings = vectors[:, -count:] * np.sqrt(np.maximum(values[-count:] - noise, 0.0))
        # In rows one after another, as files hold numbers: another order would round otherwise.
        return Preparation(self.varying, self.scale, mean, np.ascontiguousarray(loadings), noise)

    def _filled(self, scaled: Features) -> Features:
        """Missing values replaced by their means given the values that are there."""
        missing = np.isnan(scaled)
        if not missing.any():
            return scaled
        rows = missing.any(1)
        known = ~missing[rows]
        centred = np.where(known, scaled[rows] - self.mean, 0.0)
        factors = self.loadings.shape[1]
        precision = np.einsum("rf,fa,fb->rab", known, self.loadings, self.loadings, optimize=True)
        precision += self.noise * np.eye(factors)
        scores = np.linalg.solve(precision, (centred @ self.loadings)[..., None])[..., 0]
        filled = scaled.copy()
        filled[rows] = np.where(known, scaled[rows], self.mean + scores @ self.loadings.T)
        return filled


def _on_scale(scale: Any, table: Features) -> Features:
    """Rows as a fitted scale has them: of quantiles as scikit-learn's, all columns at once."""
    from scipy.special import ndtri  # which nets without columns need not wait for

    if not hasattr(scale, "quantiles_"):
        return np.asarray(scale.transform(table), np.float64).clip(-_FARTHEST, _FARTHEST)
    shares = np.empty(table.shape)
    upwards = scale.references_
    downwards = -upwards[::-1]
    for place, (column, values) in enumerate(zip(table.T, scale.quantiles_.T, strict=True)):
        # Where values repeat, so do quantiles: the mean of the first and the last of them.
        first, last = (
            np.interp(column, values, upwards), np.interp(-column, -values[::-1], downwards)
        )  # fmt: skip
        shares[:, place] = 0.5 * (first - last)
    shares[table + _ENDS > scale.quantiles_[-1]] = 1.0
    shares[table - _ENDS < scale.quantiles_[0]] = 0.0
    least = _ENDS - np.spacing(1)
    return np.clip(ndtri(shares), ndtri(least), ndtri(1 - least))
