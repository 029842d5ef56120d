"""Rows of several modalities with a target and, where rows belong together, their groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import DatasetError, suggestion
from mmgraph.graph.variable import Variable

Features = Float64[np.ndarray, "rows features"]
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


@dataclass(frozen=True)
class MultimodalData:
    """Rows of features by modality, with the target.

    Attributes
    ----------
    features : dict of str to ndarray
        ``(rows, features)`` for each modality.
    codes : ndarray of int
        The target's states.
    target : Variable
        The target.
    groups : Groups, optional
        Rows of one group are never on both sides of a split of these data.
    """

    features: dict[str, Features]
    codes: Codes
    target: Variable
    groups: Groups | None = None

    def rows(self, index: np.ndarray) -> MultimodalData:
        """Return some of the rows."""
        features = {m: x[index] for m, x in self.features.items()}
        groups = self.groups and replace(self.groups, codes=self.groups.codes[index])
        return MultimodalData(features, self.codes[index], self.target, groups)

    def without_groups(self) -> MultimodalData:
        """Return the same rows, each of which stands for itself."""
        return replace(self, groups=None)

    def arrays(self) -> list[np.ndarray]:
        """Return all that a result depends on."""
        groups = [] if self.groups is None else [self.groups.codes]
        return [*self.features.values(), self.codes, *groups]


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
