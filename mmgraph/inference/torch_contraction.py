"""The same join tree run by torch: for GPUs, and wherever gradients are asked for.

Only the forward pass is written here. A marginal is the derivative of log P(evidence) with respect
to a factor of ones over its variable (Darwiche 2003), so automatic differentiation supplies the
backward pass, and differentiating once more gives gradients of marginals.
"""

from __future__ import annotations

import time
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
from mmgraph.inference.impossible import raise_impossible
from mmgraph.inference.plan import axis_ranks
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.table_view import TableView, table_view


def wants_torch(graph: FactorGraph, evidence: Evidence) -> bool:
    """Whether a table or soft evidence asks for gradients, or lies on another device."""
    key = "wants_torch"
    if key not in graph.plans:
        graph.plans[key] = any(
            tensor.requires_grad or tensor.device.type != "cpu"
            for tensor in _tensors_of(table_view(graph))
        )
    return bool(graph.plans[key]) or any(
        t.requires_grad or t.device.type != "cpu"
        for group in (evidence.soft, evidence.values)
        for t in group.values()
    )


def torch_contraction(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    memory_budget: int | None = None,
) -> Posterior:
    """Return exact marginals, differentiable with respect to tables and soft evidence.

    Parameters
    ----------
    device : torch.device, optional
        Where to compute; by default where the model's tables are.
    dtype : torch.dtype, optional
        Double by default.
    memory_budget : int, optional
        In bytes, for one pass over all rows of the batch.

    Raises
    ------
    TreewidthError, ZeroProbabilityError
        As for the junction tree.
    """
    began = time.perf_counter()
    view = table_view(graph)
    names = list(view.index) if variables is None else list(variables)
    wanted = [view.index[graph.variable(name).name] for name in names]
    run = _Run(graph, view, evidence, wanted, device, dtype, memory_budget)
    with torch.enable_grad():
        log_total = run.log_total()
        impossible = torch.isneginf(log_total.detach())
        if bool(impossible.any()):
            rows = impossible.nonzero().flatten().cpu().numpy()
            raise_impossible(graph, evidence, rows, memory_budget)
        ones = [run.ones[v] for v in wanted]
        gradients = torch.autograd.grad(
            log_total.sum(), ones, create_graph=run.differentiable, allow_unused=True
        )
    flat = torch.cat(
        [
            torch.full_like(one, 1.0 / one.shape[1]) if gradient is None else gradient
            for one, gradient in zip(ones, gradients, strict=True)
        ],
        1,
    )
    places, start = {}, 0
    for name, one in zip(names, ones, strict=True):
        places[name] = (start, start + one.shape[1])
        start += one.shape[1]
    return Posterior(
        places,
        graph.variables,
        flat if run.differentiable else flat.detach(),
        log_total if run.differentiable else log_total.detach(),
        method="torch",
        exact=True,
        seconds=time.perf_counter() - began,
    )


def log_evidence(
    graph: FactorGraph,
    evidence: Evidence,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    memory_budget: int | None = None,
) -> Float[Tensor, " batch"]:
    """Return log P(evidence) of every row, differentiable, ``-inf`` where it is impossible."""
    view = table_view(graph)
    run = _Run(graph, view, evidence, (), device, dtype, memory_budget)
    total = run.log_total()
    return total if run.differentiable else total.detach()


def _tensors_of(view: TableView) -> list[Tensor]:
    tensors = [t for t, _ in view.tensors() if t is not None]
    for factor in view.continuous:
        tensors += getattr(factor, "parameters", dict)().values()
    return tensors


