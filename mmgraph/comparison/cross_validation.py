"""Cross-validation over random rows and, where rows belong together, over whole groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmgraph.data.groups import Codes
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import Fold, folds_of
from mmgraph.graph.errors import MmgraphError


@dataclass(frozen=True)
class CrossValidation:
    """One way to split data, and its folds.

    Attributes
    ----------
    split : str
        ``random``, or ``by`` and what a group is.
    data : MultimodalData
        All rows; with groups where folds are of whole ones, so that splits within training rows are
        of the same kind.
    folds : tuple of (training rows, test rows)
    """

    split: str
    data: MultimodalData
    folds: tuple[Fold, ...]

    @property
    def suffix(self) -> str:
        """What file names end in, so that those of splits by groups are told apart."""
        return "" if self.data.groups is None else f"_{self.split.replace(' ', '_')}"

    def titled(self, text: str) -> str:
        """Return the title of a picture of this split."""
        return text if self.data.groups is None else f"{text}, split {self.split}"

    def fold_name(self, number: int) -> str:
        """Return what progress says of a fold."""
        name = f"fold {number + 1} of {len(self.folds)}"
        return name if self.data.groups is None else f"{name} {self.split}"

    @property
    def tested(self) -> Codes:
        """The test rows, in the order of the folds."""
        return np.concatenate([test for _, test in self.folds])

    def step(self, number: int) -> str:
        """Return the name under which a fold is kept."""
        return f"fold_{number}{self.suffix}"


def cross_validations(
    data: MultimodalData, count: int, seed: int, limit: int | None = None
) -> list[CrossValidation]:
    """Return the random folds of data and, where they have groups, the folds of whole groups.

    As :func:`~mmgraph.data.splits.folds_of`, up to a limit of each split.
    """
    alone = data.without_groups()
    if limit is not None and not 1 <= limit <= count:
        raise MmgraphError(f"the model has {count} folds; {limit} cannot be run")
    splits = [CrossValidation("random", alone, tuple(folds_of(alone, count, seed)[:limit]))]
    if data.groups is not None:
        folds = folds_of(data, count, seed)[:limit]
        splits.append(CrossValidation(f"by {data.groups.name}", data, tuple(folds)))
    return splits
