"""Exact answers by listing every joint state: the referee that other methods are tested against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import TreewidthError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import default_memory_budget, format_bytes
from mmgraph.inference.exact.impossible_evidence import check_possible
from mmgraph.inference.exact.join_tree.table_view import (
    TableView,
    indices,
    row_log_tables,
    table_view,
)
from mmgraph.inference.posterior import Moments


def marginals(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    memory_budget: int | None = None,
) -> dict[str, Any]:
    """Return fields of a posterior: exact marginals from the full joint table.

    Raises
    ------
    TreewidthError
        If the joint table would not fit the memory budget.
    ZeroProbabilityError
        If a row of evidence is impossible.
    """
    view = table_view(graph)
    log_joint = log_joint_table(graph, evidence, memory_budget)
    log_total = log_joint.flatten(1).logsumexp(1)
    check_possible(graph, evidence, log_total, memory_budget)
    joint = (log_joint - log_total.reshape(-1, *(1,) * len(view.variables))).exp()
    marginals = {}
    for v in indices(graph, variables):
        others = [axis for axis in range(1, joint.ndim) if axis != 1 + v]
        marginals[view.variables[v].name] = joint.sum(others) if others else joint
    return {
        "moments": Moments(marginals),
        "log_weight": log_total,
        "joint_entropy": partial(_entropy, joint.flatten(1)),
    }


def _entropy(probability: Float[Tensor, "batch joint"]) -> Float[Tensor, " batch"]:
    return -torch.special.xlogy(probability, probability).sum(1)


def log_evidence(
    graph: FactorGraph, evidence: Evidence, memory_budget: int | None = None
) -> Float[Tensor, " batch"]:
    """Return log P(evidence) of every row, ``-inf`` where it is impossible."""
    return log_joint_table(graph, evidence, memory_budget).flatten(1).logsumexp(1)


def best_assignment(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    memory_budget: int | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the most probable states of some variables, the others summed out."""
    view = table_view(graph)
    wanted = indices(graph, variables)
    log_joint = log_joint_table(graph, evidence, memory_budget)
    axes = [1 + v for v in wanted]
    others = [a for a in range(1, log_joint.ndim) if a not in axes]
    table = log_joint.logsumexp(others) if others else log_joint
    table = table.permute(0, *(1 + sorted(axes).index(a) for a in axes))
    best, index = table.flatten(1).max(1)
    check_possible(graph, evidence, best, memory_budget)
    states = torch.unravel_index(index, table.shape[1:])
    return {view.variables[v].name: s for v, s in zip(wanted, states, strict=True)}, best


def log_joint_table(
    graph: FactorGraph, evidence: Evidence, memory_budget: int | None = None
) -> Float[Tensor, "batch *states"]:
    """Return the logarithm of the product of all factors and the evidence, ``-inf`` if excluded.

    Raises
    ------
    TreewidthError
        If the table would not fit the memory budget.
    """
    view = table_view(graph)
    count = len(view.variables)
    _check_size(view, evidence.batch, memory_budget)
    total = torch.zeros((evidence.batch, *view.cardinalities), dtype=torch.float64)
    for values, scope in zip(view.log_tensors(), view.scopes, strict=True):
        total = total + _aligned(values.unsqueeze(0), scope, count)
    for scope, values in row_log_tables(graph, evidence, memory_budget=memory_budget):
        total = total + _aligned(values.double(), scope, count)
    for i, name in enumerate(evidence.columns):
        codes = torch.from_numpy(evidence.codes[:, i])
        states = torch.arange(view.cardinalities[view.index[name]])
        allowed = (codes[:, None] == states) | (codes[:, None] == MISSING)
        values = torch.zeros(allowed.shape, dtype=torch.float64).masked_fill(~allowed, -torch.inf)
        total = total + _aligned(values, (view.index[name],), count)
    return total


def _aligned(table: Tensor, scope: Sequence[int], count: int) -> Tensor:
    """Bring a table (batch, *scope) to one axis a variable of the model."""
    axes = {v: 1 + scope.index(v) for v in sorted(scope)}
    shape = [table.shape[axes[v]] if v in axes else 1 for v in range(count)]
    return table.permute(0, *axes.values()).reshape(table.shape[0], *shape)


def _check_size(view: TableView, batch: int, memory_budget: int | None) -> None:
    budget = default_memory_budget() if memory_budget is None else memory_budget
    size = 8 * batch * math.prod(view.cardinalities)
    if size > budget or len(view.variables) > 60:
        raise TreewidthError(
            f"enumeration would need a table of {format_bytes(size)} over "
            f"{len(view.variables)} variables; the budget is {format_bytes(budget)}. "
            "Use method='junction_tree'",
            size,
            budget,
            ((tuple(view.index), size),),
        )
