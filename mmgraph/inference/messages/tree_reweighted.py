"""Tree-reweighted belief propagation: marginals, and an upper bound on log Z.

Wainwright, Jaakkola and Willsky (2005), "A new class of upper bounds on the log partition
function". The bound is computed from spanning forests under the messages' reparametrisation, so
that it holds for any messages, converged or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.exact.exact import wants_torch
from mmgraph.inference.messages.belief_propagation import marginals_by_messages
from mmgraph.inference.messages.options import MessageOptions, Schedule
from mmgraph.inference.options import is_elsewhere
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

    Parameters, gradients and errors are as for :func:`belief_propagation`; ``log_partition`` and
    ``bound`` of the posterior are the upper bound.
    """
    options = MessageOptions.suited(
        is_elsewhere(device) or wants_torch(graph, evidence),
        schedule,
        iterations,
        tolerance,
        damping,
        device,
        dtype,
        memory_budget,
    )
    return marginals_by_messages("tree_reweighted", graph, evidence, variables, options)
