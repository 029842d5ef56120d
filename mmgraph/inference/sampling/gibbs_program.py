"""What a sampler runs on: elements, their neighbours and the tables they are in, as flat arrays.

Made from the pairwise view of a graph. The nodes that stand for tables over several variables are
no elements here: a table is entered by the states of its variables and their strides, so that
samplers move variables and never cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, UInt8

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.colouring import Colouring, colour_elements, table_nodes
from mmgraph.inference.pairwise.graph import QUADRATIC, TABLE, PairwiseGraph


class Interactions(NamedTuple):
    """Everything that joins elements, sorted by element.

    Attributes
    ----------
    edge_start : ndarray of int64, shape (nodes + 1,)
        Where each node's edges with a function of two states start in the four arrays that follow.
    neighbour, kind, weight, truncation : ndarray, shape (ends,)
        The other end, and the energy, see :class:`PairwiseGraph`.
    table_start : ndarray of int64, shape (nodes + 1,)
        Where each node's memberships of tables start in the four arrays that follow.
    base, stride, table_weight : ndarray, shape (memberships,)
        Where the table starts among the values, how far apart two states of the node are in it,
        and what its energies are multiplied by.
    scope_start : ndarray of int64, shape (memberships + 1,)
        Where the other variables of each table start in the two arrays that follow.
    member, member_stride : ndarray, shape (others,)
        Those variables, and their strides.
    """

    edge_start: Int64[np.ndarray, " nodes+1"]
    neighbour: Int32[np.ndarray, " ends"]
    kind: UInt8[np.ndarray, " ends"]
    weight: Float[np.ndarray, " ends"]
    truncation: Float[np.ndarray, " ends"]
    table_start: Int64[np.ndarray, " nodes+1"]
    base: Int64[np.ndarray, " memberships"]
    stride: Int64[np.ndarray, " memberships"]
    table_weight: Float[np.ndarray, " memberships"]
    scope_start: Int64[np.ndarray, " memberships+1"]
    member: Int32[np.ndarray, " others"]
    member_stride: Int64[np.ndarray, " others"]


@dataclass(frozen=True)
class GibbsProgram:
    """A graph as samplers see it, without evidence.

    Attributes
    ----------
    pairwise : PairwiseGraph
        Where nodes, offsets and unary energies come from.
    is_table : ndarray of bool, shape (nodes,)
        Which nodes are no elements.
    colouring : Colouring
        Elements of one colour share no factor.
    interactions : Interactions
        What joins elements.
    """

    pairwise: PairwiseGraph
    is_table: Bool[np.ndarray, " nodes"]
    colouring: Colouring
    interactions: Interactions

    @cached_property
    def elements(self) -> Int64[np.ndarray, " elements"]:
        """The nodes that are elements of variables."""
        return np.flatnonzero(~self.is_table)

    @cached_property
    def state_type(self) -> np.dtype:
        """The smallest integers that hold every state."""
        sizes = self.pairwise.cardinalities[self.elements]
        return np.dtype(np.uint8 if sizes.max(initial=0) <= 256 else np.int32)

    def conditioned(self, evidence: Evidence, row: int) -> ConditionedProgram:
        """Return the program given one row of evidence.

        Raises
        ------
        ZeroProbabilityError
            If an element has no possible state; names its variable.
        """
        pairwise = self.pairwise
        unary = pairwise.unary(evidence, row)
        possible = np.add.reduceat(unary < np.inf, pairwise.offsets[:-1], dtype=np.int64)
        excluded = self.elements[possible[self.elements] == 0]
        if excluded.size:
            name = pairwise.variable_of(int(excluded[0]))
            assert name is not None  # of elements only
            raise ZeroProbabilityError(
                f"row {row} of the evidence is impossible: no state of '{name}' is left",
                (row,),
                (name,),
            )
        values = np.concatenate([unary, pairwise.edge_arrays.tables])
        nodes = [c[possible[c] > 1] for c in self.colouring.classes]
        sizes = np.array([len(c) for c in nodes], np.int64)
        order = np.concatenate([np.zeros(0, np.int64), *nodes]).astype(np.int32)
        return ConditionedProgram(self, row, values, order, np.append(0, np.cumsum(sizes)))


@dataclass(frozen=True)
class ConditionedProgram:
    """A program with the energies of one row of evidence.

    Attributes
    ----------
    row : int
        Of the evidence.
    values : ndarray, shape (states + cells,)
        Unary energies of all nodes, those of tables among them, then the tables of edges.
    order : ndarray of int32, shape (free,)
        The elements that have a choice, colour after colour.
    bounds : ndarray of int64, shape (colours + 1,)
        Where in ``order`` the colours start.
    """

    program: GibbsProgram
    row: int
    values: Float[np.ndarray, " values"]
    order: Int32[np.ndarray, " free"]
    bounds: Int64[np.ndarray, " colours+1"]

    @property
    def unary(self) -> Float[np.ndarray, " states"]:
        """The unary energies of all nodes."""
        return self.values[: self.program.pairwise.offsets[-1]]

    @cached_property
    def has_hard_zeros(self) -> bool:
        """Whether some table forbids a combination of states."""
        pairwise = self.program.pairwise
        is_cell = np.repeat(self.program.is_table, pairwise.cardinalities)
        cells = self.values[: is_cell.size][is_cell]
        return bool(np.isinf(cells).any() or np.isinf(self.values[is_cell.size :]).any())

    def first_states(self, chains: int) -> np.ndarray:
        """Return every element in its first possible state, shape (chains, nodes)."""
        pairwise = self.program.pairwise
        places = np.where(self.unary < np.inf, np.arange(self.unary.size), self.unary.size)
        first = np.minimum.reduceat(places, pairwise.offsets[:-1]) - pairwise.offsets[:-1]
        first[self.program.is_table] = 0
        return np.repeat(first.astype(self.program.state_type)[None], chains, 0)


def gibbs_program(graph: FactorGraph) -> GibbsProgram:
    """Return the program of a graph, made once and kept with it.

    Raises
    ------
    NotTabularError
        If a factor has neither edges nor tables nor a likelihood.
    """
    return pairwise_graph(graph).cached(_program)


def _program(pairwise: PairwiseGraph) -> GibbsProgram:
    is_table = table_nodes(pairwise)
    interactions = _interactions(pairwise, is_table)
    return GibbsProgram(pairwise, is_table, colour_elements(pairwise), interactions)


def _interactions(pairwise: PairwiseGraph, is_table: Bool[np.ndarray, " nodes"]) -> Interactions:
    functions = pairwise.edge_arrays
    kind = functions.kind[pairwise.function]
    simple = np.flatnonzero(kind <= QUADRATIC)
    first, second = pairwise.first[simple], pairwise.second[simple]
    owner = np.concatenate([first, second])
    order = np.argsort(owner, kind="stable")
    both = np.concatenate([simple, simple])[order]
    edge_start = _starts(owner, pairwise.nodes)
    tables = _memberships(pairwise, np.flatnonzero(kind == TABLE), is_table)
    return Interactions(
        edge_start,
        np.concatenate([second, first])[order],
        kind[both],
        pairwise.weight[both],
        functions.truncation[pairwise.function[both]],
        *tables,
    )


def _memberships(
    pairwise: PairwiseGraph, edges: np.ndarray, is_table: Bool[np.ndarray, " nodes"]
) -> tuple[np.ndarray, ...]:
    """The arrays of :class:`Interactions` from ``table_start`` on."""
    first, second = pairwise.first[edges], pairwise.second[edges]
    base = pairwise.offsets[-1] + pairwise.edge_arrays.place[pairwise.function[edges]]
    rows = pairwise.cardinalities[second]  # a table's rows are states of the first end
    one = np.ones_like(rows)
    weight = pairwise.weight[edges]
    node = [first, second]
    bases, strides, weights = [base, base], [rows, one], [weight, weight]
    counts = [one, one]
    members, member_strides = [second, first], [one, rows]
    for cells in np.flatnonzero(is_table):
        scope, scope_strides = _scope(pairwise, int(cells))
        size = len(scope)
        others = np.array([[j for j in range(size) if j != i] for i in range(size)], np.int64)
        node.append(scope)
        bases.append(np.full(size, pairwise.offsets[cells]))
        strides.append(scope_strides)
        weights.append(np.ones(size, pairwise.dtype))
        counts.append(np.full(size, size - 1))
        members.append(scope[others.reshape(-1)])
        member_strides.append(scope_strides[others.reshape(-1)])
    nodes, count = np.concatenate(node), np.concatenate(counts)
    order = np.argsort(nodes, kind="stable")
    begin = (np.cumsum(count) - count)[order]
    count = count[order]
    scope_start = np.append(0, np.cumsum(count)).astype(np.int64)
    # Where each other member was, now that memberships are sorted by node.
    place = np.arange(scope_start[-1]) + np.repeat(begin - scope_start[:-1], count)
    return (
        _starts(nodes, pairwise.nodes),
        np.concatenate(bases)[order].astype(np.int64),
        np.concatenate(strides)[order].astype(np.int64),
        np.concatenate(weights)[order],
        scope_start,
        np.concatenate(members)[place].astype(np.int32),
        np.concatenate(member_strides)[place].astype(np.int64),
    )


def _scope(pairwise: PairwiseGraph, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """The variables of a table's node, and their strides."""
    adjacency = pairwise.adjacency
    edges = adjacency.edges[adjacency.start[cells] : adjacency.start[cells + 1]]
    scope = pairwise.first[edges] + pairwise.second[edges] - cells
    return scope, pairwise.edge_arrays.place[pairwise.function[edges]]


def _starts(owners: np.ndarray, nodes: int) -> Int64[np.ndarray, " nodes+1"]:
    counts = np.bincount(owners, minlength=nodes)
    return np.append(0, np.cumsum(counts)).astype(np.int64)
