"""MiniRocket: random convolutions of sequences, and a linear classifier of what they show."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.comparison.models.masked_copies import MaskedCopiesClassifier
from mmgraph.comparison.models.standardised_logistic import StandardisedLogistic
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.blocks.sequences_and_texts import Sequences
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, needs
from mmgraph.predictors.inputs import Modalities, seed_of
from mmgraph.predictors.row_classifier import RowClassifier

_LEAST_STEPS = 9
"""The length of a kernel."""


class MiniRocketClassifier(RowClassifier):
    """Logistic regression, on masked copies, of the features that MiniRocket makes of sequences.

    Sequences are brought to one length, the median of the training rows, along straight lines
    between their steps; modalities that are no sequences stand beside them as they are.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality.
    kernels : int
        How many features there are of each modality.
    cost : float
        ``C`` of the regression.
    random_state : int, RandomState or None

    Raises
    ------
    MissingExtraError
        By ``fit``, if aeon is not installed.
    LearningError
        If no modality is of sequences.

    References
    ----------
    Dempster, Schmidt and Webb (2021), "MiniRocket: a very fast (almost) deterministic transform for
    time series classification".
    """

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        kernels: int = 10000,
        cost: float = 1e-3,
        random_state: Any = 0,
    ) -> None:
        self.modalities = modalities
        self.kernels = kernels
        self.cost = cost
        self.random_state = random_state

    def _learn(self, data: MultimodalData) -> None:
        with needs("rocket", "aeon", "MiniRocket"):
            from aeon.transformations.collection.convolution_based import MiniRocket

        seed = seed_of(self.random_state)
        self.transforms_ = {}
        for modality, block in data.blocks.items():
            if isinstance(block, Sequences) and not block.missing.all():
                there = block.take(np.flatnonzero(~block.missing))
                lengths = [len(value) for value in there.values if value is not None]
                steps = max(int(np.median(lengths)), _LEAST_STEPS)
                transform = MiniRocket(n_kernels=self.kernels, random_state=seed)
                made = transform.fit_transform(_of_one_length(there, steps))
                self.transforms_[modality] = _Transform(steps, transform, made.shape[1])
        if not self.transforms_:
            raise LearningError(f"no modality of {data.origin} is of sequences, which it looks at")
        regression = StandardisedLogistic(C=self.cost, max_iter=2000)
        copies = MaskedCopiesClassifier(regression, random_state=seed)
        self.classifier_ = copies.fit(self._transformed(data))

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        return self.classifier_.modalities_

    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        return self.classifier_.predict_proba(self._transformed(data), asked)

    def _transformed(self, data: MultimodalData) -> MultimodalData:
        """Rows whose sequences are the features of their convolutions."""
        blocks = dict(data.blocks)
        for modality, (steps, transform, width) in self.transforms_.items():
            block = data.blocks[modality]
            assert isinstance(block, Sequences)
            rows = np.flatnonzero(~block.missing)
            table = np.full((len(block), width), np.nan)
            if len(rows):
                table[rows] = transform.transform(_of_one_length(block.take(rows), steps))
            blocks[modality] = Columns.of_numbers(modality, table)
        return MultimodalData(blocks, data.outcome, data.groups, data.weights)


class _Transform(NamedTuple):
    """What makes features of the sequences of one modality, of how many steps, and how many."""

    steps: int
    transform: Any
    width: int


def _of_one_length(block: Sequences, steps: int) -> Float64[np.ndarray, "rows channels steps"]:
    """Sequences along straight lines between their steps; missing steps are bridged so, too."""
    table = np.zeros((len(block), block.channels or 1, steps))
    for row, value in enumerate(block.values):
        assert value is not None
        places = np.linspace(0, len(value) - 1, steps)
        for channel, column in enumerate(value.T):
            there = np.flatnonzero(~np.isnan(column))
            if len(there):
                table[row, channel] = np.interp(places, there, column[there])
    return table
