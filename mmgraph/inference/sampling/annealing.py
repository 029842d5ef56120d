"""Annealed importance sampling: the logarithm of the partition function, with its error."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, UInt32
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.model_variables import (
    has_compact_factors,
    named_variables,
    tables_device,
)
from mmgraph.inference.moments import Moments
from mmgraph.inference.numerics.counted_random import random_keys
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.sampling.annealing_fields import annealed_fields
from mmgraph.inference.sampling.annealing_schedule import (
    have_collapsed,
    inverse_temperatures,
    warn_of_collapse,
)
from mmgraph.inference.sampling.annealing_torch import Annealed, annealed_by_torch
from mmgraph.inference.sampling.gibbs import flat_marginals
from mmgraph.inference.sampling.gibbs_chains import cuts
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, gibbs_program
from mmgraph.inference.sampling.gibbs_start import (
    energies_of,
    searched_states,
    tempered_sweeps,
    zero_costs,
)

_PILOTS = 32
_PILOT_KEY = np.uint32(0x27D4EB2F)


def annealed_importance_sampling(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | str | None = None,
    steps: int = 1000,
    chains: int = 100,
    generator: torch.Generator | None = None,
    tolerance: float = 0.1,
    threads: int | None = None,
    base: Mapping[str, Tensor] | None = None,
    device: str = "auto",
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
    threads = torch.get_num_threads() if threads is None else threads
    for name, value, least in (
        ("steps", steps, 1), ("chains", chains, 2), ("threads", threads, 1),
    ):  # fmt: skip
        if value < least:
            raise MmgraphError(f"{name} must be at least {least}, not {value}")
    where = tables_device(graph) if device == "auto" else torch.device(device)
    if has_compact_factors(graph):
        annealed = annealed_by_torch(
            graph, evidence, steps, chains, generator, where, torch.float64, base
        )
        return _posterior(graph, names, annealed, (steps, chains), tolerance, began)
    if base is not None:
        raise MmgraphError("'base' is for graphs of layers of units")
    if where.type != "cpu":
        annealed = annealed_fields(graph, evidence, steps, chains, generator, where)
        return _posterior(graph, names, annealed, (steps, chains), tolerance, began)
    program = gibbs_program(graph)
    rows = []
    for row, key in enumerate(random_keys(generator, evidence.batch)):
        conditioned = program.conditioned(evidence, row)
        rows.append(_annealed(conditioned, evidence, steps, chains, key, generator, threads))
    joined = Annealed(
        torch.tensor([r.log_weight for r in rows], dtype=torch.float64)
        + _observed_alone(program.pairwise.likelihoods, evidence),
        torch.tensor([r.standard_error for r in rows], dtype=torch.float64),
        torch.tensor([r.sample_size for r in rows], dtype=torch.float64),
        Moments({name: torch.stack([r.marginals[name] for r in rows]) for name in names}, {}, {}),
    )
    return _posterior(graph, names, joined, (steps, chains), tolerance, began)


def _posterior(
    graph: FactorGraph,
    names: Sequence[str],
    found: Annealed,
    schedule: tuple[int, int],
    tolerance: float,
    began: float,
) -> Posterior:
    steps, chains = schedule
    collapsed = have_collapsed(found.sample_size, chains)
    error = found.standard_error.masked_fill(collapsed, torch.inf)
    warn_of_collapse(found.sample_size, chains, steps)
    return Posterior(
        graph.variables,
        found.moments.of(names),
        found.log_weight,
        method="annealed_importance_sampling",
        is_normalised=graph.is_normalised,
        approximation="estimate",
        converged=bool((error <= tolerance).all()),
        shortfall=shortfall(
            "annealed_importance_sampling",
            "standard error",
            float(error.max()),
            tolerance,
            steps,
            "steps",
        ),
        iterations=steps,
        diagnostics={
            "standard_error": {"log_partition": error},
            "effective_sample_size": {"weights": found.sample_size},
        },
        seconds=time.perf_counter() - began,
    )


class _Row(NamedTuple):
    log_weight: float
    standard_error: float
    sample_size: float
    marginals: dict[str, Float64[Tensor, "*shape states"]]


def _annealed(
    conditioned: ConditionedProgram,
    evidence: Evidence,
    steps: int,
    chains: int,
    key: UInt32[np.ndarray, " 2"],
    generator: torch.Generator | None,
    threads: int,
) -> _Row:
    states = conditioned.first_states(chains)
    log_weights = np.zeros(chains)
    inverse = inverse_temperatures(steps, _spread(conditioned, chains, key) / steps)
    with ThreadPoolExecutor(threads) as pool:
        for done in [
            pool.submit(_anneal, conditioned, states, log_weights, inverse, key, part)
            for part in cuts(0, chains, threads, 1)
        ]:
            done.result()
    top = log_weights.max()
    if top == -np.inf:
        searched_states(conditioned, evidence, 1, generator)  # says so if there is none
        raise MmgraphError(
            f"row {conditioned.row} of the evidence: none of {chains} chains ended in a state of "
            "positive probability; take more steps, or more chains"
        )
    weights = np.exp(log_weights - top)
    mean = weights.mean()
    share = weights / weights.sum()
    return _Row(
        float(top + np.log(mean)) + _log_base(conditioned),
        float(weights.std(ddof=1) / mean / np.sqrt(chains)),
        float(1 / (share**2).sum()),
        _weighted_marginals(conditioned, states, share, steps, key),
    )


def _spread(conditioned: ConditionedProgram, chains: int, key: UInt32[np.ndarray, " 2"]) -> float:
    """The standard deviation of the energies of what joins elements, over states of the base."""
    states = conditioned.first_states(max(chains, _PILOTS))
    never = np.zeros(len(states))
    tempered_sweeps(conditioned, states, never, never, key ^ _PILOT_KEY, (0, 1))
    return float(energies_of(conditioned, states)[:, 0].std())


def _anneal(
    conditioned: ConditionedProgram,
    states: np.ndarray,
    log_weights: np.ndarray,
    inverse: Float64[np.ndarray, " steps+1"],
    key: np.ndarray,
    part: tuple[int, int],
) -> None:
    """Take some chains from the base to the model, and add up their log-weights."""
    first, last = part
    steps = len(inverse) - 1
    costs = zero_costs(np.linspace(0.0, 1.0, steps + 1))
    for step in range(steps):
        now = (np.full(len(states), inverse[step]), np.full(len(states), costs[step]))
        tempered_sweeps(conditioned, states, *now, key, (step, step + 1), part)
        finite, violated = energies_of(conditioned, states[first:last]).T
        log_weights[first:last] -= (inverse[step + 1] - inverse[step]) * finite
        some = violated > 0  # infinitely much times nothing is nothing
        log_weights[first:last][some] -= (costs[step + 1] - costs[step]) * violated[some]


def _weighted_marginals(
    conditioned: ConditionedProgram,
    states: np.ndarray,
    share: Float64[np.ndarray, " chains"],
    steps: int,
    key: np.ndarray,
) -> dict[str, Float64[Tensor, "*shape states"]]:
    """The conditional distributions of one more sweep of the model, by the chains' weights."""
    total = np.zeros((1, int(conditioned.program.pairwise.offsets[-1])))
    one = np.empty_like(total)
    inverse, never = np.ones(len(states)), np.full(len(states), np.inf)
    for chain in np.flatnonzero(share).tolist():
        one[:] = 0.0
        tempered_sweeps(
            conditioned, states, inverse, never, key, (steps, steps + 1), (chain, chain + 1), one
        )
        total += share[chain] * one
    return flat_marginals(conditioned, total[0], states)


def _log_base(conditioned: ConditionedProgram) -> float:
    """The logarithm of the partition function without interactions."""
    pairwise = conditioned.program.pairwise
    is_table = np.repeat(conditioned.program.is_table, pairwise.cardinalities)
    negative = np.where(is_table, -np.inf, -conditioned.unary.astype(np.float64))
    starts = pairwise.offsets[:-1]
    top = np.maximum.reduceat(negative, starts)
    elements = conditioned.program.elements
    scaled = np.exp(negative - np.repeat(np.where(np.isinf(top), 0.0, top), pairwise.cardinalities))
    sums = np.add.reduceat(scaled, starts)
    return float((top[elements] + np.log(sums[elements])).sum()) - pairwise.constant


def _observed_alone(likelihoods: Sequence[tuple[Factor, int]], evidence: Evidence) -> Tensor:
    """What observed continuous variables without parents add, (batch,)."""
    total = torch.zeros(evidence.batch, dtype=torch.float64)
    for factor, node in likelihoods:
        table = factor.likelihood(evidence) if node < 0 else None
        if table is not None:
            total = total + table.values.double().reshape(-1)
    return total
