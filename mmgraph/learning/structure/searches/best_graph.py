"""The graph of best score: which search finds it, and how it went."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.learning.structure.graphs.equivalence import Adjacency, topological_order
from mmgraph.learning.structure.graphs.kernels import extend
from mmgraph.learning.structure.scores.families import change_parent, family_score
from mmgraph.learning.structure.scores.records import Memo, ScoredRows, empty_memo, key_words
from mmgraph.learning.structure.searches.climbing import climb
from mmgraph.learning.structure.searches.equivalence_search import (
    PHASES,
    check_classes,
    class_of,
    improve_class,
)
from mmgraph.learning.structure.searches.exact import MOST_VARIABLES, exact_graph
from mmgraph.learning.structure.searches.orders import graph_of_order, improve_order

SEARCHES = ("auto", "exact", "orders", "tabu", "climb", "ges")

_EXACT_VARIABLES = 10
_ORDERED_VARIABLES = 500

_TABU, _PATIENCE = 10, 15

_ROWS_OF_ALL_RESTARTS, _VARIABLES_OF_ALL_RESTARTS = 5_000, 80
_RESTARTS, _FEWEST_RESTARTS = 25, 3

_FIRST_MOVES = 3
"""Variables that the first restart moves to another place; each further one moves one more."""


@dataclass(frozen=True, eq=False)
class FoundGraph:
    """A graph, its score, and the search that found it.

    Attributes
    ----------
    adjacency : array of bool, shape (parents, children)
    score : float
    method : str
        In words.
    trace : list of (str, float)
        The steps that found a better graph, with its score.
    """

    adjacency: Adjacency
    score: float
    method: str
    trace: list[tuple[str, float]] = field(default_factory=list)


def best_graph(
    rows: ScoredRows,
    method: str = "auto",
    restarts: int | None = None,
    seed: int = 0,
    start: Adjacency | None = None,
) -> FoundGraph:
    """Return the best graph that a search finds.

    Parameters
    ----------
    rows : ScoredRows
    method : str, optional
        One of ``SEARCHES``; "auto" is exact up to 10 variables, "orders" up to 500, then "tabu".
    restarts : int, optional
        How many times in a row "orders" and "tabu" start anew from a disturbed best graph without
        finding a better one; by default 25 of an order search, fewer where rows are many, and none
        of a tabu search.
    seed : int, optional
    start : array of bool, optional
        Where all but "exact" begin, a graph that has a score; by default the required edges alone.

    Raises
    ------
    LearningError
        If the method is unknown, "exact" has too many variables, "ges" has constraints or what else
        makes equivalent graphs unequal, or cells are missing and the method is none for that.
    """
    check_choice("method", method, SEARCHES, LearningError)
    method = _chosen(method, rows)
    begin = np.array(rows.required if start is None else start)
    if method == "exact":
        adjacency = exact_graph(rows)
        score = graph_score(rows, adjacency)
        return FoundGraph(adjacency, score, "exact: the best of all graphs", [("exact", score)])
    search = _Search(rows, seed)
    if method == "ges":
        check_classes(rows)
        search.improve_classes(begin)
        return search.found("greedy equivalence search")
    if method == "climb":
        search.climb(begin, 0, 0, "climbing")
        return search.found("hill climbing")
    search.climb(begin, _TABU, _PATIENCE, "tabu search")
    if method == "tabu":
        for _ in search.restarts(restarts or 0):
            order = search.disturbed()
            search.climb(graph_of_order(rows, search.memo, order), _TABU, _PATIENCE, "tabu search")
        return search.found("hill climbing with a tabu list")
    search.improve(topological_order(search.best))
    for _ in search.restarts(_usual_restarts(rows) if restarts is None else restarts):
        search.improve(search.disturbed())
    return search.found("orders improved by moves of one variable, then a tabu search")


def _chosen(method: str, rows: ScoredRows) -> str:
    """The search that is meant, checked to be one for these rows."""
    count = len(rows.states)
    if method == "auto":
        method = "exact" if count <= _EXACT_VARIABLES else "orders"
        if count > _ORDERED_VARIABLES or not rows.complete:
            method = "tabu"
    if not rows.complete and method not in ("tabu", "climb"):
        raise LearningError(
            f"method='{method}' compares scores of different rows where cells are missing; take "
            "'tabu' or 'climb', or missing='em'"
        )
    if method == "exact" and count > MOST_VARIABLES:
        raise LearningError(
            f"method='exact' is for up to {MOST_VARIABLES} variables, and there are {count}: "
            "take method='orders'"
        )
    return method


def graph_score(rows: ScoredRows, adjacency: Adjacency) -> float:
    """Return the score of a graph, the sum of its families'."""
    return sum(child_score(rows, adjacency, child) for child in range(len(adjacency)))


