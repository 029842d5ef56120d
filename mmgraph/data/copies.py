"""Rows that are copies of rows of another group."""

from __future__ import annotations

import hashlib
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.multimodal_data import MultimodalData

_BEYOND_CHANCE = 10
"""So many times more rows than chance would give have a copy, where it is no chance."""


class CopiesWarning(UserWarning):
    """Rows of different groups are copies of each other."""


class Copies(NamedTuple):
    """Rows that are equal to a row of another group.

    Attributes
    ----------
    first, second : int
        The first such row that stands after its copy, and that copy before it.
    rows : int
        How many have an equal one before them that is of another group.
    expected : float
        How many pairs of equal rows there would be if columns were independent of each other.
    """

    first: int
    second: int
    rows: int
    expected: float


def warn_of_copies(data: MultimodalData) -> None:
    """Warn if rows of different groups are copies, and name two of them."""
    copies = copies_across_groups(data)
    if copies is not None and copies.rows > _BEYOND_CHANCE * copies.expected:
        assert data.groups is not None
        others = f"; {copies.rows} rows have such a copy" if copies.rows > 1 else ""
        warnings.warn(
            f"rows {copies.first} and {copies.second} are equal in all numbers, and not of one "
            f"'{data.groups.name}'{others}: folds of whole groups may have copies on both sides",
            CopiesWarning,
            stacklevel=4,
        )


def copies_across_groups(data: MultimodalData) -> Copies | None:
    """Return the rows that are equal to a row of another group in all numbers.

    Rows of which nothing is there are none. None where no row is, there are no groups, or a
    modality is of sequences or texts.
    """
    blocks = list(data.blocks.values())
    if data.groups is None or not all(isinstance(block, Columns | Arrays) for block in blocks):
        return None
    tables = [_table(block) for block in blocks if isinstance(block, Columns | Arrays)]
    empty = np.all([block.missing for block in blocks], axis=0)
    groups = data.groups.codes.tolist()
    homes: dict[bytes, int] = {}
    pairs = []
    for row in np.flatnonzero(~empty).tolist():
        digest = hashlib.blake2b(digest_size=16)
        for table in tables:
            digest.update(table[row].tobytes())
        first = homes.setdefault(digest.digest(), row)
        if groups[first] != groups[row]:
            pairs.append((first, row))
    if not pairs:
        return None
    return Copies(*pairs[0], len(pairs), _expected_pairs(tables, int((~empty).sum())))


def _table(block: Columns | Arrays) -> Float64[np.ndarray, "rows features"]:
    """The numbers of a block; of equal ones the bytes are equal, too."""
    numbers = block.values.reshape(len(block), -1) + 0.0  # no -0.0
    numbers[np.isnan(numbers)] = np.nan
    return np.ascontiguousarray(numbers)


def _expected_pairs(tables: list[np.ndarray], rows: int) -> float:
    """How many pairs of rows would be equal by chance, from how often cells of a column are."""
    pairs = rows * (rows - 1) / 2
    for column in (column for table in tables for column in table.T):
        counts = np.unique(column, return_counts=True)[1]
        pairs *= float(((counts / counts.sum()) ** 2).sum())
        if pairs < 1e-6:
            break
    return pairs
