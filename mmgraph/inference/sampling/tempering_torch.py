"""Parallel tempering by torch, on any device: of layers of units, of grids and of networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.block_gibbs import swap_neighbours, sweep
from mmgraph.inference.field.moments import MomentSums, values_of
from mmgraph.inference.field.pilot import pilot_means
from mmgraph.inference.field.softened_view import SoftenedView
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.model_variables import default_precision, has_compact_factors
from mmgraph.inference.moments import Moments
from mmgraph.inference.numerics.counted_random import device_generator
from mmgraph.inference.numerics.memory import check_statistics_memory
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.inference.sampling.gibbs_chains import Schedule
from mmgraph.inference.sampling.gibbs_start import zero_costs
from mmgraph.inference.sampling.gibbs_torch import starting_statistics


class TemperedRecord(NamedTuple):
    """What is kept of the replicas at temperature one, for one row of evidence.

    Attributes
    ----------
    moments : Moments
        With a batch of one.
    trace : dict of str to Tensor
        State indices or real values, ``(kept, 1, chains, *shape)``.
    rates : Tensor, shape (levels - 1,)
        The share of swaps accepted.
    """

    moments: Moments
    trace: dict[str, Shaped[Tensor, "kept 1 chains *shape"]]
    rates: Float64[Tensor, " levels-1"]


def tempered_by_torch(
    graph: FactorGraph,
    evidence: Evidence,
    inverse: Float64[np.ndarray, " levels"],
    schedule: Schedule,
    generator: torch.Generator | None,
    device: torch.device,
    base: Mapping[str, Tensor] | None = None,
) -> TemperedRecord:
    """Run the replicas of one row of evidence, which is the only one.

    Parameters
    ----------
    inverse : ndarray, shape (levels,)
        Inverse temperatures, from one downwards.
    base : mapping of str to Tensor, optional
        Of layers of units: mean statistics of free variables at inverse temperature zero; by
        default those of a few Gibbs sweeps.
    """
    levels, chains = len(inverse), schedule.chains
    precision = default_precision(graph)
    check_statistics_memory(graph, levels * chains, precision)
    repeated = evidence.rows(np.zeros(levels * chains, np.int64))
    drawing = device_generator(generator, device)
    colours = colour_masks(graph)
    ladder = torch.from_numpy(inverse).to(device, precision)
    costs: Tensor | None = None
    view: FieldView
    if has_compact_factors(graph):
        view = FieldView(graph, repeated, device, precision)
        view.check_possible()
        view.tilt(pilot_means(view, colours, 1, drawing) if base is None else base)
        states = view.start(draw=True, generator=drawing)
    else:
        view = SoftenedView(graph, repeated, device, precision)
        costs = torch.from_numpy(zero_costs(inverse)).to(device, precision)
        view.cost = costs.repeat_interleave(chains)
        states = starting_statistics(graph, evidence, view, levels * chains, generator)
    of_rows = ladder.repeat_interleave(chains)
    sums = MomentSums(view, states)
    trace: dict[str, list[Tensor]] = {n: [] for n in states}
    accepted = torch.zeros(max(levels - 1, 0), dtype=torch.float64)
    offered = torch.zeros_like(accepted)
    for number in range(schedule.sweeps):
        after = number - schedule.burn_in
        recorded = after >= 0 and after % schedule.thinning == schedule.thinning - 1
        sweep(view, colours, states, drawing, of_rows, sums.add if recorded else None)
        if recorded and (after // schedule.thinning) % schedule.interval == 0:
            for name, statistics in states.items():
                trace[name].append(values_of(view, name, statistics[:chains]).cpu())
        if levels > 1:
            swaps, lower = swap_neighbours(view, states, ladder, number % 2, drawing, costs)
            accepted[lower.cpu()] += swaps.double().sum(1).cpu()
            offered[lower.cpu()] += chains
    return TemperedRecord(
        sums.rows(slice(chains)).moments((1, chains), schedule.draws),
        {n: torch.stack(t).unsqueeze(1) for n, t in trace.items()},
        accepted / offered.clamp_min(1),
    )
