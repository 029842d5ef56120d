"""Which rows belong together: by a column, as a data set says, or by their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from mmgraph.data.table import Table
from mmgraph.graph.column_reader import factorised, plain_array, spelling, spellings
from mmgraph.graph.errors import DatasetError, LearningError, suggestion
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.variable import Variable

Codes = Int64[np.ndarray, " rows"]
GroupsDeclaration = str | tuple[int, ...]
"""A column (or groups that the data set's loader names), or the first row of each block of rows."""


@dataclass(frozen=True)
class Groups:
    """Which rows belong together: those of one person, one recording, one site.

    Attributes
    ----------
    name : str
        What a group is.
    codes : ndarray of int
        The group of each row.
    """

    name: str
    codes: Codes


def coded_groups(name: str, cells: Any, table: Table | None = None) -> Groups:
    """Return the group of each row, by the first row of each.

    Raises
    ------
    LearningError
        If a row has none (which).
    """
    codes, _ = factorised(Variable(name, 1), plain_array(cells))
    if table is not None and (hidden := spellings(table.missing_cells())):
        codes = np.where([spelling(cell) in hidden for cell in cells], MISSING, codes)
    if (codes == MISSING).any():
        row = int((codes == MISSING).argmax())
        where = f"row {row}" if table is None else table.place(row)
        raise LearningError(f"{where}: there is no '{name}', which names the row's group")
    return Groups(name, codes)


def groups_of(
    loaded: Any, declared: GroupsDeclaration | None, dataset: str, rows: int
) -> Groups | None:
    """Return the groups that a declaration names; None where rows stand for themselves.

    Looked up are the ``groups`` (a dict of arrays) or the ``frame`` of a loaded data set.
    """
    if declared is None:
        return None
    if not isinstance(declared, str):
        if declared[-1] >= rows:
            raise DatasetError(f"'{dataset}' has {rows} rows; no block begins at {declared[-1]}")
        return Groups("block", np.searchsorted(declared, np.arange(rows), side="right") - 1)
    groups = getattr(loaded, "groups", {})
    if declared in groups:
        return Groups(declared, np.asarray(groups[declared], np.int64))
    columns = list(getattr(loaded, "frame", ()))
    if declared not in columns:
        hint = suggestion(declared, [*groups, *map(str, columns)])
        raise DatasetError(f"'{dataset}' has no groups and no column '{declared}'{hint}")
    codes = loaded.frame[declared].factorize()[0].astype(np.int64)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        raise DatasetError(f"row {row} of '{dataset}' has no '{declared}', which names its group")
    return Groups(declared, codes)


def consecutive_blocks(codes: Int64[np.ndarray, " rows"], count: int = 5, least: int = 2) -> Groups:
    """Return blocks of consecutive rows, each of which holds all labels where that can be.

    Where labels come in runs, a block ends with the run that brings its last label; where those are
    more than ``count``, neighbours are joined. Where there are fewer than ``least`` (each label is
    one run, say), or blocks would hold fewer than five rows of each label, every label's rows are
    cut into ``count`` consecutive parts.

    Raises
    ------
    LearningError
        If there are no rows.
    """
    if not len(codes):
        raise LearningError("no rows to be put into blocks")
    states = len(np.unique(codes))
    block = np.zeros(len(codes), np.int64)
    labels: set[int] = set()
    for start in np.flatnonzero(np.diff(codes, prepend=-2)):
        if len(labels) == states:
            block[start:] += 1
            labels = set()
        labels.add(int(codes[start]))
    if len(labels) < states:  # what is left over belongs to the block before
        block = np.minimum(block, max(block.max() - 1, 0))
    blocks = int(block.max()) + 1
    if least <= blocks <= len(codes) // (5 * states):
        return Groups("block", block * min(count, blocks) // blocks)
    parts = np.empty(len(codes), np.int64)
    for state in np.unique(codes):
        rows = np.flatnonzero(codes == state)
        parts[rows] = np.arange(len(rows)) * min(count, len(rows)) // len(rows)
    return Groups("block", parts)
