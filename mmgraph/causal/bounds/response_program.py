"""The linear programme over response functions: what is open where hidden causes are shared."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64
from scipy import sparse
from scipy.optimize import linprog

from mmgraph.causal.bounds.interval import ROUNDING, Interval
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.graph.errors import CausalError, MmgraphError
from mmgraph.graph.memory_budget import check_required

BUDGET_BYTES = 1 << 26
"""What the matrix of a programme may take; more is refused before anything is allocated."""


class ResponseProgram:
    """Joint distributions of the responses of nodes that all share a hidden cause.

    A response says the state of a node for each configuration of its parents; an unknown is the
    probability of one response of each node (Balke and Pearl 1997).

    Parameters
    ----------
    graph : CausalGraph
    nodes : sequence of str
        The nodes, in causal order.
    sizes : mapping of str to int
        The number of states of each node of the graph.
    table : array, an axis each of the other parents of the nodes, then each of the nodes
        P(nodes | do(other parents)), which the unknowns have to give.
    """

    def __init__(
        self,
        graph: CausalGraph,
        nodes: Sequence[str],
        sizes: Mapping[str, int],
        table: Float64[np.ndarray, "*states"],
    ) -> None:
        self.parents = {n: graph.parents(n) for n in nodes}
        self.nodes, self.sizes = tuple(nodes), sizes
        self.outer = outer_parents(graph, nodes)
        counts = {n: math.prod(sizes[p] for p in self.parents[n]) for n in nodes}
        # Powers beyond any memory are not worked out.
        self.unknowns = math.prod(sizes[n] ** min(counts[n], 64) for n in nodes)
        rows = math.prod(sizes[p] for p in self.outer)
        check_required(
            f"a linear programme of {self.unknowns:,} responses of {', '.join(nodes)}",
            self.unknowns * (16 * rows + 8 * (len(nodes) + 8)),
            BUDGET_BYTES,
            "Merge states, or ask about fewer variables.",
        )
        shape = [sizes[n] ** counts[n] for n in nodes]
        place = np.unravel_index(np.arange(self.unknowns), shape)
        # A response is a number whose digits are the states, a digit a configuration.
        self.response = dict(zip(nodes, place, strict=True))
        self.right = table.reshape(-1)
        self.matrix = self._matrix()

    def cells(
        self, some: Sequence[str], fixed: Mapping[str, int]
    ) -> Int64[np.ndarray, " unknowns"]:
        """Return, for each unknown, the cell of the states of some nodes, the others being set.

        ``some`` are in causal order; their parents are among them or fixed.
        """
        state: dict[str, Int64[np.ndarray, " unknowns"] | int] = dict(fixed)
        cell = np.zeros(self.unknowns, np.int64)
        for node in some:
            configuration: Int64[np.ndarray, " unknowns"] | int = 0
            for parent in self.parents[node]:
                configuration = configuration * self.sizes[parent] + state[parent]
            digits = np.power(self.sizes[node], configuration, dtype=np.int64)
            state[node] = self.response[node] // digits % self.sizes[node]
            cell = cell * self.sizes[node] + state[node]
        return cell

    def configurations(self, names: Sequence[str]) -> list[dict[str, int]]:
        """Return all joint states of variables, the last one's changing fastest."""
        ranges = [range(self.sizes[n]) for n in names]
        return [dict(zip(names, c, strict=True)) for c in itertools.product(*ranges)]

    def _matrix(self) -> sparse.csr_array:
        states = math.prod(self.sizes[n] for n in self.nodes)
        columns = np.arange(self.unknowns)
        blocks = [
            sparse.coo_array(
                (np.ones(self.unknowns), (self.cells(self.nodes, c), columns)),
                (states, self.unknowns),
            )
            for c in self.configurations(self.outer)
        ]
        return sparse.vstack(blocks).tocsr()

    def bounds(self, weights: Float64[np.ndarray, " unknowns"], what: str) -> Interval:
        """Return the least and greatest weighted sum of the unknowns that give the table."""
        least, most = (self._least(sign * weights, what) for sign in (1.0, -1.0))
        return Interval(least, max(-most, least))

    def _least(self, costs: Float64[np.ndarray, " unknowns"], what: str) -> float:
        precision = {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}
        solved = linprog(
            costs, A_eq=self.matrix, b_eq=self.right, method="highs", options=precision
        )
        if solved.status == 2:
            raise CausalError(f"no model of the graph explains {what}")
        if solved.status != 0:
            raise MmgraphError(
                f"the programme of {self.unknowns:,} responses failed: {solved.message}"
            )
        return float(solved.fun)

    def check_feasible(self, what: str) -> None:
        """Raise CausalError if no distribution of responses gives the table up to rounding.

        The message says by how much the nearest one misses it in the cell that it misses most; a
        table that is off by rounding is moved to the nearest.
        """
        rows = self.matrix.shape[0]
        slack = sparse.identity(rows, format="csr")
        solved = linprog(
            np.concatenate([np.zeros(self.unknowns), np.ones(2 * rows)]),
            A_eq=sparse.hstack([self.matrix, slack, -slack]).tocsr(),
            b_eq=self.right,
            method="highs",
        )
        if solved.status != 0:
            raise MmgraphError(f"the check of {what} failed: {solved.message}")
        nearest = self.matrix @ solved.x[: self.unknowns]
        missed = np.abs(nearest - self.right)
        if missed.sum() > ROUNDING:
            worst = int(missed.argmax())
            names = (*self.outer, *self.nodes)
            cell = np.unravel_index(worst, [self.sizes[n] for n in names])
            where = ", ".join(f"{n} = {i}" for n, i in zip(names, cell, strict=True))
            raise CausalError(
                f"no model of the graph explains {what}: at {where} it is {self.right[worst]:.6g}, "
                f"in the nearest model {nearest[worst]:.6g}"
            )
        self.right = nearest


def outer_parents(graph: CausalGraph, nodes: Sequence[str]) -> tuple[str, ...]:
    """Return the parents of some nodes that are none of them, in the order of the graph's nodes."""
    parents = {p for n in nodes for p in graph.parents(n)}
    return tuple(n for n in graph.nodes if n in parents.difference(nodes))
