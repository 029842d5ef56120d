"""Rows that are copies of rows of another group."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import NamedTuple

import numpy as np

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import warn_caller

_BEYOND_CHANCE = 10
"""So many times more rows than chance would give have a copy, where it is no chance."""
_SCREENED = 32
"""So many numbers of a modality, or up to twice as many, are compared first."""


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
        warn_caller(
            f"rows {copies.first} and {copies.second} are equal in all numbers, and not of one "
            f"'{data.groups.name}'{others}: folds of whole groups may have copies on both sides",
            CopiesWarning,
        )


def copies_across_groups(data: MultimodalData) -> Copies | None:
    """Return the rows that are equal to a row of another group in all numbers.

    Rows of which nothing is there are none. None where no row is, there are no groups, or a
    modality is of sequences or texts.
    """
    blocks = list(data.blocks.values())
    if data.groups is None or not all(isinstance(block, Columns | Arrays) for block in blocks):
        return None
    tables = [b.values.reshape(len(b), -1) for b in blocks if isinstance(b, Columns | Arrays)]
    there = np.flatnonzero(~np.all([block.missing for block in blocks], axis=0))
    # Rows that differ in a few numbers need no look at the others: images have many.
    some = _digests([table[:, :: max(table.shape[1] // _SCREENED, 1)] for table in tables], there)
    rows_with = Counter(some)
    rows = there[[rows_with[digest] > 1 for digest in some]]
    groups = data.groups.codes.tolist()
    homes: dict[bytes, int] = {}
    pairs = []
    for row, digest in zip(rows.tolist(), _digests(tables, rows), strict=True):
        first = homes.setdefault(digest, row)
        if groups[first] != groups[row]:
            pairs.append((first, row))
    if not pairs:
        return None
    return Copies(*pairs[0], len(pairs), _expected_pairs(tables, len(there)))


def _digests(tables: list[np.ndarray], rows: np.ndarray) -> list[bytes]:
    """A digest of some rows of tables, the same for equal numbers."""
    digests = [hashlib.blake2b(digest_size=16) for _ in rows]
    for table in tables:
        numbers = np.ascontiguousarray(table[rows]) + 0.0  # no -0.0
        numbers[np.isnan(numbers)] = np.nan  # of equal numbers the bytes are equal, too
        for digest, row in zip(digests, numbers, strict=True):
            digest.update(row)
    return [digest.digest() for digest in digests]


def _expected_pairs(tables: list[np.ndarray], rows: int) -> float:
    """How many pairs of rows would be equal by chance, from how often cells of a column are."""
    pairs = rows * (rows - 1) / 2
    for column in (column for table in tables for column in table.T):
        counts = np.unique(column, return_counts=True)[1]
        pairs *= float((counts * (counts - 1)).sum()) / (counts.sum() * (counts.sum() - 1))
        if pairs < 1e-6:
            break
    return pairs
