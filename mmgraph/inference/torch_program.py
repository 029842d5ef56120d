"""One pass over a join tree with torch tensors, in probabilities or in logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.compiled import (
    Request,
    check_budget,
    default_memory_budget,
    join_tree,
    request_leaves,
)
from mmgraph.inference.contraction import ContractionTree
from mmgraph.inference.plan import axis_ranks
from mmgraph.inference.table_view import TableView, table_view


def model_tensors(view: TableView) -> list[Tensor]:
    """Return every tensor that the tables and likelihoods of a model are computed from."""
    tensors = [t for t, _ in view.tensors() if t is not None]
    for factor in view.continuous:
        tensors += getattr(factor, "parameters", dict)().values()
    return tensors


class ForwardPass:
    """The tables of every leaf, then a contraction a node.

    Parameters
    ----------
    graph, evidence
        What to compute.
    wanted : sequence of int
        Variables that get a factor of ones, whose derivative is their marginal.
    device, dtype
        Where and in which precision.
    memory_budget : int, optional
        In bytes, for all rows.
    in_logarithms : bool
        Slower, and takes the memory of the cliques, but never underflows.

    Attributes
    ----------
    ones : dict of int to Tensor
        The factors of ones (zeros in logarithms), ``(batch, states)``.
    differentiable : bool
        Whether a parameter or the evidence asks for gradients.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        wanted: Sequence[int] = (),
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        memory_budget: int | None = None,
        in_logarithms: bool = False,
    ) -> None:
        view = table_view(graph)
        tensors = model_tensors(view)
        self.in_logarithms = in_logarithms
        self.device = torch.device(device or (tensors[0].device if tensors else "cpu"))
        self.dtype = dtype or torch.float64
        self.differentiable = torch.is_grad_enabled() and any(
            t.requires_grad for t in (*tensors, *evidence.soft.values(), *evidence.values.values())
        )
        self.view, self.batch = view, evidence.batch
        self.ones: dict[int, Tensor] = {
            v: torch.full(
                (self.batch, view.cardinalities[v]),
                0.0 if in_logarithms else 1.0,
                dtype=self.dtype,
                device=self.device,
                requires_grad=True,
            )
            for v in dict.fromkeys(wanted)
        }
        self.log_scale = torch.zeros(self.batch, dtype=self.dtype, device=self.device)
        soft = self._soft_tables(graph, evidence)
        request = Request(row_scopes=tuple(scope for scope, _ in soft))
        leaves = request_leaves(view, request)
        self.tree, order = join_tree(view, leaves, request)
        budget = default_memory_budget() if memory_budget is None else memory_budget
        check_budget(view, self.tree, max(1, budget // self.batch))
        self.rank = axis_ranks(order)
        self.leaf_tables = [*self._model_tables(), *(self._flat(t, s) for s, t in soft)]

    def _model_tables(self) -> list[Tensor]:
        tables = []
        for (tensor, log_scale), scope in zip(self.view.tensors(), self.view.scopes, strict=True):
            self.log_scale = self.log_scale + log_scale
            if tensor is None:
                tensor = torch.ones([self.view.cardinalities[v] for v in scope])
            table = tensor.to(device=self.device, dtype=self.dtype)
            if self.in_logarithms:
                table = table.log()
            tables.append(self._flat(table.unsqueeze(0), scope))
        return tables

    def _flat(self, table: Tensor, scope: Sequence[int]) -> Tensor:
        """Put the axes in the common order and flatten them: (batch, entries)."""
        axes = sorted(range(len(scope)), key=lambda i: self.rank[scope[i]])
        return table.permute(0, *(1 + a for a in axes)).reshape(table.shape[0], -1)

    def _soft_tables(
        self, graph: FactorGraph, evidence: Evidence
    ) -> list[tuple[tuple[int, ...], Tensor]]:
        """Everything that comes with the rows, as likelihoods; hard evidence is a one-hot row."""
        soft: list[tuple[tuple[int, ...], Tensor]] = []
        for name, values in evidence.soft.items():
            soft.append(((self.view.index[graph.variable(name).name],), self._likelihood(values)))
        for factor in self.view.continuous:
            likelihood = factor.likelihood(evidence)
            if likelihood is not None:
                scope = tuple(self.view.index[v.name] for v in likelihood.scope)
                soft.append((scope, self._likelihood(likelihood.values)))
        for i, name in enumerate(evidence.columns):
            v = self.view.index[name]
            codes = torch.from_numpy(evidence.codes[:, i]).to(self.device)[:, None]
            states = torch.arange(self.view.cardinalities[v], device=self.device)
            allowed = (codes == states) | (codes == MISSING)
            table = allowed.to(self.dtype)
            soft.append(((v,), table.log() if self.in_logarithms else table))
        soft += [((v,), one) for v, one in self.ones.items()]
        return soft

    def _likelihood(self, log_values: Tensor) -> Tensor:
        """Exponentiate row by row with the maximum taken out, and remember it."""
        log_values = log_values.to(device=self.device, dtype=self.dtype)
        if self.in_logarithms:
            return log_values
        top = log_values.detach().flatten(1).amax(1)
        top = torch.where(torch.isneginf(top), 0.0, top)
        self.log_scale = self.log_scale + top
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
            contract = _log_contraction if self.in_logarithms else _contraction
            result, log_divisor = contract([t for t in operands if t is not None], groups)
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
    kept = [i + 1 for i, (_, members) in enumerate(groups) if members[-1]]
    result = torch.einsum(*arguments, [0, *kept])
    result = result.reshape(result.shape[0], -1)
    total = result.detach().sum(1, keepdim=True)
    divisor = torch.where(total > 0, total, 1.0)
    return result / divisor, divisor.log().squeeze(1)


def _log_contraction(
    operands: Sequence[Float[Tensor, "rows entries"]], groups: Groups
) -> tuple[Float[Tensor, "rows entries"], Float[Tensor, " rows"]]:
    """Add logarithms and sum out by log-sum-exp, whose gradient is zero where all is impossible."""
    total: Tensor | float = 0.0
    for k, table in enumerate(operands):
        sizes = [size if members[k] else 1 for size, members in groups]
        total = total + table.reshape(table.shape[0], *sizes)
    assert isinstance(total, Tensor)
    gone = [i + 1 for i, (_, members) in enumerate(groups) if not members[-1]]
    if gone:
        top = total.detach().amax(gone, keepdim=True)
        top = torch.where(torch.isneginf(top), 0.0, top)
        sums = (total - top).exp().sum(gone, keepdim=True)
        possible = sums > 0
        total = torch.where(possible, torch.where(possible, sums, 1.0).log(), -torch.inf) + top
    return total.reshape(total.shape[0], -1), total.new_zeros(total.shape[0])


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
