"""The same join tree run by torch: for GPUs, and wherever gradients are asked for.

Only the forward pass is written here. A marginal is the derivative of log P(evidence) with respect
to a factor of ones over its variable (Darwiche 2003), so automatic differentiation supplies the
backward pass, and differentiating once more gives gradients of marginals. The derivative of a
maximum is one at a best assignment, that of a draw at one drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.exact.impossible_evidence import check_possible
from mmgraph.inference.exact.join_tree.table_view import indices, table_view
from mmgraph.inference.exact.join_tree.torch_program import (
    ForwardPass,
    Logarithms,
    Reduction,
    always_observed,
)
from mmgraph.inference.numerics.counted_random import device_generator
from mmgraph.inference.posterior import Moments

_ENTRIES_AT_ONCE = 1 << 22
"""Entries of all cliques together, times the draws of one pass."""


def marginals(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    memory_budget: int | None = None,
) -> dict[str, Any]:
    """Return fields of a posterior: marginals differentiable in tables and soft evidence.

    The memory budget is that of one pass over all rows of the batch; errors are those of the
    junction tree.
    """
    wanted = indices(graph, variables)
    with torch.enable_grad():
        scopes = [(v,) for v in wanted]
        run, log_total = _trusted_pass(graph, evidence, scopes, device, dtype, memory_budget)
        check_possible(graph, evidence, log_total, memory_budget)
        beliefs = run.joint_marginals(log_total)
    blocks = [beliefs[scope] for scope in scopes]
    if dtype is not None:
        blocks, log_total = [block.to(dtype) for block in blocks], log_total.to(dtype)
    if not run.differentiable:
        blocks, log_total = [block.detach() for block in blocks], log_total.detach()
    names = [table_view(graph).variables[v].name for v in wanted]
    return {"moments": Moments(dict(zip(names, blocks, strict=True))), "log_weight": log_total}


def log_evidence(
    graph: FactorGraph,
    evidence: Evidence,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    memory_budget: int | None = None,
) -> Float[Tensor, " batch"]:
    """Return log P(evidence) of every row, differentiable, ``-inf`` where it is impossible."""
    run, total = _trusted_pass(graph, evidence, (), device, dtype, memory_budget)
    total = total if dtype is None else total.to(dtype)
    return total if run.differentiable else total.detach()


def joint_distribution(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str],
    device: torch.device | str | None = None,
    memory_budget: int | None = None,
) -> Float[Tensor, "batch *states"]:
    """Return the joint distribution of a few variables, differentiable as their marginals are."""
    scope = indices(graph, variables)
    if not scope:
        return torch.ones(evidence.batch, dtype=torch.float64, device=device)
    with torch.enable_grad():
        run, log_total = _trusted_pass(graph, evidence, [scope], device, None, memory_budget)
        check_possible(graph, evidence, log_total, memory_budget)
        belief = run.joint_marginals(log_total)[scope]
    return belief if run.differentiable else belief.detach()


def factor_beliefs(
    graph: FactorGraph,
    evidence: Evidence,
    weights: Float64[np.ndarray, " batch"] | None = None,
    device: torch.device | str | None = None,
    memory_budget: int | None = None,
) -> tuple[list[Float[Tensor, "*states"]], Float[Tensor, " batch"]]:
    """Return expected family counts: each factor's posterior table, summed over the rows.

    As :func:`mmgraph.inference.exact.junction_tree.factor_beliefs`, without gradients.
    """
    scopes = table_view(graph).scopes
    with torch.enable_grad():
        run, log_total = _trusted_pass(
            graph, evidence, [s for s in scopes if s], device, None, memory_budget
        )
        check_possible(graph, evidence, log_total, memory_budget)
        beliefs = run.joint_marginals(log_total)
    shares = torch.ones_like(log_total) if weights is None else torch.as_tensor(weights)
    shares = shares.detach().to(run.device, torch.float64)
    counts = [
        torch.tensordot(shares, beliefs[s].detach(), 1) if s else shares.sum() for s in scopes
    ]
    return counts, log_total.detach()


def best_assignment(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    device: torch.device | str | None = None,
    memory_budget: int | None = None,
) -> tuple[dict[str, Int64[Tensor, " batch"]], Float[Tensor, " batch"]]:
    """Return the most probable assignment of every row, and the logarithm of its weight.

    As :func:`mmgraph.inference.exact.junction_tree.best_assignment`, in logarithms; on the CPU.
    """
    view = table_view(graph)
    wanted = indices(graph, variables)
    run = _pass_in_logarithms(graph, evidence, wanted, "maximum", device, memory_budget)
    states, logs = run.decisions(wanted)
    check_possible(graph, evidence, logs, memory_budget)
    return {view.variables[v].name: states[:, i] for i, v in enumerate(wanted)}, logs


def exact_samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    memory_budget: int | None = None,
) -> dict[str, Int64[Tensor, "batch draws"]]:
    """Draw independent samples of all discrete variables from the posterior of every row.

    As :func:`mmgraph.inference.exact.junction_tree.exact_samples`; on the CPU.
    """
    view = table_view(graph)
    everything = tuple(range(len(view.variables)))
    tree = _pass_in_logarithms(
        graph, evidence.rows(slice(0, 1)), (), "sum", device, memory_budget
    ).tree
    step = max(1, _ENTRIES_AT_ONCE // max(1, tree.multiplications() * evidence.batch))
    drawing: torch.Generator | None = None
    parts = []
    for first in range(0, draws, step):
        count = min(step, draws - first)
        repeated = evidence.rows(np.repeat(np.arange(evidence.batch), count))
        run = _pass_in_logarithms(graph, repeated, everything, "draw", device, memory_budget)
        if drawing is None:
            drawing = device_generator(generator, run.device)
        run.options = run.options._replace(generator=drawing)
        states, logs = run.decisions(everything)
        check_possible(graph, evidence, logs.reshape(evidence.batch, count)[:, 0], memory_budget)
        parts.append(states.reshape(evidence.batch, count, len(everything)))
    drawn = torch.cat(parts, 1)
    return {v.name: drawn[..., i] for i, v in enumerate(view.variables)}


def _pass_in_logarithms(
    graph: FactorGraph,
    evidence: Evidence,
    wanted: Sequence[int],
    reduction: Reduction,
    device: torch.device | str | None,
    memory_budget: int | None,
) -> ForwardPass:
    """A pass in logarithms; what every row observes is sliced away."""
    observed = always_observed(graph, evidence)
    scopes = [(v,) for v in wanted if v not in observed]
    how = Logarithms(observed, reduction, tuple(wanted))
    with torch.enable_grad():
        return ForwardPass(graph, evidence, scopes, device, None, memory_budget, how)


def _trusted_pass(
    graph: FactorGraph,
    evidence: Evidence,
    scopes: Sequence[tuple[int, ...]],
    device: torch.device | str | None,
    dtype: torch.dtype | None,
    memory_budget: int | None,
) -> tuple[ForwardPass, Float[Tensor, " batch"]]:
    """Run in probabilities, and again in logarithms of doubles where those may have underflown."""
    run = ForwardPass(graph, evidence, scopes, device, dtype, memory_budget)
    total = run.log_total()
    if run.is_trusted(total):
        return run, total
    run = ForwardPass(graph, evidence, scopes, device, None, memory_budget, Logarithms())
    return run, run.log_total()
