"""Exact inference in a compiled join tree: marginals, joints, the best assignment, exact samples.

The architecture is that of Shenoy (1997), "Binary join trees for computing marginals in the
Shenoy-Shafer architecture"; evidence slices tables before the tree is built, so that observed
variables cost nothing, and the sums over barren nodes are known to be one and are not computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmgraph.graph.errors import UnknownVariableError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.exact.impossible_evidence import check_possible
from mmgraph.inference.exact.join_tree.batches import Batch, batches
from mmgraph.inference.exact.join_tree.logarithms import (
    decisions_in_logarithms,
    outputs_in_logarithms,
)
from mmgraph.inference.exact.join_tree.plan import Request
from mmgraph.inference.exact.join_tree.row_tables import row_tables
from mmgraph.inference.exact.join_tree.table_view import indices, table_view
from mmgraph.inference.posterior import Moments


def marginals(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    memory_budget: int | None = None,
) -> dict[str, Any]:
    """Return fields of a posterior: exact marginals, and log P(evidence), for every row.

    Raises
    ------
    TreewidthError
        If the tables would not fit the budget.
    UnderflowError
        If doubles do not hold a row, and the budget not the same tree in logarithms.
    ZeroProbabilityError
        If a row of evidence is impossible; names rows and variables.
    NotTabularError
        If a factor has no table.
    """
    view = table_view(graph)
    wanted = indices(graph, variables)
    output, logs_of_rows = np.empty((0, 0)), np.empty(evidence.batch)
    request = Request(variables=wanted)
    for (rows, *_), part, logs in _outputs(graph, evidence, request, memory_budget):
        if len(rows) == evidence.batch:
            output, logs_of_rows = part, logs
        else:
            if not output.size:
                output = np.empty((evidence.batch, part.shape[1]))
            output[rows] = part
            logs_of_rows[rows] = logs
    return {
        "moments": Moments(),
        "flat": output,
        "columns": view.places(wanted),
        "log_weight": logs_of_rows,
        "joint_entropy": partial(joint_entropy, graph, evidence, memory_budget),
    }


def joint_distribution(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str],
    memory_budget: int | None = None,
) -> tuple[Float64[Tensor, "batch *states"], Float64[Tensor, " batch"]]:
    """Return the joint distribution of a few variables, and log P(evidence), for every row."""
    view = table_view(graph)
    wanted = indices(graph, variables)
    if len(set(wanted)) < len(wanted):
        raise UnknownVariableError(f"a variable is named twice in {', '.join(variables)}")
    cards = [view.cardinalities[v] for v in wanted]
    joint = np.empty((evidence.batch, *cards))
    log_evidence = np.empty(evidence.batch)
    request = Request(keep=wanted)
    for batch, part, logs in _outputs(graph, evidence, request, memory_budget):
        rows, compiled, codes, *_ = batch
        free = compiled.plan.outputs[0][2] if compiled.request.keep else ()
        sizes = [view.cardinalities[v] for v in free]
        part = part.reshape(len(rows), *sizes) if free else np.ones(len(rows))
        part = part.transpose(0, *(1 + free.index(v) for v in wanted if v in free))
        column = {v: i for i, v in enumerate(compiled.request.observed)}
        for axis, v in enumerate(wanted, 1):
            if v in column:  # all of the mass is at each row's state
                one_hot = np.eye(view.cardinalities[v])[codes[:, column[v]]]
                one_hot = one_hot.reshape(
                    len(rows), *(1,) * (axis - 1), -1, *(1,) * (part.ndim - axis)
                )
                part = np.expand_dims(part, axis) * one_hot
        joint[rows] = part
        log_evidence[rows] = logs
    return torch.from_numpy(joint), torch.from_numpy(log_evidence)


def log_evidence(
    graph: FactorGraph, evidence: Evidence, memory_budget: int | None = None
) -> Tensor:
    """Return log P(evidence) of every row, ``-inf`` where it is impossible.

    For a graph that is not a Bayesian network this is the logarithm of the partition function of
    what the evidence leaves.
    """
    result = np.empty(evidence.batch)
    for (rows, *_), _, logs in _outputs(graph, evidence, Request(), memory_budget, impossible=True):
        result[rows] = logs
    return torch.from_numpy(result)


def best_assignment(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    memory_budget: int | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the most probable assignment of every row, and the logarithm of its weight.

    Variables that are not asked for are summed out (marginal MAP): the weight is max P(variables,
    evidence). Observed variables keep their states.
    """
    view = table_view(graph)
    wanted = indices(graph, variables)
    states = np.empty((evidence.batch, len(view.variables)), np.int64)
    log_weight = np.empty(evidence.batch)
    for batch in batches(graph, evidence, Request(maximised=wanted), memory_budget):
        no_draws = np.empty((len(batch.rows), 1, 0))
        decided, log_weight[batch.rows] = _decisions(
            graph, evidence, batch, no_draws, memory_budget
        )
        states[batch.rows] = decided[:, 0]
    assignment = {view.variables[v].name: torch.from_numpy(states[:, v].copy()) for v in wanted}
    return assignment, torch.from_numpy(log_weight)


