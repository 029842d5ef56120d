"""Messages on tensors, on the CPU as well, where a query would take the compiled ones."""

from __future__ import annotations

from typing import Any

import mmgraph as mm
from mmgraph.graph.evidence import Evidence
from mmgraph.inference.messages.belief_propagation import marginals_by_messages
from mmgraph.inference.messages.options import MessageOptions, TrwsOptions
from mmgraph.inference.messages.tensors.trws import trws_on_tensors


def marginals_on_tensors(
    graph: mm.FactorGraph,
    evidence: Evidence,
    variables: list[str] | None = None,
    method: str = "belief_propagation",
    **options: Any,
) -> mm.Posterior:
    chosen = MessageOptions(**options)
    return marginals_by_messages(method, graph, evidence, variables, chosen, on_tensors=True)


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
    options = TrwsOptions(iterations, device=device, memory_budget=memory_budget)
    return trws_on_tensors(graph, evidence, variables, options)
