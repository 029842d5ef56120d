"""Annealed importance sampling by torch, on any device: all rows and chains are one batch.

Of layers of units some are summed out given the others, whose weights are averaged (Salakhutdinov
and Murray 2008, "On the quantitative analysis of deep belief networks", section 4.1). Grids and
networks go from the product of all unary factors and the evidence to the model, hard zeros at a
finite cost until the last step, as :mod:`mmgraph.inference.sampling.annealing` does on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.block_gibbs import States, sweep
from mmgraph.inference.field.finiteness import check_finite
from mmgraph.inference.field.initial_means import gibbs_means
from mmgraph.inference.field.moments import MomentSums
from mmgraph.inference.field.softened_view import SoftenedView
from mmgraph.inference.field.summed_layers import SummedView, layers_to_sum, log_base_partition
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.numerics.counted_random import device_generator
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.inference.sampling.annealing_weights import (
    BASE_SEED,
    BASE_STATES,
    Annealed,
    AnnealingOptions,
    check_weights,
    inverse_temperatures,
)
from mmgraph.inference.sampling.gibbs_start import zero_costs
from mmgraph.inference.sampling.gibbs_torch import chains_view


def annealed_layers(
    graph: FactorGraph, evidence: Evidence, options: AnnealingOptions, device: torch.device
) -> Annealed:
    """Anneal the layers of units of every row of evidence from independent units to the model."""
    steps, chains, base = options.steps, options.chains, options.base
    batch, colours = evidence.batch, colour_masks(graph)
    view = chains_view(FieldView, graph, evidence, chains, device, torch.float64)
    drawing = device_generator(options.generator, device)
    view.tilt(gibbs_means(view, colours, batch, drawing) if base is None else base)
    # The more units are summed out the better.
    chosen = layers_to_sum(view, lambda rest: float(sum(view.variables[n].size for n in rest)))
    summed = SummedView(view, chosen)
    states = view.start(draw=True, generator=drawing)
    log_weights = log_base_partition(view).double()

    def first_step(states: States) -> Tensor:
        weighed = summed.weigh(states)
        return weighed.log_weight(1 / steps) - weighed.log_weight(0.0)

    inverse = inverse_temperatures(steps, _spread(view, batch, drawing, first_step))
    for step in range(steps):
        now, following = float(inverse[step]), float(inverse[step + 1])
        weighed = summed.weigh(states)
        log_weights = log_weights + (weighed.log_weight(following) - weighed.log_weight(now))
        if step + 1 < steps:
            sweep(view, colours, states, drawing, following)
    _check_layer_weights(view, log_weights)
    return _annealed(graph, view, states, log_weights.reshape(batch, chains), drawing)


def _spread(
    view: FieldView,
    batch: int,
    generator: torch.Generator,
    measure: Callable[[States], Tensor],
    rounds: int = 1,
) -> float:
    """The largest standard deviation of what is measured of a row's states of the base."""
    apart = torch.Generator(view.device).manual_seed(generator.initial_seed() ^ BASE_SEED)
    measured = [
        measure(view.start(draw=True, generator=apart)).double().reshape(batch, -1)
        for _ in range(rounds)
    ]
    return float(torch.cat(measured, 1).std(1).max())


def _check_layer_weights(view: FieldView, log_weights: Tensor) -> None:
    if not bool(log_weights.isfinite().all()) and any(
        not factor.compact for couplings in view.couplings.values() for factor in couplings
    ):  # infinitely much times nothing
        raise MmgraphError(
            "a table that joins layers has zeros, which annealing of layers does not pass through; "
            "use method='layer_summation' or 'gibbs'"
        )
    check_finite(view, "the weight of a chain", log_weights)


def _annealed(
    graph: FactorGraph,
    view: FieldView,
    states: States,
    log_weights: Float64[Tensor, "batch chains"],
    generator: torch.Generator,
) -> Annealed:
    """The chains' weights, and moments by them after one more sweep, of the model itself."""
    sums = MomentSums(view, states)
    sweep(view, colour_masks(graph), states, generator, watch=sums.add)
    batch, chains = log_weights.shape
    return Annealed(log_weights, sums.moments((batch, chains), 1, log_weights.softmax(1)))


def annealed_fields(
    graph: FactorGraph, evidence: Evidence, options: AnnealingOptions, device: torch.device
) -> Annealed:
    """Anneal the elements of every row of evidence from independent ones to the model."""
    steps, chains, generator = options.steps, options.chains, options.generator
    batch, colours = evidence.batch, colour_masks(graph)
    view = chains_view(SoftenedView, graph, evidence, chains, device, torch.float64)
    log_weights = log_base_partition(view)
    check_weights(graph, evidence, log_weights.reshape(batch, chains), generator)
    drawing = device_generator(generator, device)
    rounds = -(-BASE_STATES * batch // view.batch)
    spread = _spread(view, batch, drawing, view.coupling_log_weight, rounds)
    inverse = inverse_temperatures(steps, spread / steps)
    costs = zero_costs(np.linspace(0.0, 1.0, steps + 1))
    states = view.start(draw=True, generator=drawing)
    for step in range(steps):
        view.cost = float(costs[step])
        sweep(view, colours, states, drawing, float(inverse[step]))
        gain = (inverse[step + 1] - inverse[step]) * view.coupling_log_weight(states)
        broken = view.violations(states)
        price = broken * float(costs[step + 1] - costs[step])
        log_weights = log_weights + gain - price.masked_fill(broken <= 0, 0.0)
    of_rows = log_weights.reshape(batch, chains)
    check_weights(graph, evidence, of_rows, generator)
    # Chains of weight zero stand in forbidden states, from which the model itself leads nowhere.
    view.cost = torch.where(torch.isneginf(log_weights), 0.0, torch.inf)
    return _annealed(graph, view, states, of_rows, drawing)
