"""Exact answers on any graph: arrays are unrolled to their elements first, and gathered again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import UnderflowError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.edges import EdgeFactor
from mmgraph.graph.factors.unary import UnaryFactor
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.devices import is_elsewhere
from mmgraph.inference.exact import enumeration, junction_tree, torch_contraction, torch_decisions
from mmgraph.inference.exact.unrolling import needs_unrolling, unrolled
from mmgraph.inference.normaliser import normaliser
from mmgraph.inference.posterior import Posterior

DOUBLES_HOLD = 600.0
"""Nats between the largest and the smallest potential that products of doubles keep apart."""

_LARGEST_CLIQUE = 32


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
        post.log_partition,
        normaliser=normaliser(graph, evidence),
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
    """Return the most probable assignment by ``method``: junction_tree, enumeration or torch."""
    began = time.perf_counter()
    find: Any = {
        "junction_tree": junction_tree.best_assignment,
        "enumeration": enumeration.best_assignment,
        "torch": torch_decisions.best_assignment,
    }[method]
    known = graph.variables
    if needs_unrolling(graph):
        scalar = unrolled(graph)
        names, known = scalar.names(variables), {**scalar.graph.variables, **known}
        if method == "junction_tree":
            _refuse_what_doubles_lose(scalar.graph, scalar.evidence(evidence))
        states, log_weight = find(scalar.graph, scalar.evidence(evidence), names, **options)
        found = scalar.gathered(states)
        found.update({n: states[n] for n in variables or () if n in states})
    else:
        found, log_weight = find(graph, evidence, variables, **options)
    return Assignment(
        found,
        {n: known[n] for n in found},
        log_weight,
        method=method,
        bound=log_weight,
        gap=torch.zeros_like(log_weight),
        seconds=time.perf_counter() - began,
    )


def samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None,
    method: str = "junction_tree",
    **options: Any,
) -> dict[str, Tensor]:
    """Return exact samples of the discrete variables, ``(batch, draws, *shape)``."""
    draw: Any = torch_decisions if method == "torch" else junction_tree
    if not needs_unrolling(graph):
        drawn: dict[str, Tensor] = draw.exact_samples(graph, evidence, draws, generator, **options)
        return drawn
    scalar = unrolled(graph)
    given = scalar.evidence(evidence)
    found = draw.exact_samples(scalar.graph, given, draws, generator, **options)
    flat = {name: drawn.reshape(-1) for name, drawn in found.items()}
    gathered = scalar.gathered(flat)
    return {n: t.reshape(evidence.batch, draws, *t.shape[1:]) for n, t in gathered.items()}


def joint(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str],
    method: str = "junction_tree",
    **options: Any,
) -> Float[Tensor, "batch *states"]:
    """Return the joint distribution of a few scalar variables, or elements named ``x[0,1]``."""
    if needs_unrolling(graph):
        scalar = unrolled(graph)
        names = scalar.names(variables) or []
        graph, evidence, variables = scalar.graph, scalar.evidence(evidence), names
    if method == "torch":
        return torch_contraction.joint_distribution(graph, evidence, variables, **options)
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


def spread(graph: FactorGraph, evidence: Evidence) -> float:
    """Return how many nats the finite entries of one clique's table may lie apart, at most.

    What lies further below the largest than doubles reach takes the compiled junction tree into
    logarithms, which cost more than methods that work on energies. A variable moves its clique by
    no more than the ranges of all its factors, and no clique that fits a memory holds more than
    some thirty variables.
    """
    ranges = dict.fromkeys(graph.variables, 0.0)
    for factor in graph.factors:
        for table in factor.tables() if factor.is_tabular else ():
            for variable in table.scope:
                ranges[variable.name] += _range(table.values)
    for name, values in evidence.soft.items():
        ranges[name] += _range(values)
    return sum(sorted(ranges.values())[-_LARGEST_CLIQUE:])


def _range(values: Tensor) -> float:
    finite = values.detach()[torch.isfinite(values.detach())]
    return float(finite.max() - finite.min()) if finite.numel() else 0.0


def _refuse_what_doubles_lose(graph: FactorGraph, evidence: Evidence) -> None:
    apart = spread(graph, evidence)
    if apart > DOUBLES_HOLD:
        raise UnderflowError(
            f"potentials of neighbouring elements may lie {apart:.0f} nats apart, more than a "
            "product of doubles holds; 'trws_and_moves', 'graph_cut' and 'gibbs' work on energies"
        )


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


def method_on(graph: FactorGraph, evidence: Evidence, device: str | None) -> str:
    """Return the exact method for a device: torch elsewhere, and where gradients are asked for."""
    return "torch" if is_elsewhere(device) or wants_torch(graph, evidence) else "junction_tree"


def place_option(method: str, device: str) -> dict[str, Any]:
    """Return the device as an option of exact inference by torch; other methods have none."""
    return {"device": device} if method == "torch" and device != "auto" else {}
