"""Parallel tempering: replicas at higher temperatures carry chains between far-off modes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Shaped, UInt32
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.backend import Backend, backend_of
from mmgraph.inference.field.block_gibbs import swap_neighbours
from mmgraph.inference.field.initial_means import gibbs_means
from mmgraph.inference.field.softened_view import SoftenedView
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.model_variables import default_precision, named_variables
from mmgraph.inference.numerics.counted_random import device_generator
from mmgraph.inference.options import keyword_options
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.inference.posterior import Posterior
from mmgraph.inference.sampling.chain_answer import (
    answer_by_rows,
    answer_of_batch,
    chain_posterior,
    joined_answers,
    joined_samples,
    samples_schedule,
)
from mmgraph.inference.sampling.gibbs_chains import ChainRecord, run_chains
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, Tempering
from mmgraph.inference.sampling.gibbs_start import energies_of, zero_costs
from mmgraph.inference.sampling.gibbs_torch import (
    TorchRecord,
    chains_view,
    run_in_batch,
    starting_statistics,
)
from mmgraph.inference.sampling.schedule import ChainOptions, Schedule

Inverses = Float64[np.ndarray, " replicas"]


@dataclass(frozen=True)
class TemperingOptions(ChainOptions):
    """Options of :func:`parallel_tempering`."""

    temperatures: Sequence[float] | None = None
    base: Mapping[str, Tensor] | None = None


@keyword_options(TemperingOptions)
def parallel_tempering(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | str | None = None,
    *,
    options: TemperingOptions,
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
    schedule = options.schedule()
    inverse = _inverses(options.temperatures)
    backend = backend_of(graph, options.device)
    if options.base is not None and not backend.layers:
        raise MmgraphError("'base' is for graphs of layers of units")
    if backend.kernels:
        run = partial(_run_ladder, inverse, options.generator)
        answer = answer_by_rows(graph, evidence, names, options, schedule, run, len(inverse))
    else:
        size = 8 * sum(v.size for v in graph.variables.values())
        limited = schedule.within(options.trace_budget, size)
        answers = []
        for row in _rows(evidence):
            record = _run_by_torch(graph, row, inverse, limited, options, backend)
            answers.append(answer_of_batch(graph, row, names, record, limited))
        answer = joined_answers(answers)
    limit = options.r_hat_limit
    return chain_posterior("parallel_tempering", graph, answer, schedule, limit, began)


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
    backend = backend_of(graph, device)
    if not backend.layers:
        raise MmgraphError("tempered samples are of layers of units; use 'gibbs' on this graph")
    schedule = samples_schedule(draws, burn_in, chains, thinning, None)
    options = TemperingOptions(generator=generator, base=base)
    inverse = _inverses(temperatures)
    return joined_samples(
        [
            _run_by_torch(graph, row, inverse, schedule, options, backend).samples(draws)
            for row in _rows(evidence)
        ]
    )


def _rows(evidence: Evidence) -> Iterator[Evidence]:
    return (evidence.rows(slice(row, row + 1)) for row in range(evidence.batch))


def _inverses(temperatures: Sequence[float] | None) -> Inverses:
    if temperatures is None:
        return np.linspace(1.0, 0.0, 12)
    ladder = np.asarray(temperatures, np.float64)
    if ladder.ndim != 1 or not len(ladder) or ladder[0] != 1 or not (np.diff(ladder) > 0).all():
        raise MmgraphError(
            f"the temperatures must increase from 1, which {list(np.atleast_1d(ladder))} do not"
        )
    return 1.0 / ladder


class _Swaps:
    """How many swaps were offered and accepted between each temperature and the next."""

    def __init__(self, levels: int) -> None:
        self.accepted, self.offered = np.zeros((2, levels - 1))

    def add(
        self, accepted: Bool[np.ndarray, "pairs chains"], lower: Int[np.ndarray, " pairs"]
    ) -> None:
        """Count the offers between some levels and those above them."""
        self.accepted[lower] += accepted.sum(1)
        self.offered[lower] += accepted.shape[1]

    @property
    def rates(self) -> Float64[Tensor, "1 replicas-1"]:
        """The share of swaps accepted, of one row of evidence."""
        return torch.from_numpy(self.accepted / np.maximum(self.offered, 1)).unsqueeze(0)


def _run_ladder(
    inverse: Inverses,
    generator: torch.Generator | None,
    conditioned: ConditionedProgram,
    states: Int[np.ndarray, "replicas*chains nodes"],
    key: UInt32[np.ndarray, " 2"],
    schedule: Schedule,
) -> ChainRecord:
    """Run the replicas of one row by kernels: those of one temperature side by side."""
    chains, levels = schedule.chains, len(inverse)
    swaps = _Swaps(levels)
    of_replicas = np.repeat(inverse, chains)
    penalty = zero_costs(of_replicas)

    def swap(number: int) -> None:
        """As `swap_neighbours`, whose tensors would take longer than the sweep of a small graph."""
        lower = np.arange(number % 2, levels - 1, 2)
        if not len(lower):
            return
        low = (lower[:, None] * chains + np.arange(chains)).reshape(-1)
        high = low + chains
        finite, violated = energies_of(conditioned, states).T
        gain = (of_replicas[low] - of_replicas[high]) * (finite[low] - finite[high])
        fewer = violated[low] - violated[high]
        differ = fewer != 0  # infinitely much times nothing is nothing
        gain[differ] += (penalty[low] - penalty[high])[differ] * fewer[differ]
        uniform = torch.rand(len(low), dtype=torch.float64, generator=generator).numpy()
        with np.errstate(divide="ignore"):
            accepted = np.log(uniform) < gain
        down, up = low[accepted], high[accepted]
        states[down], states[up] = states[up], states[down]
        swaps.add(accepted.reshape(len(lower), chains), lower)

    tempering = Tempering(of_replicas, penalty)
    record = run_chains(conditioned, states, key, schedule, tempering, swap)
    return record._replace(swap_rates=swaps.rates)


def _run_by_torch(
    graph: FactorGraph,
    evidence: Evidence,
    inverse: Inverses,
    schedule: Schedule,
    options: TemperingOptions,
    backend: Backend,
) -> TorchRecord:
    """Run all replicas of one row of evidence as one batch."""
    levels, chains, precision = len(inverse), schedule.chains, default_precision(graph)
    replicas, base = levels * chains, options.base
    drawing = device_generator(options.generator, backend.place)
    ladder = torch.from_numpy(inverse).to(backend.place, precision)
    costs: Tensor | None = None
    view: FieldView
    if backend.layers:
        view = chains_view(FieldView, graph, evidence, replicas, backend.place, precision)
        view.tilt(gibbs_means(view, colour_masks(graph), 1, drawing) if base is None else base)
        states = view.start(draw=True, generator=drawing)
    else:
        view = chains_view(SoftenedView, graph, evidence, replicas, backend.place, precision)
        costs = torch.from_numpy(zero_costs(inverse)).to(backend.place, precision)
        view.cost = costs.repeat_interleave(chains)
        states = starting_statistics(graph, evidence, view, replicas, options.generator)
    swaps = _Swaps(levels)

    def swap(number: int) -> None:
        if levels > 1:
            offers = swap_neighbours(view, states, ladder, number % 2, drawing, costs)
            swaps.add(*(tensor.cpu().numpy() for tensor in offers))

    of_replicas = ladder.repeat_interleave(chains)
    record = run_in_batch(graph, view, states, schedule, drawing, of_replicas, swap)
    return record._replace(swap_rates=swaps.rates)
