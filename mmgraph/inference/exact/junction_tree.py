"""Exact inference in a compiled join tree: marginals, joints, the best assignment, exact samples.

The architecture is that of Shenoy (1997), "Binary join trees for computing marginals in the
Shenoy-Shafer architecture"; evidence slices tables before the tree is built, so that observed
variables cost nothing, and the sums over barren nodes are known to be one and are not computed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
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
from mmgraph.inference.normaliser import normaliser
from mmgraph.inference.posterior import Moments, Posterior


def junction_tree(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    memory_budget: int | None = None,
) -> Posterior:
    """Return exact marginals, and log P(evidence), for every row of evidence.

    Parameters
    ----------
    graph : FactorGraph
        Tables over scalar discrete variables, and continuous leaves.
    evidence : Evidence
        Rows may differ in values and in what is missing.
    variables : sequence of str, optional
        The marginals wanted; by default those of all discrete variables.
    memory_budget : int, optional
        In bytes; by default half of the machine's memory.

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
    began = time.perf_counter()
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
    return Posterior(
        graph.variables,
        Moments(),
        logs_of_rows,
        method="junction_tree",
        exact=True,
        seconds=time.perf_counter() - began,
        is_normalised=graph.is_normalised,
        normaliser=normaliser(graph, evidence, log_evidence),
        joint_entropy=partial(joint_entropy, graph, evidence, memory_budget),
        flat=output,
        columns=view.places(wanted),
    )


def joint_distribution(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str],
    memory_budget: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the joint distribution of a few variables, and log P(evidence), for every row.

    Returns
    -------
    joint : Tensor, shape (batch, *states)
        Axes in the order of ``variables``.
    log_evidence : Tensor, shape (batch,)
    """
    view = table_view(graph)
    wanted = indices(graph, variables)
    if len(set(wanted)) < len(wanted):
        raise UnknownVariableError(f"a variable is named twice in {', '.join(variables)}")
    cards = [view.cardinalities[v] for v in wanted]
    joint = np.zeros((evidence.batch, *cards))
    log_evidence = np.empty(evidence.batch)
    request = Request(keep=wanted)
    for batch, part, logs in _outputs(graph, evidence, request, memory_budget):
        rows, compiled, codes, *_ = batch
        free = set(compiled.request.keep)
        column = {v: i for i, v in enumerate(compiled.request.observed)}
        if free:
            axes = compiled.plan.outputs[0][2]
            part = part.reshape(len(rows), *(view.cardinalities[v] for v in axes))
            part = part.transpose(0, *(1 + axes.index(v) for v in wanted if v in free))
        else:
            part = np.ones(len(rows))
        # Observed axes are indexed by each row's state, the others taken whole.
        grid = np.ix_(np.arange(len(rows)), *(np.arange(n) for n in part.shape[1:]))
        where: list[Any] = [rows[grid[0]]]
        used = 1
        for v in wanted:
            if v in free:
                where.append(grid[used])
                used += 1
            else:
                where.append(codes[:, column[v]].reshape(-1, *(1,) * (part.ndim - 1)))
        joint[tuple(where)] = part
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

    Parameters
    ----------
    variables : sequence of str, optional
        Only these are maximised, and the others summed out (marginal MAP); by default all are.

    Returns
    -------
    assignment : dict of str to Tensor, shape (batch,)
        State indices; observed variables keep their states.
    log_weight : Tensor, shape (batch,)
        log max P(variables, evidence).
    """
    view = table_view(graph)
    wanted = indices(graph, variables)
    states = np.empty((evidence.batch, len(view.variables)), np.int64)
    log_weight = np.empty(evidence.batch)
    for rows, compiled, codes, soft, row_logs in batches(
        graph, evidence, Request(maximised=wanted), memory_budget
    ):
        found, logs, failed = compiled.decode(codes, soft, np.empty((len(rows), 1, 0)))
        logs += row_logs
        if failed:
            bad = np.isneginf(logs)
            found[bad, 0], logs[bad] = decisions_in_logarithms(
                graph, evidence.rows(rows[bad]), compiled.request, "maximum", memory_budget
            )
            check_possible(graph, evidence, logs, memory_budget, rows)
        states[rows] = found[:, 0]
        log_weight[rows] = logs
    assignment = {view.variables[v].name: torch.from_numpy(states[:, v].copy()) for v in wanted}
    return assignment, torch.from_numpy(log_weight)


def exact_samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None = None,
    memory_budget: int | None = None,
) -> dict[str, Tensor]:
    """Draw independent samples of all discrete variables from the posterior of every row.

    Returns
    -------
    dict of str to Tensor, shape (batch, draws)
        State indices.
    """
    view = table_view(graph)
    result = np.empty((evidence.batch, draws, len(view.variables)), np.int64)
    for rows, compiled, codes, soft, _ in batches(graph, evidence, Request(), memory_budget):
        nodes = compiled.planned.decoding_nodes
        # Random numbers for some draws at a time keep their memory bounded.
        step = max(1, 4_000_000 // max(1, nodes * len(rows)))
        for first in range(0, draws, step):
            count = min(step, draws - first)
            uniforms = torch.rand(
                (len(rows), count, max(nodes, 1)), dtype=torch.float64, generator=generator
            ).numpy()
            found, logs, failed = compiled.decode(codes, soft, uniforms)
            if failed:
                bad = np.flatnonzero(np.isneginf(logs))
                some = evidence.rows(rows[np.repeat(bad, count)])
                drawn, again = decisions_in_logarithms(
                    graph, some, compiled.request, "draw", memory_budget, generator
                )
                found[bad] = drawn.reshape(len(bad), count, -1)
                logs[bad] = again.reshape(len(bad), count)[:, 0]
                check_possible(graph, evidence, logs, memory_budget, rows)
            result[rows, first : first + count] = found
    return {v.name: torch.from_numpy(result[:, :, i].copy()) for i, v in enumerate(view.variables)}


def factor_beliefs(
    graph: FactorGraph,
    evidence: Evidence,
    weights: np.ndarray | None = None,
    memory_budget: int | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the expected family counts: each factor's posterior table, summed over the rows.

    Parameters
    ----------
    weights : ndarray, shape (batch,), optional
        How often each row counts.

    Returns
    -------
    counts : list of ndarray
        One for each tabular factor of the graph, axes as in its scope.
    log_evidence : ndarray, shape (batch,)
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
    logs = [None if t is None else t.detach().cpu().numpy() for t in view.log_tensors()]
    tables, request = row_tables(graph, evidence), Request(families=True)
    for batch, output, log_z in _outputs(graph, evidence, request, memory_budget):
        entropy = log_z.copy()
        column = {v: i for i, v in enumerate(batch.compiled.request.observed)}
        blocks = [(output[:, s : s + n], axes) for s, n, axes in batch.compiled.plan.outputs]
        for scope, log_table, (belief, axes) in zip(view.scopes, logs, blocks, strict=False):
            if log_table is not None:
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
            bad = np.isneginf(logs)
            output[bad], logs[bad] = outputs_in_logarithms(
                graph, evidence.rows(batch.rows[bad]), batch.compiled, memory_budget
            )
            if not impossible:
                check_possible(graph, evidence, logs, memory_budget, batch.rows)
        yield batch, output, logs


def _mean_log(belief: np.ndarray, log_table: np.ndarray) -> np.ndarray:
    """The mean of log-tables under beliefs, row by row; what has no probability does not count."""
    return np.where(belief > 0, belief * np.where(belief > 0, log_table, 0.0), 0.0).sum(1)
