"""Builds the pairwise view of a graph out of its factors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmgraph.graph.factor import EdgeTerms, Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.interaction import (
    Interaction,
    Potts,
    TruncatedLinear,
    TruncatedQuadratic,
)
from mmgraph.inference.model_variables import default_precision
from mmgraph.inference.pairwise.assembly import energy_terms, log_tables
from mmgraph.inference.pairwise.graph import (
    LINEAR,
    POTTS,
    QUADRATIC,
    SELECTS_FIRST,
    SELECTS_SECOND,
    TABLE,
    EdgeArrays,
    PairwiseGraph,
)

_KINDS: dict[type[Interaction], int] = {
    Potts: POTTS,
    TruncatedLinear: LINEAR,
    TruncatedQuadratic: QUADRATIC,
}


def built(graph: FactorGraph, dtype: np.dtype) -> PairwiseGraph:
    """Return the pairwise view of a graph with energies of one precision."""
    return _Builder(graph, dtype).built()


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
            if factor.child is not None and not (factor.child.is_discrete or factor.is_tabular):
                self._add_likelihood(factor)
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
        edges = EdgeArrays(
            offsets,
            int(cardinalities.max(initial=0)),
            first,
            second,
            function,
            weight,
            np.array(self.kind, np.uint8),
            np.array(self.truncation, self.dtype),
            np.array(self.starts, np.int64),
            np.concatenate([np.zeros(0), *self.tables]).astype(self.dtype),
        )
        return PairwiseGraph(
            self.graph,
            {n: int(starts[i]) for i, n in enumerate(self.names)},
            prior,
            edges,
            self.constant,
            [(f, int(starts[b]) if b >= 0 else -1) for f, b in self.likelihoods],
        )

    def _add_likelihood(self, factor: Factor) -> None:
        """Add the node that a row's likelihood falls on; for several parents one of its own."""
        names = [v.name for v in factor.parents]
        if len(names) > 1:
            block = self._add_block(names, np.zeros([v.cardinality for v in factor.parents]))
        else:
            block = self.place[names[0]] if names else -1
        self.likelihoods.append((factor, block))

    def _add(self, factor: Factor) -> None:
        if (edges := factor.edge_terms) is not None:
            self._add_edges(edges)
        for names, tensor, is_node in energy_terms(factor, log_tables(factor)):
            energies = tensor.detach().cpu().numpy()
            if not names:
                self.constant += float(energies)
            elif len(names) == 1:
                self.unary.append((self.place[names[0]], energies))
            elif is_node:
                self._add_block(names, energies)
            else:
                a, b = (self.place[n] for n in names)
                zero, one = np.zeros(1, np.int64), np.ones(1, self.dtype)
                functions = self._table_functions(energies[None], np.ones(1))
                self.edges.append((a, zero, b, zero, functions, one))

    def _add_block(self, names: list[str], energies: np.ndarray) -> int:
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

    def _add_edges(self, edges: EdgeTerms) -> None:
        a, b = edges.ends
        first, second, weight = (_array(t) for t in edges.edges())
        used = weight != 0  # also because zero times a forbidden pair is no energy
        functions = self._functions(edges.interaction, a.cardinality, len(first), weight)
        if not used.all():
            first, second, weight = first[used], second[used], weight[used]
            functions = functions[used] if len(functions) == len(used) else functions
        self.edges.append(
            (self.place[a.name], first, self.place[b.name], second, functions, weight)
        )

    def _functions(
        self, interaction: Interaction, states: int, edges: int, weight: np.ndarray
    ) -> np.ndarray:
        """Each edge's function, as given and with its ends exchanged; one row serves all edges."""
        kind = _KINDS.get(type(interaction))
        if kind is None:
            table = interaction.table
            tables = _array(interaction.energies(states, states) if table is None else table)
            return self._table_functions(tables[None] if tables.ndim == 2 else tables, weight)
        truncation = float(getattr(interaction, "truncation", np.inf))
        positive = self._function(kind, truncation=truncation)
        functions = np.array([[positive, positive]])
        if (weight < 0).any():  # the fast messages are for attraction only
            repelled = np.minimum(weight, 0)
            tables = _array(interaction.energies(states, states))[None]
            functions = np.where(
                (weight < 0)[:, None], self._table_functions(tables, repelled), functions
            )
        return functions

    def _table_functions(self, tables: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Functions of tables, shifted so that weight times energy is never negative.

        Exponentials of minus the energies are then at most one; the shifts go into the constant.
        """
        functions = np.empty((len(weight), 2), np.int64)
        for chosen, end in ((weight >= 0, np.min), (weight < 0, np.max)):
            if not chosen.any():
                continue
            shifts, made = [], []
            for table in tables:
                finite = table[np.isfinite(table)]
                shifts.append(float(end(finite)) if finite.size else 0.0)
                made.append([self._function(TABLE, table=t - shifts[-1]) for t in (table, table.T)])
            if len(tables) == 1:
                functions[chosen] = made[0]
                self.constant += shifts[0] * float(weight[chosen].sum())
            else:
                functions[chosen] = np.array(made)[chosen]
                self.constant += float((np.array(shifts) * weight)[chosen].sum())
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


def pairwise_graph(graph: FactorGraph, dtype: torch.dtype | None = None) -> PairwiseGraph:
    """Return the pairwise view of a graph, made once for each precision and kept with the graph.

    Parameters
    ----------
    graph : FactorGraph
        Discrete variables, and continuous leaves.
    dtype : torch.dtype, optional
        The precision of the energies; by default double, or single where the unary factors of all
        arrays are kept in single.

    Notes
    -----
    Where a factor asks for gradients its tensors may change in place, and nothing is kept.

    Raises
    ------
    NotTabularError
        If a factor has neither edges nor tables nor a likelihood.
    """
    if dtype is None:
        dtype = default_precision(graph)
    precision = np.dtype(np.float32 if dtype == torch.float32 else np.float64)
    if any(factor.requires_grad for factor in graph.factors):
        return built(graph, precision)
    return graph.cached(built, precision)
