"""The most probable assignment with a proof, by branch and bound: toulbar2 as a back end.

toulbar2 (Hurley et al. 2016, "Multi-language evaluation of exact solvers in graphical model
discrete optimization") searches depth and best first and prunes with soft local consistencies. It
suits networks whose treewidth is too large for a junction tree, and small grids.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64

from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.messages.trws import Search
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import Edge, edge_energy
from mmgraph.inference.pairwise.feasible import infeasible, of_row
from mmgraph.inference.pairwise.graph import SELECTS_FIRST, PairwiseGraph
from mmgraph.inference.pairwise.labelling_energies import assignment_of_rows

_LARGEST_SUM = 2.0**51
"""The solver's costs are integers that come to it as doubles: sums below this are exact."""
_QUICK_ITERATIONS = 20
_NEARLY = 0.9

_Table = tuple[tuple[int, ...], Float[np.ndarray, "..."]]


class _Solution(NamedTuple):
    labelling: Int64[np.ndarray, " nodes"]
    energy: float
    bound: float
    exact: bool


def branch_and_bound(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    time_limit: float | None = None,
    dtype: torch.dtype | None = None,
) -> Assignment:
    """Return an assignment that is proven to be the most probable, or the best within a time.

    Parameters
    ----------
    graph : FactorGraph
        Any graph of discrete variables; tables keep their scopes.
    evidence : Evidence
        Each row is solved for itself.
    variables : sequence of str, optional
        The variables to report; all are maximised.
    time_limit : float, optional
        In whole seconds (rounded up) for each row. When it strikes, ``exact`` is false, and
        ``bound`` and ``gap`` tell how much better an assignment could be.
    dtype : torch.dtype, optional
        The precision of the energies, see :func:`pairwise_graph`.

    Raises
    ------
    MissingExtraError
        If pytoulbar2 is not installed.
    ZeroProbabilityError
        If a row of evidence leaves no assignment of positive probability.
    MmgraphError
        If the time limit is not positive, or strikes before any possible assignment was found.

    Notes
    -----
    The solver counts in integers. Energies are scaled so that all together stay below 2^51, and the
    rounding, less than one part in 10^15 of that sum for each table, is added to ``bound``.
    """
    if time_limit is not None and not time_limit > 0:
        raise MmgraphError(f"time_limit must be positive, not {time_limit}")
    began = time.perf_counter()
    names = named_variables(graph, variables)
    solver = _solver()
    pairwise = pairwise_graph(graph, dtype)
    solutions = []
    for row in range(evidence.batch):
        with of_row(row):
            search = Search.of_row(pairwise, evidence, row)
            solutions.append(_solve(solver, search, time_limit))
    energy, bound = torch.tensor([(s.energy, s.bound) for s in solutions], dtype=torch.float64).T
    exact = all(s.exact for s in solutions)
    return assignment_of_rows(
        pairwise,
        [solution.labelling for solution in solutions],
        energy,
        names,
        method="branch_and_bound",
        exact=exact,
        bound=-bound,
        gap=(energy - bound).clamp(min=0.0),
        seconds=time.perf_counter() - began,
        converged=exact,
        shortfall=""
        if exact
        else f"branch_and_bound: ended after {time_limit} s, "
        f"{float((energy - bound).max()):.2g} above its bound",
    )


def _solver() -> Any:
    with needs("toulbar2", "pytoulbar2", "branch and bound"):
        import pytoulbar2
    return pytoulbar2


