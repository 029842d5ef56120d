"""Annealed importance sampling: the logarithm of the partition function, with its error."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from jaxtyping import Float64, Int, UInt32
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.backend import backend_of
from mmgraph.inference.field.moments import joined_moments
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.numerics.counted_random import random_keys
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.numerics.threads import cuts, run_together
from mmgraph.inference.options import keyword_options
from mmgraph.inference.posterior import Moments, Posterior
from mmgraph.inference.sampling.annealing_torch import annealed_fields, annealed_layers
from mmgraph.inference.sampling.annealing_weights import (
    BASE_SEED,
    BASE_STATES,
    Annealed,
    AnnealingOptions,
    check_weights,
    inverse_temperatures,
    warn_of_collapse,
    weight_summary,
)
from mmgraph.inference.sampling.chain_answer import flat_marginals
from mmgraph.inference.sampling.gibbs_kernels import gibbs_sweeps
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, Tempering, gibbs_program
from mmgraph.inference.sampling.gibbs_start import energies_of, tempered_sweeps, zero_costs
from mmgraph.inference.sampling.schedule import Part, Schedule, check_least


@keyword_options(AnnealingOptions)
def annealed_importance_sampling(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | str | None = None,
    *,
    options: AnnealingOptions,
) -> Posterior:
    """Return log P(evidence) and marginals by annealing.

    The method is that of Neal (2001), "Annealed importance sampling", section 2. Chains start from
    the product of all unary factors and the evidence, whose partition function is known, and the
    inverse temperature of everything that joins elements grows from zero to one, a Gibbs sweep a
    step: evenly, or by equal ratios where energies are so large that an even first step would tear
    the weights apart. A hard zero costs a finite energy until the last step, so that every state
    can be passed through; a chain that ends in a forbidden state has weight zero. The mean weight
    is unbiased with hard zeros, too.

    Parameters
    ----------
    graph, evidence, variables
        As for :func:`mmgraph.inference.sampling.gibbs.gibbs`.
    steps : int
        Of the temperature.
    chains : int
        For each row of evidence; at least two, for an error to be told.
    generator : torch.Generator, optional
        The same seed gives the same answer, on any number of threads.
    tolerance : float
        The standard error up to which the answer counts as converged.
    threads : int, optional
        Of the CPU; by default as many as torch uses.
    base : mapping of str to Tensor, optional
        Of layers of units: mean statistics of free variables that chains start from, such as the
        means of the data, ``(batch or 1, *statistics)``; by default those of a few Gibbs sweeps.
    device : str
        ``"auto"`` (wherever the tables are), ``"cpu"`` or ``"cuda"``, where all rows and chains are
        one batch.

    Returns
    -------
    Posterior
        ``log_partition``, its ``diagnostics["standard_error"]["log_partition"]``, and
        ``diagnostics["effective_sample_size"]["weights"]``, each ``(batch,)``. The error is
        that of the weights seen: it is too small where all chains have missed a mode, and infinite
        where nearly all weight falls on one chain. Marginals are means over the chains by weight.

    Warns
    -----
    ConvergenceWarning
        If nearly all weight falls on one chain.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence is impossible.
    MmgraphError
        If a number is too small, or no chain ended in a state of positive probability.
    """
    began = time.perf_counter()
    evidence = Evidence.of(evidence, graph.variables)
    names = named_variables(graph, variables)
    steps, chains, tolerance = options.steps, options.chains, options.tolerance
    threads = torch.get_num_threads() if options.threads is None else options.threads
    check_least(steps=steps)
    check_least(2, chains=chains)
    check_least(threads=threads)
    backend = backend_of(graph, options.device)
    if options.base is not None and not backend.layers:
        raise MmgraphError("'base' is for graphs of layers of units")
    if backend.kernels:
        annealed = _annealed_by_rows(graph, evidence, options, threads)
    else:
        by_torch = annealed_layers if backend.layers else annealed_fields
        annealed = by_torch(graph, evidence, options, backend.place)
    summary = weight_summary(annealed.log_weights)
    warn_of_collapse(summary, chains, steps)
    error = summary.standard_error
    method = "annealed_importance_sampling"
    reached = float(error.max())
    return Posterior(
        graph.variables,
        annealed.moments.of(names),
        summary.log_mean,
        method=method,
        is_normalised=graph.is_normalised,
        approximation="estimate",
        converged=reached <= tolerance,
        shortfall=shortfall(method, "standard error", reached, tolerance, steps, "steps"),
        iterations=steps,
        diagnostics={
            "standard_error": {"log_partition": error},
            "effective_sample_size": {"weights": summary.sample_size},
        },
        seconds=time.perf_counter() - began,
    )


def _annealed_by_rows(
    graph: FactorGraph, evidence: Evidence, options: AnnealingOptions, threads: int
) -> Annealed:
    """Anneal one row of evidence after the other, by kernels."""
    steps, chains, generator = options.steps, options.chains, options.generator
    program = gibbs_program(graph)
    observed = _observed_alone(program.pairwise.likelihoods, evidence)
    rows = []
    for row, key in enumerate(random_keys(generator, evidence.batch)):
        conditioned = program.conditioned(evidence, row)
        states, log_weights = conditioned.first_states(chains), np.zeros(chains)
        inverse = inverse_temperatures(steps, _spread(conditioned, chains, key) / steps)
        anneal = partial(_anneal, conditioned, states, log_weights, inverse, key)
        with ThreadPoolExecutor(threads) as pool:
            run_together(pool, anneal, cuts(0, chains, threads))
        weights = torch.from_numpy(log_weights).unsqueeze(0)
        check_weights(graph, evidence, weights, generator, row)
        shares = weights.softmax(1)[0].numpy()
        moments = Moments(_weighted_marginals(conditioned, states, shares, steps, key), {}, {})
        rows.append(Annealed(weights + _log_base(conditioned) + observed[row], moments))
    return Annealed(
        torch.cat([one.log_weights for one in rows]), joined_moments([one.moments for one in rows])
    )


def _spread(conditioned: ConditionedProgram, chains: int, key: UInt32[np.ndarray, " 2"]) -> float:
    """The standard deviation of the energies of what joins elements, over states of the base."""
    states = conditioned.first_states(max(chains, BASE_STATES))
    base = Tempering.even(len(states), 0.0, 0.0)
    tempered_sweeps(conditioned, states, base, key ^ np.uint32(BASE_SEED), (0, 1))
    return float(energies_of(conditioned, states)[:, 0].std())


def _anneal(
    conditioned: ConditionedProgram,
    states: Int[np.ndarray, "chains nodes"],
    log_weights: np.ndarray,
    inverse: Float64[np.ndarray, " steps+1"],
    key: UInt32[np.ndarray, " 2"],
    part: tuple[int, int],
) -> None:
    """Take some chains from the base to the model, and add up their log-weights."""
    first, last = part
    steps = len(inverse) - 1
    costs = zero_costs(np.linspace(0.0, 1.0, steps + 1))
    for step in range(steps):
        now = Tempering.even(len(states), inverse[step], costs[step])
        tempered_sweeps(conditioned, states, now, key, (step, step + 1), part)
        finite, violated = energies_of(conditioned, states[first:last]).T
        log_weights[first:last] -= (inverse[step + 1] - inverse[step]) * finite
        some = violated > 0  # infinitely much times nothing is nothing
        log_weights[first:last][some] -= (costs[step + 1] - costs[step]) * violated[some]


def _weighted_marginals(
    conditioned: ConditionedProgram,
    states: Int[np.ndarray, "chains nodes"],
    shares: Float64[np.ndarray, " chains"],
    steps: int,
    key: UInt32[np.ndarray, " 2"],
) -> dict[str, Float64[Tensor, "1 *shape states"]]:
    """The conditional distributions of one more sweep of the model, by the chains' weights."""
    arrays, chains = conditioned.arrays, len(states)
    total = np.zeros((1, int(arrays.offsets[-1])))
    one = np.empty_like(total)
    trace = np.empty((1, chains, len(arrays.order)), states.dtype)
    model, schedule = Tempering.even(chains), Schedule(chains, 1, steps)
    for chain in np.flatnonzero(shares).tolist():
        one[:] = 0.0
        part = Part(0, len(arrays.order), chain, chain + 1, steps, steps + 1)
        gibbs_sweeps(part, arrays, states, model, key, schedule, one, trace)
        total += shares[chain] * one
    return flat_marginals(conditioned, total[0], states)


def _log_base(conditioned: ConditionedProgram) -> float:
    """The logarithm of the partition function without interactions."""
    program, pairwise = conditioned.program, conditioned.program.pairwise
    log_weights = -conditioned.unary.astype(np.float64)
    by_node = np.logaddexp.reduceat(log_weights, pairwise.offsets[:-1])
    return float(by_node[program.elements].sum()) - pairwise.constant


def _observed_alone(likelihoods: Sequence[tuple[Factor, int]], evidence: Evidence) -> Tensor:
    """What observed continuous variables without parents add, (batch,)."""
    total = torch.zeros(evidence.batch, dtype=torch.float64)
    for factor, node in likelihoods:
        table = factor.likelihood(evidence) if node < 0 else None
        if table is not None:
            total = total + table.values.double().reshape(-1)
    return total
