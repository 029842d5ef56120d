"""Parallel tempering: replicas at higher temperatures carry chains between far-off modes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int, Shaped, UInt32
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.moments import joined_moments
from mmgraph.inference.model_variables import (
    has_compact_factors,
    named_variables,
    tables_device,
)
from mmgraph.inference.moments import Moments
from mmgraph.inference.numerics.counted_random import random_keys
from mmgraph.inference.numerics.diagnostics import LEAST_DRAWS, R_HAT_LIMIT, r_hat_shortfall
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.sampling.frozen import settled_units
from mmgraph.inference.sampling.gibbs import (
    TRACE_BUDGET,
    checked_schedule,
    diagnosed,
    flat_marginals,
    trace_diagnostics,
    within_budget,
)
from mmgraph.inference.sampling.gibbs_chains import ChainRecord, Schedule, cuts
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, gibbs_program
from mmgraph.inference.sampling.gibbs_start import (
    energies_of,
    starting_states,
    tempered_sweeps,
    zero_costs,
)
from mmgraph.inference.sampling.tempering_torch import tempered_by_torch

_WORTH_THREADS = 1 << 13
"""Elements in all replicas from which on a sweep is shared between threads."""


def parallel_tempering(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | str | None = None,
    temperatures: Sequence[float] | None = None,
    draws: int = 1000,
    burn_in: int | None = None,
    chains: int = 4,
    generator: torch.Generator | None = None,
    r_hat_limit: float = R_HAT_LIMIT,
    trace_budget: int = TRACE_BUDGET,
    threads: int | None = None,
    base: Mapping[str, Tensor] | None = None,
    device: str = "auto",
) -> Posterior:
    """Return marginals from replica exchange (Geyer 1991; Hukushima and Nemoto 1996, section 2).

    A temperature divides the energies of everything that joins elements; unary factors and evidence
    stay as they are, so that at temperature infinity all elements are independent. Hard zeros cost
    a finite energy above temperature one: replicas cross what the model itself forbids.

    Parameters
    ----------
    graph, evidence, variables, generator, r_hat_limit, trace_budget, threads, device
        As for :func:`mmgraph.inference.sampling.gibbs.gibbs`.
    temperatures : sequence of float, optional
        Increasing, the first 1, the last perhaps infinity; by default twelve whose inverses are
        evenly spaced from 1 to 0.
    draws : int
        Sweeps recorded of each chain; after each sweep, neighbouring replicas may swap.
    burn_in : int, optional
        Sweeps before the first that is recorded; by default half as many as follow.
    chains : int
        Independent ladders of replicas for each row of evidence.
    base : mapping of str to Tensor, optional
        Of layers of units: mean statistics of free variables at temperature infinity, where strong
        biases would keep units from moving; ``(1, *statistics)`` each.

    Returns
    -------
    Posterior
        Of the replicas at temperature one; ``diagnostics["swap_acceptance"]["rate"]`` is the share
        of swaps that were accepted, ``(batch, replicas - 1)``. ``log_partition`` is not known.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence is impossible.
    MmgraphError
        If a number is not positive, the temperatures do not increase from one, or no start of
        positive probability was found.
    """
    began = time.perf_counter()
    evidence = Evidence.of(evidence, graph.variables)
    names = named_variables(graph, variables)
    schedule = checked_schedule(draws, burn_in, chains, 1, threads)
    inverse = _inverses(temperatures)
    place = tables_device(graph) if device == "auto" else torch.device(device)
    if base is not None and not has_compact_factors(graph):
        raise MmgraphError("'base' is for graphs of layers of units")
    if has_compact_factors(graph) or place.type != "cpu":
        limited = within_budget(
            schedule, 8 * sum(v.size for v in graph.variables.values()), trace_budget
        )
        found = _by_torch(graph, evidence, names, inverse, limited, generator, place, base)
    else:
        found = _by_rows(graph, evidence, names, inverse, schedule, generator, trace_budget)
    diagnostics = {"swap_acceptance": {"rate": found.rates}}
    told = draws >= LEAST_DRAWS
    if told:
        diagnostics |= {"r_hat": found.r_hat, "effective_sample_size": found.sample_size}
    missed = r_hat_shortfall("parallel_tempering", found.r_hat, r_hat_limit, schedule.sweeps, told)
    return Posterior(
        graph.variables,
        found.moments,
        None,
        method="parallel_tempering",
        is_normalised=graph.is_normalised,
        converged=not missed,
        shortfall=missed,
        iterations=schedule.sweeps,
        diagnostics=diagnostics,
        seconds=time.perf_counter() - began,
    )


class _Found(NamedTuple):
    moments: Moments
    r_hat: dict[str, Float64[Tensor, "batch *shape"]]
    sample_size: dict[str, Float64[Tensor, "batch *shape"]]
    rates: Float64[Tensor, "batch replicas-1"]


def _by_rows(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    inverse: Float64[np.ndarray, " replicas"],
    schedule: Schedule,
    generator: torch.Generator | None,
    trace_budget: int,
) -> _Found:
    """One row of evidence after the other, by compiled kernels."""
    program = gibbs_program(graph)
    rows: list[tuple[dict[str, Tensor], ...]] = []
    rates = []
    for row, key in enumerate(random_keys(generator, evidence.batch)):
        conditioned = program.conditioned(evidence, row)
        replicas = schedule.chains * len(inverse)
        states = starting_states(conditioned, evidence, replicas, key, generator)
        limited = within_budget(schedule, len(conditioned.order) * states.itemsize, trace_budget)
        ladder = _Ladder(conditioned, inverse, states, key, generator, limited)
        record = ladder.run()
        marginals = flat_marginals(conditioned, record.probabilities, states)
        rows.append((marginals, *diagnosed(conditioned, record, limited)))
        rates.append(torch.from_numpy(ladder.rates))
    marginals, r_hat, size = (
        {name: torch.stack([row[part][name] for row in rows]) for name in names}
        for part in range(3)
    )
    return _Found(Moments(marginals, {}, {}), r_hat, size, torch.stack(rates))


def _by_torch(
    graph: FactorGraph,
    evidence: Evidence,
    names: Sequence[str],
    inverse: Float64[np.ndarray, " replicas"],
    limited: Schedule,
    generator: torch.Generator | None,
    place: torch.device,
    base: Mapping[str, Tensor] | None,
) -> _Found:
    """Row after row of evidence, all replicas at once: layers of units, and other devices."""
    records = [
        tempered_by_torch(
            graph, evidence.rows(slice(row, row + 1)), inverse, limited, generator, place, base
        )
        for row in range(evidence.batch)
    ]
    told = []
    for row, record in enumerate(records):
        settled = settled_units(graph, evidence.rows(slice(row, row + 1)), record.trace)
        told.append(
            {
                n: trace_diagnostics(graph.variables[n], record.trace[n], settled[n], limited)
                for n in names
            }
        )
    r_hat, sample_size = (
        {n: torch.cat([row[n][part] for row in told]) for n in names} for part in range(2)
    )
    return _Found(
        joined_moments([r.moments.of(names) for r in records]),
        r_hat,
        sample_size,
        torch.stack([r.rates for r in records]),
    )


def tempered_samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None = None,
    temperatures: Sequence[float] | None = None,
    burn_in: int = 500,
    chains: int | None = None,
    thinning: int = 10,
    base: Mapping[str, Tensor] | None = None,
    device: str = "auto",
) -> dict[str, Shaped[Tensor, "... draws *shape"]]:
    """Return states or values of layers of units, drawn at temperature one of several ladders.

    Parameters
    ----------
    draws : int
        For each row of evidence, over all chains.
    temperatures : sequence of float, optional
        As for :func:`parallel_tempering`.
    chains : int, optional
        By default 16, or as many as there are draws.
    base : mapping of str to Tensor, optional
        Mean statistics of free variables at temperature infinity; by default those of a few Gibbs
        sweeps.
    device : str
        As for :func:`parallel_tempering`.

    Returns
    -------
    dict of str to Tensor
        ``(draws, *shape)``, or ``(batch, draws, *shape)`` of several rows.

    Raises
    ------
    MmgraphError
        If a number is not positive, or the graph has no layers of units.
    """
    if not has_compact_factors(graph):
        raise MmgraphError("tempered samples are of layers of units; use 'gibbs' on this graph")
    chains = min(16, draws) if chains is None else chains
    each = -(-draws // chains) if chains > 0 else 1
    schedule = checked_schedule(each, burn_in, chains, thinning, None)
    place = tables_device(graph) if device == "auto" else torch.device(device)
    inverse = _inverses(temperatures)
    rows = []
    for row in range(evidence.batch):
        record = tempered_by_torch(
            graph, evidence.rows(slice(row, row + 1)), inverse, schedule, generator, place, base
        )
        rows.append({n: t[:, 0].flatten(0, 1)[:draws] for n, t in record.trace.items()})
    if len(rows) == 1:
        return rows[0]
    return {n: torch.stack([r[n] for r in rows]) for n in rows[0]}


def _inverses(temperatures: Sequence[float] | None) -> Float64[np.ndarray, " replicas"]:
    if temperatures is None:
        return np.linspace(1.0, 0.0, 12)
    ladder = np.asarray(temperatures, np.float64)
    if ladder.ndim != 1 or not len(ladder) or ladder[0] != 1 or not (np.diff(ladder) > 0).all():
        raise MmgraphError(
            f"the temperatures must increase from 1, which {list(np.atleast_1d(ladder))} do not"
        )
    return 1.0 / ladder


class _Ladder:
    """Replicas of all chains: those at one temperature side by side, the coldest first."""

    def __init__(
        self,
        conditioned: ConditionedProgram,
        inverse: Float64[np.ndarray, " replicas"],
        states: Int[np.ndarray, "replicas*chains nodes"],
        key: UInt32[np.ndarray, " 2"],
        generator: torch.Generator | None,
        schedule: Schedule,
    ) -> None:
        self.conditioned, self.states, self.key, self.schedule = conditioned, states, key, schedule
        self.generator = generator
        self.levels = len(inverse)
        self.inverse = np.repeat(inverse, schedule.chains)
        self.penalty = zero_costs(self.inverse)
        self.accepted = np.zeros(max(self.levels - 1, 0))
        self.offered = np.zeros(max(self.levels - 1, 0))

    @property
    def rates(self) -> Float64[np.ndarray, " replicas-1"]:
        """The share of swaps accepted between each temperature and the next."""
        return self.accepted / np.maximum(self.offered, 1)

    def run(self) -> ChainRecord:
        """Sweep and swap; return what is kept of the coldest replicas."""
        schedule, order = self.schedule, self.conditioned.order
        cold = schedule.chains
        sums = np.zeros((cold, int(self.conditioned.program.pairwise.offsets[-1])))
        trace = np.zeros((schedule.kept, cold, len(order)), self.states.dtype)
        shares = schedule.threads if self.states.size >= _WORTH_THREADS else 1
        with ThreadPoolExecutor(shares) as pool:
            for sweep in range(schedule.sweeps):
                number = sweep - schedule.burn_in
                recorded = number >= 0
                parts = [(part, sums if recorded else None) for part in cuts(0, cold, shares, 1)]
                parts += [(part, None) for part in cuts(cold, len(self.states), shares, 1)]
                numbers = (sweep, sweep + 1)
                if shares == 1:
                    for part, total in parts:
                        self._sweep(numbers, part, total)
                else:
                    for done in [pool.submit(self._sweep, numbers, *part) for part in parts]:
                        done.result()
                if recorded and number % schedule.interval == 0:
                    trace[number // schedule.interval] = self.states[:cold, order]
                self._swap(sweep % 2)
        return ChainRecord(order, trace, sums.sum(0) / (cold * schedule.draws))

    def _sweep(
        self, numbers: tuple[int, int], part: tuple[int, int], sums: np.ndarray | None
    ) -> None:
        tempered_sweeps(
            self.conditioned, self.states, self.inverse, self.penalty, self.key, numbers, part, sums
        )

    def _swap(self, parity: int) -> None:
        """Offer swaps between every second pair of neighbouring temperatures."""
        chains = self.schedule.chains
        lower = np.arange(parity, self.levels - 1, 2)
        if not len(lower):
            return
        a = (lower[:, None] * chains + np.arange(chains)).reshape(-1)
        b = a + chains
        finite, violated = energies_of(self.conditioned, self.states).T
        gain = (self.inverse[a] - self.inverse[b]) * (finite[a] - finite[b])
        differ = violated[a] != violated[b]  # infinitely much times nothing is nothing
        cost = (self.penalty[a] - self.penalty[b])[differ]
        gain[differ] += cost * (violated[a] - violated[b])[differ]
        uniform = torch.rand(len(a), dtype=torch.float64, generator=self.generator).numpy()
        with np.errstate(divide="ignore"):
            accepted = np.log(uniform) < gain
        to, fro = a[accepted], b[accepted]
        self.states[to], self.states[fro] = self.states[fro], self.states[to]
        self.accepted[lower] += accepted.reshape(len(lower), chains).sum(1)
        self.offered[lower] += chains
