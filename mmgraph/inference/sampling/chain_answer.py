"""What recorded chains say: moments, R-hat and effective sample size, and a posterior of them.

One assembly for chains that kernels ran row by row and for those that torch ran as a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int, Shaped, UInt32
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.field.moments import joined_moments
from mmgraph.inference.numerics.counted_random import random_keys
from mmgraph.inference.numerics.diagnostics import (
    LEAST_DRAWS,
    r_hat_shortfall,
    state_diagnostics,
    value_diagnostics,
)
from mmgraph.inference.posterior import Moments, Posterior
from mmgraph.inference.sampling.frozen import settled_elements, settled_units
from mmgraph.inference.sampling.gibbs_chains import ChainRecord
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, gibbs_program
from mmgraph.inference.sampling.gibbs_start import starting_states
from mmgraph.inference.sampling.gibbs_torch import TorchRecord
from mmgraph.inference.sampling.schedule import ChainOptions, Schedule, check_least

Mixing = dict[str, Float64[Tensor, "2 batch *shape"]]
"""R-hat and sample size of each element; one and all draws where there are too few for R-hat."""

Runner = Callable[
    [ConditionedProgram, Int[np.ndarray, "chains nodes"], UInt32[np.ndarray, " 2"], Schedule],
    ChainRecord,
]
"""Runs the chains of one row of evidence from their starts."""


class ChainAnswer(NamedTuple):
    """What the chains of some rows of evidence say."""

    moments: Moments
    mixing: Mixing
    swap_rates: Float64[Tensor, "batch replicas-1"] | None
    has_hard_zeros: bool = False  # whether what the model forbids may have frozen chains


def answer_by_rows(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    options: ChainOptions,
    schedule: Schedule,
    run: Runner,
    replicas: int = 1,
) -> ChainAnswer:
    """Run the chains of one row of evidence after the other, by kernels.

    Each chain needs so many starts as there are ``replicas``.
    """
    program, generator = gibbs_program(graph), options.generator
    rows = []
    for row, key in enumerate(random_keys(generator, evidence.batch)):
        conditioned = program.conditioned(evidence, row)
        starts = schedule.chains * replicas
        states = starting_states(conditioned, evidence, starts, key, generator)
        size = len(conditioned.order) * states.itemsize
        limited = schedule.within(options.trace_budget, size)
        record = run(conditioned, states, key, limited)
        moments = Moments(flat_marginals(conditioned, record.probabilities, states), {}, {})
        mixing = _mixing_of_row(conditioned, record, names, limited)
        has_zeros = conditioned.has_hard_zeros
        rows.append(ChainAnswer(moments.of(names), mixing, record.swap_rates, has_zeros))
    return joined_answers(rows)


def answer_of_batch(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    record: TorchRecord,
    schedule: Schedule,
) -> ChainAnswer:
    """Return what chains say that torch ran, all rows of evidence at once."""
    settled = settled_units(graph, evidence, record.trace)
    mixed = torch.tensor([1.0, schedule.traced * schedule.chains], dtype=torch.float64)
    mixing: Mixing = {}
    for name in names:
        variable, trace = graph.variables[name], record.trace[name].numpy()
        rows = [_mixing_of_variable(variable, row, schedule) for row in trace.swapaxes(0, 1)]
        both = torch.from_numpy(np.stack(rows, 1)).reshape(2, len(rows), *variable.shape)
        at_best = mixed.reshape(2, *(1,) * (both.ndim - 1))
        mixing[name] = torch.where(settled[name], at_best, both)
    return ChainAnswer(record.moments.of(names), mixing, record.swap_rates)


def joined_answers(answers: Sequence[ChainAnswer]) -> ChainAnswer:
    """Return what chains say of all rows of evidence, of what they say of some."""
    rates = [one.swap_rates for one in answers if one.swap_rates is not None]
    return ChainAnswer(
        joined_moments([one.moments for one in answers]),
        {n: torch.cat([one.mixing[n] for one in answers], 1) for n in answers[0].mixing},
        torch.cat(rates) if rates else None,
        any(one.has_hard_zeros for one in answers),
    )


def joined_samples(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the draws of all rows of evidence, without an axis of rows where there is one."""
    if len(rows) == 1:
        return rows[0]
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def chain_posterior(
    method: str,
    graph: FactorGraph,
    answer: ChainAnswer,
    schedule: Schedule,
    r_hat_limit: float,
    began: float,
) -> Posterior:
    """Return the posterior of what chains say; of fewer than four draws it has no R-hat."""
    sweeps, enough = schedule.sweeps, schedule.draws >= LEAST_DRAWS
    r_hat, size = ({n: both[part] for n, both in answer.mixing.items()} for part in range(2))
    shortfall = r_hat_shortfall(method, r_hat, r_hat_limit, sweeps, enough)
    diagnostics = {"r_hat": r_hat, "effective_sample_size": size} if enough else {}
    if answer.swap_rates is not None:
        diagnostics["swap_acceptance"] = {"rate": answer.swap_rates}
    return Posterior(
        graph.variables,
        answer.moments,
        None,
        method=method,
        is_normalised=graph.is_normalised,
        converged=not shortfall,
        shortfall=shortfall,
        iterations=sweeps,
        diagnostics=diagnostics,
        seconds=time.perf_counter() - began,
    )


