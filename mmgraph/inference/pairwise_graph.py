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

from dataclasses import dataclass, field
from functools import cached_property

import numba
import numpy as np
import torch
from jaxtyping import Float, Int32, Int64, UInt8
from torch import Tensor

from mmgraph.graph.edge_factor import EdgeFactor
from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import Factor, UnaryFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.interaction import (
    Interaction,
    Potts,
    Tabulated,
    TruncatedLinear,
    TruncatedQuadratic,
)

# What an edge's energy is: weight times this function of the two states.
POTTS, LINEAR, QUADRATIC, TABLE = 0, 1, 2, 3
# The second (the first) end is a table's node, the other end one of its variables: no energy where
# the cell has that state, else a hard zero.
SELECTS_FIRST, SELECTS_SECOND = 4, 5

_KINDS: dict[type[Interaction], int] = {
    Potts: POTTS,
    TruncatedLinear: LINEAR,
    TruncatedQuadratic: QUADRATIC,
}


@dataclass(frozen=True)
class Adjacency:
    """The edges at each node.

    Attributes
    ----------
    start : ndarray of int64, shape (nodes + 1,)
        The edges at node ``n`` are ``edges[start[n]:start[n + 1]]``.
    middle : ndarray of int64, shape (nodes,)
        Those before ``middle[n]`` come from a lower node, the others lead to a higher one.
    edges : ndarray of int32, shape (2 * edges,)
        Their numbers.
    """

    start: Int64[np.ndarray, " nodes+1"]
    middle: Int64[np.ndarray, " nodes"]
    edges: Int32[np.ndarray, " incidences"]


@dataclass(frozen=True)
class Functions:
    """The functions that edges refer to.

    Attributes
    ----------
    kind : ndarray of uint8
        ``POTTS`` and so on.
    truncation : ndarray of float
        The largest value of a linear or quadratic function.
    place : ndarray of int64
        Where in ``tables`` a table starts (rows are states of the edge's first node); of a
        selection, how many cells lie between two states of the selected variable.
    tables : ndarray of float
        All tables, flat.
    """

    kind: UInt8[np.ndarray, " functions"]
    truncation: Float[np.ndarray, " functions"]
    place: Int64[np.ndarray, " functions"]
    tables: Float[np.ndarray, " cells"]


