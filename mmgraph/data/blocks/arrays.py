"""Arrays of one shape as the rows of a modality: images, volumes, spectrograms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.blocks.block import Block, Rows, finite_numbers, same_kind, without_column
from mmgraph.graph.errors import LearningError


@dataclass(frozen=True, eq=False)
class Arrays(Block):
    """An array for each row, all of one shape: images, volumes, spectrograms.

    Attributes
    ----------
    values : ndarray, shape (rows, *shape)
        NaN where missing.
    """

    values: Float64[np.ndarray, "rows *shape"]

    @classmethod
    def of(cls, modality: str, values: object) -> Arrays:
        """Return arrays with one row or more of numbers.

        Raises
        ------
        LearningError
            If they are none, or a number is infinite.
        """
        return cls(finite_numbers(modality, values))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows in which every number is missing."""
        return np.isnan(self.values.reshape(len(self), -1)).all(1)

    def take(self, rows: Rows) -> Arrays:
        """As :meth:`Block.take`."""
        return Arrays(self.values[rows])

    def join(self, others: Sequence[Block]) -> Arrays:
        """As :meth:`Block.join`."""
        alike = same_kind(self, others)
        for other in alike:
            if other.values.shape[1:] != self.values.shape[1:]:
                raise LearningError(
                    f"arrays of shape {self.values.shape[1:]} cannot be joined with those of shape "
                    f"{other.values.shape[1:]}"
                )
        return Arrays(np.concatenate([self.values, *(o.values for o in alike)]))

    def emptied(self, rows: int | None = None) -> Arrays:
        """As :meth:`Block.emptied`."""
        count = len(self) if rows is None else rows
        return Arrays(np.full((count, *self.values.shape[1:]), np.nan))

    def parts(self, modality: str) -> tuple[str, ...]:
        """As :meth:`Block.parts`: the elements."""
        shape = self.values.shape[1:]
        return tuple(f"{modality}{[*map(int, place)]}" for place in np.ndindex(shape))

    def without_part(self, place: int) -> Arrays:
        """As :meth:`Block.without_part`."""
        return Arrays(without_column(self.numbers(), place).reshape(self.values.shape))

    def numbers(self) -> Float64[np.ndarray, "rows features"]:
        """Return the numbers of each row, one after the other."""
        return self.values.reshape(len(self), -1)

    def labelled(self, modality: str) -> dict[str, Any]:
        """As :meth:`Block.labelled`."""
        cells = zip(self.values, self.missing, strict=True)
        return {modality: [None if missing else value for value, missing in cells]}

    def arrays(self) -> Iterator[np.ndarray]:
        """As :meth:`Block.arrays`."""
        yield self.values