def samples_schedule(
    draws: int, burn_in: int, chains: int | None, thinning: int, threads: int | None
) -> Schedule:
    """Return the schedule of chains, by default 16, that together make so many draws at least."""
    check_least(draws=draws)
    chains = min(16, draws) if chains is None else chains
    each = -(-draws // chains) if chains > 0 else 1
    return ChainOptions(each, burn_in, chains, threads=threads).schedule(thinning)


def flat_marginals(
    conditioned: ConditionedProgram,
    probabilities: Float64[np.ndarray, " states"],
    states: Int[np.ndarray, "chains nodes"],
) -> dict[str, Float64[Tensor, "1 *shape states"]]:
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
            1, *variables[name].shape, variables[name].cardinality
        )
        for name in pairwise.first_node
    }


def _mixing_of_row(
    conditioned: ConditionedProgram, record: ChainRecord, names: Iterable[str], schedule: Schedule
) -> Mixing:
    """The mixing of compiled chains; what has no choice has mixed."""
    pairwise = conditioned.program.pairwise
    mixed = np.array([[1.0], [float(schedule.traced * schedule.chains)]])
    by_node = np.repeat(mixed, pairwise.nodes, 1)
    if schedule.traced >= LEAST_DRAWS:
        states = pairwise.cardinalities[record.nodes]
        by_node[:, record.nodes] = state_diagnostics(record.trace, states, schedule.threads)
        by_node[:, record.nodes[settled_elements(conditioned, record)]] = mixed
    mixing: Mixing = {}
    for name in names:
        variable, node = pairwise.graph.variables[name], pairwise.first_node[name]
        both = torch.from_numpy(by_node[:, node : node + variable.size])
        mixing[name] = both.reshape(2, 1, *variable.shape)
    return mixing


def _mixing_of_variable(
    variable: Variable, trace: Shaped[np.ndarray, "traced chains *shape"], schedule: Schedule
) -> tuple[Float64[np.ndarray, " elements"], Float64[np.ndarray, " elements"]]:
    """R-hat and effective sample size of the elements of one variable."""
    elements = trace.reshape(*trace.shape[:2], -1)
    if len(elements) < LEAST_DRAWS:
        return np.ones(variable.size), np.full(variable.size, elements.shape[0] * elements.shape[1])
    if not variable.is_discrete:
        return value_diagnostics(elements)
    states = np.full(variable.size, variable.cardinality)
    return state_diagnostics(elements, states, schedule.threads)
