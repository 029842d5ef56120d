"""A graph as tensors for message passing, with the memory it takes asked for first.

Nodes are the elements of all discrete variables and, behind them, a node for each table over three
variables or more, whose states are the table's cells (see :mod:`mmgraph.inference.pairwise.graph`).
All are padded to the largest number of states with ``inf``. All values are energies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MemoryBudgetError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import EdgeTerms, Factor, LogTable
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.interaction import Potts
from mmgraph.graph.memory_budget import device_budget, format_bytes
from mmgraph.inference.field.row_table import excluded_states
from mmgraph.inference.messages.options import MessageOptions, TrwsOptions
from mmgraph.inference.messages.tensors.messages import NUMBERS_AT_ONCE, EdgeGroup, without
from mmgraph.inference.messages.tensors.selections import SelectionGroup
from mmgraph.inference.model_variables import default_precision, tables_device
from mmgraph.inference.pairwise.assembly import becomes_node, energy_terms, log_tables
from mmgraph.inference.pairwise.colouring import colour_ends

_BYTES_PER_EDGE = 24
"""Both ends and the weight."""
_TABLE_COPIES = 4
"""Temporary tensors with an entry for each pair of states."""


class TensorGraph:
    """The nodes and edges of a graph as tensors, with the evidence of all rows folded in.

    A round of messages takes ``copies`` tensors as large as all beliefs and messages. ``unary``
    holds energies ``(batch, nodes, states)``, ``constant`` that of factors without free variables,
    ``groups`` the edges; ``differentiable`` says whether a factor or soft evidence asks for
    gradients.

    Raises
    ------
    NotTabularError
        If a factor has neither edges nor tables nor a likelihood.
    MemoryBudgetError
        If beliefs and messages would not fit; nothing has been allocated.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        options: MessageOptions | TrwsOptions,
        copies: int,
    ) -> None:
        self.model = graph
        variables = {n: v for n, v in graph.variables.items() if v.is_discrete}
        starts = np.cumsum([0, *(v.size for v in variables.values())])
        self.first_node = dict(zip(variables, starts[:-1].tolist(), strict=True))
        tables = [log_tables(factor, evidence) for factor in graph.factors]
        scopes = [t.scope for each in tables for t in each if becomes_node(t)]
        cells = [math.prod(v.cardinality for v in scope) for scope in scopes]
        self.elements = int(starts[-1])
        self.nodes = self.elements + len(cells)
        self.states = max((*cells, *(v.cardinality for v in variables.values())), default=1)
        like = self._like(options.device, options.dtype)
        self.device, self.dtype, budget = like.device, like.dtype, options.memory_budget
        self._budget = device_budget(self.device) if budget is None else budget
        self._fixed_bytes, self._round_bytes = self._needed_bytes(evidence.batch, copies)
        self.check_memory(1)
        self.groups: list[EdgeGroup] = []
        self._cells: list[Tensor] = []
        self._selections: dict[tuple[tuple[int, ...], int], list[tuple[int, int, int]]] = {}
        self._numbers: list[np.ndarray] = []
        self._edges = 0
        self.constant = like.new_zeros(evidence.batch)
        self._blocks = {
            n: like.new_zeros(evidence.batch, v.size, v.cardinality) for n, v in variables.items()
        }
        for factor, each in zip(graph.factors, tables, strict=True):
            self._add(factor, each)
        self._join_cells()
        self.unary = self._with_evidence(evidence)
        self._blocks, self._cells = {}, []  # they are in the unary energies
        made_of = [self.unary, self.constant, *(g.weights for g in self.groups)]
        made_of += [g.table for g in self.groups if g.table is not None]
        self.differentiable = torch.is_grad_enabled() and any(t.requires_grad for t in made_of)

    def check_memory(self, rounds: int) -> None:
        """Raise MemoryBudgetError if the tensors of so many rounds of messages would not fit."""
        required = self._fixed_bytes + rounds * self._round_bytes
        if required > self._budget:
            history = f" of {rounds:,} iterations, kept for gradients," if rounds > 1 else ""
            raise MemoryBudgetError(
                f"messages on tensors{history} would need {format_bytes(required)} for "
                f"{self.nodes:,} nodes with up to {self.states:,} states, the budget is "
                f"{format_bytes(self._budget)}. Use dtype=torch.float32, fewer rows of evidence at "
                "a time or fewer iterations, or raise memory_budget",
                required,
                self._budget,
            )

    def _needed_bytes(self, batch: int, copies: int) -> tuple[int, int]:
        """What the graph and the tables at work take, and what each round of messages takes."""
        edges = pairs = 0
        for factor in self.model.factors:
            if (edge_terms := factor.edge_terms) is not None:
                count, by_table = edge_terms.edge_count, not self._sends_potts(edge_terms)
            else:
                joined = sum(v.is_discrete for v in factor.scope)
                count, by_table = (joined if joined > 2 else int(joined == 2)), True
            edges += count
            if by_table:
                portion = max(NUMBERS_AT_ONCE, batch * self.states**2)
                pairs = max(pairs, min(portion, batch * count * self.states**2))
        beliefs = batch * (self.nodes + 2 * edges) * self.states
        width = self.dtype.itemsize
        fixed = _TABLE_COPIES * pairs * width + edges * _BYTES_PER_EDGE
        return fixed, copies * beliefs * width

    def _sends_potts(self, factor: EdgeTerms) -> bool:
        a, b = factor.ends
        all_states = a.cardinality == b.cardinality == self.states
        return isinstance(factor.interaction, Potts) and all_states

    def _add(self, factor: Factor, tables: Sequence[LogTable]) -> None:
        if (edges := factor.edge_terms) is not None:
            table = None if self._sends_potts(edges) else self._table(edges)
            self._add_group([v.name for v in edges.ends], *edges.edges(), table)
        for names, tensor, is_node in energy_terms(factor, tables):
            energies = tensor.to(self.constant)
            if not names:
                self.constant = self.constant + energies.reshape(-1)
            elif len(names) == 1:
                _, size, states = self._blocks[names[0]].shape
                rows = energies.reshape(-1, size, states)
                self._blocks[names[0]] = self._blocks[names[0]] + rows
            elif is_node:
                self._add_cells(names, energies)
            else:
                zero = torch.zeros(1, dtype=torch.int64)
                self._add_group(names, zero, zero, torch.ones(1), self._padded(energies[None]))

    def _add_cells(self, names: list[str], energies: Tensor) -> None:
        """Add a node for a table, ``(*states)`` or one a row, and an edge to each variable."""
        node = self.elements + len(self._cells)
        shape = tuple(energies.shape[-len(names) :])
        self._cells.append(energies.reshape(-1, math.prod(shape)))
        for axis, name in enumerate(names):
            ends = self._selections.setdefault((shape, axis), [])
            ends.append((self.first_node[name], node, self._edges))
            self._edges += 1

    def _join_cells(self) -> None:
        for (shape, axis), ends in self._selections.items():
            first, second, number = torch.tensor(ends, device=self.device).unbind(1)
            self._numbers.append(number.cpu().numpy())
            self.groups.append(
                SelectionGroup(first, second, shape, axis, self.states, self.constant)
            )

    def _like(self, device: torch.device | str, dtype: torch.dtype | None) -> Tensor:
        if device == "auto":
            tensors = (t for factor in self.model.factors for t in factor.tensors())
            away = next((t.device for t in tensors if t.device.type != "cpu"), None)
            device = tables_device(self.model) if away is None else away
        return torch.empty(0, device=device, dtype=dtype or default_precision(self.model))

    def _add_group(
        self,
        names: Sequence[str],
        first: Tensor,
        second: Tensor,
        weights: Tensor,
        table: Tensor | None,
    ) -> None:
        self._numbers.append(np.arange(self._edges, self._edges + len(first)))
        self._edges += len(first)
        a, b = (self.first_node[name] for name in names)
        first, second = first.to(self.device) + a, second.to(self.device) + b
        self.groups.append(EdgeGroup(first, second, weights.to(self.constant), table, self.states))

    def _table(self, edges: EdgeTerms) -> Tensor:
        table = edges.interaction.energies(*(v.cardinality for v in edges.ends))
        return self._padded(table if table.ndim == 3 else table[None])

    def _padded(self, table: Tensor) -> Tensor:
        right, below = self.states - table.shape[2], self.states - table.shape[1]
        return torch.nn.functional.pad(table.to(self.constant), (0, right, 0, below))

    def _with_evidence(self, evidence: Evidence) -> Tensor:
        blocks = []
        for name, block in self._blocks.items():
            if name in evidence.soft:
                block = block - evidence.soft[name].to(block).reshape(block.shape)
            excluded = excluded_states(evidence, name)
            if excluded is not None:
                block = block.masked_fill(excluded.to(self.device).reshape(block.shape), torch.inf)
            blocks.append(block)
        blocks += [cells.expand(evidence.batch, -1).unsqueeze(1) for cells in self._cells]
        sizes = [(0, self.states - block.shape[2]) for block in blocks]
        pad = torch.nn.functional.pad
        return torch.cat(
            [pad(b, s, value=torch.inf) for b, s in zip(blocks, sizes, strict=True)], 1
        )

    def ends(self) -> Int64[np.ndarray, "edges 2"]:
        """Return the ends of all edges, group after group."""
        both = [torch.stack([g.first, g.second], 1) for g in self.groups]
        return torch.cat(both).cpu().numpy() if both else np.empty((0, 2), np.int64)

    def in_order(self) -> Int64[np.ndarray, " edges"]:
        """Return the places, in :meth:`ends`, of the edges in the order of the factors."""
        return np.argsort(np.concatenate([np.empty(0, np.int64), *self._numbers]), kind="stable")

    def colours(self) -> Int64[Tensor, " nodes"]:
        """Return a colour for each node: no edge joins two of one."""
        first, second = self.ends().T.astype(np.int32)
        colours = colour_ends(first, second, self.nodes).colours
        return torch.as_tensor(colours, dtype=torch.int64, device=self.device)

    def by_variable(self, values: Float[Tensor, "batch nodes states"]) -> dict[str, Tensor]:
        """Split what holds for nodes and states into one tensor a variable."""
        blocks = {}
        for name, start in self.first_node.items():
            variable = self.model.variables[name]
            block = values[:, start : start + variable.size, : variable.cardinality]
            blocks[name] = block.reshape(-1, *variable.shape, variable.cardinality)
        return blocks

    def states_of(
        self, labels: Int64[Tensor, "batch nodes"]
    ) -> dict[str, Int64[Tensor, "batch *shape"]]:
        """Return labels of the nodes as state indices of the variables, on the CPU."""
        blocks = self.by_variable(labels.unsqueeze(-1).expand(-1, -1, self.states))
        return {name: block[..., 0].cpu() for name, block in blocks.items()}

    def edges_from(
        self, colours: Int64[Tensor, " nodes"], colour: int, upwards: bool = True
    ) -> Iterator[tuple[int, bool, Int64[Tensor, " chosen"]]]:
        """Yield the edges from nodes of a colour to those of higher (lower) ones.

        By group and direction: the group's place, whether the second ends receive, and the edges.
        """
        for i, group in enumerate(self.groups):
            for to_second in (True, False):
                ends = (group.first, group.second)
                sender, target = ends if to_second else ends[::-1]
                ahead = colours[target] > colour if upwards else colours[target] < colour
                yield i, to_second, ((colours[sender] == colour) & ahead).nonzero().flatten()

    def labelling(
        self,
        colours: Int64[Tensor, " nodes"],
        beliefs: Float[Tensor, "batch nodes states"],
        messages: Sequence[Sequence[Tensor]] = (),
    ) -> Int64[Tensor, "batch nodes"]:
        """Label the nodes by their beliefs (overwritten), colour by colour.

        Messages towards second and towards first ends that are part of the beliefs give way, where
        they come from a labelled node, to the energies of its label.
        """
        labels = torch.zeros(beliefs.shape[:2], dtype=torch.int64, device=beliefs.device)
        for colour in range(int(colours.max()) + 1 if len(colours) else 0):
            members = (colours == colour).nonzero().flatten()
            labels[:, members] = beliefs[:, members].argmin(-1)
            for i, to_second, edges in self.edges_from(colours, colour):
                group = self.groups[i]
                ends = (group.first[edges], group.second[edges])
                sender, target = ends if to_second else ends[::-1]
                energies = group.pair_energies(labels[:, sender], to_second, edges)
                if messages:
                    energies = without(energies, messages[0 if to_second else 1][i][:, edges])
                beliefs.index_add_(1, target, energies.expand(len(beliefs), -1, -1))
        return labels
