"""The fold of each row: random ones that hold their part of each state, whole groups, both.

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

    There are as many as groups, if those are fewer than asked for.
    """
    if count < 2:
        raise MmgraphError(f"cross-validation needs at least two folds, not {count}")
    if data.groups is None:
        check_states(data, count)
        return train_and_test(stratified_folds(data.codes, count, seed))
    check_groups(data)
    return train_and_test(grouped_folds(data.groups.codes, count, seed))


def check_states(data: MultimodalData, count: int) -> None:
    """Refuse rows of which a state of the target has fewer than there are folds."""
    states, sizes = np.unique(data.codes, return_counts=True)
    rarest = sizes.argmin()
    if sizes[rarest] < count:
        raise MmgraphError(
            f"the state {data.target.labels[states[rarest]]!r} of the target '{data.target.name}' "
            f"has {sizes[rarest]} rows, fewer than {count} folds"
        )


def check_groups(data: MultimodalData) -> None:
    """Refuse rows that cannot be split by group."""
    if data.groups is None:
        raise MmgraphError(
            f"{data.origin} have no groups: name the column that says which rows belong together "
            "(role 'group'), or split them otherwise"
        )
    if len(np.unique(data.groups.codes)) < 2:
        raise MmgraphError(
            f"all {len(data)} rows are of one group ('{data.groups.name}') and cannot be split by "
            "group; powers of leaves, which are learned within training rows, need three groups in "
            "all"
        )


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


def grouped_folds(groups: Codes, count: int, seed: int | None = None) -> Codes:
    """Return the fold of each row: whole groups, the largest first, each to where least is held.

    By a seed they come in a random order, in which a group may stand before one up to twice as
    large. However they come, folds differ by no more rows than the largest group has. There are as
    many folds as groups, if those are fewer than the count.
    """
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    held = np.zeros(min(count, len(names)), np.int64)
    fold_of = np.empty(len(names), np.int64)
    rank = sizes.astype(np.float64)
    if seed is not None and len(held) < len(names):  # else each group is a fold anyway
        rank *= np.random.RandomState(seed).uniform(0.5, 1.0, len(names))
    for group in np.argsort(-rank, kind="stable"):
        fold_of[group] = held.argmin()
        held[fold_of[group]] += sizes[group]
    return fold_of[place]


def stratified_grouped_folds(codes: Codes, groups: Codes, count: int, seed: int) -> Codes:
    """Return the fold of each row: whole groups, put where states are spread most evenly then.

    They are those of scikit-learn's ``StratifiedGroupKFold`` with shuffling. There are as many
    folds as groups, if those are fewer than the count.
    """
    _, state, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    names, group = np.unique(groups, return_inverse=True)
    rows = np.zeros((len(names), len(sizes)))
    np.add.at(rows, (group, state), 1)
    order = np.random.RandomState(seed).permutation(len(names))
    held = np.zeros((min(count, len(names)), len(sizes)))
    each_in_turn = np.eye(len(held))[:, :, None]
    fold_of = np.empty(len(names), np.int64)
    for place in np.argsort(-rows[order].std(1), kind="stable"):
        member = order[place]
        unevenness = ((held + each_in_turn * rows[member]) / sizes).std(1).mean(1)
        fold = _most_even(unevenness, held.sum(1))
        held[fold] += rows[member]
        fold_of[member] = fold
    return fold_of[group]


def _most_even(unevenness: np.ndarray, held: np.ndarray) -> int:
    """The fold that a group makes least uneven; of those as good the one that holds least."""
    best = 0
    for fold in range(1, len(held)):
        difference = unevenness[fold] - unevenness[best]
        alike = abs(difference) <= 1e-8 + 1e-5 * unevenness[best]
        if difference < 0 or (alike and held[fold] < held[best]):
            best = fold
    return best


def random_folds(rows: int, count: int, seed: int) -> Codes:
    """Return the random fold of each row, as scikit-learn's ``KFold`` with shuffling has them."""
    fold = np.empty(rows, np.int64)
    fold[np.random.RandomState(seed).permutation(rows)] = equal_parts(rows, count)
    return fold


def equal_parts(rows: int, count: int) -> Codes:
    """Return the part of each place in a row: consecutive ones that differ by one place at most."""
    sizes = rows // count + (np.arange(count) < rows % count)
    return np.repeat(np.arange(count), sizes)
