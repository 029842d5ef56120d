"""How often edges come back when a structure is learned anew from resampled rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Shaped

from mmgraph.graph.errors import LearningError
from mmgraph.learning.kept_state import KeptState
from mmgraph.learning.structure.graphs.equivalence import Adjacency, without_cycles

Weights = Float64[np.ndarray, " rows"]
Shares = Float64[np.ndarray, "parents children"]
Labels = Shaped[np.ndarray, " rows"]

_SAVE_EVERY = 1.0  # seconds


@dataclass(frozen=True, eq=False)
class Frequencies:
    """How often each arc was in a learned graph.

    Attributes
    ----------
    arcs : array of float64, shape (parents, children)
        The share of graphs with the arc; an edge that is undirected counts half for either.
    replicates : int
        The number of graphs.
    """

    arcs: Shares
    replicates: int

    @property
    def edges(self) -> Shares:
        """The share of graphs with an edge between two nodes, whichever way it runs."""
        return self.arcs + self.arcs.T

    def confidence(self, names: tuple[str, ...]) -> dict[tuple[str, str], float]:
        """Return the share of each arc that was there at all, the most frequent first."""
        places = np.argwhere(self.arcs > 0)
        order = np.argsort(-self.arcs[tuple(places.T)], kind="stable")
        return {(names[a], names[b]): float(self.arcs[a, b]) for a, b in places[order]}

    def chosen_threshold(self) -> float:
        """Return the least share of edges that stand out, after Scutari and Nagarajan (2013).

        Their rule ("Identifying significant edges in graphical models of molecular networks") puts
        the ideal distribution, in which each share is 0 or 1, next to the empirical one F, in the
        L1 norm; an edge stands out where its share is above the quantile of F at the level of the
        ideal one's step. As F is monotone, that level is its median over [0, 1], which is F(1/2):
        so the shares above a half stand out.
        """
        shares = self.edges[np.triu_indices(len(self.arcs), 1)]
        return float(shares[shares > 0.5].min(initial=1.0))


def consensus(
    frequencies: Frequencies, threshold: float | None = None, max_parents: int | None = None
) -> tuple[Adjacency, float]:
    """Return the averaged graph, which is acyclic, and its threshold.

    It has the edges whose share is the threshold or more, in their more frequent direction. They
    are added by decreasing share; one that would close a cycle is reversed where it ever ran so,
    and left out otherwise, as is one to a node that has its most parents.

    Parameters
    ----------
    frequencies : Frequencies
    threshold : float, optional
        Above 0, at most 1; by default :meth:`Frequencies.chosen_threshold`.
    max_parents : int, optional
        The most parents of a node; by default as many as there are.

    Raises
    ------
    LearningError
        If the threshold is out of range.
    """
    if threshold is None:
        threshold = frequencies.chosen_threshold()
    elif isinstance(threshold, bool) or not 0 < threshold <= 1:
        raise LearningError(f"a threshold lies above 0 and at most at 1, not at {threshold!r}")
    arcs, edges = frequencies.arcs, frequencies.edges
    # Sums of shares are rounded: .7 + .2 is not quite .9.
    candidates = np.argwhere(np.triu(edges >= threshold - 1e-9))
    directed = [(a, b) if arcs[a, b] >= arcs[b, a] else (b, a) for a, b in candidates]
    directed.sort(key=lambda arc: (-edges[arc], -arcs[arc]))
    return without_cycles(directed, arcs > 0, max_parents), float(threshold)


def bootstrap(
    search: Callable[[Weights], Adjacency],
    rows: int | Weights,
    replicates: int,
    generator: torch.Generator | None = None,
    *,
    groups: Labels | None = None,
    strata: Labels | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    checkpoint: str | PathLike[str] | None = None,
    belongs_to: Mapping[str, Any] | None = None,
) -> Frequencies:
    """Return how often a search finds each arc in rows that are drawn with replacement.

    Each replicate has a seed of its own, so that the answer depends neither on the number of
    threads nor on an interruption.

    Parameters
    ----------
    search : callable
        Takes how often each row was drawn, float64, and returns the graph, as bool [parent, child];
        True both ways is an undirected edge. Several threads call it at once, which is of use
        where it lets go of Python's lock, as compiled code does.
    rows : int or float64 array, shape (rows,)
        How many there are; or how often each counts, where equal rows are put together.
    replicates : int
    generator : torch.Generator, optional
        The source of the seeds.
    groups : array, shape (rows,), optional
        A label for each row; whole groups are drawn, as many as there are.
    strata : array, shape (rows,), optional
        A label for each row (an experiment); every stratum keeps its number of rows (or groups).
    threads : int, optional
        How many replicates to learn at once; by default as many as torch takes.
    progress : callable, optional
        Called with the number of replicates that are done, and of all.
    checkpoint : path, optional
        A directory. If it holds the state of an interrupted call, that is taken up.
    belongs_to : mapping of str to JSON values, optional
        What else the state depends on: data, score, options.

    Raises
    ------
    LearningError
        If a number is out of range, no row counts, or a group lies in several strata.
    FormatError
        If the checkpoint belongs to another call.
    """
    weights = np.ones(rows) if isinstance(rows, int) and rows > 0 else np.atleast_1d(rows)
    total = float(weights.sum())
    for what, number in (("rows", total), ("replicates", replicates), ("threads", threads or 1)):
        if number < 1:
            raise LearningError(f"a bootstrap's {what} are at least 1, not {number:g}")
    draws = _Draws(weights, groups, strata)
    run = _Replicates(replicates, generator)
    storage = None
    if checkpoint is not None:
        settings = {"rows": total, "replicates": replicates, **(belongs_to or {})}
        storage = KeptState(str(checkpoint), "bootstrap", settings, "bootstrap")
        run.load(storage)
    threads = threads or torch.get_num_threads()
    pending: set[Future[tuple[int, Adjacency]]] = set()
    missing, saved = run.missing(), time.monotonic()

    def learn(number: int) -> tuple[int, Adjacency]:
        return number, search(draws.weights(int(run.seeds[number])))

    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                free = 2 * threads - len(pending)
                pending |= {pool.submit(learn, number) for number in islice(missing, free)}
                if not pending:
                    break
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    run.add(*future.result())
                    if progress is not None:
                        progress(int(run.done.sum()), replicates)
                if storage is not None and time.monotonic() - saved > _SAVE_EVERY:
                    run.save(storage)
                    saved = time.monotonic()
        finally:
            for future in pending:
                future.cancel()
            if storage is not None and run.done.any():
                run.save(storage)
    assert run.arcs is not None
    return Frequencies(run.arcs / replicates, replicates)


class _Draws:
    """Draws rows, or whole groups of them, with replacement and within strata."""

    def __init__(self, weights: Weights, groups: Labels | None, strata: Labels | None) -> None:
        for what, labels in (("groups", groups), ("strata", strata)):
            if labels is not None and len(labels) != len(weights):
                raise LearningError(
                    f"there are {len(labels)} labels of {what} for {len(weights)} rows"
                )
        self.row_weights: Weights | None = None
        units = np.asarray(weights, dtype=np.float64)
        if groups is not None:
            _, first, self.group_of_row = np.unique(groups, return_index=True, return_inverse=True)
            self.row_weights = units
            units = (np.bincount(self.group_of_row, units) > 0).astype(np.float64)
            if strata is not None:
                astray = np.flatnonzero(strata != strata[first][self.group_of_row])
                if len(astray):
                    raise LearningError(f"the group '{groups[astray[0]]}' lies in several strata")
                strata = strata[first]
        self.units = len(units)
        members = [np.arange(self.units)]
        if strata is not None:
            members = [np.flatnonzero(strata == label) for label in np.unique(strata[units > 0])]
        self.strata = [(m, round(units[m].sum()), units[m] / units[m].sum()) for m in members]

    def weights(self, seed: int) -> Weights:
        """How often each row is drawn."""
        random = np.random.default_rng(seed)
        counts = np.zeros(self.units)
        for members, number, shares in self.strata:
            counts[members] = random.multinomial(number, shares)
        if self.row_weights is None:
            return counts
        return counts[self.group_of_row] * self.row_weights


class _Replicates:
    """The seeds of replicates, which are done, and the sum of their graphs."""

    def __init__(self, number: int, generator: torch.Generator | None) -> None:
        self.seeds = torch.randint(2**62, (number,), generator=generator)
        self.done = torch.zeros(number, dtype=torch.bool)
        self.arcs: Shares | None = None

    def missing(self) -> Iterator[int]:
        """The numbers of the replicates to do."""
        return iter(np.flatnonzero(~self.done.numpy()).tolist())

    def add(self, number: int, graph: Bool[np.ndarray, "parents children"]) -> None:
        """Count a graph; halves and ones add up exactly, in any order."""
        shares = graph - 0.5 * (graph & graph.T)
        self.arcs = shares if self.arcs is None else self.arcs + shares
        self.done[number] = True

    def save(self, storage: KeptState) -> None:
        """Replace the saved state."""
        arcs = torch.from_numpy(self.arcs)
        storage.save({}, {"seeds": self.seeds, "done": self.done, "arcs": arcs})

    def load(self, storage: KeptState) -> None:
        """Take up the saved state, if there is one."""
        kept = storage.load()
        if kept is not None:
            try:
                self.seeds, self.done = kept.tensors["seeds"], kept.tensors["done"]
                self.arcs = kept.tensors["arcs"].numpy()
            except KeyError as error:
                raise storage.damaged(error) from None
