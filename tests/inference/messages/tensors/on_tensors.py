"""Messages on tensors, on the CPU as well, where a query would take the compiled ones."""

from __future__ import annotations

from typing import Any

import mmgraph as mm
from mmgraph.graph.evidence import Evidence
from mmgraph.inference.messages.belief_propagation import marginals_by_messages
from mmgraph.inference.messages.options import TENSOR_DAMPING, MessageOptions
from mmgraph.inference.messages.tensors.trws import trws_on_tensors


def tensor_options(**options: Any) -> MessageOptions:
    usual = {"schedule": "parallel", "damping": TENSOR_DAMPING, "on_tensors": True}
    return MessageOptions(**usual | options)


def marginals_on_tensors(
    graph: mm.FactorGraph,
    evidence: Evidence,
    variables: list[str] | None = None,
    method: str = "belief_propagation",
    **options: Any,
) -> mm.Posterior:
    return marginals_by_messages(method, graph, evidence, variables, tensor_options(**options))


def best_on_tensors(
    graph: mm.FactorGraph,
    evidence: Evidence,
    variables: list[str] | None = None,
    *,
    device: str = "auto",
    iterations: int = 200,
    memory_budget: int | None = None,
) -> mm.Assignment:
    """By TRW-S."""
    options = (iterations, 1e-7, device, None, memory_budget)
    return trws_on_tensors(graph, evidence, variables, *options)
