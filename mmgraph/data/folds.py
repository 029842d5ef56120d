"""Training and test rows by any way to split: at random, by groups, by blocks, in time; nested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from mmgraph.data.copies import warn_of_copies
from mmgraph.data.groups import Codes, consecutive_blocks
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import (
    Fold,
    check_groups,
    check_states,
    equal_parts,
    grouped_folds,
    random_folds,
    stratified_folds,
    stratified_grouped_folds,
    train_and_test,
)
from mmgraph.graph.errors import MmgraphError, suggestion, warn_caller

_BY_GROUP = ("grouped", "stratified_grouped", "leave_one_group_out")
_SEEDED = ("random", "stratified", "grouped", "stratified_grouped")
_IN_ORDER = ("blocks", "time")
HOW = ("auto", *dict.fromkeys((*_SEEDED, *_BY_GROUP, *_IN_ORDER)))
"""The ways to split rows, see :func:`folds`."""


class SplitWarning(UserWarning):
    """A split tells less than it seems to: groups are rows, or a state is in no training row."""


class NestedFold(NamedTuple):
    """A fold with the folds of its training rows; all rows are counted in the whole data.

    Attributes
    ----------
    training, test : ndarray of int
        As in a fold.
    inner : list of (training rows, test rows)
        Both within the training rows: what settings are chosen on.
    """

    training: Int64[np.ndarray, " training"]
    test: Int64[np.ndarray, " test"]
    inner: list[Fold]


def folds(
    data: MultimodalData,
    how: str = "auto",
    count: int = 5,
    seed: int = 0,
    *,
    repeats: int = 1,
    gap: float = 0.0,
) -> list[Fold]:
    """Return the training and test rows of each fold.

    Parameters
    ----------
    data : MultimodalData
        The rows.
    how : str
        ``auto`` is ``grouped`` where data have groups, ``stratified`` where the target has states,
        and else ``random``.

        ``random``: rows at random, as scikit-learn's ``KFold``.
        ``stratified``: each fold has its part of each state, as ``StratifiedKFold``.
        ``grouped``: whole groups, in folds of about as many rows; each group is a fold, whatever
        the seed, where there are no more of them than ``count``.
        ``stratified_grouped``: whole groups, states spread evenly, as ``StratifiedGroupKFold``.
        ``leave_one_group_out``: each group is a fold, whatever ``count`` is.
        ``blocks``: consecutive rows, so that each block has all states where that can be (see
        :func:`~mmgraph.data.groups.consecutive_blocks`); ``count`` of them or fewer.
        ``time``: consecutive rows of about the same number, tested after training on all rows
        before them, as ``TimeSeriesSplit``; the first rows are in no test.

        ``blocks`` and ``time`` go by ``data.times``, or the order of rows where there are none.
    count : int
        How many folds; of groups no more than there are groups.
    seed : int
        Of ``random``, ``stratified``, ``grouped`` and ``stratified_grouped`` folds, from 0 to
        2^32 - 1.
    repeats : int
        So often are rows dealt into folds anew, by the next seeds; the folds of all are returned.
    gap : float
        Of ``blocks`` and ``time``: a training row is farther than that from every test row, in the
        unit of ``data.times``, or in rows. So windows that overlap are not on both sides.

    Returns
    -------
    list of (training rows, test rows)
        Rows in ascending order.

    Raises
    ------
    MmgraphError
        If ``how`` is unknown or has no seed or gap, there are fewer than two folds, a state (which)
        has fewer rows than folds, data have no groups or only one, have groups that would be on
        both sides, times are missing (where), or a fold is without training rows.
    LearningError
        If a split by states has no target with states, or a row lacks it (which).

    Warns
    -----
    SplitWarning
        If each row is a group of its own, or a state has test rows and no training rows.
    CopiesWarning
        If rows of different groups are copies of each other (which).

    Examples
    --------
    >>> rows = MultimodalData.of({"lab": [[1.0], [2.0], [3.0], [4.0]]}, groups=list("aabb"))
    >>> [(train.tolist(), test.tolist()) for train, test in folds(rows)]
    [([2, 3], [0, 1]), ([0, 1], [2, 3])]
    """
    how = _checked(data, how, count, repeats, gap)
    if how in _BY_GROUP:
        warn_of_groups(data)
    splits = _folds(data, how, count, seed, repeats, gap)
    _warn_of_unlearned_states(data, splits)
    return splits


def nested_folds(
    data: MultimodalData,
    how: str = "auto",
    count: int = 5,
    inner: int = 5,
    seed: int = 0,
    *,
    gap: float = 0.0,
) -> list[NestedFold]:
    """Return folds whose training rows are split in the same way once more.

    Settings are chosen on the inner folds, which honour groups, order and gap as the outer ones do,
    so that the test rows say how the chosen setting does.

    Parameters
    ----------
    data, how, count, seed, gap
        As of :func:`folds`.
    inner : int
        How many folds the training rows of each fold have, or fewer.

    Raises
    ------
    MmgraphError, LearningError
        As by :func:`folds`, of outer and inner ones.

    Warns
    -----
    SplitWarning, CopiesWarning
        As by :func:`folds`, of the outer ones.
    """
    how = _checked(data, how, count, 1, gap)
    if how in _IN_ORDER and data.times is None:  # so that what is cut out leaves a gap
        data = replace(data, times=np.arange(len(data), dtype=np.float64))
    nested = []
    for training, test in folds(data, how, count, seed, gap=gap):
        part = data.rows(training)
        _checked(part, how, inner, 1, gap)
        within = [(training[a], training[b]) for a, b in _folds(part, how, inner, seed, 1, gap)]
        nested.append(NestedFold(training, test, within))
    return nested


def _checked(data: MultimodalData, how: str, count: int, repeats: int, gap: float) -> str:
    """The way to split that ``auto`` stands for, after what does not go together is refused."""
    if how not in HOW:
        raise MmgraphError(
            f"rows are split by one of {', '.join(HOW)}, not {how!r}{suggestion(str(how), HOW)}"
        )
    if how == "auto":
        has_states = data.outcome is not None and data.target.is_discrete
        how = "grouped" if data.groups else "stratified" if has_states else "random"
    if count < 2 and how != "leave_one_group_out":
        raise MmgraphError(f"cross-validation needs at least two folds, not {count}")
    if repeats < 1 or (repeats > 1 and how not in _SEEDED):
        reason = "are once or more" if repeats < 1 else f"need a seed, which '{how}' has not"
        raise MmgraphError(f"repeats {reason}: {repeats}")
    if not 0 <= gap < np.inf or (gap and how not in _IN_ORDER):
        reason = "is at least zero" if how in _IN_ORDER else "is of 'blocks' and 'time' alone"
        raise MmgraphError(f"a gap {reason}, not {gap} of '{how}'")
    if how in _BY_GROUP:
        check_groups(data)
    elif data.groups is not None:
        raise MmgraphError(
            f"'{how}' puts rows of one '{data.groups.name}' on both sides; data.without_groups() "
            "says that each row stands for itself"
        )
    if how in ("stratified", "random"):
        if how == "stratified":
            check_states(data, count)
        if len(data) < count:
            raise MmgraphError(f"{len(data)} rows are fewer than {count} folds")
    return how


def _folds(
    data: MultimodalData, how: str, count: int, seed: int, repeats: int, gap: float
) -> list[Fold]:
    """As :func:`folds`, of what has been checked."""
    if how == "leave_one_group_out":
        return train_and_test(np.unique(_groups(data), return_inverse=True)[1])
    if how == "blocks":
        return _blocks(data, count, gap)
    if how == "time":
        return _forward(data, count, gap)
    deals: dict[str, Callable[[int], Codes]] = {
        "random": lambda seed: random_folds(len(data), count, seed),
        "stratified": lambda seed: stratified_folds(data.codes, count, seed),
        "grouped": lambda seed: grouped_folds(_groups(data), count, seed),
        "stratified_grouped": lambda seed: stratified_grouped_folds(
            data.codes, _groups(data), count, seed
        ),
    }
    return [f for repeat in range(repeats) for f in train_and_test(deals[how](seed + repeat))]


def _groups(data: MultimodalData) -> Codes:
    assert data.groups is not None
    return data.groups.codes


def _places(data: MultimodalData) -> np.ndarray:
    """When each row was taken, or its place in the file."""
    if data.times is None:
        return np.arange(len(data))
    lacking = ~np.isfinite(data.times)
    if lacking.any():
        row = int(lacking.argmax())
        raise MmgraphError(f"row {row} of {data.origin} has no time, by which rows are split")
    return data.times


def _blocks(data: MultimodalData, count: int, gap: float) -> list[Fold]:
    """Blocks of consecutive rows, each tested on a model of all others."""
    places = _places(data)
    order = np.argsort(places, kind="stable")
    block = np.empty(len(data), np.int64)
    if data.outcome is not None and data.target.is_discrete:
        block[order] = consecutive_blocks(data.codes[order], count).codes
    else:
        block[order] = equal_parts(len(data), min(count, len(data)))
    if block.max() < 1:
        raise MmgraphError(f"{len(data)} rows are too few for two blocks")
    return _apart(train_and_test(block), gap, places)


def _forward(data: MultimodalData, count: int, gap: float) -> list[Fold]:
    """Rows of about the same number after all those before them; rows of one time together."""
    places = _places(data)
    order = np.argsort(places, kind="stable")
    rows, each = len(data), len(data) // (count + 1)
    if not each:
        raise MmgraphError(f"{rows} rows are too few for {count} folds in time and rows before")
    starts = places[order][rows - count * each + np.arange(count) * each]
    if len(np.unique(starts)) < count or starts[0] == places.min():
        raise MmgraphError(f"rows of one time are too many for {count} folds in time")
    ends = np.append(starts[1:], np.inf)
    splits = []
    for start, end in zip(starts, ends, strict=True):
        test = np.flatnonzero((places >= start) & (places < end))
        splits.append((np.flatnonzero(places < start), test))
    return _apart(splits, gap, places)


def _apart(splits: Sequence[Fold], gap: float, places: np.ndarray) -> list[Fold]:
    """The splits without training rows that are no farther than the gap from a test row."""
    separate = []
    for number, (training, test) in enumerate(splits):
        tested = np.sort(places[test])
        after = np.searchsorted(tested, places[training])
        before = tested[np.maximum(after - 1, 0)]
        following = tested[np.minimum(after, len(tested) - 1)]
        distance = np.minimum(abs(places[training] - before), abs(places[training] - following))
        farther = training[distance > gap]
        if not len(farther):
            raise MmgraphError(
                f"fold {number + 1} of {len(splits)} has no training row that is farther than "
                f"{gap} from all test rows"
            )
        separate.append((farther, test))
    return separate


def warn_of_groups(data: MultimodalData) -> None:
    """Warn if groups are no more than rows, or do not keep copies of rows together."""
    if data.groups is None:
        return
    if len(np.unique(data.groups.codes)) == len(data):
        warn_caller(
            f"each of the {len(data)} rows is a '{data.groups.name}' of its own: folds of whole "
            "groups are folds of random rows",
            SplitWarning,
        )
    warn_of_copies(data)


def _warn_of_unlearned_states(data: MultimodalData, splits: Sequence[Fold]) -> None:
    """Warn of the first state that a fold tests and has no training row of."""
    if data.outcome is None or not data.target.is_discrete:
        return
    labels = data.outcome.labels
    for number, (training, test) in enumerate(splits):
        states = np.setdiff1d(labels[test], np.append(labels[training], -1))
        if len(states):
            rows = int((labels[test] == states[0]).sum())
            warn_caller(
                f"fold {number + 1} of {len(splits)} has {rows} test rows of the state "
                f"{data.target.labels[states[0]]!r} of '{data.target.name}' and no training row: "
                "no model can learn it there",
                SplitWarning,
            )
            return