@dataclass(frozen=True)
class PairwiseGraph:
    """Nodes, edges and energies of a graph, all but what a row of evidence adds.

    Attributes
    ----------
    first_node : dict of str to int
        Of each discrete variable; its elements follow in scan order.
    offsets : ndarray of int64, shape (nodes + 1,)
        The states of node ``n`` lie at ``offsets[n]:offsets[n + 1]`` of a flat array of states.
    prior : ndarray of float, shape (states,)
        Unary energies of the factors, without evidence.
    first, second : ndarray of int32, shape (edges,)
        The ends of each edge, ``first < second``.
    function : ndarray of int32, shape (edges,)
        Its place in ``functions``.
    weight : ndarray of float, shape (edges,)
        What the function is multiplied by; positive, except on tables.
    functions : Functions
        What edges refer to.
    constant : float
        The energy of factors without variables.
    likelihoods : list of (Factor, int)
        Factors with a continuous variable and the node that their likelihood falls on: the parent,
        or a node of the joint states of several parents; -1 where there is no parent.
    """

    graph: FactorGraph = field(repr=False)
    first_node: dict[str, int]
    offsets: Int64[np.ndarray, " nodes+1"]
    prior: Float[np.ndarray, " states"]
    first: Int32[np.ndarray, " edges"]
    second: Int32[np.ndarray, " edges"]
    function: Int32[np.ndarray, " edges"]
    weight: Float[np.ndarray, " edges"]
    functions: Functions
    constant: float
    likelihoods: list[tuple[Factor, int]]

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
    def largest(self) -> int:
        """The largest number of states of a node."""
        return int(self.cardinalities.max()) if self.nodes else 0

    @cached_property
    def adjacency(self) -> Adjacency:
        """The edges at each node."""
        start, middle, edges = _adjacency(self.first, self.second, self.nodes)
        return Adjacency(start, middle, edges)

    @cached_property
    def slots(self) -> Int64[np.ndarray, " edges+1"]:
        """Where a message along each edge lies in a flat array: room for the larger of its ends."""
        sizes = np.maximum(self.cardinalities[self.first], self.cardinalities[self.second])
        return np.concatenate([[0], np.cumsum(sizes)])

    @property
    def edge_arrays(self) -> tuple[np.ndarray, ...]:
        """What kernels need to know of the edges, in the order in which they take it."""
        f = self.functions
        edges = (self.first, self.second, self.function, self.weight)
        return (*edges, f.kind, f.truncation, f.place, f.tables)

    @property
    def incidence_arrays(self) -> tuple[np.ndarray, ...]:
        """What kernels need to know of the edges at each node and of the messages' places."""
        a = self.adjacency
        return (a.start, a.middle, a.edges, self.slots)

    def empty_messages(self, dtype: np.dtype | None = None) -> np.ndarray:
        """Return room for a message along each edge, and zeros for a message that is not there."""
        return np.zeros(int(self.slots[-1]) + self.largest, dtype or self.dtype)

    @property
    def has_tables_of_many(self) -> bool:
        """Whether some node stands for a table over several variables."""
        return bool((self.functions.kind >= SELECTS_FIRST).any())

    def unary(self, evidence: Evidence, row: int) -> Float[np.ndarray, " states"]:
        """Return the unary energies of one row of evidence: hard, soft and continuous.

        Hard evidence leaves one state of finite energy; its element stays a node.
        """
        energies = self.prior.copy()
        for name, tensor in evidence.soft.items():
            block = self.block(energies, name)
            block -= tensor[row].detach().cpu().numpy().reshape(block.shape).astype(self.dtype)
        for name in (*evidence.columns, *evidence.arrays):
            codes = evidence.hard(name)
            assert codes is not None
            self._observe(energies, name, codes[row].numpy().reshape(-1))
        one = evidence.rows(slice(row, row + 1)) if self.likelihoods else evidence
        for factor, node in self.likelihoods:
            table = factor.likelihood(one)
            if table is not None and node >= 0:
                values = table.values.detach().cpu().numpy().reshape(-1)
                energies[self.offsets[node] : self.offsets[node + 1]] -= values.astype(self.dtype)
        return energies

    def constant_given(self, evidence: Evidence, row: int) -> float:
        """Return the energy that no state changes: ``constant``, and leaves without a parent."""
        total = self.constant
        one = evidence.rows(slice(row, row + 1))
        for factor, node in self.likelihoods:
            if node < 0 and (table := factor.likelihood(one)) is not None:
                total -= float(table.values.sum())
        return total

    def block(self, states: np.ndarray, name: str) -> np.ndarray:
        """Return the part of a flat array of states that belongs to a variable, (size, states)."""
        variable = self.graph.variables[name]
        begin = self.offsets[self.first_node[name]]
        return states[begin : begin + variable.size * variable.cardinality].reshape(
            variable.size, variable.cardinality
        )

    def _observe(self, energies: np.ndarray, name: str, codes: np.ndarray) -> None:
        block = self.block(energies, name)
        rows = np.flatnonzero(codes != MISSING)
        kept = block[rows, codes[rows]]
        block[rows] = np.inf
        block[rows, codes[rows]] = kept

    def states_of(self, labelling: Int64[np.ndarray, " nodes"]) -> dict[str, Tensor]:
        """Return a labelling of the nodes as state indices of the variables, ``(1, *shape)``."""
        states = {}
        for name, node in self.first_node.items():
            variable = self.graph.variables[name]
            codes = labelling[node : node + variable.size].astype(np.int64)
            states[name] = torch.from_numpy(codes.reshape(1, *variable.shape))
        return states