class _Run:
    """One forward pass: the tables of every leaf, then a contraction a node."""

    def __init__(
        self,
        graph: FactorGraph,
        view: TableView,
        evidence: Evidence,
        wanted: Sequence[int],
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        memory_budget: int | None,
    ) -> None:
        tensors = _tensors_of(view)
        self.device = torch.device(device or (tensors[0].device if tensors else "cpu"))
        self.dtype = dtype or torch.float64
        self.differentiable = torch.is_grad_enabled() and any(
            t.requires_grad for t in (*tensors, *evidence.soft.values(), *evidence.values.values())
        )
        self.view, self.batch = view, evidence.batch
        self.ones: dict[int, Tensor] = {
            v: torch.ones(
                self.batch,
                view.cardinalities[v],
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
            table = factor.likelihood(evidence)
            if table is not None:
                scope = tuple(self.view.index[v.name] for v in table.scope)
                soft.append((scope, self._likelihood(table.values)))
        for i, name in enumerate(evidence.columns):
            v = self.view.index[name]
            codes = torch.from_numpy(evidence.codes[:, i]).to(self.device)[:, None]
            states = torch.arange(self.view.cardinalities[v], device=self.device)
            allowed = (codes == states) | (codes == MISSING)
            soft.append(((v,), allowed.to(self.dtype)))
        soft += [((v,), one) for v, one in self.ones.items()]
        return soft

    def _likelihood(self, log_values: Tensor) -> Tensor:
        """Exponentiate row by row with the maximum taken out, and remember it."""
        log_values = log_values.to(device=self.device, dtype=self.dtype)
        top = log_values.detach().flatten(1).amax(1)
        top = torch.where(torch.isneginf(top), 0.0, top)
        self.log_scale = self.log_scale + top
        return (log_values - top.reshape(-1, *(1,) * (log_values.ndim - 1))).exp()

    def log_total(self) -> Float[Tensor, " batch"]:
        """Contract from the leaves to the roots, each result divided by its total."""
        tree = self.tree
        tables: list[Tensor | None] = list(self.leaf_tables)
        log_total = self.log_scale
        for node in range(tree.leaves, len(tree.scopes)):
            left, right = tree.left[node], tree.right[node]
            result = self._contract(node, tables[left], None if right < 0 else tables[right])
            tables[left] = None
            if right >= 0:
                tables[right] = None
            total = result.detach().sum(1, keepdim=True)
            possible = total > 0
            result = result / torch.where(possible, total, 1.0)
            log_total = log_total + torch.where(possible, total, 1.0).log().squeeze(1)
            tables.append(result)
        for root in tree.roots:
            table = tables[root]
            assert table is not None
            log_total = log_total + table.squeeze(1).log()
        return log_total

    def _contract(self, node: int, first: Tensor | None, second: Tensor | None) -> Tensor:
        assert first is not None
        tree = self.tree
        parts = [tree.scopes[tree.left[node]]]
        if second is not None:
            parts.append(tree.scopes[tree.right[node]])
        groups = _axis_groups(tree, node, parts, self.rank)
        arguments: list[object] = []
        for k, table in enumerate((first, second)[: len(parts)]):
            axes = [i + 1 for i, (_, members) in enumerate(groups) if members[k]]
            sizes = [groups[i - 1][0] for i in axes]
            arguments += [table.reshape(table.shape[0], *sizes), [0, *axes]]  # type: ignore[union-attr]
        result_axes = [i + 1 for i, (_, members) in enumerate(groups) if members[-1]]
        result = torch.einsum(*arguments, [0, *result_axes])
        return result.reshape(result.shape[0], -1)


def _axis_groups(
    tree: ContractionTree, node: int, parts: Sequence[frozenset[int]], rank: Sequence[int]
) -> list[tuple[int, tuple[bool, ...]]]:
    """Merge neighbouring variables that belong to the same tables into one axis each.

    This also keeps the number of axes within torch's limits, however many variables there are.
    """
    groups: list[tuple[int, tuple[bool, ...]]] = []
    for v in sorted(frozenset().union(*parts), key=rank.__getitem__):
        members = (*(v in part for part in parts), v in tree.scopes[node])
        size = tree.cardinalities[v]
        if groups and groups[-1][1] == members:
            groups[-1] = (groups[-1][0] * size, members)
        else:
            groups.append((size, members))
    return groups
