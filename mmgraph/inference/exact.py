"""Exact answers on any graph: arrays are unrolled to their elements first, and gathered again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.edge_factor import EdgeFactor
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import UnaryFactor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference import enumeration, junction_tree, torch_contraction
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.unrolling import needs_unrolling, unrolled


def marginals(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    method: str,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> Posterior:
    """Return exact marginals by ``method``: junction_tree, enumeration or torch."""
    if not needs_unrolling(graph):
        return _scalar_marginals(graph, evidence, variables, method, device, dtype, **options)
    scalar = unrolled(graph)
    given, names = scalar.evidence(evidence), scalar.names(variables)
    post = _scalar_marginals(scalar.graph, given, names, method, device, dtype, **options)
    gathered = scalar.gathered(post.marginals)
    if variables is not None:
        gathered.update({n: post.marginals[n] for n in variables if n not in gathered})
        gathered = {n: gathered[n] for n in variables}
    whole = Posterior.of(
        {**scalar.graph.variables, **graph.variables},
        gathered,
        post.log_evidence,
        method=post.method,
        exact=True,
        seconds=post.seconds,
        entropy=post.entropy,
    )
    return whole


def _scalar_marginals(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    method: str,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
    **options: Any,
) -> Posterior:
    if method == "junction_tree":
        return junction_tree.junction_tree(graph, evidence, variables, **options)
    if method == "enumeration":
        return enumeration.enumeration(graph, evidence, variables, **options)
    return torch_contraction.torch_contraction(graph, evidence, variables, device, dtype, **options)


def best_assignment(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    method: str,
    **options: Any,
) -> Assignment:
    """Return the most probable assignment by ``method``: junction_tree or enumeration."""
    began = time.perf_counter()
    find = enumeration.best_assignment if method == "enumeration" else junction_tree.best_assignment
    if needs_unrolling(graph):
        scalar = unrolled(graph)
        names = scalar.names(variables)
        states, log_weight = find(scalar.graph, scalar.evidence(evidence), names, **options)
        found = scalar.gathered(states)
    else:
        found, log_weight = find(graph, evidence, variables, **options)
    return Assignment(
        found,
        {n: graph.variables[n] for n in found},
        log_weight,
        method=method,
        seconds=time.perf_counter() - began,
    )


def samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None,
    **options: Any,
) -> dict[str, Tensor]:
    """Return exact samples of the discrete variables, ``(batch, draws, *shape)``."""
    if not needs_unrolling(graph):
        return junction_tree.exact_samples(graph, evidence, draws, generator, **options)
    scalar = unrolled(graph)
    given = scalar.evidence(evidence)
    found = junction_tree.exact_samples(scalar.graph, given, draws, generator, **options)
    flat = {name: drawn.reshape(-1) for name, drawn in found.items()}
    gathered = scalar.gathered(flat)
    return {n: t.reshape(evidence.batch, draws, *t.shape[1:]) for n, t in gathered.items()}


def joint(
    graph: FactorGraph, evidence: Evidence, variables: Sequence[str], **options: Any
) -> Float[Tensor, "batch *states"]:
    """Return the joint distribution of a few scalar variables, or elements named ``x[0,1]``."""
    if needs_unrolling(graph):
        scalar = unrolled(graph)
        names = scalar.names(variables) or []
        graph, evidence, variables = scalar.graph, scalar.evidence(evidence), names
    return junction_tree.joint_distribution(graph, evidence, variables, **options)[0]


def log_evidence(
    graph: FactorGraph, evidence: Evidence, method: str, **options: Any
) -> Float[Tensor, " batch"]:
    """Return log P(evidence) by ``method``: junction_tree, enumeration or torch."""
    if needs_unrolling(graph):
        scalar = unrolled(graph)
        graph, evidence = scalar.graph, scalar.evidence(evidence)
    if method == "enumeration":
        return enumeration.log_evidence(graph, evidence, **options)
    if method == "torch":
        return torch_contraction.log_evidence(graph, evidence, **options)
    return junction_tree.log_evidence(graph, evidence, **options)


def wants_torch(graph: FactorGraph, evidence: Evidence) -> bool:
    """Whether a factor or soft evidence asks for gradients, or lies on another device."""
    if not needs_unrolling(graph):
        return torch_contraction.wants_torch(graph, evidence)
    tensors: list[Tensor] = [*evidence.soft.values()]
    for factor in graph.factors:
        if isinstance(factor, EdgeFactor):
            tensors.extend(factor.tensors())
        elif isinstance(factor, UnaryFactor):
            tensors.append(factor.log_values)
        elif factor.is_tabular:
            tensors.extend(table.values for table in factor.tables())
    return any(t.requires_grad or t.device.type != "cpu" for t in tensors)
