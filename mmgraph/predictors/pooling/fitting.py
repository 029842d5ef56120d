"""Fitting leaves side by side, and learning on held-out rows how far each is trusted."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.data.folds import SplitWarning
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import Fold, folds_of
from mmgraph.graph.errors import needs, warn_caller
from mmgraph.predictors.leaves.leaf import log_shares
from mmgraph.predictors.pooling.pooled_leaves import FittedPlace, PlacedLeaf, PooledLeaves
from mmgraph.predictors.pooling.powers import HeldOut

with needs("data", "scikit-learn", "predictors"):
    from joblib import effective_n_jobs
    from threadpoolctl import threadpool_limits

_ROWS_OF_A_GROUP = 10
"""How many independent rows a group is worth at most, whatever its size."""
_FEW_GROUPS = 10
_COMPLAINTS = (
    "`sklearn.utils.parallel.delayed` should be used with",
    "The number of unique classes is greater than 50%",  # of a part of the rows
)
_TRIAL_ROWS = 1000
"""Of more rows than twice as many, so many tell first how long a leaf would take."""
Result = TypeVar("Result")


class BudgetWarning(UserWarning):
    """Leaves that were left out because the time for them was spent."""


def fit_pooled(
    data: MultimodalData,
    leaves: Sequence[PlacedLeaf],
    folds: int,
    seed: int,
    *,
    plain: Collection[PlacedLeaf] = (),
    budget: float = np.inf,
    jobs: int | None = None,
) -> PooledLeaves:
    """Fit leaves, and keep what each says of training rows that it has not seen.

    Rows that a leaf has not seen are of groups that it has not seen, where data have groups.

    Parameters
    ----------
    data : MultimodalData
    leaves : sequence of PlacedLeaf
    folds, seed : int
    plain : collection of PlacedLeaf
        Those that answer by themselves unless the others are clearly better. Where they do for
        every modality, and for all together, the others are not kept. Of few groups there is no
        telling what is clear: the others answer.
    budget : float
        Seconds: leaves that would take longer in all are left out, later ones first; the first
        kind is not.
    jobs : int, optional
        How many leaves are fitted at a time, as scikit-learn's ``n_jobs``. Answers do not depend on
        it.

    Raises
    ------
    LearningError
        If a leaf sees no row.

    Warns
    -----
    BudgetWarning
        If leaves are left out (which).
    """
    splits = inner_folds(data, folds, seed)
    if data.groups is not None and len(np.unique(data.groups.codes)) < _FEW_GROUPS:
        leaves, plain = _richest(leaves, plain), ()
    with _one_thread_each():
        scores = _within(budget, data, leaves, splits, (seed, jobs))
        leaves, held_out = [*scores], np.stack([*scores.values()])
        said = HeldOut(
            tuple(leaf.modalities for leaf in leaves),
            held_out - held_out.max(2, keepdims=True),
            data.codes,
            log_shares(data.codes, data.counts, data.target.cardinality),
            data.counts,
            *leaf_worth(data),
            frozenset(place for place, leaf in enumerate(leaves) if leaf in plain),
        )
        if said.is_plain():
            said = said.plain_alone()
            leaves = [leaf for leaf in leaves if leaf in plain]
        fitted = side_by_side((_fitting(data, leaf, seed) for leaf in leaves), jobs)
    return PooledLeaves(data.target, tuple(fitted), said)


def _richest(leaves: Sequence[PlacedLeaf], plain: Collection[PlacedLeaf]) -> list[PlacedLeaf]:
    """Leaves without plain ones of modalities that others see, too."""
    seen = {leaf.modalities for leaf in leaves if leaf not in plain}
    return [leaf for leaf in leaves if leaf not in plain or leaf.modalities not in seen]


def _within(
    budget: float,
    data: MultimodalData,
    leaves: Sequence[PlacedLeaf],
    splits: Sequence[Fold],
    how: tuple[int, int | None],
) -> dict[PlacedLeaf, Float64[np.ndarray, "rows states"]]:
    """What leaves say of rows that they have not seen; of kinds for which there is time."""
    began, left_out = time.perf_counter(), []
    scores: dict[PlacedLeaf, Float64[np.ndarray, "rows states"]] = {}
    for kind in dict.fromkeys(leaf.kind for leaf in leaves):
        places = [leaf for leaf in leaves if leaf.kind == kind]
        left = budget - (time.perf_counter() - began)
        if scores and (left <= 0 or _seconds(data, places, len(splits), how) > left):
            left_out.append(kind)
            continue
        scores |= _held_out(data, places, splits, how)
    if left_out:
        warn_caller(
            f"the budget of {budget:g} s does not suffice for the leaves {', '.join(left_out)}: "
            "they are left out",
            BudgetWarning,
        )
    return {leaf: scores[leaf] for leaf in leaves if leaf in scores}


def _seconds(
    data: MultimodalData, places: Sequence[PlacedLeaf], folds: int, how: tuple[int, int | None]
) -> float:
    """How long leaves of a kind would take, as far as few of many rows tell; zero of few rows."""
    if len(data) <= 2 * _TRIAL_ROWS:
        return 0.0
    order = np.random.default_rng(how[0]).permutation(len(data))
    half, whole = (
        _seconds_of_fit(data.rows(order[:rows]), places, how)
        for rows in (_TRIAL_ROWS // 2, _TRIAL_ROWS)
    )
    growth = float(np.clip(np.log2(whole / half), 1, 2))  # linear in rows, or of all pairs of them
    return whole * (len(data) / _TRIAL_ROWS) ** growth * folds


def _seconds_of_fit(
    data: MultimodalData, places: Sequence[PlacedLeaf], how: tuple[int, int | None]
) -> float:
    began = time.perf_counter()
    side_by_side((_fitting(data, leaf, how[0]) for leaf in places if leaf.can_learn(data)), how[1])
    return time.perf_counter() - began


def _held_out(
    data: MultimodalData,
    places: Sequence[PlacedLeaf],
    splits: Sequence[Fold],
    how: tuple[int, int | None],
) -> dict[PlacedLeaf, Float64[np.ndarray, "rows states"]]:
    """What leaves say of the rows of each fold, having learned from the others."""
    parts = [(data.rows(training), data.rows(rest)) for training, rest in splits]
    tasks = [
        (place, number)
        for place in places
        for number, (part, _) in enumerate(parts)
        if place.can_learn(part)
    ]

    def said(place: PlacedLeaf, number: int) -> Callable[[], Float64[np.ndarray, "rows states"]]:
        part, others = parts[number]
        return lambda: place.fitted(part, how[0]).log_likelihoods(others)

    answers = side_by_side((said(*task) for task in tasks), how[1])
    scores = {place: np.zeros((len(data), data.target.cardinality)) for place in places}
    for (place, number), answer in zip(tasks, answers, strict=True):
        scores[place][splits[number][1]] = answer
    return scores


def _fitting(data: MultimodalData, leaf: PlacedLeaf, seed: int) -> Callable[[], FittedPlace]:
    return lambda: leaf.fitted(data, seed)


def side_by_side(tasks: Iterable[Callable[[], Result]], jobs: int | None) -> list[Result]:
    """Return the results of tasks, run in so many threads: most of their time is not Python's."""

    def alone(task: Callable[[], Result]) -> Result:
        torch.set_num_threads(1)  # of each thread its own number
        return task()

    workers = effective_n_jobs(jobs)
    with _warnings_afterwards():
        if workers == 1:
            return [alone(task) for task in tasks]
        # Where one fails, or on an interruption, no more begin, and those that run are waited for:
        # a thread that is killed within compiled code takes the process with it.
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(alone, task) for task in tasks]
            try:
                return [future.result() for future in futures]
            finally:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _warnings_afterwards() -> Iterator[None]:
    """Say what is warned of meanwhile once, and at the end.

    Threads share one list of filters, which scikit-learn's forests empty and fill as they run, and
    of which they complain where another one has just emptied it. Of several threads of the caller
    none but the main one may change what all share.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        yield
    said = {
        (str(one.message), one.filename, one.lineno): one
        for one in record
        if not any(complaint in str(one.message) for complaint in _COMPLAINTS)
    }
    for one in said.values():
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let linear algebra take one thread: leaves are small, and no sum depends on cores then."""
    threads = torch.get_num_threads()
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)


