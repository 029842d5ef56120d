"""Splits of rows: random folds that hold their part of each state, and folds of whole groups.

Rows of one recording (person, site) resemble each other. Folds of random rows have rows of each
recording on both sides, and tell how a model does on recordings that it has partly heard; folds of
whole groups tell how it does on a new one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from mmgraph.data.groups import Codes
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import MmgraphError

Fold = tuple[Int64[np.ndarray, " training"], Int64[np.ndarray, " test"]]
"""Training rows and test rows."""


def folds_of(data: MultimodalData, count: int, seed: int) -> list[Fold]:
    """Return stratified folds or, where data have groups, folds of whole groups.

    There are as many as groups, if those are fewer than asked for; the seed is of random ones.
    """
    if count < 2:
        raise MmgraphError(f"cross-validation needs at least two folds, not {count}")
    if data.groups is None:
        smallest = int(np.bincount(data.codes).min())
        if smallest < count:
            raise MmgraphError(
                f"a state of the target has {smallest} rows, fewer than {count} folds"
            )
        return train_and_test(stratified_folds(data.codes, count, seed))
    fold = grouped_folds(data.groups.codes, count)
    if fold.max() < 1:
        raise MmgraphError(
            f"all {len(fold)} rows are of one group and cannot be split by group; powers of "
            "leaves, which are learned within training rows, need three groups in all"
        )
    return train_and_test(fold)


def train_and_test(fold: Codes) -> list[Fold]:
    """Return training and test rows of each fold, from the fold of each row."""
    return [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(fold.max() + 1)]


def stratified_folds(codes: Codes, count: int, seed: int) -> Codes:
    """Return the random fold of each row; each fold has its part of each state, to within one row.

    They are those of scikit-learn's ``StratifiedKFold`` with shuffling; the seed is from 0 to
    2^32 - 1.
    """
    random = np.random.RandomState(seed)
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))[place]  # states by their first rows
    in_order = np.sort(order)
    shares = np.stack([np.bincount(in_order[f::count], minlength=len(first)) for f in range(count)])
    fold = np.empty(len(codes), np.int64)
    for state, share in enumerate(shares.T):
        dealt = np.repeat(np.arange(count), share)
        random.shuffle(dealt)
        fold[order == state] = dealt
    return fold


def grouped_folds(groups: Codes, count: int) -> Codes:
    """Return the fold of each row: whole groups, the largest first, each to where least is held.

    There are as many folds as groups, if those are fewer than the count.
    """
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    held = np.zeros(min(count, len(names)), np.int64)
    fold_of = np.empty(len(names), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of[group] = held.argmin()
        held[fold_of[group]] += sizes[group]
    return fold_of[place]
