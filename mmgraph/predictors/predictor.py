"""What every predictor does: learn from rows of several modalities, answer with some of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData


@runtime_checkable
class Predictor(Protocol):
    """A model that tells a target from rows of several modalities.

    Attributes
    ----------
    classes_ : ndarray
        The labels, in the order of the columns of :meth:`predict_proba`; set by :meth:`fit`.
    """

    classes_: np.ndarray[Any, Any]

    def fit(self, data: MultimodalData, /) -> Self:
        """Learn from rows with a target, and return the predictor itself."""

    def predict_proba(
        self, data: MultimodalData, /, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, "rows classes"]:
        """Return the probability of each class in each row.

        Parameters
        ----------
        data : MultimodalData
            What a row lacks is missing.
        given : collection of str, optional
            The modalities to look at; by default all that are there.
        """
