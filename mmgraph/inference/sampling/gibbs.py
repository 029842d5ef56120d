"""Chromatic block Gibbs sampling with many chains at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.backend import backend_of
from mmgraph.inference.gaussian.model import gaussian_model
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.numerics.counted_random import random_keys
from mmgraph.inference.numerics.diagnostics import LEAST_DRAWS
from mmgraph.inference.options import keyword_options
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.sampling.chain_answer import (
    answer_by_rows,
    answer_of_batch,
    chain_posterior,
    joined_samples,
    samples_schedule,
)
from mmgraph.inference.sampling.frozen import settled_elements, warn_of_frozen
from mmgraph.inference.sampling.gibbs_chains import ChainRecord, run_chains
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, gibbs_program
from mmgraph.inference.sampling.gibbs_start import starting_states
from mmgraph.inference.sampling.gibbs_torch import gibbs_torch
from mmgraph.inference.sampling.mixed.blocked_gibbs import blocked_gibbs, blocked_samples
from mmgraph.inference.sampling.schedule import ChainOptions, Schedule


@dataclass(frozen=True)
class GibbsOptions(ChainOptions):
    """Options of :func:`gibbs`."""

    thinning: int = 1


@keyword_options(GibbsOptions)
def gibbs(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | str | None = None,
    *,
    options: GibbsOptions,
) -> Posterior:
    """Return marginals from Gibbs sampling, element colour after element colour.

    Elements that share no factor are drawn together (Gonzalez, Low, Gretton and Guestrin 2011,
    "Parallel Gibbs sampling: from colored fields to thin junction trees", section 3). Marginals are
    means of the conditional distributions that states were drawn from.

    In mixed networks all discrete variables are drawn at once, by a join tree, given the continuous
    ones, and these given the discrete; continuous variables that depend on few discrete ones are
    summed out. Means and densities of continuous variables are means of those given each draw of
    the discrete ones.

    Where factors have hard zeros, single elements may be unable to get from one part of the
    possible states to another: chains are then not ergodic. Parallel tempering crosses hard zeros.

    Parameters
    ----------
    graph : FactorGraph
        Arrays, tables over any number of variables, continuous leaves, and linear Gaussian
        variables (on the CPU).
    evidence : Evidence
        Each row gets chains of its own.
    variables : str or sequence of str, optional
        The marginals wanted; by default those of all discrete variables, and of continuous ones
        (without R-hat) when they are asked for.
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
    GraphError
        If a continuous variable without noise would freeze the chains.
    MmgraphError
        If a number is not positive, or no start of positive probability was found.
    """
    began = time.perf_counter()
    evidence = Evidence.of(evidence, graph.variables)
    schedule = options.schedule(options.thinning)
    model = gaussian_model(graph)
    if model is not None:
        return blocked_gibbs(graph, model, evidence, variables, options, schedule)
    names = named_variables(graph, variables)
    backend = backend_of(graph, options.device)
    if backend.kernels:
        answer = answer_by_rows(graph, evidence, names, options, schedule, run_chains)
    else:
        size = 8 * evidence.batch * sum(v.size for v in graph.variables.values())
        limited = schedule.within(options.trace_budget, size)
        record = gibbs_torch(graph, evidence, limited, options.generator, backend.place)
        answer = answer_of_batch(graph, evidence, names, record, limited)
    if options.draws >= LEAST_DRAWS and answer.has_hard_zeros:
        warn_of_frozen([n for n, both in answer.mixing.items() if bool(both[0].isinf().any())])
    return chain_posterior("gibbs", graph, answer, schedule, options.r_hat_limit, began)


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
    schedule = samples_schedule(draws, burn_in, chains, thinning, threads)
    model = gaussian_model(graph)
    if model is not None:
        made = blocked_samples(graph, model, evidence, draws, generator, schedule)
        return made if evidence.batch > 1 else {name: drawn[0] for name, drawn in made.items()}
    backend = backend_of(graph, device)
    if not backend.kernels:
        return gibbs_torch(graph, evidence, schedule, generator, backend.place).samples(draws)
    program = gibbs_program(graph)
    rows: list[dict[str, Tensor]] = []
    for row, key in enumerate(random_keys(generator, evidence.batch)):
        conditioned = program.conditioned(evidence, row)
        states = starting_states(conditioned, evidence, schedule.chains, key, generator)
        fixed = states[0].copy()
        record = run_chains(conditioned, states, key, schedule)
        _warn_of_frozen_draws(conditioned, record, schedule)
        labelling = np.repeat(fixed[None], draws, 0)
        labelling[:, record.nodes] = np.concatenate([*record.trace])[:draws]
        rows.append(program.pairwise.states_of(labelling))
    return joined_samples(rows)


def _warn_of_frozen_draws(
    conditioned: ConditionedProgram, record: ChainRecord, schedule: Schedule
) -> None:
    """Warn where no chain ever left a state, and could not have: hard zeros forbid it."""
    if schedule.traced < LEAST_DRAWS or not conditioned.has_hard_zeros:
        return
    within = (record.trace == record.trace[:1]).all((0, 1))
    stuck = record.nodes[within & ~settled_elements(conditioned, record)]
    pairwise = conditioned.program.pairwise
    warn_of_frozen(dict.fromkeys(str(pairwise.variable_of(int(n))) for n in stuck))
