"""Max-product messages on tensors, in the parallel schedule, on any device."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.messages.tensors.belief_propagation import (
    BELIEF_COPIES,
    DAMPING,
    TorchMessages,
    check_passes,
)
from mmgraph.inference.messages.tensors.graph import TorchGraph
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.pairwise.feasible import check_rows
from mmgraph.inference.pairwise.labelling_energies import assignment_energies, with_feasible_rows


def max_product_torch(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    iterations: int = 200,
    tolerance: float = 1e-6,
    damping: float = DAMPING,
    memory_budget: int | None = None,
) -> Assignment:
    """Return the assignment that max-product messages point to, optimal on trees; on the CPU.

    The options and errors are those of
    :func:`mmgraph.inference.messages.tensors.belief_propagation.belief_propagation_torch`.
    """
    began = time.perf_counter()
    check_passes(iterations, damping)
    names = named_variables(graph, variables)
    with torch.no_grad():
        torch_graph = TorchGraph(graph, evidence, device, dtype, BELIEF_COPIES, memory_budget)
        messages = TorchMessages(torch_graph, sums=False)
        done, residual = messages.run(iterations, tolerance, damping)
        labels = labelling(messages)
        found = torch_graph.by_variable(labels.unsqueeze(-1).expand(-1, -1, torch_graph.states))
    states = {name: block[..., 0].cpu() for name, block in found.items()}
    energies = assignment_energies(graph, evidence, states)
    states, energies = with_feasible_rows(graph, evidence, states, energies)
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


def labelling(messages: TorchMessages) -> Int64[Tensor, "batch nodes"]:
    """Read states off messages, colour by colour, each given those before it.

    So ties are broken alike by neighbours.

    Raises
    ------
    ZeroProbabilityError
        If an element of a row has no possible state.
    """
    colours = messages.torch_graph.colours()
    ahead = messages.beliefs().clone()
    check_rows(torch.isinf(ahead.amin(-1)))
    labels = torch.zeros(ahead.shape[:2], dtype=torch.int64, device=ahead.device)
    for colour in range(int(colours.max()) + 1 if len(colours) else 0):
        members = (colours == colour).nonzero().flatten()
        labels[:, members] = ahead[:, members].argmin(-1)
        for i, group in enumerate(messages.groups):
            for is_first in (True, False):
                ends = (group.first, group.second) if is_first else (group.second, group.first)
                sent = messages.towards_second[i] if is_first else messages.towards_first[i]
                later = (colours[ends[0]] == colour) & (colours[ends[1]] > colour)
                edges = later.nonzero().flatten()
                known = group.pair_energies(labels[:, ends[0][edges]], is_first, edges)
                believed = sent[:, edges]
                believed = believed.masked_fill(torch.isinf(believed), 0.0)
                ahead.index_add_(1, ends[1][edges], known - believed)
    return labels
