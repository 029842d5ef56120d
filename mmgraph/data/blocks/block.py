"""What every block of rows does, and what their kinds share."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import Any, Self, TypeVar

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.graph.errors import LearningError

Rows = np.ndarray | slice
Features = Float64[np.ndarray, "rows features"]
B = TypeVar("B", bound="Block")
LARGEST = 1e38
"""The largest number that classifiers in single precision see."""


class Block(abc.ABC):
    """The rows of one modality."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @property
    @abc.abstractmethod
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows of which nothing is there."""

    @abc.abstractmethod
    def take(self, rows: Rows) -> Self:
        """Return some of the rows, in the order asked for."""

    @abc.abstractmethod
    def join(self, others: Sequence[Block]) -> Self:
        """Return the rows followed by those of other blocks.

        Raises
        ------
        LearningError
            If kinds, columns or shapes differ.
        """

    @abc.abstractmethod
    def emptied(self, rows: int | None = None) -> Self:
        """Return so many rows, by default as many, of which nothing is there."""

    @abc.abstractmethod
    def parts(self, modality: str) -> tuple[str, ...]:
        """Return the names of what a modality consists of: columns, elements, channels, words."""

    @abc.abstractmethod
    def without_part(self, place: int) -> Self:
        """Return the same rows in which one of the parts is missing throughout."""

    def numbers(self) -> Features:
        """Return numbers that stand for the rows, NaN where missing.

        Raises
        ------
        LearningError
            If none do.
        """
        raise LearningError(f"{type(self).__name__.lower()} are no table of numbers")

    @abc.abstractmethod
    def labelled(self, modality: str) -> dict[str, Any]:
        """Return the columns that the rows are in a table, states in words, missing ones None."""

    @abc.abstractmethod
    def arrays(self) -> Iterator[np.ndarray]:
        """Yield all that a result depends on."""


def same_kind(block: B, others: Sequence[Block]) -> list[B]:
    """Other blocks, all of the kind of the first."""
    for other in others:
        if type(other) is not type(block):
            names = f"{type(other).__name__} cannot be joined with {type(block).__name__}"
            raise LearningError(names)
    return list(others)  # type: ignore[arg-type]


def finite_numbers(what: str, values: object) -> Float64[np.ndarray, "..."]:
    """Numbers in double precision, none of them infinite or beyond ``LARGEST``."""
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise LearningError(f"'{what}' is no array of numbers") from None
    if np.isinf(table).any():
        row = int(np.argwhere(np.isinf(table))[0][0])
        raise LearningError(f"'{what}' is infinite in row {row}; a missing number is NaN")
    if (largest := too_large(table)) is not None:
        value = float(np.nanmax(np.abs(table[largest])))
        raise LearningError(f"row {largest}: '{what}' {beyond_largest(value)}")
    return table


def too_large(table: np.ndarray) -> int | None:
    """Return the first row with a number beyond ``LARGEST``, or None."""
    rows = np.argwhere(np.abs(table) > LARGEST)
    return int(rows[0][0]) if len(rows) else None


def beyond_largest(value: float) -> str:
    """Return what is wrong with a number beyond ``LARGEST``."""
    return f"is beyond ±{LARGEST:g} (no measurement, or one in too small a unit): {value:g}"


def without_column(table: Features, place: int) -> Features:
    """A copy of a table in which a column is missing."""
    copied = table.copy()
    copied[:, place] = np.nan
    return copied
