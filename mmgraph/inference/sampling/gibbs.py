"""Chromatic block Gibbs sampling with many chains at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Shaped
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.model_variables import (
    has_compact_factors,
    named_variables,
    tables_device,
)
from mmgraph.inference.moments import Moments
from mmgraph.inference.numerics.counted_random import random_keys
from mmgraph.inference.numerics.diagnostics import (
    LEAST_DRAWS,
    R_HAT_LIMIT,
    r_hat_shortfall,
    state_diagnostics,
    value_diagnostics,
)
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.sampling.frozen import settled_elements, settled_units, warn_of_frozen
from mmgraph.inference.sampling.gibbs_chains import ChainRecord, Schedule, run_chains
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, gibbs_program
from mmgraph.inference.sampling.gibbs_start import starting_states
from mmgraph.inference.sampling.gibbs_torch import gibbs_torch

REMEDIES = (
    "method='parallel_tempering' crosses hard zeros",
    "method='junction_tree' is exact where it fits the memory",
)
"""What may help where chains are frozen."""

TRACE_BUDGET = 1 << 27
"""Bytes of states that diagnostics look at, unless told otherwise."""


def gibbs(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | str | None = None,
    draws: int = 1000,
    burn_in: int | None = None,
    chains: int = 4,
    thinning: int = 1,
    generator: torch.Generator | None = None,
    device: str = "auto",
    r_hat_limit: float = R_HAT_LIMIT,
    trace_budget: int = TRACE_BUDGET,
    threads: int | None = None,
) -> Posterior:
    """Return marginals from Gibbs sampling, element colour after element colour.

    Elements that share no factor are drawn together (Gonzalez, Low, Gretton and Guestrin 2011,
    "Parallel Gibbs sampling: from colored fields to thin junction trees", section 3). Marginals are
    means of the conditional distributions that states were drawn from.

    Where factors have hard zeros, single elements may be unable to get from one part of the
    possible states to another: chains are then not ergodic. Parallel tempering crosses hard zeros.

    Parameters
    ----------
    graph : FactorGraph
        Arrays, tables over any number of variables, and continuous leaves.
    evidence : Evidence
        Each row gets chains of its own.
    variables : str or sequence of str, optional
        The marginals wanted; by default those of all discrete variables.
    draws : int
        Sweeps recorded of each chain.
    burn_in : int, optional
        Sweeps before the first that is recorded; by default half as many as follow.
    chains : int
        For each row of evidence.
    thinning : int
        One sweep in so many is recorded.
    generator : torch.Generator, optional
        The same seed gives the same answer, on any number of threads.
    device : str
        ``"auto"`` (wherever the graph's tables are), ``"cpu"`` or ``"cuda"``.
    r_hat_limit : float
        The chains count as converged if no element's R-hat is above it.
    trace_budget : int
        Bytes of states kept for diagnostics. Where all would take more, only one draw in so many
        is looked at, and the effective sample size is that of those draws.
    threads : int, optional
        Of the CPU; by default as many as torch uses.

    Returns
    -------
    Posterior
        ``diagnostics`` has ``"r_hat"`` and ``"effective_sample_size"``, each by variable ``(batch,
        *shape)``, the worst over the states of an element; nothing of fewer than four draws.
        R-hat is infinite, for undefined, of an element that never changed its state, unless it can
        be told that this is no accident: evidence and hard zeros leave it one state, or all that
        it depends on has moved (see :mod:`diagnostics`). ``log_partition`` is not
        known.

    Warns
    -----
    ConvergenceWarning
        If elements never changed their state, and hard zeros may be why.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence is impossible.
    MmgraphError
        If a number is not positive, or no start of positive probability was found.
    """
    began = time.perf_counter()
    evidence = Evidence.of(evidence, graph.variables)
    names = named_variables(graph, variables)
    schedule = checked_schedule(draws, burn_in, chains, thinning, threads)
    where = tables_device(graph) if device == "auto" else torch.device(device)
    if where.type == "cpu" and not has_compact_factors(graph):
        found = _by_rows(graph, evidence, names, schedule, generator, trace_budget)
    else:
        found = _by_torch(graph, evidence, names, schedule, generator, trace_budget, where)
    told = draws >= LEAST_DRAWS
    missed = r_hat_shortfall("gibbs", found.r_hat, r_hat_limit, schedule.sweeps, told)
    if told and found.has_hard_zeros:
        undefined = {name: r_hat.isinf() for name, r_hat in found.r_hat.items()}
        warn_of_frozen("gibbs", undefined, REMEDIES)
    diagnostics = {"r_hat": found.r_hat, "effective_sample_size": found.sample_size}
    return Posterior(
        graph.variables,
        Moments(found.marginals, dict(found.means), dict(found.variances)),
        None,
        method="gibbs",
        is_normalised=graph.is_normalised,
        converged=not missed,
        shortfall=missed,
        iterations=schedule.sweeps,
        diagnostics=diagnostics if told else {},
        seconds=time.perf_counter() - began,
    )


def gibbs_samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None = None,
    burn_in: int = 500,
    chains: int | None = None,
    thinning: int = 10,
    threads: int | None = None,
    device: str = "auto",
) -> dict[str, Shaped[Tensor, "... draws *shape"]]:
    """Return states (or real values) of all variables, drawn by several chains in turn.

    Draws of one chain resemble each other; more thinning makes them less so.

    Parameters
    ----------
    draws : int
        For each row of evidence, over all chains.
    chains : int, optional
        By default 16, or as many as there are draws.
    burn_in, thinning, generator, threads, device
        As for :func:`gibbs`.

    Returns
    -------
    dict of str to Tensor
        State indices, on the CPU: ``(draws, *shape)``, or ``(batch, draws, *shape)`` where the
        evidence has more than one row.

    Raises
    ------
    ZeroProbabilityError, MmgraphError
        As for :func:`gibbs`.
    """
    evidence = Evidence.of(evidence, graph.variables)
    if draws < 1:
        raise MmgraphError(f"draws must be at least 1, not {draws}")
    chains = min(16, draws) if chains is None else chains
    each = -(-draws // chains) if chains > 0 else 1
    schedule = checked_schedule(each, burn_in, chains, thinning, threads)
    where = tables_device(graph) if device == "auto" else torch.device(device)
    if has_compact_factors(graph) or where.type != "cpu":
        record = gibbs_torch(graph, evidence, schedule, generator, where)
        drawn = {n: t.movedim(1, 0).flatten(1, 2)[:, :draws] for n, t in record.trace.items()}
        return drawn if evidence.batch > 1 else {n: t[0] for n, t in drawn.items()}
    program = gibbs_program(graph)
    rows: list[dict[str, Tensor]] = []
    for row, key in enumerate(random_keys(generator, evidence.batch)):
        conditioned = program.conditioned(evidence, row)
        states = starting_states(conditioned, evidence, chains, key, generator)
        fixed = states[0].copy()
        kept = run_chains(conditioned, states, key, schedule)
        _warn_of_frozen_draws(conditioned, kept, schedule)
        labelling = np.repeat(fixed[None], draws, 0)
        labelling[:, kept.nodes] = kept.trace.reshape(each * chains, -1)[:draws]
        rows.append(program.pairwise.states_of(labelling))
    if len(rows) == 1:
        return rows[0]
    return {name: torch.stack([r[name] for r in rows]) for name in rows[0]}


def _warn_of_frozen_draws(
    conditioned: ConditionedProgram, record: ChainRecord, schedule: Schedule
) -> None:
    """Warn where no chain ever left a state, and could not have: hard zeros forbid it."""
    if schedule.kept < LEAST_DRAWS or not conditioned.has_hard_zeros:
        return
    within = (record.trace == record.trace[:1]).all((0, 1))
    stuck = record.nodes[within & ~settled_elements(conditioned, record)]
    pairwise = conditioned.program.pairwise
    names = [pairwise.variable_of(int(n)) for n in stuck]
    warn_of_frozen("gibbs", {str(n): torch.tensor(True) for n in names}, REMEDIES)


def checked_schedule(
    draws: int, burn_in: int | None, chains: int, thinning: int, threads: int | None
) -> Schedule:
    """Return the schedule asked for, or raise MmgraphError naming the number that is wrong."""
    burn_in = draws * thinning // 2 if burn_in is None else burn_in
    threads = torch.get_num_threads() if threads is None else threads
    for name, value in (
        ("draws", draws), ("chains", chains), ("thinning", thinning), ("threads", threads),
    ):  # fmt: skip
        if value < 1:
            raise MmgraphError(f"{name} must be at least 1, not {value}")
    if burn_in < 0:
        raise MmgraphError(f"burn_in must not be negative, not {burn_in}")
    return Schedule(chains, draws, burn_in, thinning, 1, threads)


def flat_marginals(
    conditioned: ConditionedProgram,
    probabilities: Float64[np.ndarray, " states"],
    states: Int[np.ndarray, "chains nodes"],
) -> dict[str, Float64[Tensor, "*shape states"]]:
    """Return probabilities by variable; an element without a choice has its one state."""
    program = conditioned.program
    pairwise = program.pairwise
    flat = probabilities.astype(np.float64, copy=True)
    is_fixed = ~program.is_table
    is_fixed[conditioned.order] = False
    flat[np.repeat(is_fixed, pairwise.cardinalities)] = 0.0
    fixed = np.flatnonzero(is_fixed)
    flat[pairwise.offsets[fixed] + states[0, fixed]] = 1.0
    variables = pairwise.graph.variables
    return {
        name: torch.from_numpy(pairwise.block(flat, name).copy()).reshape(
            *variables[name].shape, variables[name].cardinality
        )
        for name in pairwise.first_node
    }


class _Found(NamedTuple):
    marginals: dict[str, Float64[Tensor, "batch *shape states"]]
    r_hat: dict[str, Float64[Tensor, "batch *shape"]]
    sample_size: dict[str, Float64[Tensor, "batch *shape"]]
    means: Mapping[str, Tensor] = MappingProxyType({})
    variances: Mapping[str, Tensor] = MappingProxyType({})
    has_hard_zeros: bool = False


def _by_rows(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    schedule: Schedule,
    generator: torch.Generator | None,
    trace_budget: int,
) -> _Found:
    """One row of evidence after the other, by compiled kernels."""
    program = gibbs_program(graph)
    found = _Found({}, {}, {})
    rows: list[_Found] = []
    has_hard_zeros = False
    for row, key in enumerate(random_keys(generator, evidence.batch)):
        conditioned = program.conditioned(evidence, row)
        states = starting_states(conditioned, evidence, schedule.chains, key, generator)
        size = len(conditioned.order) * states.itemsize
        limited = within_budget(schedule, size, trace_budget)
        record = run_chains(conditioned, states, key, limited)
        marginals = flat_marginals(conditioned, record.probabilities, states)
        rows.append(_Found(marginals, *diagnosed(conditioned, record, limited)))
        has_hard_zeros |= conditioned.has_hard_zeros
    for joined, parts in zip(found[:3], zip(*(r[:3] for r in rows), strict=True), strict=True):
        joined.update({name: torch.stack([part[name] for part in parts]) for name in names})
    return found._replace(has_hard_zeros=has_hard_zeros)


def diagnosed(
    conditioned: ConditionedProgram, record: ChainRecord, schedule: Schedule
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return R-hat and effective sample size by variable; what has no choice has mixed."""
    pairwise = conditioned.program.pairwise
    r_hat = np.ones(pairwise.nodes)
    size = np.full(pairwise.nodes, float(schedule.kept * schedule.chains))
    if schedule.kept >= LEAST_DRAWS:
        states = pairwise.cardinalities[record.nodes]
        r_hat[record.nodes], size[record.nodes] = state_diagnostics(
            record.trace, states, schedule.threads
        )
        settled = record.nodes[settled_elements(conditioned, record)]
        r_hat[settled], size[settled] = 1.0, float(schedule.kept * schedule.chains)
    both = []
    for values in (r_hat, size):
        by_name = {}
        for name, node in pairwise.first_node.items():
            variable = pairwise.graph.variables[name]
            block = values[node : node + variable.size].reshape(variable.shape)
            by_name[name] = torch.from_numpy(block.copy())
        both.append(by_name)
    return both[0], both[1]


def _by_torch(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    schedule: Schedule,
    generator: torch.Generator | None,
    trace_budget: int,
    device: torch.device,
) -> _Found:
    """All rows at once, on a device."""
    size = 8 * evidence.batch * sum(v.size for v in graph.variables.values())
    limited = within_budget(schedule, size, trace_budget)
    record = gibbs_torch(graph, evidence, limited, generator, device)
    known = record.moments.of(names)
    found = _Found(known.marginals, {}, {}, known.means, known.variances)
    settled = settled_units(graph, evidence, record.trace)
    for name in names:
        found.r_hat[name], found.sample_size[name] = trace_diagnostics(
            graph.variables[name], record.trace[name], settled[name], limited
        )
    return found


def trace_diagnostics(
    variable: Variable,
    trace: Shaped[Tensor, "kept batch chains *shape"],
    settled: Bool[Tensor, "batch *shape"],
    schedule: Schedule,
) -> tuple[Float64[Tensor, "batch *shape"], Float64[Tensor, "batch *shape"]]:
    """Return R-hat and effective sample size of each element; those ``settled`` have mixed."""
    batch = trace.shape[1]
    r_hat = torch.ones(batch, *variable.shape, dtype=torch.float64)
    size = torch.full_like(r_hat, float(schedule.kept * schedule.chains))
    if schedule.kept < LEAST_DRAWS:
        return r_hat, size
    states = np.full(variable.size, variable.cardinality)
    for row in range(batch):
        values = trace[:, row].reshape(*trace[:, row].shape[:2], -1).numpy()
        if variable.is_discrete:
            told = state_diagnostics(values, states, schedule.threads)
        else:
            told = value_diagnostics(values)
        r_hat[row] = torch.from_numpy(told[0]).reshape(variable.shape)
        size[row] = torch.from_numpy(told[1]).reshape(variable.shape)
    size[settled] = float(schedule.kept * schedule.chains)
    return r_hat.masked_fill(settled, 1.0), size


def within_budget(schedule: Schedule, bytes_of_a_chain: int, budget: int) -> Schedule:
    """Return the schedule that keeps as many draws as fit the budget, or the fewest that tell."""
    fitting = max(budget // max(1, bytes_of_a_chain * schedule.chains), LEAST_DRAWS)
    interval = max(1, -(-schedule.draws // fitting))
    if schedule.draws // interval < LEAST_DRAWS:
        interval = max(1, schedule.draws // LEAST_DRAWS)
    return replace(schedule, interval=interval)
