"""Logistic regression on standardised features of which some are missing, with weights of rows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.block import Features
from mmgraph.graph.errors import needs

with needs("data", "scikit-learn", "the models that others are compared with"):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler


class StandardisedLogistic(LogisticRegression):
    """scikit-learn's estimator on means in the place of what is missing, and on what is missing.

    A pipeline of scaler, imputer and estimator would take no weights.
    """

    def fit(self, X: Features, y: np.ndarray, sample_weight: Any = None) -> Self:
        """As of the estimator."""
        self.scaler_ = StandardScaler().fit(X, sample_weight=sample_weight)
        # Features of one modality are missing together, and are told of once.
        self.told_ = np.unique(np.isnan(X), axis=1, return_index=True)[1]
        return super().fit(self._prepared(X), y, sample_weight)

    def decision_function(self, X: Features) -> Float64[np.ndarray, "..."]:
        """As of the estimator; answers are made of it."""
        return np.asarray(super().decision_function(self._prepared(X)))

    def _prepared(self, X: Features) -> Features:
        scaled = np.nan_to_num(self.scaler_.transform(X))
        return np.hstack([scaled, np.isnan(X[:, self.told_])])
