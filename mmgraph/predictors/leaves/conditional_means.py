"""Features whose missing values are filled in, each on its own scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.block import Features
from mmgraph.data.blocks.preparation import Preparation


@dataclass(frozen=True, eq=False)
class ConditionalMeans:
    """What missing features are, on average, where the others of a row are as they are.

    Attributes
    ----------
    preparation : Preparation
        How features vary together.
    constants : ndarray, shape (features,)
        The values of features that do not vary, zero of those that were never there.
    """

    preparation: Preparation
    constants: Float64[np.ndarray, " features"]

    @classmethod
    def fitted(cls, features: Features) -> ConditionalMeans:
        """Return the means that rows with missing values (NaN) teach."""
        lowest = np.where(np.isnan(features), np.inf, features).min(0)
        constants = np.where(np.isfinite(lowest), lowest, 0.0)
        return cls(Preparation.fitted(features, quantiles=False), constants)

    def filled(self, features: Features) -> Features:
        """Return rows without missing values; what is there stays as it is."""
        missing = np.isnan(features)
        if not missing.any():
            return features
        means = np.tile(self.constants, (len(features), 1))
        varying = self.preparation.varying
        if varying.any():
            scaled = self.preparation.forward(features)
            means[:, varying] = self.preparation.scale.inverse_transform(scaled)
        return np.where(missing, means, features)