def leaf_worth(data: MultimodalData) -> tuple[float, float]:
    """Return how many independent rows and groups there are: without groups, as many as rows.

    Of groups rows are ten each, unless they have fewer. Rows of unequal weights are fewer (Kish
    1965, "Survey sampling", section 11.7).
    """
    counts = data.counts
    kish = float(counts.sum() ** 2 / (counts**2).sum()) / len(data)
    if data.groups is None:
        return kish * len(data), kish * len(data)
    sizes = np.unique(data.groups.codes, return_counts=True)[1]
    return kish * float(np.minimum(sizes, _ROWS_OF_A_GROUP).sum()), kish * float(len(sizes))


def inner_folds(data: MultimodalData, count: int, seed: int) -> list[Fold]:
    """Return folds within training rows: of whole groups, or stratified, of rare states fewer."""
    if data.groups is not None and len(np.unique(data.groups.codes)) > 1:
        return folds_of(data, count, seed)
    if data.groups is not None:
        one = data.groups.name
        warn_caller(
            f"all {len(data)} rows are of one '{one}': powers are learned on random rows, and "
            f"probabilities will be too sure of any other '{one}'; give two or more",
            SplitWarning,
        )
    counts = np.bincount(data.codes)
    smallest = int(counts[counts > 0].min())
    return folds_of(data.without_groups(), max(2, min(count, smallest)), seed)
