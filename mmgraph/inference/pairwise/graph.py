"""The pairwise view of a graph: what message passing, move making and sampling run on.

Every element of every discrete variable becomes a node, every edge of an edge factor and every
table over two variables an edge. A table over more variables becomes a node of its own, whose
states are the table's cells, joined to each of its variables by an edge that selects that
variable's state from a cell: belief propagation on this graph is belief propagation on the factor
graph (Weiss and Freeman 2001, "On the optimality of solutions of the max-product
belief-propagation algorithm", section I), and bounds for pairwise graphs hold for it.

Nodes are numbered so that a table's node comes between its variables; each edge leads from a lower
number to a higher one. States lie in one flat array, a node after the other, so that nodes may
differ in their number of states. All values are energies, ``inf`` a hard zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int32, Int64, UInt8
from torch import Tensor

from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.storage.cache import Cache, Cached
from mmgraph.inference.numerics.compiling import compiled

# What an edge's energy is: weight times this function of the two states.
POTTS, LINEAR, QUADRATIC, TABLE = 0, 1, 2, 3
# The second (the first) end is a table's node, the other end one of its variables: no energy where
# the cell has that state, else a hard zero.
SELECTS_FIRST, SELECTS_SECOND = 4, 5


class Adjacency(NamedTuple):
    """The edges at each node, as kernels take them.

    Those at node ``n`` are ``edges[start[n]:start[n + 1]]``: before ``middle[n]`` they come from a
    lower node, from there on they lead to a higher one.
    """

    start: Int64[np.ndarray, " nodes+1"]
    middle: Int64[np.ndarray, " nodes"]
    edges: Int32[np.ndarray, " incidences"]


class EdgeArrays(NamedTuple):
    """The edges and their functions, as kernels take them.

    The states of node ``n`` lie at ``offsets[n]:offsets[n + 1]`` of a flat array of states; no node
    has more than ``largest``. Edge ``e`` joins ``first[e] < second[e]``, and its energy is
    ``weight[e]`` (positive, except on tables) times function ``f = function[e]`` of their states:
    of ``kind[f]`` (``POTTS`` and so on), a linear or quadratic one at most ``truncation[f]``. A
    table starts at ``place[f]`` of ``tables`` (rows are states of the first node); of a selection
    ``place[f]`` cells lie between two states of the selected variable.
    """

    offsets: Int64[np.ndarray, " nodes+1"]
    largest: int
    first: Int32[np.ndarray, " edges"]
    second: Int32[np.ndarray, " edges"]
    function: Int32[np.ndarray, " edges"]
    weight: Float[np.ndarray, " edges"]
    kind: UInt8[np.ndarray, " functions"]
    truncation: Float[np.ndarray, " functions"]
    place: Int64[np.ndarray, " functions"]
    tables: Float[np.ndarray, " cells"]


@dataclass(frozen=True)
class PairwiseGraph(Cached):
    """Nodes, edges and energies of a graph, all but what a row of evidence adds.

    Attributes
    ----------
    first_node : dict of str to int
        The node of each discrete variable's first element; the others follow in scan order.
    prior : ndarray
        Unary energies of the factors, without evidence.
    constant : float
        The energy of factors without variables, and what tables were shifted by.
    likelihoods : list of (Factor, int)
        Factors with a continuous variable and the node that their likelihood falls on: the parent,
        or a node of the joint states of several parents; -1 where there is no parent.
    """

    graph: FactorGraph = field(repr=False)
    first_node: dict[str, int]
    prior: Float[np.ndarray, " states"]
    edge_arrays: EdgeArrays
    constant: float
    likelihoods: list[tuple[Factor, int]]
    derived: Cache = field(default_factory=dict, repr=False)

    @property
    def offsets(self) -> Int64[np.ndarray, " nodes+1"]:
        """Where the states of each node start, as in ``edge_arrays``."""
        return self.edge_arrays.offsets

    @property
    def first(self) -> Int32[np.ndarray, " edges"]:
        """The lower end of each edge, as in ``edge_arrays``."""
        return self.edge_arrays.first

    @property
    def second(self) -> Int32[np.ndarray, " edges"]:
        """The higher end of each edge, as in ``edge_arrays``."""
        return self.edge_arrays.second

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return len(self.offsets) - 1

    @property
    def edges(self) -> int:
        """The number of edges."""
        return len(self.first)

    @property
    def dtype(self) -> np.dtype:
        """The precision of all energies."""
        return self.prior.dtype

    @cached_property
    def cardinalities(self) -> Int64[np.ndarray, " nodes"]:
        """The number of states of each node."""
        return np.diff(self.offsets)

    @cached_property
    def adjacency(self) -> Adjacency:
        """The edges at each node."""
        adjacency: Adjacency = adjacent_edges(self.first, self.second, self.nodes)
        return adjacency

    @cached_property
    def slots(self) -> Int64[np.ndarray, " edges+1"]:
        """Where a message along each edge lies in a flat array: room for the larger of its ends."""
        sizes = np.maximum(self.cardinalities[self.first], self.cardinalities[self.second])
        return np.concatenate([[0], np.cumsum(sizes)])

    def empty_messages(self) -> Float[np.ndarray, " slots"]:
        """Return room for a message along each edge, and zeros for a message that is not there."""
        return np.zeros(int(self.slots[-1]) + self.edge_arrays.largest, self.dtype)

    def unary(self, evidence: Evidence, row: int) -> Float[np.ndarray, " states"]:
        """Return the unary energies of one row of evidence: hard, soft and continuous.

        Hard evidence leaves one state of finite energy; its element stays a node.
        """
        energies = self.prior.copy()
        for name, tensor in evidence.soft.items():
            block = self.block(energies, name)
            block -= tensor[row].detach().cpu().numpy().reshape(block.shape).astype(self.dtype)
        for name in (*evidence.columns, *evidence.arrays):
            hard = evidence.hard(name)
            assert hard is not None
            codes, block = hard[row].numpy().reshape(-1), self.block(energies, name)
            elements = np.flatnonzero(codes != MISSING)
            observed = block[elements, codes[elements]]
            block[elements] = np.inf
            block[elements, codes[elements]] = observed
        one = evidence.rows(slice(row, row + 1)) if self.likelihoods else evidence
        for factor, node in self.likelihoods:
            table = factor.likelihood(one)
            if table is not None and node >= 0:
                values = table.values.detach().cpu().numpy().reshape(-1)
                energies[self.offsets[node] : self.offsets[node + 1]] -= values.astype(self.dtype)
        return energies

    def constant_given(self, evidence: Evidence, row: int) -> float:
        """Return the energy that no state changes: ``constant``, and leaves without a parent."""
        leaves = [factor for factor, node in self.likelihoods if node < 0]
        if not leaves:
            return self.constant
        one = evidence.rows(slice(row, row + 1))
        tables = [table for leaf in leaves if (table := leaf.likelihood(one)) is not None]
        return self.constant - sum(float(table.values.sum()) for table in tables)

    def block(self, states: np.ndarray, name: str) -> np.ndarray:
        """Return the part of a flat array of states that belongs to a variable, (size, states)."""
        variable = self.graph.variables[name]
        shape, begin = (variable.size, variable.cardinality), self.offsets[self.first_node[name]]
        return states[begin : begin + math.prod(shape)].reshape(shape)

    def beliefs_of(
        self, marginals: Mapping[str, Float[Tensor, "batch *shape states"]], row: int
    ) -> Float64[np.ndarray, " states"]:
        """Return the distributions of one row as a flat array of states."""
        beliefs = np.zeros(int(self.offsets[-1]))
        for name, distributions in marginals.items():
            block = self.block(beliefs, name)
            block[:] = distributions[row].detach().cpu().numpy().reshape(block.shape)
        return beliefs

    def states_of(
        self, labelling: Int[np.ndarray, "*labellings nodes"]
    ) -> dict[str, Int64[Tensor, "labellings *shape"]]:
        """Return one or several labellings of the nodes as state indices of the variables."""
        states = {}
        for name, node in self.first_node.items():
            variable = self.graph.variables[name]
            codes = labelling[..., node : node + variable.size].astype(np.int64)
            states[name] = torch.from_numpy(codes.reshape(-1, *variable.shape))
        return states

    def variable_of(self, node: int) -> str | None:
        """Return the name of the variable that has an element at a node, or None at a table."""
        for name, first in self.first_node.items():
            if first <= node < first + self.graph.variables[name].size:
                return name
        return None

    def element_name(self, node: int) -> str:
        """Say which element of which variable a node is, or that it stands for a table."""
        name = self.variable_of(node)
        if name is None:
            return "the node of a table over several variables"
        shape = self.graph.variables[name].shape
        if not shape:
            return f"'{name}'"
        place = np.unravel_index(node - self.first_node[name], shape)
        return f"'{name}'[{', '.join(str(int(i)) for i in place)}]"


@compiled
def adjacent_edges(  # type: ignore[no-untyped-def]
    first, second, nodes
):
    """Sort edges by node in two passes of counting: those from lower nodes first."""
    start = np.zeros(nodes + 1, np.int64)
    middle = np.zeros(nodes, np.int64)
    for e in range(len(first)):
        start[second[e] + 1] += 1
        start[first[e] + 1] += 1
        middle[second[e]] += 1
    for n in range(nodes):
        start[n + 1] += start[n]
        middle[n] += start[n]
    edges = np.empty(2 * len(first), np.int32)
    lower, upper = start[:-1].copy(), middle.copy()
    for e in range(len(first)):
        edges[lower[second[e]]] = e
        lower[second[e]] += 1
        edges[upper[first[e]]] = e
        upper[first[e]] += 1
    return Adjacency(start, middle, edges)


def weighted_energies(weights: Tensor, energies: Tensor) -> Tensor:
    """Multiply energies by weights; zero times a forbidden pair is no energy.

    Forbidden pairs stay forbidden, with gradient zero and not NaN.
    """
    forbidden = torch.isinf(energies)
    finite = weights * energies.masked_fill(forbidden, 0.0)
    return finite.masked_fill(forbidden & (weights != 0), torch.inf)
