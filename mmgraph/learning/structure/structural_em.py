"""Learning a graph from rows with missing cells: structural expectation maximisation.

Friedman (1998), "The Bayesian structural EM algorithm". Missing cells are drawn, given the cells of
their row, from the network that the rows say so far; a search goes on from its graph on the rows so
completed. What is expected of every family would be exact, but then each family of a search would
take an inference of all rows; draws serve all families alike (Wei and Tanner 1990).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from mmgraph.data.encoding import CodedRows
from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.query import sample
from mmgraph.learning.conditionals.expectation_maximization import expectation_maximization
from mmgraph.learning.conditionals.priors import Prior
from mmgraph.learning.conditionals.skeleton import uninformed
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.graphs.equivalence import Adjacency
from mmgraph.learning.structure.problem import StructureData
from mmgraph.learning.structure.searches.best_graph import FoundGraph

Search = Callable[[StructureData, Adjacency | None], FoundGraph]

_ROWS_DRAWN, _MOST_DRAWS = 10_000, 10
"""Incomplete rows are drawn so often that there are so many of them, but at most so often."""

_PATIENCE = 2
"""Graphs in a row that are no better before the search ends."""

_LEAST_IMPROVEMENT = 1e-2
"""In nats: parameters are learned up to about so much."""

_ROWS_OF_A_START = 10
"""So many complete rows for each variable are enough to start from their graph."""


def structural_em(
    data: StructureData,
    constraints: Constraints,
    search: Search,
    generator: torch.Generator | None = None,
    *,
    draws: int | None = None,
    max_iterations: int = 20,
    progress: Callable[[int, float], object] | None = None,
) -> FoundGraph:
    """Return the best graph of rows with missing cells.

    It is the best of the graphs on the way by BIC of the cells that are there, which is the
    ``score`` of the answer; so it is no worse than the first, the best graph of the complete rows
    (where they are few, the required edges alone).

    Parameters
    ----------
    data : StructureData
        Cells are missing at random: -1 among codes, NaN among values.
    constraints : Constraints
    search : callable
        Takes complete rows and a graph to start from, and returns the best graph it finds.
    generator : torch.Generator, optional
        The source of the draws.
    draws : int, optional
        How often the missing cells of a row are drawn; each counts an equal share of the row. By
        default 1 of 10,000 incomplete rows or more, and up to 10 of fewer.
    max_iterations : int, optional
    progress : callable, optional
        Called after each iteration with its number and the best score so far.

    Raises
    ------
    LearningError
        If a number is below 1, or experiments have set variables.
    TreewidthError
        If a graph on the way is too dense for exact inference.
    """
    for what, number in (("draws", 1 if draws is None else draws), ("iterations", max_iterations)):
        if number < 1:
            raise LearningError(f"the {what} of structural EM are at least 1, not {number}")
    if len(data.is_set):
        raise LearningError(
            "structural EM is for rows in which nothing was set: their missing cells are drawn "
            "from one network; take missing='available'"
        )
    rows = _Incomplete.of(data, draws)
    graph, words = rows.first_graph(constraints, search)
    best: FoundGraph | None = None
    trace: list[tuple[str, float]] = []
    failures = iteration = 0
    while True:
        network, score = rows.fitted(graph)
        failures += 1
        if best is None or score > best.score + _LEAST_IMPROVEMENT:
            best, failures = FoundGraph(graph, score, words), 0
            trace.append((f"structural EM {iteration}", score))
        if progress is not None:
            progress(iteration, best.score)
        if failures >= _PATIENCE or iteration >= max_iterations:
            break
        iteration += 1
        found = search(rows.completed(network, generator), graph)
        if (found.adjacency == graph).all():
            break
        graph, words = found.adjacency, found.method
    method = f"structural EM, {iteration} iterations of {best.method}"
    return replace(best, method=method, trace=trace)


@dataclass(frozen=True, eq=False)
class _Incomplete:
    """Rows that count, and which of them lack cells."""

    data: StructureData
    lacks: Bool[np.ndarray, " rows"]
    draws: int

    @classmethod
    def of(cls, data: StructureData, draws: int | None) -> _Incomplete:
        data = _rows_at(data, np.flatnonzero(data.weights > 0))
        lacks = (data.codes < 0).any(0) | np.isnan(data.values).any(0)
        if draws is None:
            draws = min(_MOST_DRAWS, max(1, _ROWS_DRAWN // max(int(lacks.sum()), 1)))
        return cls(data, lacks, draws)

    def first_graph(self, constraints: Constraints, search: Search) -> tuple[Adjacency, str]:
        """The graph of the complete rows, if they are many, and how it was found."""
        complete = np.flatnonzero(~self.lacks)
        if len(complete) < _ROWS_OF_A_START * len(self.data.variables):
            return constraints.required.copy(), "the required edges alone"
        found = search(_rows_at(self.data, complete), None)
        return found.adjacency, found.method

    def fitted(self, graph: Adjacency) -> tuple[FactorGraph, float]:
        """The network of a graph that fits the rows, and BIC of the cells that are there."""
        variables = self.data.variables
        factors = [
            uninformed([variables[p] for p in np.flatnonzero(graph[:, child])], variables[child])
            for child in range(len(variables))
        ]
        network, report = expectation_maximization(
            FactorGraph(variables, factors),
            self._coded(np.arange(len(self.lacks))),
            prior=Prior(equivalent_sample_size=1.0),
            tolerance=1e-6,
            max_iterations=50,
        )
        return network, report.log_likelihood - 0.5 * math.log(report.rows) * self._parameters(
            graph
        )

    def _parameters(self, graph: Adjacency) -> int:
        """How many numbers a network of a graph has."""
        total = 0
        for child, variable in enumerate(self.data.variables):
            parents = [self.data.variables[p] for p in np.flatnonzero(graph[:, child])]
            groups = math.prod(p.cardinality for p in parents if p.is_discrete)
            slopes = sum(not p.is_discrete for p in parents)
            total += groups * (variable.cardinality - 1 if variable.is_discrete else slopes + 2)
        return total

    def completed(self, network: FactorGraph, generator: torch.Generator | None) -> StructureData:
        """The rows, and draws of the missing cells of those that lack some."""
        lacking = np.flatnonzero(self.lacks)
        index = np.concatenate([np.flatnonzero(~self.lacks), np.repeat(lacking, self.draws)])
        made = _rows_at(self.data, index)
        if not len(lacking):
            return made
        drawn = sample(network, self.draws, self._coded(lacking).evidence(), generator).codes
        first = len(index) - self.draws * len(lacking)
        made.weights[first:] /= self.draws
        places = {True: 0, False: 0}
        for variable in self.data.variables:
            cells = (made.codes if variable.is_discrete else made.values)[
                places[variable.is_discrete], first:
            ]
            places[variable.is_discrete] += 1
            missing = cells < 0 if variable.is_discrete else np.isnan(cells)
            cells[missing] = drawn[variable.name].numpy().reshape(-1)[missing]
        return made

    def _coded(self, index: Int64[np.ndarray, " some"]) -> CodedRows:
        """Some rows, as inference reads them."""
        data = _rows_at(self.data, index)
        discrete = [v for v in data.variables if v.is_discrete]
        continuous = [v for v in data.variables if not v.is_discrete]
        values: dict[str, Float64[torch.Tensor, " rows"]] = {
            v.name: torch.from_numpy(row) for v, row in zip(continuous, data.values, strict=True)
        }
        return CodedRows(
            {v.name: v for v in data.variables},
            tuple(v.name for v in discrete),
            data.codes.T,
            values=values,
            weights=data.weights,
        )


def _rows_at(data: StructureData, index: Int64[np.ndarray, " some"]) -> StructureData:
    """Some rows, in new arrays."""
    return replace(
        data,
        codes=np.ascontiguousarray(data.codes[:, index]),
        values=np.ascontiguousarray(data.values[:, index]),
        weights=data.weights[index],
        experiment=data.experiment[index],
        groups=None if data.groups is None else data.groups[index],
    )