def pairwise_graph(graph: FactorGraph, dtype: torch.dtype | None = None) -> PairwiseGraph:
    """Return the pairwise view of a graph, made once for each precision and kept with the graph.

    Parameters
    ----------
    graph : FactorGraph
        Discrete variables, and continuous leaves.
    dtype : torch.dtype, optional
        Of the energies; by default double, or single where the unary factors of all arrays are
        kept in single.

    Raises
    ------
    NotTabularError
        If a factor has neither edges nor tables nor a likelihood.
    """
    if dtype is None:
        arrays = [f for f in graph.factors if isinstance(f, UnaryFactor) and f.scope[0].shape]
        single = bool(arrays) and all(f.log_values.dtype == torch.float32 for f in arrays)
        dtype = torch.float32 if single else torch.float64
    key = f"pairwise graph in {dtype}"
    found = graph.plans.get(key)
    if found is None:
        precision = np.float32 if dtype == torch.float32 else np.float64
        found = graph.plans[key] = _Builder(graph, np.dtype(precision)).built()
    return found


class _Builder:
    """Collects nodes and edges; variables and tables are blocks of nodes until all are known."""

    def __init__(self, graph: FactorGraph, dtype: np.dtype) -> None:
        self.graph = graph
        self.dtype = dtype
        self.names = [n for n, v in graph.variables.items() if v.is_discrete]
        variables = [graph.variables[n] for n in self.names]
        self.place = {n: i for i, n in enumerate(self.names)}
        # A block is (sort key, nodes, states of each).
        self.blocks = [(float(i), v.size, v.cardinality) for i, v in enumerate(variables)]
        self.unary: list[tuple[int, np.ndarray]] = []
        self.edges: list[tuple[int, np.ndarray, int, np.ndarray, np.ndarray, np.ndarray]] = []
        self.kind: list[int] = []
        self.truncation: list[float] = []
        self.starts: list[int] = []
        self.tables: list[np.ndarray] = []
        self.cells = 0
        self.constant = 0.0
        self.likelihoods: list[tuple[Factor, int]] = []

    def built(self) -> PairwiseGraph:
        for factor in self.graph.factors:
            self._add(factor)
        order = sorted(range(len(self.blocks)), key=lambda b: (self.blocks[b][0], b))
        sizes = np.array([self.blocks[b][1] for b in order], np.int64)
        starts = dict(zip(order, np.cumsum(sizes) - sizes, strict=True))
        cardinalities = np.repeat(np.array([self.blocks[b][2] for b in order], np.int64), sizes)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(cardinalities)])
        prior = np.zeros(int(offsets[-1]), self.dtype)
        for block, energies in self.unary:
            begin = offsets[starts[block]]
            prior[begin : begin + energies.size] += energies.reshape(-1)
        first, second, function, weight = self._joined(starts)
        return PairwiseGraph(
            self.graph,
            {n: int(starts[i]) for i, n in enumerate(self.names)},
            offsets,
            prior,
            first,
            second,
            function,
            weight,
            Functions(
                np.array(self.kind, np.uint8),
                np.array(self.truncation, self.dtype),
                np.array(self.starts, np.int64),
                np.concatenate([np.zeros(0), *self.tables]).astype(self.dtype),
            ),
            self.constant,
            [(f, int(starts[b]) if b >= 0 else -1) for f, b in self.likelihoods],
        )

    def _add(self, factor: Factor) -> None:
        if isinstance(factor, EdgeFactor):
            self._add_edges(factor)
        elif isinstance(factor, UnaryFactor):
            self.unary.append((self.place[factor.scope[0].name], -_array(factor.log_values)))
        elif factor.is_tabular:
            for table in factor.tables():
                self._add_table([v.name for v in table.scope], -_array(table.values))
        elif factor.child is not None and not factor.child.is_discrete:
            parents = [v.name for v in factor.parents]
            if len(parents) > 1:
                shape = [v.cardinality for v in factor.parents]
                block = self._add_cells(parents, np.zeros(shape))
            else:
                block = self.place[parents[0]] if parents else -1
            self.likelihoods.append((factor, block))
        else:
            raise NotTabularError(f"{factor!r} has neither edges nor tables")

    def _add_table(self, names: list[str], energies: np.ndarray) -> None:
        if not names:
            self.constant += float(energies)
        elif len(names) == 1:
            self.unary.append((self.place[names[0]], energies))
        elif len(names) == 2:
            zero = np.zeros(1, np.int64)
            functions = np.array([[self._function(TABLE, table=t) for t in (energies, energies.T)]])
            a, b = self.place[names[0]], self.place[names[1]]
            self.edges.append((a, zero, b, zero, functions, np.ones(1, self.dtype)))
        else:
            self._add_cells(names, energies)

    def _add_cells(self, names: list[str], energies: np.ndarray) -> int:
        """Add a node for a table over several variables, and an edge to each of them."""
        block = len(self.blocks)
        places = [self.place[n] for n in names]
        self.blocks.append((float(np.mean(places)), 1, energies.size))
        self.unary.append((block, energies))
        zero, one = np.zeros(1, np.int64), np.ones(1, self.dtype)
        stride = energies.size
        for place, states in zip(places, energies.shape, strict=True):
            stride //= states
            functions = np.array(
                [[self._function(SELECTS_FIRST, stride), self._function(SELECTS_SECOND, stride)]]
            )
            self.edges.append((place, zero, block, zero, functions, one))
        return block

    def _add_edges(self, factor: EdgeFactor) -> None:
        a, b = factor.ends
        edges = factor.edges()
        first, second, weight = (_array(t) for t in edges)
        kept = weight != 0  # also because zero times a forbidden pair is no energy
        functions = self._functions(factor.interaction, a.cardinality, len(first), weight)
        if not kept.all():
            first, second, weight = first[kept], second[kept], weight[kept]
            functions = functions[kept] if len(functions) > 1 else functions
        self.edges.append(
            (self.place[a.name], first, self.place[b.name], second, functions, weight)
        )

    def _functions(
        self, interaction: Interaction, states: int, edges: int, weight: np.ndarray
    ) -> np.ndarray:
        """Each edge's function, as given and with its ends exchanged; one row serves all edges."""
        kind = _KINDS.get(type(interaction))
        if kind is None:
            tables = _array(
                interaction.table
                if isinstance(interaction, Tabulated)
                else interaction.energies(states, states)
            )
            tables = tables[None] if tables.ndim == 2 else tables
            return np.array(
                [[self._function(TABLE, table=t) for t in (table, table.T)] for table in tables],
                np.int64,
            ).reshape(-1, 2)
        truncation = float(getattr(interaction, "truncation", np.inf))
        positive = self._function(kind, truncation=truncation)
        functions = np.array([[positive, positive]])
        if (weight < 0).any():  # the fast messages are for attraction only
            table = self._function(TABLE, table=_array(interaction.energies(states, states)))
            functions = np.where((weight < 0)[:, None], table, functions)
        return functions

    def _function(
        self, kind: int, place: int = 0, truncation: float = np.inf, table: np.ndarray | None = None
    ) -> int:
        if table is not None:
            place = self.cells
            self.tables.append(np.ascontiguousarray(table).reshape(-1))
            self.cells += table.size
        self.kind.append(kind)
        self.truncation.append(truncation)
        self.starts.append(place)
        return len(self.kind) - 1

    def _joined(self, starts: dict[int, np.int64]) -> tuple[np.ndarray, ...]:
        total = sum(len(e[1]) for e in self.edges)
        first, second = np.empty(total, np.int32), np.empty(total, np.int32)
        function, weight = np.empty(total, np.int32), np.empty(total, self.dtype)
        begin = 0
        for a, at_a, b, at_b, functions, weights in self.edges:
            part = slice(begin, begin + len(at_a))
            x, y = starts[a] + at_a, starts[b] + at_b
            first[part], second[part] = np.minimum(x, y), np.maximum(x, y)
            function[part] = np.where(x < y, functions[:, 0], functions[:, 1])
            weight[part] = weights
            begin = part.stop
        return first, second, function, weight


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


@numba.njit(cache=True, nogil=True)
def _adjacency(  # type: ignore[no-untyped-def]
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
    return start, middle, edges
