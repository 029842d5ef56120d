"""Sequences of any length, and texts, as the rows of a modality."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.blocks.block import (
    Block,
    Features,
    Rows,
    finite_numbers,
    same_kind,
    without_column,
)
from mmgraph.data.blocks.sequence_summaries import summaries
from mmgraph.graph.errors import LearningError

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Sequences(Block):
    """A sequence for each row, of its own length.

    Attributes
    ----------
    values : tuple of ndarray or None
        ``(steps, channels)`` each; None where missing.
    channels : int, optional
        How many there are; None where no sequence has ever been there.
    """

    values: tuple[Float64[np.ndarray, "steps channels"] | None, ...]
    channels: int | None = None

    @classmethod
    def of(cls, modality: str, values: Sequence[object]) -> Sequences:
        """Return sequences; one without channels has a single one.

        Raises
        ------
        LearningError
            If a row is no sequence of numbers (which), or channels differ in number.
        """
        rows: list[np.ndarray | None] = []
        channels, first = None, ""
        for number, given in enumerate(values):
            if given is None:
                rows.append(None)
                continue
            array = finite_numbers(f"{modality}, row {number}", given)
            if not array.size:
                raise LearningError(
                    f"'{modality}', row {number}: the sequence has length zero; a missing one is "
                    "None"
                )
            shape, array = array.shape, array[:, None] if array.ndim == 1 else array
            if array.ndim != 2:
                raise LearningError(
                    f"'{modality}', row {number}: a sequence has shape (steps, channels), not "
                    f"{shape}"
                )
            if channels is not None and array.shape[1] != channels:
                raise LearningError(
                    f"'{modality}', row {number}: images or sequences differ in size: {shape}, and "
                    f"{first}; images are of one shape, sequences have one number of channels"
                )
            channels, first = array.shape[1], first or f"{shape} in row {number}"
            rows.append(array)
        return cls(tuple(rows), channels)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows without a sequence."""
        return _absent(self.values)

    def take(self, rows: Rows) -> Sequences:
        """As :meth:`Block.take`."""
        taken = replace(self, values=_taken(self.values, rows))
        if "_summaries" in self.__dict__:
            taken.__dict__["_summaries"] = self._summaries[rows]
        return taken

    def join(self, others: Sequence[Block]) -> Sequences:
        """As :meth:`Block.join`."""
        alike = same_kind(self, others)
        widths = {b.channels for b in (self, *alike) if b.channels is not None}
        if len(widths) > 1:
            raise LearningError(
                f"sequences of {' and '.join(map(str, sorted(widths)))} channels cannot be joined"
            )
        return Sequences(sum((o.values for o in alike), self.values), *widths)

    def emptied(self, rows: int | None = None) -> Sequences:
        """As :meth:`Block.emptied`."""
        return Sequences((None,) * (len(self) if rows is None else rows), self.channels)

    def parts(self, modality: str) -> tuple[str, ...]:
        """As :meth:`Block.parts`: the channels."""
        return tuple(f"{modality}[{channel}]" for channel in range(self.channels or 1))

    def without_part(self, place: int) -> Sequences:
        """As :meth:`Block.without_part`."""
        values = (None if v is None else without_column(v, place) for v in self.values)
        return Sequences(tuple(values), self.channels)

    def numbers(self) -> Features:
        """Return what sums up each sequence.

        That are its length and, of each channel,
        :data:`~mmgraph.data.blocks.sequence_summaries.SUMMARIES`.
        """
        return self._summaries

    @cached_property
    def _summaries(self) -> Features:
        """Of all rows; they take long, and rows that are taken take theirs along."""
        return summaries(self.values, self.channels or 1)

    def labelled(self, modality: str) -> dict[str, Any]:
        """As :meth:`Block.labelled`."""
        return {modality: list(self.values)}

    def arrays(self) -> Iterator[np.ndarray]:
        """As :meth:`Block.arrays`."""
        yield np.array([0 if value is None else len(value) for value in self.values])
        yield from (value for value in self.values if value is not None)


@dataclass(frozen=True, eq=False)
class Texts(Block):
    """A text for each row.

    Attributes
    ----------
    values : tuple of str or None
        None where missing.
    """

    values: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows without a text."""
        return _absent(self.values)

    def take(self, rows: Rows) -> Texts:
        """As :meth:`Block.take`."""
        return Texts(_taken(self.values, rows))

    def join(self, others: Sequence[Block]) -> Texts:
        """As :meth:`Block.join`."""
        return Texts(sum((o.values for o in same_kind(self, others)), self.values))

    def emptied(self, rows: int | None = None) -> Texts:
        """As :meth:`Block.emptied`."""
        return Texts((None,) * (len(self) if rows is None else rows))

    def parts(self, modality: str) -> tuple[str, ...]:
        """As :meth:`Block.parts`: the words, in lower case."""
        words = (word.lower() for value in self.values for word in _WORD.findall(value or ""))
        return tuple(dict.fromkeys(words))

    def without_part(self, place: int) -> Texts:
        """As :meth:`Block.without_part`."""
        word = self.parts("")[place]

        def others(match: re.Match[str]) -> str:
            return "" if match[0].lower() == word else match[0]

        return Texts(tuple(None if v is None else _WORD.sub(others, v) for v in self.values))

    def labelled(self, modality: str) -> dict[str, Any]:
        """As :meth:`Block.labelled`."""
        return {modality: list(self.values)}

    def arrays(self) -> Iterator[np.ndarray]:
        """As :meth:`Block.arrays`."""
        yield np.frombuffer("\0".join(v or "" for v in self.values).encode(), np.uint8)


def _absent(values: tuple[Any, ...]) -> Bool[np.ndarray, " rows"]:
    return np.array([value is None for value in values], bool)


def _taken(values: tuple[Any, ...], rows: Rows) -> tuple[Any, ...]:
    return tuple(values[i] for i in np.arange(len(values))[rows])