def _solve(solver: Any, fallback: Search, limit: float | None) -> _Solution:
    """Solve one row; ``fallback`` answers where the time runs out before anything is found."""
    pairwise = fallback.pairwise
    tables = list(_tables(pairwise, fallback.unary))
    shift, span = 0.0, 0.0
    for _, table in tables:
        finite = table[np.isfinite(table)]
        if not finite.size:
            raise infeasible()
        shift += float(finite.min())
        span += float(finite.max() - finite.min())
    scale = _LARGEST_SUM / span if span > 0 else 1.0
    problem = solver.CFN(verbose=-1)
    names, index = _add_variables(problem, pairwise)
    try:
        for scope, table in tables:
            costs = np.rint((table - table.min()) * scale)
            problem.AddFunction([index[n] for n in scope], costs.reshape(-1).tolist())
        seconds = 0 if limit is None else math.ceil(limit)
        start = time.perf_counter()
        answer = problem.Solve(timeLimit=seconds)
    except solver.pytb2.Contradiction:
        raise infeasible() from None
    # The solver does not tell whether the limit struck; in doubt it is taken to have.
    struck = seconds > 0 and time.perf_counter() - start >= _NEARLY * seconds
    dual = float(problem.GetDDualBound()) / scale + shift
    slack = len(tables) / scale
    if answer is None:
        if not struck:
            raise infeasible()
        return _quick_answer(fallback, dual - slack)
    states, cost, _ = answer
    labelling = np.zeros(pairwise.nodes, np.int64)
    labelling[names] = states
    energy = sum(float(table[tuple(labelling[list(scope)])]) for scope, table in tables)
    proven = not struck or float(problem.GetDDualBound()) >= float(cost)
    bound = energy if proven else min(dual - slack, energy)
    return _Solution(labelling, energy + fallback.constant, bound + fallback.constant, proven)


def _add_variables(problem: Any, pairwise: PairwiseGraph) -> tuple[list[int], dict[int, int]]:
    """Add a variable for each element; return the nodes in order and each node's place there."""
    nodes = [
        first + i
        for name, first in pairwise.first_node.items()
        for i in range(pairwise.graph.variables[name].size)
    ]
    for n in nodes:
        problem.AddVariable(f"n{n}", range(int(pairwise.cardinalities[n])))
    return nodes, {n: place for place, n in enumerate(nodes)}


def _tables(pairwise: PairwiseGraph, unary: Float[np.ndarray, " states"]) -> Iterator[_Table]:
    """Yield every table of energies with the nodes of its axes; nodes of cells become tables."""
    p, arrays, sizes = pairwise, pairwise.edge_arrays, pairwise.cardinalities
    selections: dict[int, list[tuple[int, int]]] = {}
    tables: dict[tuple[int, float, int, int], np.ndarray] = {}
    for e in range(p.edges):
        a, b, f = int(p.first[e]), int(p.second[e]), int(arrays.function[e])
        kind, stride = int(arrays.kind[f]), int(arrays.place[f])
        if kind >= SELECTS_FIRST:
            cells, variable = (b, a) if kind == SELECTS_FIRST else (a, b)
            selections.setdefault(cells, []).append((-stride, variable))
            continue
        key = (f, float(arrays.weight[e]), int(sizes[a]), int(sizes[b]))
        if key not in tables:
            tables[key] = _table(p, *key)
        yield (a, b), tables[key]
    for n in range(p.nodes):
        energies = unary[p.offsets[n] : p.offsets[n + 1]].astype(np.float64)
        if n not in selections:
            yield (n,), energies
            continue
        scope = tuple(variable for _, variable in sorted(selections[n], key=lambda s: s[0]))
        yield scope, energies.reshape([int(sizes[v]) for v in scope])


def _table(
    pairwise: PairwiseGraph, function: int, weight: float, rows: int, columns: int
) -> Float[np.ndarray, "rows columns"]:
    f = pairwise.edge_arrays
    edge = Edge(f.kind[function], weight, f.truncation[function], f.place[function], rows, columns)
    energies = [
        [float(edge_energy(edge, f.tables, x, y)) for y in range(columns)] for x in range(rows)
    ]
    return np.array(energies)


def _quick_answer(search: Search, bound: float) -> _Solution:
    """What message passing finds where the time has run out without an answer."""
    search.run(_QUICK_ITERATIONS)
    search.settle()
    labelling = search.labelling.astype(np.int64)
    bound = min(max(bound, search.bound), search.energy)
    return _Solution(labelling, search.energy + search.constant, bound + search.constant, False)
