"""How the rows of a modality become cells: which features, on which scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.block import Block
from mmgraph.data.blocks.preparation import Preparation
from mmgraph.data.blocks.sequences_and_texts import Sequences
from mmgraph.data.modality_rows import ModalityRows
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.inputs.image_axes import has_channels_first
from mmgraph.graph.errors import LearningError
from mmgraph.graph.memory_budget import check_required, default_memory_budget

FURTHEST = 3.0
"""Features of columns that lie further than so many deviations are taken to lie there."""
_CELL_BYTES = 5
"""A value in single precision, and whether it is there."""


@dataclass(frozen=True, eq=False)
class ColumnsInput:
    """Columns as normal quantiles of their values, of those that vary.

    Attributes
    ----------
    preparation : Preparation
    """

    preparation: Preparation

    @classmethod
    def fitted(cls, modality: str, block: Block) -> Self:
        """Return the scale of rows that are to be learned from.

        Raises
        ------
        LearningError
            If they are texts.
        """
        try:
            return cls(Preparation.fitted(block.numbers(), quantiles=True))
        except LearningError as error:
            raise LearningError(f"the modality '{modality}' cannot be encoded: {error}") from None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row's cells."""
        return (int(self.preparation.varying.sum()),)

    def cells(self, block: Block) -> Cells:
        """Return rows as cells, on the CPU."""
        return Cells.of(self.preparation.scaled(block.numbers()).clip(-FURTHEST, FURTHEST))


@dataclass(frozen=True, eq=False)
class ChannelsInput:
    """Arrays or sequences, each channel of which has mean 0 and deviation 1 in training rows.

    Attributes
    ----------
    size : tuple of int
        The shape of arrays; ``(0, channels)`` of sequences.
    mean, deviation : ndarray
        Of each channel (the last axis of sequences, and of arrays with three axes or more; the
        first one of images that have channels there), or of all elements together. What does not
        vary has deviation 0, and is not looked at.
    """

    size: tuple[int, ...]
    mean: Float64[np.ndarray, " channels"]
    deviation: Float64[np.ndarray, " channels"]

    @classmethod
    def fitted(cls, modality: str, block: Arrays | Sequences) -> Self:
        """Return the scale of rows that are to be learned from."""
        if isinstance(block, Arrays):
            size = block.values.shape[1:]
            values = np.moveaxis(block.values, 1, -1) if has_channels_first(size) else block.values
            table = values.reshape(-1, values.shape[-1] if len(size) > 2 else 1)
        else:
            size = (0, block.channels or 1)
            rows = [value for value in block.values if value is not None]
            table = np.concatenate(rows) if rows else np.full((1, size[1]), np.nan)
        there = ~np.isnan(table)
        counts = np.maximum(there.sum(0), 1)
        mean = np.where(there, table, 0.0).sum(0) / counts
        deviation = np.sqrt(np.where(there, (table - mean) ** 2, 0.0).sum(0) / counts)
        return cls(tuple(size), mean, np.where(deviation > 1e-12 * abs(mean), deviation, 0.0))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row's cells: ``(0, channels)`` of sequences."""
        return self.size if self.deviation.any() else (0,) * len(self.size)

    def cells(self, block: Block) -> Cells:
        """Return rows as cells, on the CPU.

        Raises
        ------
        MemoryBudgetError
            If sequences would take too much memory, each as long as the longest.
        """
        if isinstance(block, Arrays):
            return Cells.of(self._scaled(block.values))
        assert isinstance(block, Sequences)
        lengths = np.array([0 if value is None else len(value) for value in block.values], np.int64)
        shape = (len(block), int(lengths.max(initial=0)), self.size[1])
        check_required(
            f"{shape[0]} sequences of up to {shape[1]} steps",
            int(np.prod(shape)) * _CELL_BYTES,
            default_memory_budget(),
            "Cut long sequences into windows, or learn from fewer rows.",
        )
        table = np.full(shape, np.nan, np.float32)
        for row, value in enumerate(block.values):
            if value is not None:
                table[row, : len(value)] = self._scaled(value)
        return Cells.of(table)._replace(lengths=torch.as_tensor(lengths))

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        """Values on one scale, NaN where missing or of a channel that does not vary."""
        scale, mean = np.where(self.deviation > 0, self.deviation, np.nan), self.mean
        if has_channels_first(self.size):
            scale, mean = scale[:, None, None], mean[:, None, None]
        return (values - mean) / scale


ModalityInput = ColumnsInput | ChannelsInput


def fitted_inputs(
    data: ModalityRows, modalities: Sequence[str], *, summaries: bool = False
) -> dict[str, ModalityInput]:
    """Return how modalities of training rows become cells, without those that do not vary.

    Of sequences there are their summaries, as columns, where these are asked for. The weights of
    rows do not count in scales.

    Raises
    ------
    LearningError
        If a modality is of texts (which), or none varies.
    """
    inputs: dict[str, ModalityInput] = {}
    for modality in modalities:
        block = data.block(modality)
        of_channels = isinstance(block, Arrays if summaries else Arrays | Sequences)
        made = (ChannelsInput if of_channels else ColumnsInput).fitted(modality, block)  # type: ignore[arg-type]
        if any(made.shape):
            inputs[modality] = made
    if not inputs:
        raise LearningError(f"no column of {data.origin} varies: there is nothing to learn from")
    return inputs


def cells_of(data: ModalityRows, inputs: Mapping[str, ModalityInput]) -> dict[str, Cells]:
    """Return rows as the cells of each modality, on the CPU."""
    return {modality: made.cells(data.block(modality)) for modality, made in inputs.items()}
