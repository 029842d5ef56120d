"""Maps of features to the scale that a model sees, fitted on training rows, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.experiments.rows import refuse_not_finite
from mmgraph.graph.errors import LearningError, needs

Features = Float64[np.ndarray, "rows features"]


@dataclass(frozen=True)
class LinearScale:
    """Features less their mean, over a deviation."""

    mean: Float64[np.ndarray, " features"]
    deviation: Float64[np.ndarray, " features"]

    def forward(self, features: Features) -> Features:
        """Return what the model sees."""
        return (features - self.mean) / self.deviation

    def backward(self, scaled: Features) -> Features:
        """Return features in their own units."""
        return scaled * self.deviation + self.mean


@dataclass(frozen=True)
class NormalQuantiles:
    """Features as quantiles of a normal distribution, by scikit-learn's QuantileTransformer."""

    transformer: Any

    def forward(self, features: Features) -> Features:
        """Return what the model sees."""
        return np.asarray(self.transformer.transform(features), np.float64)

    def backward(self, scaled: Features) -> Features:
        """Return features in their own units."""
        return np.asarray(self.transformer.inverse_transform(scaled), np.float64)


Scale = LinearScale | NormalQuantiles
"""A fitted map from features to what a model sees (``forward``), and back."""


def fit_scale(kind: str, features: Features, modality: str, floor: float = 0.0) -> Scale:
    """Fit a scale to the features of training rows.

    ``standardise`` gives each mean zero and variance one; ``one_scale`` is one for all, so that
    those that hardly vary stay small; ``normal_quantiles`` makes quantiles of a normal
    distribution. The floor is the share of the deviation of all features that is added to each
    one's: a feature that is constant in the training rows may vary a little in others.
    """
    refuse_not_finite(features, modality)
    if kind == "normal_quantiles":
        with needs("data", "scikit-learn", "normal quantiles"):
            from sklearn.preprocessing import QuantileTransformer
        count = min(200, len(features))
        made = QuantileTransformer(output_distribution="normal", n_quantiles=count)
        return NormalQuantiles(made.fit(features))
    mean = features.mean(0)
    whole = float(np.sqrt(((features - mean) ** 2).mean()))
    if whole == 0:
        raise LearningError(f"all features of '{modality}' are constant in the training rows")
    if kind == "one_scale":
        return LinearScale(mean, np.full(len(mean), whole))
    deviation = features.std(0) + floor * features.std()
    return LinearScale(mean, np.where(deviation > 0, deviation, 1.0))
