"""One pass over a join tree with torch tensors, in probabilities or in logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import device_budget
from mmgraph.inference.exact.join_tree.contraction import ContractionTree
from mmgraph.inference.exact.join_tree.plan import Request
from mmgraph.inference.exact.join_tree.request import planned
from mmgraph.inference.exact.join_tree.table_view import row_log_tables, table_view

Reduction = Literal["sum", "maximum", "draw"]


class Logarithms(NamedTuple):
    """How a pass runs in logarithms: slower, with the memory of the cliques, but no underflow.

    Attributes
    ----------
    observed : tuple of int
        Variables that every row fixes, to be sliced away; none whose marginal is wanted.
    reduction : {"sum", "maximum", "draw"}
        What becomes of the variables that a node eliminates. The derivative of a maximum is one at
        the best assignment, that of a draw at one drawn at random, and zero elsewhere.
    maximised : tuple of int
        The variables of a maximum, the others being summed out first.
    generator : torch.Generator or None
        Of draws.
    """

    observed: tuple[int, ...] = ()
    reduction: Reduction = "sum"
    maximised: tuple[int, ...] = ()
    generator: torch.Generator | None = None


def always_observed(graph: FactorGraph, evidence: Evidence) -> tuple[int, ...]:
    """Return the places in the table view of the variables that every row observes."""
    index = table_view(graph).index
    always = (evidence.codes != MISSING).all(0)
    return tuple(index[n] for n, fixed in zip(evidence.columns, always, strict=True) if fixed)


class ForwardPass:
    """The tables of every leaf, then a contraction a node.

    Each wanted scope gets a factor of ones (of zeros in logarithms), whose derivative is its joint
    marginal. The memory budget is that of all rows.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        wanted: Sequence[tuple[int, ...]] = (),
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        memory_budget: int | None = None,
        logarithms: Logarithms | None = None,
    ) -> None:
        view = table_view(graph)
        tensors = view.parameters()
        self.in_logarithms, self.options = logarithms is not None, logarithms or Logarithms()
        self.device = torch.device(device or (tensors[0].device if tensors else "cpu"))
        self.dtype = dtype or torch.float64
        self.differentiable = torch.is_grad_enabled() and any(
            t.requires_grad for t in (*tensors, *evidence.soft.values(), *evidence.values.values())
        )
        self.graph, self.view, self.batch = graph, view, evidence.batch
        self.ones: dict[tuple[int, ...], Tensor] = {
            scope: torch.full(
                (self.batch, *(view.cardinalities[v] for v in scope)),
                0.0 if self.in_logarithms else 1.0,
                dtype=self.dtype,
                device=self.device,
                requires_grad=True,
            )
            for scope in dict.fromkeys(wanted)
        }
        self.codes = {
            view.index[name]: torch.from_numpy(evidence.codes[:, i]).to(self.device)
            for i, name in enumerate(evidence.columns)
        }
        self.log_scale = torch.zeros(self.batch, dtype=self.dtype, device=self.device)
        soft = self._soft_tables(evidence, memory_budget)
        maximises = self.options.reduction == "maximum"
        self.planned = planned(
            graph,
            Request(
                observed=self.options.observed,
                row_scopes=tuple(scope for scope, _ in soft),
                maximised=self.options.maximised if maximises else (),
            ),
        )
        self.tree = self.planned.tree
        budget = device_budget(self.device) if memory_budget is None else memory_budget
        self.planned.check_budget(max(1, budget // self.batch))
        self.rank = self.planned.rank
        self.leaf_tables = [*self._model_tables(), *(self._sliced(t, s) for s, t in soft)]

    def _model_tables(self) -> list[Tensor]:
        tables = []
        if self.in_logarithms:
            potentials = [(tensor, 0.0) for tensor in self.view.log_tensors()]
        else:
            potentials = self.view.tensors()
        for (tensor, log_scale), scope in zip(potentials, self.view.scopes, strict=True):
            self.log_scale = self.log_scale + log_scale
            table = tensor.to(device=self.device, dtype=self.dtype)
            tables.append(self._sliced(table.unsqueeze(0), scope))
        return tables

    def _sliced(self, table: Tensor, scope: Sequence[int]) -> Tensor:
        """Take each row's slice of a table (batch or 1, *states), flat."""
        fixed = [i for i, v in enumerate(scope) if v in self.options.observed]
        if not fixed:
            return self._flat(table, scope)
        free = [i for i in range(len(scope)) if i not in fixed]
        rows = torch.arange(self.batch, device=self.device) % table.shape[0]
        table = table.permute(0, *(1 + i for i in (*fixed, *free)))
        sliced = table[(rows, *(self.codes[scope[i]] for i in fixed))]
        return self._flat(sliced, [scope[i] for i in free])

    def _flat(self, table: Tensor, scope: Sequence[int]) -> Tensor:
        """Put the axes in the common order and flatten them: (batch, entries)."""
        axes = sorted(range(len(scope)), key=lambda i: self.rank[scope[i]])
        return table.permute(0, *(1 + a for a in axes)).reshape(table.shape[0], -1)

    def _soft_tables(
        self, evidence: Evidence, memory_budget: int | None
    ) -> list[tuple[tuple[int, ...], Tensor]]:
        """Everything that comes with the rows, as likelihoods; hard evidence is a one-hot row."""
        tables = row_log_tables(self.graph, evidence, self._torch_device(), memory_budget)
        soft = [(scope, self._likelihood(values)) for scope, values in tables]
        for v, codes in self.codes.items():
            if v in self.options.observed:
                continue
            states = torch.arange(self.view.cardinalities[v], device=self.device)
            allowed = (codes[:, None] == states) | (codes[:, None] == MISSING)
            table = allowed.to(self.dtype)
            soft.append(((v,), table.log() if self.in_logarithms else table))
        return [*soft, *self.ones.items()]

    def _torch_device(self) -> torch.device | None:
        """Where torch is to compute densities: not where compiled code can."""
        return self.device if self.differentiable or self.device.type != "cpu" else None

    def _likelihood(self, log_values: Tensor) -> Tensor:
        """Exponentiate row by row with the maximum taken out, and remember it."""
        log_values = log_values.to(device=self.device, dtype=self.dtype)
        if self.in_logarithms:
            return log_values
        top = log_values.detach().reshape(len(log_values), -1).amax(1)
        top = torch.where(torch.isneginf(top), 0.0, top)
        self.log_scale = self.log_scale + top
        # What underflows here is below what ``is_trusted`` trusts.
        return (log_values - top.reshape(-1, *(1,) * (log_values.ndim - 1))).exp()

    def log_total(self) -> Float[Tensor, " batch"]:
        """Contract from the leaves to the roots; return log P(evidence) of every row."""
        tree = self.tree
        tables: list[Tensor | None] = list(self.leaf_tables)
        log_total = self.log_scale
        for node in range(tree.leaves, len(tree.scopes)):
            parts = [n for n in (tree.left[node], tree.right[node]) if n >= 0]
            groups = _axis_groups(tree, node, [tree.scopes[n] for n in parts], self.rank)
            operands = [tables[n] for n in parts]
            for n in parts:  # let go of what is used up
                tables[n] = None
            arguments = [t for t in operands if t is not None]
            if self.in_logarithms:
                reduce = self._reduction(node)
                tables.append(_log_contraction(arguments, groups, reduce))
                continue
            result, log_divisor = _contraction(arguments, groups)
            log_total = log_total + log_divisor
            tables.append(result)
        for root in tree.roots:
            table = tables[root]
            assert table is not None
            if not self.in_logarithms:
                # The logarithm of an impossible row would spoil the gradients of all rows.
                possible = table > 0
                logarithm = torch.where(possible, table, 1.0).log()
                table = logarithm.masked_fill(~possible, -torch.inf)
            log_total = log_total + table.squeeze(1)
        return log_total

    def is_trusted(self, log_total: Float[Tensor, " batch"]) -> bool:
        """Whether no row is so improbable that underflow may have changed it.

        As a compiled plan, with what the precision of the tables leaves.
        """
        smallest = math.log(torch.finfo(self.dtype).tiny)
        spare = 0.85 * smallest + self.planned.log_most
        return bool((log_total.detach() - self.log_scale.detach() >= spare).all())

    def _reduction(self, node: int) -> Callable[[Tensor], Tensor]:
        """How a node eliminates the last axis of its table."""
        if self.tree.eliminated[node].intersection(self.planned.request.maximised):
            return lambda table: table.max(-1).values  # derived at one best state, not at all
        if self.options.reduction == "draw":
            return lambda table: cast(Tensor, _DrawnSum.apply(table, self.options.generator))
        return _log_sum

    def joint_marginals(self, log_total: Float[Tensor, " batch"]) -> dict[tuple[int, ...], Tensor]:
        """Return what derives from ``log_total``: the joint distribution of each wanted scope.

        Of a maximum or a draw it is one at the assignment found. An impossible row has zeros.
        """
        finite = torch.where(torch.isneginf(log_total), 0.0, log_total).sum()
        if not finite.requires_grad or not self.ones:
            return {scope: torch.zeros_like(one) for scope, one in self.ones.items()}
        gradients = torch.autograd.grad(
            finite, list(self.ones.values()), create_graph=self.differentiable, allow_unused=True
        )
        return {
            scope: torch.full_like(one, 1.0 / one[0].numel()) if gradient is None else gradient
            for (scope, one), gradient in zip(self.ones.items(), gradients, strict=True)
        }

    @torch.enable_grad()
    def decisions(
        self, variables: Sequence[int]
    ) -> tuple[Int64[Tensor, "rows variables"], Float[Tensor, " rows"]]:
        """Return the states of a best assignment or a draw, and the logarithms at the root.

        They are where a backward pass is one; observed variables keep their states.
        """
        total = self.log_total()
        marginals = self.joint_marginals(total)
        observed = self.options.observed
        states = [
            self.codes[v] if v in observed else marginals[(v,)].detach().argmax(1)
            for v in variables
        ]
        chosen = torch.stack(states, 1) if states else total.new_empty(self.batch, 0).long()
        return chosen.cpu(), total.detach().cpu()


Groups = list[tuple[int, tuple[bool, ...]]]


def _contraction(
    operands: Sequence[Float[Tensor, "rows entries"]], groups: Groups
) -> tuple[Float[Tensor, "rows entries"], Float[Tensor, " rows"]]:
    """Multiply and sum out; the result is divided by its total."""
    arguments: list[object] = []
    for k, table in enumerate(operands):
        axes = [i + 1 for i, (_, members) in enumerate(groups) if members[k]]
        sizes = [groups[i - 1][0] for i in axes]
        arguments += [table.reshape(table.shape[0], *sizes), [0, *axes]]
    remaining = [i + 1 for i, (_, members) in enumerate(groups) if members[-1]]
    result = torch.einsum(*arguments, [0, *remaining])
    result = result.reshape(result.shape[0], -1)
    total = result.detach().sum(1, keepdim=True)
    divisor = torch.where(total > 0, total, 1.0)
    return result / divisor, divisor.log().squeeze(1)


def _log_contraction(
    operands: Sequence[Float[Tensor, "rows entries"]],
    groups: Groups,
    reduce: Callable[[Tensor], Tensor],
) -> Float[Tensor, "rows entries"]:
    """Add logarithms and eliminate variables."""
    total: Tensor | float = 0.0
    for k, table in enumerate(operands):
        sizes = [size if members[k] else 1 for size, members in groups]
        total = total + table.reshape(table.shape[0], *sizes)
    assert isinstance(total, Tensor)
    remaining = [i + 1 for i, (_, members) in enumerate(groups) if members[-1]]
    gone = [i + 1 for i, (_, members) in enumerate(groups) if not members[-1]]
    if gone:
        total = reduce(total.permute(0, *remaining, *gone).flatten(1 + len(remaining)))
    return total.reshape(total.shape[0], -1)


def _log_sum(table: Float[Tensor, "... states"]) -> Float[Tensor, "..."]:
    """Log-sum-exp over the last axis, whose gradient is zero where all is impossible."""
    top = table.detach().amax(-1, keepdim=True)
    top = torch.where(torch.isneginf(top), 0.0, top)
    sums = (table - top).exp().sum(-1, keepdim=True)
    possible = sums > 0
    logs = torch.where(possible, torch.where(possible, sums, 1.0).log(), -torch.inf)
    return (logs + top).squeeze(-1)


class _DrawnSum(torch.autograd.Function):
    """Log-sum-exp whose derivative is one at a state drawn by its share of the sum.

    From the root down each table gets a derivative of one where the nodes above have drawn its
    state, so that a backward pass is forward filtering, backward sampling. The state is that of the
    largest logarithm after Gumbel noise (Yellott 1977).
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, generator: torch.Generator | None) -> Tensor:
        ctx.save_for_backward(table)
        ctx.generator = generator
        return _log_sum(table)

    @staticmethod
    def backward(ctx: Any, *derivatives: Tensor) -> tuple[Tensor, None]:
        (table,), (chosen,) = ctx.saved_tensors, derivatives
        noise = -torch.empty_like(table).exponential_(generator=ctx.generator).log()
        drawn = (table + noise).argmax(-1, keepdim=True)
        return torch.zeros_like(table).scatter_(-1, drawn, chosen.unsqueeze(-1)), None


def _axis_groups(
    tree: ContractionTree, node: int, parts: Sequence[frozenset[int]], rank: Sequence[int]
) -> Groups:
    """Merge neighbouring variables that belong to the same tables into one axis each.

    This also keeps the number of axes within torch's limits, however many variables there are.
    """
    groups: Groups = []
    for v in sorted(frozenset().union(*parts), key=rank.__getitem__):
        members = (*(v in part for part in parts), v in tree.scopes[node])
        size = tree.cardinalities[v]
        if groups and groups[-1][1] == members:
            groups[-1] = (groups[-1][0] * size, members)
        else:
            groups.append((size, members))
    return groups