def exact_samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None = None,
    memory_budget: int | None = None,
) -> dict[str, Int64[Tensor, "batch draws"]]:
    """Draw independent samples of all discrete variables from the posterior of every row."""
    view = table_view(graph)
    states = np.empty((evidence.batch, draws, len(view.variables)), np.int64)
    for batch in batches(graph, evidence, Request(), memory_budget):
        rows, nodes = len(batch.rows), batch.compiled.planned.decoding_nodes
        # Random numbers for some draws at a time keep their memory bounded.
        step = max(1, 4_000_000 // max(1, nodes * rows))
        for first in range(0, draws, step):
            count = min(step, draws - first)
            uniforms = torch.rand(
                (rows, count, max(nodes, 1)), dtype=torch.float64, generator=generator
            ).numpy()
            drawn, _ = _decisions(graph, evidence, batch, uniforms, memory_budget, generator)
            states[batch.rows, first : first + count] = drawn
    return {v.name: torch.from_numpy(states[:, :, i].copy()) for i, v in enumerate(view.variables)}


def _decisions(
    graph: FactorGraph,
    evidence: Evidence,
    batch: Batch,
    uniforms: np.ndarray,
    memory_budget: int | None,
    generator: torch.Generator | None = None,
) -> tuple[Int64[np.ndarray, "rows draws variables"], Float64[np.ndarray, " rows"]]:
    """The best states of a batch, or draws as ``CompiledPlan.decode``, and the rows' log-weights.

    Rows that doubles do not hold are decided in logarithms.
    """
    states, logs, failed = batch.compiled.decode(batch.codes, batch.soft, uniforms)
    logs += batch.row_logs
    if failed:
        lost, (_, draws, nodes) = np.flatnonzero(np.isneginf(logs)), uniforms.shape
        decided, again = decisions_in_logarithms(
            graph,
            evidence.rows(batch.rows[np.repeat(lost, draws)]),
            batch.compiled.request,
            "draw" if nodes else "maximum",
            memory_budget,
            generator,
        )
        states[lost] = decided.reshape(len(lost), draws, -1)
        logs[lost] = again.reshape(len(lost), draws)[:, 0]
        check_possible(graph, evidence, logs, memory_budget, batch.rows)
    return states, logs


def factor_beliefs(
    graph: FactorGraph,
    evidence: Evidence,
    weights: Float64[np.ndarray, " batch"] | None = None,
    memory_budget: int | None = None,
) -> tuple[list[Float64[np.ndarray, "*states"]], Float64[np.ndarray, " batch"]]:
    """Return expected family counts, and log P(evidence) of every row.

    The counts are the posterior table of each tabular factor, axes as in its scope, summed over the
    rows, each as often as ``weights`` say.
    """
    view = table_view(graph)
    counts = [np.zeros([view.cardinalities[v] for v in scope]) for scope in view.scopes]
    result = np.empty(evidence.batch)
    request = Request(families=True)
    for batch, output, logs in _outputs(graph, evidence, request, memory_budget):
        rows, compiled, codes, *_ = batch
        result[rows] = logs
        if weights is not None:
            output = output * weights[rows, None]
        column = {v: i for i, v in enumerate(compiled.request.observed)}
        for scope, total, (start, entries, axes) in zip(
            view.scopes, counts, compiled.plan.outputs, strict=False
        ):
            _add_counts(total, scope, axes, output[:, start : start + entries], codes, column)
    return counts, result


def _add_counts(
    total: np.ndarray,
    scope: tuple[int, ...],
    axes: tuple[int, ...],
    block: np.ndarray,
    codes: np.ndarray,
    column: Mapping[int, int],
) -> None:
    """Add rows of beliefs over the free axes to where their observed states say."""
    fixed = [v for v in scope if v in column]
    place = {v: i for i, v in enumerate(scope)}
    # Observed axes first, then the free ones in the order of the block.
    target = total.transpose([place[v] for v in (*fixed, *axes)])
    free_shape = target.shape[len(fixed) :]
    if not fixed:
        target += block.sum(0).reshape(free_shape)
        return
    observed_shape = target.shape[: len(fixed)]
    flat = np.ravel_multi_index([codes[:, column[v]] for v in fixed], observed_shape)
    size = math.prod(observed_shape)
    sums = np.stack(
        [np.bincount(flat, block[:, k], minlength=size) for k in range(block.shape[1])], axis=1
    )
    target += sums.reshape(target.shape)


def joint_entropy(
    graph: FactorGraph, evidence: Evidence, memory_budget: int | None = None
) -> Tensor:
    """Return the entropy in nats of all unobserved discrete variables, for every row.

    ``H = log Z - sum over factors of E[log factor]``, every term exact.
    """
    view = table_view(graph)
    result = np.empty(evidence.batch)
    logs = [tensor.detach().cpu().numpy() for tensor in view.log_tensors()]
    tables, request = row_tables(graph, evidence), Request(families=True)
    for batch, output, log_z in _outputs(graph, evidence, request, memory_budget):
        entropy = log_z.copy()
        column = {v: i for i, v in enumerate(batch.compiled.request.observed)}
        blocks = [(output[:, s : s + n], axes) for s, n, axes in batch.compiled.plan.outputs]
        for scope, log_table, (belief, axes) in zip(view.scopes, logs, blocks, strict=False):
            fixed = [v for v in scope if v in column]
            table = log_table.transpose([scope.index(v) for v in (*fixed, *axes)])
            table = table[tuple(batch.codes[:, column[v]] for v in fixed)] if fixed else table
            entropy -= _mean_log(belief, table.reshape(-1, belief.shape[1]))
        of_rows = zip(tables.scopes, tables.values, blocks[len(view.scopes) :], strict=False)
        for scope, values, (belief, axes) in of_rows:
            table = values[batch.rows].transpose(0, *(1 + scope.index(v) for v in axes))
            entropy -= _mean_log(belief, table.reshape(belief.shape))
        result[batch.rows] = entropy
    return torch.from_numpy(result)


def _outputs(
    graph: FactorGraph,
    evidence: Evidence,
    request: Request,
    memory_budget: int | None,
    impossible: bool = False,
) -> Iterator[tuple[Batch, np.ndarray, np.ndarray]]:
    """Yield each batch with the outputs of its plan and log P(evidence).

    Rows that doubles do not hold are run in logarithms. If one is impossible that is an error,
    unless ``impossible`` asks for its ``-inf``.
    """
    for batch in batches(graph, evidence, request, memory_budget):
        output, logs, failed = batch.compiled.run(batch.codes, batch.soft)
        logs += batch.row_logs
        if failed:
            lost = np.isneginf(logs)
            output[lost], logs[lost] = outputs_in_logarithms(
                graph, evidence.rows(batch.rows[lost]), batch.compiled, memory_budget
            )
            if not impossible:
                check_possible(graph, evidence, logs, memory_budget, batch.rows)
        yield batch, output, logs


def _mean_log(belief: np.ndarray, log_table: np.ndarray) -> np.ndarray:
    """The mean of log-tables under beliefs, row by row; what has no probability does not count."""
    return np.where(belief > 0, belief * np.where(belief > 0, log_table, 0.0), 0.0).sum(1)
