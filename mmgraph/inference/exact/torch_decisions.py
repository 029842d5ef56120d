"""The best assignment, and exact samples, of a join tree run by torch on any device.

Both are backward passes (Darwiche 2003, "A differential approach to inference in Bayesian
networks"): the derivative of the maximum is one at a best assignment, that of a draw at one drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.exact.impossible_evidence import raise_impossible
from mmgraph.inference.exact.join_tree.table_view import indices, table_view
from mmgraph.inference.exact.join_tree.torch_program import (
    ForwardPass,
    Logarithms,
    Reduction,
    always_observed,
)
from mmgraph.inference.numerics.counted_random import device_generator

_ENTRIES_AT_ONCE = 1 << 22
"""Entries of all cliques together, times the draws of one pass."""


def best_assignment(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    device: torch.device | str | None = None,
    memory_budget: int | None = None,
) -> tuple[dict[str, Int64[Tensor, " batch"]], Float[Tensor, " batch"]]:
    """Return the most probable assignment of every row, and the logarithm of its weight.

    As :func:`mmgraph.inference.exact.junction_tree.best_assignment`, in logarithms; on the CPU.

    Raises
    ------
    TreewidthError, ZeroProbabilityError
        As for the junction tree.
    """
    view = table_view(graph)
    wanted = indices(graph, variables)
    run = _pass(graph, evidence, wanted, "maximum", device, memory_budget)
    states, logs = run.decisions(wanted)
    _check_possible(graph, evidence, logs, memory_budget)
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

    Raises
    ------
    TreewidthError, ZeroProbabilityError
        As for the junction tree.
    """
    view = table_view(graph)
    everything = tuple(range(len(view.variables)))
    tree = _pass(graph, evidence.rows(slice(0, 1)), (), "sum", device, memory_budget).tree
    entries = sum(tree.size(tree.clique(n)) for n in range(tree.leaves, len(tree.scopes)))
    step = max(1, _ENTRIES_AT_ONCE // max(1, entries * evidence.batch))
    drawing: torch.Generator | None = None
    parts = []
    for first in range(0, draws, step):
        count = min(step, draws - first)
        repeated = evidence.rows(np.repeat(np.arange(evidence.batch), count))
        run = _pass(graph, repeated, everything, "draw", device, memory_budget)
        if drawing is None:
            drawing = device_generator(generator, run.device)
        run.options = run.options._replace(generator=drawing)
        states, logs = run.decisions(everything)
        _check_possible(graph, evidence, logs.reshape(evidence.batch, count)[:, 0], memory_budget)
        parts.append(states.reshape(evidence.batch, count, len(everything)))
    drawn = torch.cat(parts, 1)
    return {v.name: drawn[..., i] for i, v in enumerate(view.variables)}


def _pass(
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


def _check_possible(
    graph: FactorGraph, evidence: Evidence, logs: Tensor, memory_budget: int | None
) -> None:
    impossible = torch.isneginf(logs)
    if bool(impossible.any()):
        raise_impossible(graph, evidence, impossible.nonzero().flatten().numpy(), memory_budget)
