"""The shares of the classes, whatever a row has: what every model must beat."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.predictors.inputs import Modalities
from mmgraph.predictors.row_classifier import RowClassifier


class PriorClassifier(RowClassifier):
    """The shares of the classes among the training rows, by weight.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality, of which none is looked at.
    """

    reads_texts: ClassVar[bool] = True

    def __init__(self, modalities: Modalities | None = None) -> None:
        self.modalities = modalities

    def _learn(self, data: MultimodalData) -> None:
        self.prior_ = class_shares(data)

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        return tuple(self._columns)

    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        return np.tile(self.prior_, (len(data), 1))


def class_shares(data: MultimodalData) -> Float64[np.ndarray, " classes"]:
    """Return the share of each class among rows, by their weights."""
    counts = np.bincount(data.codes, data.counts, data.target.cardinality)
    return np.asarray(counts / counts.sum())
