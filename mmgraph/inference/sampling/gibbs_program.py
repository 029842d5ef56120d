"""What a sampler runs on: elements, their neighbours and the tables they are in, as flat arrays.

Made from the pairwise view of a graph. The nodes that stand for tables over several variables are
no elements here: a table is entered by the states of its variables and their strides, so that
samplers move variables and never cells.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int32, Int64, UInt8

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.colouring import Colouring, colour_elements, table_nodes
from mmgraph.inference.pairwise.graph import QUADRATIC, TABLE, PairwiseGraph


class Interactions(NamedTuple):
    """Everything that joins elements, sorted by element."""

    # Where each node's edges start: the other end, and the energy as in `EdgeArrays`.
    edge_start: Int64[np.ndarray, " nodes+1"]
    neighbour: Int32[np.ndarray, " ends"]
    kind: UInt8[np.ndarray, " ends"]
    weight: Float[np.ndarray, " ends"]
    truncation: Float[np.ndarray, " ends"]
    # Where each node's memberships of tables start: where the table starts among the values, how
    # far apart two states of the node are in it, and what its energies are multiplied by.
    table_start: Int64[np.ndarray, " nodes+1"]
    base: Int64[np.ndarray, " memberships"]
    stride: Int64[np.ndarray, " memberships"]
    table_weight: Float[np.ndarray, " memberships"]
    # Where the other variables of each table start, and their strides.
    scope_start: Int64[np.ndarray, " memberships+1"]
    member: Int32[np.ndarray, " others"]
    member_stride: Int64[np.ndarray, " others"]


class ProgramArrays(NamedTuple):
    """A program with one row of evidence, as kernels take it."""

    order: Int32[np.ndarray, " free"]  # the elements that have a choice, colour after colour
    offsets: Int64[np.ndarray, " nodes+1"]  # where the states of each node start
    # Unary energies of all nodes, those of tables among them, then the tables of edges.
    values: Float[np.ndarray, " states+cells"]
    interactions: Interactions
    largest: int  # the most states of a node


class Tempering(NamedTuple):
    """What interactions count in each chain."""

    inverse: Float64[np.ndarray, " chains"]  # temperatures: finite energies are multiplied by them
    penalty: Float64[np.ndarray, " chains"]  # of a hard zero; infinity in the model itself

    @classmethod
    def even(cls, chains: int, inverse: float = 1.0, penalty: float = np.inf) -> Tempering:
        """Return the same numbers for all chains, by default those of the model itself."""
        return cls(np.full(chains, inverse), np.full(chains, penalty))


@dataclass(frozen=True)
class GibbsProgram:
    """A graph as samplers see it, without evidence."""

    pairwise: PairwiseGraph  # where nodes, offsets and unary energies come from
    is_table: Bool[np.ndarray, " nodes"]  # which nodes are no elements
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

        ZeroProbabilityError names the variable of an element that has no possible state.
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
        bounds = itertools.accumulate((len(c) for c in nodes), initial=0)
        order = np.concatenate([np.zeros(0, np.int64), *nodes]).astype(np.int32)
        largest = max(pairwise.edge_arrays.largest, 1)
        arrays = ProgramArrays(order, pairwise.offsets, values, self.interactions, largest)
        return ConditionedProgram(self, row, arrays, list(itertools.pairwise(bounds)))


@dataclass(frozen=True)
class ConditionedProgram:
    """A program with the energies of one row of evidence."""

    program: GibbsProgram
    row: int
    arrays: ProgramArrays
    colours: list[tuple[int, int]]  # where each begins and ends in the order of elements

    @property
    def order(self) -> Int32[np.ndarray, " free"]:
        """The elements that have a choice, colour after colour."""
        return self.arrays.order

    @property
    def unary(self) -> Float[np.ndarray, " states"]:
        """The unary energies of all nodes."""
        return self.arrays.values[: self.program.pairwise.offsets[-1]]

    @cached_property
    def has_hard_zeros(self) -> bool:
        """Whether some table forbids a combination of states."""
        is_cell = np.repeat(self.program.is_table, self.program.pairwise.cardinalities)
        cells, tables = self.unary[is_cell], self.arrays.values[is_cell.size :]
        return bool(np.isinf(cells).any() or np.isinf(tables).any())

    def first_states(self, chains: int) -> np.ndarray:
        """Return every element in its first possible state, shape (chains, nodes)."""
        pairwise = self.program.pairwise
        places = np.where(self.unary < np.inf, np.arange(self.unary.size), self.unary.size)
        first = np.minimum.reduceat(places, pairwise.offsets[:-1]) - pairwise.offsets[:-1]
        first[self.program.is_table] = 0
        return np.repeat(first.astype(self.program.state_type)[None], chains, 0)


def gibbs_program(graph: FactorGraph) -> GibbsProgram:
    """Return the program of a graph, made once and kept with it."""
    return pairwise_graph(graph).cached(_program)


def _program(pairwise: PairwiseGraph) -> GibbsProgram:
    is_table = table_nodes(pairwise)
    interactions = _interactions(pairwise, is_table)
    return GibbsProgram(pairwise, is_table, colour_elements(pairwise), interactions)


def _interactions(pairwise: PairwiseGraph, is_table: Bool[np.ndarray, " nodes"]) -> Interactions:
    arrays = pairwise.edge_arrays
    kind = arrays.kind[arrays.function]
    simple = np.flatnonzero(kind <= QUADRATIC)
    owner = np.concatenate([pairwise.first[simple], pairwise.second[simple]])
    order = np.argsort(owner, kind="stable")
    edges = np.concatenate([simple, simple])[order]
    return Interactions(
        _starts(owner, pairwise.nodes),
        np.roll(owner, len(simple))[order],
        kind[edges],
        arrays.weight[edges],
        arrays.truncation[arrays.function[edges]],
        *_memberships(pairwise, np.flatnonzero(kind == TABLE), np.flatnonzero(is_table)),
    )


def _memberships(
    pairwise: PairwiseGraph, edges: Int64[np.ndarray, " edges"], cells: Int64[np.ndarray, " tables"]
) -> tuple[np.ndarray, ...]:
    """The arrays of :class:`Interactions` from ``table_start`` on: of tables of edges and nodes."""
    arrays = pairwise.edge_arrays
    ends = np.stack([pairwise.first[edges], pairwise.second[edges]], 1)
    rows = pairwise.cardinalities[ends[:, 1]]  # a table's rows are states of the first end
    scopes = [_scope(pairwise, int(n)) for n in cells]
    sizes = np.array([2] * len(edges) + [len(nodes) for nodes, _ in scopes], np.int64)
    node = np.concatenate([ends.reshape(-1), *(nodes for nodes, _ in scopes)])
    both = np.stack([rows, np.ones_like(rows)], 1).reshape(-1)
    stride = np.concatenate([both, *(strides for _, strides in scopes)])
    places = pairwise.offsets[-1] + arrays.place[arrays.function[edges]]
    base = np.concatenate([places, pairwise.offsets[cells]])
    weight = np.concatenate([arrays.weight[edges], np.ones(len(cells), pairwise.dtype)])
    # Memberships by node, and for each the members of its table but for itself.
    order = np.argsort(node, kind="stable")
    table = np.repeat(np.arange(len(sizes)), sizes)[order]
    size = sizes[table]
    itself = np.repeat(order, size)
    within = np.arange(len(itself)) - np.repeat(np.cumsum(size) - size, size)
    member = np.repeat((np.cumsum(sizes) - sizes)[table], size) + within
    member = member[member != itself]
    return (
        _starts(node, pairwise.nodes),
        base[table].astype(np.int64),
        stride[order].astype(np.int64),
        weight[table],
        np.append(0, np.cumsum(size - 1)).astype(np.int64),
        node[member].astype(np.int32),
        stride[member].astype(np.int64),
    )


def _scope(
    pairwise: PairwiseGraph, cells: int
) -> tuple[Int32[np.ndarray, " members"], Int64[np.ndarray, " members"]]:
    """The variables of a table's node, and their strides."""
    adjacency = pairwise.adjacency
    edges = adjacency.edges[adjacency.start[cells] : adjacency.start[cells + 1]]
    scope = pairwise.first[edges] + pairwise.second[edges] - cells
    return scope, pairwise.edge_arrays.place[pairwise.edge_arrays.function[edges]]


def _starts(owners: np.ndarray, nodes: int) -> Int64[np.ndarray, " nodes+1"]:
    return np.append(0, np.cumsum(np.bincount(owners, minlength=nodes))).astype(np.int64)
