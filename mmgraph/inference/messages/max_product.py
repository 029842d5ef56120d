"""Max-product messages: the assignment that they point to."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.devices import is_elsewhere
from mmgraph.inference.messages.belief_propagation import (
    passed_messages,
    worst,
)
from mmgraph.inference.messages.schedules import Schedule, suited_options
from mmgraph.inference.messages.tensors.max_product import max_product_torch
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.pairwise.feasible import of_row


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

    The options are those of :func:`belief_propagation`; the
    assignment has no bound. On another device messages are tensors.
    """
    began = time.perf_counter()
    on_tensors = is_elsewhere(device)
    schedule, damping = suited_options(schedule, iterations, damping, on_tensors)
    if on_tensors:
        return max_product_torch(
            graph, evidence, variables, device=device, dtype=dtype, iterations=iterations,
            tolerance=tolerance, damping=damping, memory_budget=memory_budget,
        )  # fmt: skip
    rows = passed_messages(
        graph, evidence, sums=False, schedule=schedule, iterations=iterations, tolerance=tolerance,
        damping=damping, dtype=dtype, memory_budget=memory_budget,
    )  # fmt: skip
    pairwise = rows[0].pairwise
    found, energies = [], []
    for row, messages in enumerate(rows):
        with of_row(row):
            labelling, energy = messages.labelling()
        found.append(pairwise.states_of(labelling))
        energies.append(energy)
    names = named_variables(graph, variables)
    residual, done = worst(rows)
    return Assignment(
        {n: torch.cat([states[n] for states in found]) for n in names},
        {n: graph.variables[n] for n in names},
        -torch.tensor(energies, dtype=torch.float64),
        method="max_product",
        exact=False,
        converged=residual <= tolerance,
        shortfall=shortfall("max_product", "residual", residual, tolerance, done),
        iterations=done,
        seconds=time.perf_counter() - began,
    )
