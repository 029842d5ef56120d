"""Messages as tensors: all rows and all edges of a group at once, on any device, differentiable.

Nodes are the elements of all discrete variables, padded to the largest number of states with
``inf``. Edges come in groups that share an interaction. As in the compiled kernels all values are
energies. Potts messages take a number of steps linear in the number of states; others go through
the table of the interaction, edges in portions that bound the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.edge_factor import EdgeFactor
from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import Factor, UnaryFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.interaction import Interaction, Potts, Tabulated

_NUMBERS_AT_ONCE = 1 << 26
"""Entries of the largest temporary tensor."""


@dataclass
class EdgeGroup:
    """Edges that share an interaction.

    Attributes
    ----------
    first, second : Tensor of int64, shape (edges,)
        The nodes at the ends.
    weights : Tensor, shape (edges,)
        What the energies are multiplied by.
    table : Tensor or None
        Energies, ``(1, states, states)`` or one for each edge, padded with zeros; None for Potts.
    states : int
        To which messages are padded.
    """

    first: Int64[Tensor, " edges"]
    second: Int64[Tensor, " edges"]
    weights: Float[Tensor, " edges"]
    table: Float[Tensor, "tables states states"] | None
    states: int

    def send(
        self,
        source: Float[Tensor, "batch edges states"],
        towards_second: bool,
        sums: bool,
        chosen: Int64[Tensor, " chosen"] | None = None,
    ) -> Float[Tensor, "batch edges states"]:
        """Return the messages that ``source`` sends along the edges (some of them), unnormalised.

        Parameters
        ----------
        towards_second : bool
            The direction.
        sums : bool
            Sum-product rather than min-sum.
        chosen : Tensor of int64, optional
            The edges that ``source`` belongs to; by default all.
        """
        weights = self.weights if chosen is None else self.weights[chosen]
        if self.table is None:
            return _potts(source, weights, sums)
        table = self.table if len(self.table) == 1 or chosen is None else self.table[chosen]
        table = table if towards_second else table.mT
        batch, edges, states = source.shape
        step = max(1, _NUMBERS_AT_ONCE // (batch * states * states))
        parts = []
        for start in range(0, edges, step):
            part = slice(start, start + step)
            tables = table if len(table) == 1 else table[part]
            energies = weights[part, None, None] * tables
            # Zero times a forbidden pair is no energy.
            energies = energies.masked_fill(weights[part, None, None] == 0, 0.0)
            joint = source[:, part, :, None] + energies
            parts.append(-torch.logsumexp(-joint, 2) if sums else joint.amin(2))
        return torch.cat(parts, 1) if parts else source

    def pair_energies(
        self,
        x: Int64[Tensor, "batch edges"],
        towards_second: bool,
        chosen: Int64[Tensor, " chosen"],
    ) -> Float[Tensor, "batch chosen states"]:
        """Return the energies of all states of one end given the states ``x`` of the other."""
        weights = self.weights[chosen][:, None]
        if self.table is None:
            states = torch.arange(self.states, device=x.device)
            return weights * (states != x[..., None]).to(weights)
        table = self.table.expand(len(self.weights), -1, -1)[chosen]
        table = table if towards_second else table.mT
        rows = table[torch.arange(len(chosen), device=x.device), x]
        return (weights * rows).masked_fill(weights == 0, 0.0)


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

    Raises
    ------
    NotTabularError
        If a table joins three or more variables.

    Attributes
    ----------
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

    def _add_tables(self, factor: Factor, evidence: Evidence, blocks: dict[str, Tensor]) -> None:
        if factor.is_tabular:
            tables = list(factor.tables())
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
        tensors: list[Tensor] = []
        precisions = set()
        for factor in self.graph.factors:
            if isinstance(factor, EdgeFactor):
                tensors.extend(factor.tensors())
            elif isinstance(factor, UnaryFactor):
                tensors.append(factor.log_values)
                precisions |= {factor.log_values.dtype} if factor.scope[0].shape else set()
        if device in (None, "auto"):
            device = next((t.device for t in tensors if t.device.type != "cpu"), None)
        if dtype is None:
            dtype = torch.float32 if precisions == {torch.float32} else torch.float64
        return torch.empty(0, device=device, dtype=dtype)

    def _add_edges(self, factor: EdgeFactor) -> None:
        a, b = factor.ends
        first, second, weights = (t.to(self.device) for t in factor.edges())
        interaction = factor.interaction
        self.groups.append(
            EdgeGroup(
                first + self.first_node[a.name],
                second + self.first_node[b.name],
                weights.to(self.dtype),
                self._table(interaction, a.cardinality, b.cardinality),
                self.states,
            )
        )

    def _add_table(self, names: list[str], energies: Tensor) -> None:
        first, second = (torch.tensor([self.first_node[n]], device=self.device) for n in names)
        weights = torch.ones(1, device=self.device, dtype=self.dtype)
        table = self._padded(energies[None])
        self.groups.append(EdgeGroup(first, second, weights, table, self.states))

    def _table(self, interaction: Interaction, rows: int, columns: int) -> Tensor | None:
        if isinstance(interaction, Potts) and rows == columns == self.states:
            return None
        table = (
            interaction.table
            if isinstance(interaction, Tabulated)
            else interaction.energies(rows, columns)
        )
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
            hard = evidence.hard(name)
            if hard is not None:
                codes = hard.to(self.device).reshape(block.shape[0], -1, 1)
                states = torch.arange(block.shape[2], device=self.device)
                block = block.masked_fill((codes != states) & (codes != MISSING), torch.inf)
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


def without(total: Tensor, message: Tensor) -> Tensor:
    """Take a message away; where it is infinite the total is, and stays so."""
    return total - message.masked_fill(torch.isinf(message), 0.0)


def normalised(message: Tensor) -> Tensor:
    """Subtract each message's smallest entry, if that is finite."""
    low = message.amin(-1, keepdim=True)
    return message - low.masked_fill(torch.isinf(low), 0.0)


def _potts(source: Tensor, weights: Tensor, sums: bool) -> Tensor:
    if not sums:
        # Attraction: the own state, or the best one and the weight. Repulsion: the own state and
        # nothing, or the best other one and the (negative) weight.
        ranked = source.topk(min(2, source.shape[-1]), -1, largest=False)
        best, runner_up = ranked.values[..., :1], ranked.values[..., -1:]
        is_best = torch.arange(source.shape[-1], device=source.device) == ranked.indices[..., :1]
        other = torch.where(is_best, runner_up, best)
        if source.shape[-1] == 1:
            return source
        return torch.minimum(source, other + weights[:, None])
    low = source.amin(-1, keepdim=True)
    low = low.masked_fill(torch.isinf(low), 0.0)
    shares = torch.exp(low - source)
    agree = torch.exp(-weights)[:, None]
    # Written with the others' total first: a difference of two shares would lose small ones.
    others = shares.sum(-1, keepdim=True) - shares
    return low - torch.log(shares + agree * others)
