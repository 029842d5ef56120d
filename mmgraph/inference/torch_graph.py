"""A graph as tensors for message passing, with the memory it takes asked for first.

Nodes are the elements of all discrete variables, padded to the largest number of states with
``inf``. All values are energies.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.edge_factor import EdgeFactor
from mmgraph.graph.errors import MemoryBudgetError, NotTabularError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor, LogTable, TableFactor, UnaryFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.interaction import Interaction, Potts
from mmgraph.graph.variable import Variable
from mmgraph.inference.compiled import default_memory_budget, format_bytes
from mmgraph.inference.field_variables import default_precision
from mmgraph.inference.pairwise_graph import factor_tensors
from mmgraph.inference.row_table import excluded_states
from mmgraph.inference.torch_messages import NUMBERS_AT_ONCE, EdgeGroup

_BYTES_PER_EDGE = 24
"""Both ends and the weight."""
_TABLE_COPIES = 4
"""Temporary tensors with an entry for each pair of states."""


class TorchGraph:
    """The nodes and edges of a graph as tensors, with the evidence folded in.

    Parameters
    ----------
    graph : FactorGraph
        Arrays and scalars joined by edge factors and by tables over at most two variables.
    evidence : Evidence
        Hard, soft or missing; all rows together.
    device, dtype : optional
        Where and how precisely to compute; by default as the first factor's tensors.
    copies : int
        How many tensors as large as all beliefs and messages a round of messages takes.
    memory_budget : int, optional
        In bytes; by default half of the machine's memory, or what a GPU has free.

    Raises
    ------
    NotTabularError
        If a table joins three or more variables.
    MemoryBudgetError
        If beliefs and messages would not fit; nothing has been allocated.

    Attributes
    ----------
    differentiable : bool
        Whether a factor or soft evidence asks for gradients.
    unary : Tensor, shape (batch, nodes, states)
        Unary energies.
    groups : list of EdgeGroup
        The edges.
    constant : Tensor, shape (batch,)
        Energy of factors without free variables.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        copies: int = 7,
        memory_budget: int | None = None,
    ) -> None:
        self.graph = graph
        variables = {n: v for n, v in graph.variables.items() if v.is_discrete}
        sizes = [v.size for v in variables.values()]
        starts = np.cumsum([0, *sizes])
        self.first_node = dict(zip(variables, starts[:-1].tolist(), strict=True))
        self.nodes = int(starts[-1])
        self.states = max((v.cardinality for v in variables.values()), default=1)
        like = self._like(device, dtype)
        self.device, self.dtype = like.device, like.dtype
        self._budget = _budget(self.device) if memory_budget is None else memory_budget
        self._fixed_bytes, self._round_bytes = self._needed_bytes(evidence.batch, copies)
        self.check_memory(1)
        self.groups: list[EdgeGroup] = []
        self.constant = like.new_zeros(evidence.batch)
        blocks = {
            n: like.new_zeros(evidence.batch, v.size, v.cardinality) for n, v in variables.items()
        }
        for factor in graph.factors:
            if isinstance(factor, EdgeFactor):
                self._add_edges(factor)
            elif isinstance(factor, UnaryFactor):
                name = factor.scope[0].name
                block = factor.log_values.to(like).reshape(1, *blocks[name].shape[1:])
                blocks[name] = blocks[name] - block
            else:
                self._add_tables(factor, evidence, blocks)
        self.unary = self._with_evidence(blocks, evidence)
        made_of = [self.unary, self.constant, *(g.weights for g in self.groups)]
        made_of += [g.table for g in self.groups if g.table is not None]
        self.differentiable = torch.is_grad_enabled() and any(t.requires_grad for t in made_of)

    def check_memory(self, rounds: int) -> None:
        """Refuse to hold the tensors of so many rounds of messages at once.

        Raises
        ------
        MemoryBudgetError
            If they would not fit.
        """
        required = self._fixed_bytes + rounds * self._round_bytes
        if required > self._budget:
            kept = f" of {rounds:,} iterations, kept for gradients," if rounds > 1 else ""
            raise MemoryBudgetError(
                f"messages on tensors{kept} would need {format_bytes(required)} for {self.nodes:,} "
                f"nodes with up to {self.states:,} states, the budget is "
                f"{format_bytes(self._budget)}. Use dtype=torch.float32, fewer rows of evidence at "
                "a time or fewer iterations, or raise memory_budget",
                required,
                self._budget,
            )

    def _needed_bytes(self, batch: int, copies: int) -> tuple[int, int]:
        """What the graph and the tables at work take, and what each round of messages takes."""
        edges = pairs = 0
        for factor in self.graph.factors:
            if isinstance(factor, EdgeFactor):
                count, by_table = factor.edge_count, not self._sends_potts(factor)
            else:
                count, by_table = int(sum(v.is_discrete for v in factor.scope) > 1), True
            edges += count
            if by_table:
                portion = max(NUMBERS_AT_ONCE, batch * self.states**2)
                pairs = max(pairs, min(portion, batch * count * self.states**2))
        beliefs = batch * (self.nodes + 2 * edges) * self.states
        width = self.dtype.itemsize
        fixed = _TABLE_COPIES * pairs * width + edges * _BYTES_PER_EDGE
        return fixed, copies * beliefs * width

    def _sends_potts(self, factor: EdgeFactor) -> bool:
        a, b = factor.ends
        all_states = a.cardinality == b.cardinality == self.states
        return isinstance(factor.interaction, Potts) and all_states

    def _add_tables(self, factor: Factor, evidence: Evidence, blocks: dict[str, Tensor]) -> None:
        tables: Iterable[LogTable]
        if factor.is_tabular:
            tables = [_log_table(factor)] if isinstance(factor, TableFactor) else factor.tables()
        else:
            likelihood = factor.likelihood(evidence)
            tables = [] if likelihood is None else [likelihood]
        for table in tables:
            names = [v.name for v in table.scope]
            energies = -table.values.to(self.constant)
            if not names:
                self.constant = self.constant + energies.reshape(-1)
            elif len(names) == 1:
                rows = energies.reshape(-1, 1, blocks[names[0]].shape[2])
                blocks[names[0]] = blocks[names[0]] + rows
            elif len(names) == 2 and energies.ndim == 2:
                self._add_table(names, energies)
            else:
                raise NotTabularError(
                    f"{factor!r} joins {len(names)} variables; messages on tensors join two. Use "
                    "the CPU, or method='torch'"
                )

    def _like(self, device: torch.device | str | None, dtype: torch.dtype | None) -> Tensor:
        if device in (None, "auto"):
            tensors = (t for factor in self.graph.factors for t in factor_tensors(factor))
            device = next((t.device for t in tensors if t.device.type != "cpu"), None)
        return torch.empty(0, device=device, dtype=dtype or default_precision(self.graph))

    def _add_edges(self, factor: EdgeFactor) -> None:
        a, b = factor.ends
        first, second, weights = (t.to(self.device) for t in factor.edges())
        interaction = factor.interaction
        self.groups.append(
            EdgeGroup(
                first + self.first_node[a.name],
                second + self.first_node[b.name],
                weights.to(self.dtype),
                None if self._sends_potts(factor) else self._table(interaction, a, b),
                self.states,
            )
        )

    def _add_table(self, names: list[str], energies: Tensor) -> None:
        first, second = (torch.tensor([self.first_node[n]], device=self.device) for n in names)
        weights = torch.ones(1, device=self.device, dtype=self.dtype)
        table = self._padded(energies[None])
        self.groups.append(EdgeGroup(first, second, weights, table, self.states))

    def _table(self, interaction: Interaction, a: Variable, b: Variable) -> Tensor:
        table = interaction.energies(a.cardinality, b.cardinality)
        table = table.to(device=self.device, dtype=self.dtype)
        return self._padded(table if table.ndim == 3 else table[None])

    def _padded(self, table: Tensor) -> Tensor:
        right, below = self.states - table.shape[2], self.states - table.shape[1]
        return torch.nn.functional.pad(table, (0, right, 0, below))

    def _with_evidence(self, blocks: dict[str, Tensor], evidence: Evidence) -> Tensor:
        padded = []
        for name, block in blocks.items():
            if name in evidence.soft:
                block = block - evidence.soft[name].to(block).reshape(block.shape)
            excluded = excluded_states(evidence, name)
            if excluded is not None:
                block = block.masked_fill(excluded.to(self.device).reshape(block.shape), torch.inf)
            padded.append(
                torch.nn.functional.pad(block, (0, self.states - block.shape[2]), value=torch.inf)
            )
        return torch.cat(padded, 1)

    def by_variable(self, values: Float[Tensor, "batch nodes states"]) -> dict[str, Tensor]:
        """Split what holds for nodes and states into one tensor a variable."""
        found = {}
        for name, start in self.first_node.items():
            variable = self.graph.variables[name]
            block = values[:, start : start + variable.size, : variable.cardinality]
            found[name] = block.reshape(-1, *variable.shape, variable.cardinality)
        return found


def _log_table(factor: TableFactor) -> LogTable:
    """The logarithms of a table; a zero is a constant, whose logarithm has no gradient."""
    if factor.is_log:
        return LogTable(factor.scope, factor.log_values)
    zero = factor.values == 0
    logs = factor.values.masked_fill(zero, 1.0).log().masked_fill(zero, -torch.inf)
    return LogTable(factor.scope, logs)


def _budget(device: torch.device) -> int:
    if device.type != "cuda":
        return default_memory_budget()
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)