def child_score(rows: ScoredRows, adjacency: Adjacency, child: int) -> float:
    """Return what one variable adds to the score of a graph; ``-inf`` if it cannot be scored."""
    key = np.zeros(key_words(len(adjacency)), np.uint64)
    for parent in np.flatnonzero(adjacency[:, child]):
        change_parent(key, parent)
    return family_score(rows, child, key, np.empty(0))


def _usual_restarts(rows: ScoredRows) -> int:
    """Fewer where a restart takes longer: with the rows, and the square of the variables."""
    rows_of_all = max(rows.weights.shape[1] / _ROWS_OF_ALL_RESTARTS, 1.0)
    variables_of_all = max(len(rows.states) / _VARIABLES_OF_ALL_RESTARTS, 1.0)
    fewest = max(round(_FEWEST_RESTARTS / variables_of_all), 1)
    return max(fewest, round(_RESTARTS / rows_of_all / variables_of_all**2))


def causes_first(
    order: Int64[np.ndarray, " variables"], required: Adjacency
) -> Int64[np.ndarray, " variables"]:
    """Return an order in which variables wait for those that they must have for parents."""
    if not required.any():
        return order
    rest, legal = list(order), []
    while rest:
        v = next(v for v in rest if not required[rest, v].any())
        rest.remove(v)
        legal.append(v)
    return np.array(legal)


class _Search:
    """The best graph so far, and what is known of families."""

    def __init__(self, rows: ScoredRows, seed: int) -> None:
        self.rows = rows
        self.random = np.random.default_rng(seed)
        self.memo: Memo = empty_memo(len(rows.states))
        self.best: Adjacency = np.array(rows.required)
        self.score = -np.inf
        self.trace: list[tuple[str, float]] = []
        self._failures = self._restarts = 0

    def climb(self, adjacency: Adjacency, tabu: int, patience: int, step: str) -> None:
        """Improve a graph by single edges, and keep it if it is the best."""
        self._keep(step, adjacency, climb(self.rows, self.memo, adjacency, tabu, patience))

    def improve_classes(self, adjacency: Adjacency) -> None:
        """Improve the class of a graph until no kind of change helps any more."""
        marks = class_of(adjacency)
        self._keep("start", adjacency, graph_score(self.rows, adjacency))
        idle, turn = 0, 0
        while idle < len(PHASES):
            phase = turn % len(PHASES)
            helped = improve_class(self.rows, self.memo, marks, phase)
            idle, turn = 0 if helped else idle + 1, turn + 1
            graph = extend(marks)[0]
            self._keep(PHASES[phase], graph, graph_score(self.rows, graph))

    def _keep(self, step: str, adjacency: Adjacency, score: float) -> None:
        if score > self.score + 1e-6:
            self.best, self.score, self._failures = adjacency, score, -1
            self.trace.append((step, float(score)))

    def improve(self, order: Int64[np.ndarray, " variables"]) -> None:
        """Improve an order, then its graph."""
        turns = self.random.permutation(len(order))
        if np.isfinite(improve_order(self.rows, self.memo, order, turns)):
            graph = graph_of_order(self.rows, self.memo, order)
            self.climb(graph, _TABU, _PATIENCE, f"order search {self._restarts}")

    def restarts(self, most: int):  # type: ignore[no-untyped-def]
        """Count restarts, until so many in a row have found nothing better."""
        self._failures = 0
        while self._failures < most:
            self._restarts += 1
            yield self._restarts
            self._failures += 1

    def disturbed(self) -> Int64[np.ndarray, " variables"]:
        """An order of the best graph in which some variables, the more the longer nothing helped,
        stand at another place.
        """
        order = topological_order(self.best)
        for _ in range(_FIRST_MOVES + self._failures):
            v = self.random.integers(len(order))
            order = np.insert(order[order != v], self.random.integers(len(order)), v)
        return causes_first(order, self.rows.required)

    def found(self, method: str) -> FoundGraph:
        """The best graph, with its score summed anew."""
        if self._restarts:
            method += f", {self._restarts} restarts"
        return FoundGraph(self.best, graph_score(self.rows, self.best), method, self.trace)
