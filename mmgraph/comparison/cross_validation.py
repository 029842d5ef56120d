"""Cross-validation with folds of random rows and, where rows belong together, of whole groups.

Rows of one recording (person, site) resemble each other. Folds of random rows have rows of each
recording on both sides, and tell how a model does on recordings that it has partly heard; folds of
whole groups tell how it does on a new one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from mmgraph.data.multimodal_data import Codes, MultimodalData
from mmgraph.graph.errors import MmgraphError, needs

Fold = tuple[Int64[np.ndarray, " training"], Int64[np.ndarray, " test"]]
"""Training rows and test rows."""


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

    Parameters
    ----------
    data : MultimodalData
        All rows.
    count, seed : int
        Folds of each split (as many as there are groups, if those are fewer), and the seed of the
        random one.
    limit : int, optional
        Take only the first folds of each split.

    Raises
    ------
    MmgraphError
        If data cannot be split so, or the limit lies beyond the folds.
    """
    alone = data.without_groups()
    if limit is not None and not 1 <= limit <= count:
        raise MmgraphError(f"the model has {count} folds; {limit} cannot be run")
    splits = [CrossValidation("random", alone, tuple(folds_of(alone, count, seed)[:limit]))]
    if data.groups is not None:
        folds = folds_of(data, count, seed)[:limit]
        splits.append(CrossValidation(f"by {data.groups.name}", data, tuple(folds)))
    return splits


def folds_of(data: MultimodalData, count: int, seed: int) -> list[Fold]:
    """Return stratified folds or, where data have groups, folds of whole groups."""
    if data.groups is None:
        return stratified_folds(data.codes, count, seed)
    return group_folds(data.groups.codes, count)


def stratified_folds(codes: Codes, count: int, seed: int) -> list[Fold]:
    """Return random folds that hold their part of each state.

    Raises
    ------
    MmgraphError
        If there are fewer than two folds, or a state has fewer rows than folds.
    """
    with needs("data", "scikit-learn", "cross-validation"):
        from sklearn.model_selection import StratifiedKFold
    if count < 2:
        raise MmgraphError(f"cross-validation needs at least two folds, not {count}")
    smallest = int(np.bincount(codes).min())
    if smallest < count:
        raise MmgraphError(f"a state of the target has {smallest} rows, fewer than {count} folds")
    splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(codes)), codes))


def group_folds(groups: Codes, count: int) -> list[Fold]:
    """Return folds of whole groups: one a group, or ``count`` of about equal size if that is fewer.

    Raises
    ------
    MmgraphError
        If there are fewer than two folds, or all rows are of one group.
    """
    if count < 2:
        raise MmgraphError(f"cross-validation needs at least two folds, not {count}")
    fold = fold_of_groups(groups, count)
    if fold.max() < 1:
        raise MmgraphError(
            f"all {len(groups)} rows are of one group and cannot be split by group; powers of "
            "leaves, which are learned within training rows, need three groups in all"
        )
    return [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(fold.max() + 1)]


def fold_of_groups(groups: Codes, count: int) -> Codes:
    """Return the fold of each row: whole groups, the largest first, each to where least is held."""
    names, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sizes = np.zeros(min(count, len(names)), np.int64)
    fold_of = np.empty(len(names), np.int64)
    for group in np.argsort(-counts, kind="stable"):
        fold_of[group] = sizes.argmin()
        sizes[fold_of[group]] += counts[group]
    return fold_of[place]
