"""Max-product messages: the assignment that they point to."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.messages.options import MessageOptions, Schedule
from mmgraph.inference.messages.row_messages import CompiledMessages
from mmgraph.inference.messages.tensors.belief_propagation import TensorMessages
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.options import is_elsewhere


def max_product(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    schedule: Schedule | None = None,
    iterations: int = 200,
    tolerance: float = 1e-6,
    damping: float | None = None,
    device: str = "auto",
    dtype: torch.dtype | None = None,
    memory_budget: int | None = None,
) -> Assignment:
    """Return the assignment that max-product messages point to, optimal on trees.

    Parameters and errors are as for :func:`belief_propagation`; the assignment has no bound. On
    another device messages are tensors.
    """
    began = time.perf_counter()
    options = MessageOptions.suited(
        is_elsewhere(device), schedule, iterations, tolerance, damping, device, dtype, memory_budget
    )
    names = named_variables(graph, variables)
    kind = TensorMessages if options.on_tensors else CompiledMessages
    with torch.no_grad():
        messages = kind(graph, evidence, options, sums=False)
        states, energies = messages.assignment()
    residual, done = messages.residual, messages.iterations
    return Assignment(
        {n: states[n] for n in names},
        {n: graph.variables[n] for n in names},
        -energies,
        method="max_product",
        exact=False,
        converged=residual <= tolerance,
        shortfall=shortfall("max_product", "residual", residual, tolerance, done),
        iterations=done,
        seconds=time.perf_counter() - began,
    )
