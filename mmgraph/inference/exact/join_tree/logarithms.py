"""The answers of a join tree in logarithms: slower, and nothing under- or overflows.

Where the compiled tree cannot hold a row of evidence (see ``kernels``), torch
runs the same tree in logarithms. What the compiled plan would have put out are derivatives of the
logarithm that arrives at the root (Darwiche 2003, "A differential approach to inference in
Bayesian networks").
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import UnderflowError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import default_memory_budget, format_bytes
from mmgraph.inference.exact.join_tree.compiled_plan import CompiledPlan
from mmgraph.inference.exact.join_tree.plan import Request
from mmgraph.inference.exact.join_tree.table_view import table_view
from mmgraph.inference.exact.join_tree.torch_program import (
    ForwardPass,
    Logarithms,
    Reduction,
    always_observed,
)

_ENTRIES_AT_ONCE = 1 << 22
_COPIES = 4
"""Tables of a clique's size that a pass and its derivative hold."""


def outputs_in_logarithms(
    graph: FactorGraph, evidence: Evidence, compiled: CompiledPlan, memory_budget: int | None
) -> tuple[Float64[np.ndarray, "rows outputs"], Float64[np.ndarray, " rows"]]:
    """Return what ``compiled.run`` would, for rows of evidence that fix what it has observed.

    The logarithms are those of P(evidence) with all of its soft evidence, and ``-inf`` only where a
    row is truly impossible.
    """
    output = np.zeros((evidence.batch, compiled.width))
    logs = np.empty(evidence.batch)
    free = [(start, axes) for start, _, axes in compiled.plan.outputs if axes]
    fixed = set(compiled.request.observed)
    scopes = [axes for _, axes in free if not fixed & set(axes)]
    how = Logarithms(compiled.request.observed, maximised=compiled.request.maximised)
    for rows, run in _passes(graph, evidence, scopes, how, memory_budget):
        with torch.enable_grad():
            total = run.log_total()
            marginals = run.joint_marginals(total)
        logs[rows] = total.detach().cpu().numpy()
        for start, entries, axes in compiled.plan.outputs:
            if not axes:
                output[rows, start] = 1.0
            elif axes in marginals:
                block = marginals[axes].detach().flatten(1).cpu().numpy()
                output[rows, start : start + entries] = block
            else:  # an observed variable
                states = run.codes[axes[0]].cpu().numpy()
                output[rows.start + np.arange(len(states)), start + states] = 1.0
    return output, logs


def decisions_in_logarithms(
    graph: FactorGraph,
    evidence: Evidence,
    request: Request,
    reduction: Reduction,
    memory_budget: int | None,
    generator: torch.Generator | None = None,
) -> tuple[Int64[np.ndarray, "rows variables"], Float64[np.ndarray, " rows"]]:
    """Return the best assignment of each row (of the maximised variables), or one drawn at random.

    Beside it the logarithm of its weight, or of P(evidence). Observed variables keep their states;
    those that are summed out have -1.
    """
    states = np.full((evidence.batch, len(table_view(graph).variables)), -1, np.int64)
    logs = np.empty(evidence.batch)
    decided = request.maximised if reduction == "maximum" else range(states.shape[1])
    variables = [v for v in decided if v not in request.observed]
    how = Logarithms(request.observed, reduction, request.maximised, generator)
    for rows, run in _passes(graph, evidence, [(v,) for v in variables], how, memory_budget):
        chosen, total = run.decisions((*variables, *request.observed))
        states[rows, [*variables, *request.observed]] = chosen.numpy()
        logs[rows] = total.numpy()
    return states, logs


def log_evidence_in_logarithms(
    graph: FactorGraph, evidence: Evidence, memory_budget: int | None
) -> Float64[np.ndarray, " rows"]:
    """Return log P(evidence) of every row, ``-inf`` only where it is truly impossible."""
    logs = np.empty(evidence.batch)
    how = Logarithms(always_observed(graph, evidence))
    for rows, run in _passes(graph, evidence, [], how, memory_budget):
        with torch.no_grad():
            logs[rows] = run.log_total().cpu().numpy()
    return logs


def _passes(
    graph: FactorGraph,
    evidence: Evidence,
    scopes: Sequence[tuple[int, ...]],
    how: Logarithms,
    memory_budget: int | None,
) -> Iterator[tuple[slice, ForwardPass]]:
    """Yield passes over some rows at a time, as many as memory allows; UnderflowError if none."""

    def over(rows: slice) -> ForwardPass:
        # What a pass really takes is checked below.
        some = evidence.rows(rows)
        return ForwardPass(graph, some, scopes, "cpu", None, sys.maxsize, logarithms=how)

    tree = over(slice(0, 1)).tree
    entries = tree.multiplications()
    budget = default_memory_budget() if memory_budget is None else memory_budget
    required = 8 * _COPIES * entries
    if required > budget:
        raise UnderflowError(
            "the evidence or the potentials lie too far apart for a product of doubles, and in "
            f"logarithms exact inference would need {format_bytes(required)}; the budget is "
            f"{format_bytes(budget)}"
        )
    step = max(1, min(budget // max(required, 1), _ENTRIES_AT_ONCE // max(entries, 1)))
    for first in range(0, evidence.batch, step):
        rows = slice(first, min(first + step, evidence.batch))
        yield rows, over(rows)
