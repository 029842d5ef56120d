"""Tree-reweighted belief propagation: marginals, and an upper bound on log Z.

Wainwright, Jaakkola and Willsky (2005), "A new class of upper bounds on the log partition
function". The bound is computed from spanning forests under the messages' reparametrisation, so
that it holds for any messages, converged or not.
"""

# mypy: disable-error-code="call-arg"

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.devices import is_elsewhere
from mmgraph.inference.exact.exact import wants_torch
from mmgraph.inference.messages.belief_propagation import (
    Messages,
    passed_messages,
    posterior_of,
)
from mmgraph.inference.messages.schedules import Schedule, suited_options
from mmgraph.inference.messages.spanning_trees import (
    covering_forests,
    edge_appearance,
    forest_log_partition,
)
from mmgraph.inference.messages.tensors.tree_reweighted import tree_reweighted_torch
from mmgraph.inference.posterior import Posterior


def tree_reweighted(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    schedule: Schedule | None = None,
    iterations: int = 500,
    tolerance: float = 1e-6,
    damping: float | None = None,
    device: str = "auto",
    dtype: torch.dtype | None = None,
    memory_budget: int | None = None,
) -> Posterior:
    """Return marginals from tree-reweighted sum-product messages, with an upper bound on log Z.

    The options are those of :func:`belief_propagation`, and so are gradients and other devices.

    Returns
    -------
    Posterior
        ``log_partition`` and ``bound`` are the upper bound.

    Raises
    ------
    ZeroProbabilityError, MemoryBudgetError, MmgraphError
        As for :func:`belief_propagation`.
    """
    began = time.perf_counter()
    on_tensors = is_elsewhere(device) or wants_torch(graph, evidence)
    schedule, damping = suited_options(schedule, iterations, damping, on_tensors)
    if on_tensors:
        return tree_reweighted_torch(
            graph,
            evidence,
            variables,
            device=None if device == "auto" else device,
            dtype=dtype,
            iterations=iterations,
            tolerance=tolerance,
            damping=damping,
            memory_budget=memory_budget,
        )
    rows = passed_messages(
        graph, evidence, sums=True, schedule=schedule, iterations=iterations, tolerance=tolerance,
        damping=damping, dtype=dtype, memory_budget=memory_budget,
        appearance=lambda pairwise: edge_appearance(covering_forests(pairwise)),
    )  # fmt: skip
    bound = torch.tensor([upper_bound(messages) for messages in rows], dtype=torch.float64)
    return posterior_of(rows, graph, variables, "tree_reweighted", tolerance, began, bound)


def upper_bound(messages: Messages) -> float:
    """Return the bound on log Z that messages of any quality prove."""
    p = messages.pairwise
    believed = messages.beliefs()
    adjacency = (p.adjacency.start, p.adjacency.edges, p.slots)
    shares = (messages.potentials, messages.appearance)
    directed = (messages.towards_second, messages.towards_first)
    forests = covering_forests(p)
    arrays = (*p.edge_arrays, *adjacency, *shares, *directed)
    total = 0.0
    for member in forests:
        total += float(forest_log_partition(member, believed, p.offsets, *arrays, p.largest))
    return total / len(forests) - messages.constant
