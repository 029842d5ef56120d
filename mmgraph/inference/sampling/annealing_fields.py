"""Annealed importance sampling of grids and networks by torch, on any device.

As :mod:`annealing` does on the CPU: from the product of all unary factors and the
evidence, hard zeros at a finite cost until the last step. All rows and chains are one batch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.block_gibbs import sweep
from mmgraph.inference.field.softened_view import SoftenedView
from mmgraph.inference.field.summed_layers import log_base_partition
from mmgraph.inference.numerics.counted_random import device_generator
from mmgraph.inference.numerics.memory import check_statistics_memory
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.inference.sampling.annealing_schedule import inverse_temperatures
from mmgraph.inference.sampling.annealing_torch import Annealed, summary
from mmgraph.inference.sampling.gibbs_program import gibbs_program
from mmgraph.inference.sampling.gibbs_start import searched_states, zero_costs

_PILOTS = 32
_PILOT_SEED = 0x27D4EB2F


def annealed_fields(
    graph: FactorGraph,
    evidence: Evidence,
    steps: int,
    chains: int,
    generator: torch.Generator | None,
    device: torch.device,
) -> Annealed:
    """Anneal the chains of every row of evidence from independent elements to the model.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence is impossible.
    MmgraphError
        If no chain of a row ended in a state of positive probability.
    """
    batch = evidence.batch
    check_statistics_memory(graph, batch * chains, torch.float64)
    repeated = evidence.rows(np.repeat(np.arange(batch), chains))
    view = SoftenedView(graph, repeated, device, torch.float64)
    log_weights = log_base_partition(view)
    _check_rows(graph, evidence, log_weights.reshape(batch, chains), generator)
    drawing = device_generator(generator, device)
    colours = colour_masks(graph)
    inverse = inverse_temperatures(steps, _spread(view, batch, drawing) / steps)
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
    _check_rows(graph, evidence, of_rows, generator)
    # Chains of weight zero stand in forbidden states, from which the model itself leads nowhere.
    view.cost = torch.where(torch.isneginf(log_weights), 0.0, torch.inf)
    return summary(view, colours, states, of_rows, drawing)


def _spread(view: SoftenedView, batch: int, generator: torch.Generator) -> float:
    """The largest standard deviation of a row's energies over states of the base."""
    # Random numbers of its own: the weights must not depend on the chains that they are taken of.
    pilot = torch.Generator(view.device).manual_seed(generator.initial_seed() ^ _PILOT_SEED)
    rounds = -(-_PILOTS * batch // view.batch)
    energies = [
        view.coupling_log_weight(view.start(draw=True, generator=pilot)).reshape(batch, -1)
        for _ in range(rounds)
    ]
    return float(torch.cat(energies, 1).std(1).max())


def _check_rows(
    graph: FactorGraph, evidence: Evidence, log_weights: Tensor, generator: torch.Generator | None
) -> None:
    """Raise the error that says why every chain of a row has weight zero."""
    lost = torch.isneginf(log_weights).all(1).nonzero().flatten().tolist()
    if not lost:
        return
    conditioned = gibbs_program(graph).conditioned(evidence, lost[0])
    searched_states(conditioned, evidence, 1, generator)  # says so if there is none
    raise MmgraphError(
        f"row {lost[0]} of the evidence: none of {log_weights.shape[1]} chains ended in a state of "
        "positive probability; take more steps, or more chains"
    )
