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

from mmgraph.graph.errors import MmgraphError
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
from mmgraph.inference.sampling.schedule import ChainOptions, Schedule

ByElement = dict[str, Float64[Tensor, "batch *shape"]]

Runner = Callable[
    [ConditionedProgram, Int[np.ndarray, "chains nodes"], UInt32[np.ndarray, " 2"], Schedule],
    ChainRecord,
]
"""Runs the chains of one row of evidence from their starts."""


class ChainAnswer(NamedTuple):
    """What the chains of some rows of evidence say.

    Attributes
    ----------
    moments : Moments
    r_hat, sample_size : dict of str to Tensor
        Of each element; one and all draws where there are too few for R-hat.
    swap_rates : Tensor, shape (batch, replicas - 1), or None
    has_hard_zeros : bool
        Whether chains may have been frozen by what the model forbids.
    """

    moments: Moments
    r_hat: ByElement
    sample_size: ByElement
    swap_rates: Float64[Tensor, "batch replicas-1"] | None
    has_hard_zeros: bool = False


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

    Parameters
    ----------
    replicas : int
        Starts that each chain needs.
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
        r_hat, size_of_sample = _mixing_of_row(conditioned, record, names, limited)
        rates = None if record.swap_rates is None else torch.from_numpy(record.swap_rates[None])
        rows.append(
            ChainAnswer(moments.of(names), r_hat, size_of_sample, rates, conditioned.has_hard_zeros)
        )
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
    r_hat: ByElement = {}
    size: ByElement = {}
    for name in names:
        variable, trace = graph.variables[name], record.trace[name].numpy()
        rows = [_mixing(variable, trace[:, row], schedule) for row in range(evidence.batch)]
        both = torch.from_numpy(np.stack(rows, 1)).reshape(2, evidence.batch, *variable.shape)
        r_hat[name] = both[0].masked_fill(settled[name], 1.0)
        size[name] = both[1].masked_fill(settled[name], schedule.traced * schedule.chains)
    return ChainAnswer(record.moments.of(names), r_hat, size, record.swap_rates)


def joined_answers(answers: Sequence[ChainAnswer]) -> ChainAnswer:
    """Return what chains say of all rows of evidence, of what they say of some."""
    rates = [one.swap_rates for one in answers if one.swap_rates is not None]
    return ChainAnswer(
        joined_moments([one.moments for one in answers]),
        _joined([one.r_hat for one in answers]),
        _joined([one.sample_size for one in answers]),
        torch.cat(rates) if rates else None,
        any(one.has_hard_zeros for one in answers),
    )


def _joined(rows: Sequence[ByElement]) -> ByElement:
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


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
    shortfall = r_hat_shortfall(method, answer.r_hat, r_hat_limit, sweeps, enough)
    diagnostics: dict[str, dict[str, Tensor]] = {}
    if enough:
        diagnostics = {"r_hat": answer.r_hat, "effective_sample_size": answer.sample_size}
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
    if draws < 1:
        raise MmgraphError(f"draws must be at least 1, not {draws}")
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
) -> tuple[ByElement, ByElement]:
    """R-hat and effective sample size by variable; what has no choice has mixed."""
    pairwise = conditioned.program.pairwise
    mixed = np.array([[1.0], [float(schedule.traced * schedule.chains)]])
    told = np.repeat(mixed, pairwise.nodes, 1)
    if schedule.traced >= LEAST_DRAWS:
        states = pairwise.cardinalities[record.nodes]
        told[:, record.nodes] = state_diagnostics(record.trace, states, schedule.threads)
        told[:, record.nodes[settled_elements(conditioned, record)]] = mixed

    def by_name(values: Float64[np.ndarray, " nodes"]) -> ByElement:
        blocks = {}
        for name in names:
            variable, node = pairwise.graph.variables[name], pairwise.first_node[name]
            block = torch.from_numpy(values[node : node + variable.size])
            blocks[name] = block.reshape(1, *variable.shape)
        return blocks

    return by_name(told[0]), by_name(told[1])


def _mixing(
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
