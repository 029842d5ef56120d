"""The cells of a modality as tensors: their values, and which are there."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class Cells(NamedTuple):
    """Rows of one modality, of which any cell, or all of a row, may be missing.

    Attributes
    ----------
    values : Tensor, shape (rows, *shape)
        On one scale, zero where missing. ``shape`` is ``(features,)`` of columns, ``(height,
        width)``, ``(height, width, channels)`` or other axes of arrays, and ``(steps, channels)``
        of sequences.
    there : Tensor of bool, shape (rows, *shape)
        Which cells are there.
    lengths : Tensor or None
        How many steps each sequence has, 0 of one that is missing; None of all else.
    """

    values: Float[Tensor, "rows *shape"]
    there: Bool[Tensor, "rows *shape"]
    lengths: Int64[Tensor, " rows"] | None = None

    @classmethod
    def of(cls, table: object) -> Self:
        """Return numbers on one scale as cells, NaN where missing; on the CPU."""
        values = torch.as_tensor(table, dtype=torch.float32)
        return cls(values.nan_to_num(0.0), ~values.isnan())

    @property
    def present(self) -> Bool[Tensor, " rows"]:
        """The rows of which anything is there."""
        return self.there.flatten(1).any(1)

    def rows(self, index: Int64[Tensor, " taken"]) -> Cells:
        """Return some rows, in the order asked for; sequences up to the longest of these."""
        values, there = self.values[index], self.there[index]
        if self.lengths is None:
            return Cells(values, there)
        lengths = self.lengths[index]
        longest = int(lengths.max()) if len(lengths) else 0
        return Cells(values[:, :longest], there[:, :longest], lengths)

    def hidden(self, rows: Bool[Tensor, " rows"]) -> Cells:
        """Return the same rows, some of which are missing as a whole."""
        shown = ~rows.reshape(-1, *(1,) * (self.values.ndim - 1))
        lengths = None if self.lengths is None else self.lengths * ~rows
        return Cells(self.values * shown, self.there & shown, lengths)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """Return the same on a device, values in a precision."""
        lengths = None if self.lengths is None else self.lengths.to(device)
        return type(self)(self.values.to(device, dtype), self.there.to(device), lengths)
