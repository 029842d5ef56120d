"""Cross-validation over random rows and, where rows belong or seem to belong together, groups."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from mmgraph.data.folds import warn_of_groups
from mmgraph.data.groups import Codes
from mmgraph.data.leak_alarm import Leak, LeakWarning, find_leak
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import Fold, folds_of
from mmgraph.graph.errors import MmgraphError, warn_caller


@dataclass(frozen=True)
class CrossValidation:
    """One way to split data, and its folds.

    Attributes
    ----------
    split : str
        ``random`` or ``grouped``.
    data : MultimodalData
        All rows; with groups where folds are of whole ones, so that splits within training rows are
        of the same kind.
    folds : tuple of (training rows, test rows)
    leak : Leak, optional
        Why blocks of consecutive rows are the groups, where data have none.
    """

    split: str
    data: MultimodalData
    folds: tuple[Fold, ...]
    leak: Leak | None = None

    @property
    def groups(self) -> str | None:
        """What a group is, None of random rows."""
        return None if self.data.groups is None else self.data.groups.name

    @property
    def suffix(self) -> str:
        """What file names end in, so that those of splits by groups are told apart."""
        return "" if self.groups is None else f"_{self.split}"

    def titled(self, text: str) -> str:
        """Return the title of a picture of this split."""
        groups = "" if self.groups is None else f" ({self.groups})"
        return f"{text}, {self.split}{groups}"

    def fold_name(self, number: int) -> str:
        """Return what progress says of a fold."""
        fold = f"fold {number + 1} of {len(self.folds)}"
        return fold if self.groups is None else self.titled(fold)

    @property
    def tested(self) -> Codes:
        """The test rows, in the order of the folds."""
        return np.concatenate([test for _, test in self.folds])

    @property
    def shares(self) -> Float64[np.ndarray, "rows states"]:
        """The shares of the states among the training rows of each test row, as :attr:`tested`."""
        tables = []
        for training, test in self.folds:
            rows = self.data.rows(training)
            counts = np.bincount(rows.codes, rows.counts, rows.target.cardinality)
            tables.append(np.tile(counts / counts.sum(), (len(test), 1)))
        return np.concatenate(tables)

    def step(self, number: int) -> str:
        """Return the name under which a fold is kept."""
        return f"fold_{number}{self.suffix}"


def cross_validations(
    data: MultimodalData, count: int, seed: int, limit: int | None = None
) -> list[CrossValidation]:
    """Return the random folds of data and, where they have groups, the folds of whole groups.

    As :func:`~mmgraph.data.splits.folds_of`, up to a limit of each split. Where data have no groups
    and test rows stand beside near copies among the training rows (see
    :func:`~mmgraph.data.leak_alarm.find_leak`), blocks of consecutive rows are the groups.

    Warns
    -----
    LeakWarning
        If the random split leaks so, with what was seen.
    SplitWarning, CopiesWarning
        If groups keep nothing apart, see :func:`~mmgraph.data.folds.folds`.
    """
    alone = data.without_groups()
    if limit is not None and not 1 <= limit <= count:
        raise MmgraphError(f"the model has {count} folds; {limit} cannot be run")
    random = folds_of(alone, count, seed)
    splits = [CrossValidation("random", alone, tuple(random[:limit]))]
    leak = _leak(alone, random) if data.groups is None else None
    grouped = data if leak is None else replace(data, groups=leak.blocks)
    if grouped.groups is not None:
        warn_of_groups(grouped)
        folds = folds_of(grouped, count, seed)[:limit]
        splits.append(CrossValidation("grouped", grouped, tuple(folds), leak))
    return splits


def _leak(data: MultimodalData, random: list[Fold]) -> Leak | None:
    """The leak of a random split, if there is one, of which it warns."""
    leak = find_leak(data, random)
    if leak is None or not leak.fires:
        return None
    warn_caller(f"{leak}. Both splits are reported: at random, and by block", LeakWarning)
    return leak
