"""Annealed importance sampling by torch, on any device: all rows and chains are one batch.

Some layers are summed out given the others, whose weights are averaged (Salakhutdinov and Murray
2008, "On the quantitative analysis of deep belief networks", section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.block_gibbs import sweep
from mmgraph.inference.field.finiteness import check_finite
from mmgraph.inference.field.moments import MomentSums, moments
from mmgraph.inference.field.pilot import pilot_means
from mmgraph.inference.field.summed_layers import (
    SummedView,
    layers_to_sum,
    log_base_partition,
    unit_count,
)
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.moments import Moments
from mmgraph.inference.numerics.counted_random import device_generator
from mmgraph.inference.numerics.memory import check_statistics_memory
from mmgraph.inference.pairwise.colouring import Masks, colour_masks
from mmgraph.inference.sampling.annealing_schedule import inverse_temperatures

_PILOT_SEED = 0x27D4EB2F


class Annealed(NamedTuple):
    """What annealing found, for each row of evidence.

    Attributes
    ----------
    log_weight, standard_error, sample_size : Tensor, shape (batch,)
        The logarithm of the mean weight, its error, and how many equal weights would do as well.
    moments : Moments
        By the chains' weights.
    """

    log_weight: Float64[Tensor, " batch"]
    standard_error: Float64[Tensor, " batch"]
    sample_size: Float64[Tensor, " batch"]
    moments: Moments


def annealed_by_torch(
    graph: FactorGraph,
    evidence: Evidence,
    steps: int,
    chains: int,
    generator: torch.Generator | None,
    device: torch.device,
    dtype: torch.dtype = torch.float64,
    base: Mapping[str, Tensor] | None = None,
) -> Annealed:
    """Anneal the chains of every row of evidence from independent units to the model.

    Parameters
    ----------
    base : mapping of str to Tensor, optional
        Mean statistics of free variables at the start; by default those of a few sweeps of Gibbs
        sampling, drawn a little towards leaning to nothing where there are states.
    """
    check_statistics_memory(graph, evidence.batch * chains, dtype)
    repeated = evidence.rows(np.repeat(np.arange(evidence.batch), chains))
    view = FieldView(graph, repeated, device, dtype)
    view.check_possible()
    drawing = device_generator(generator, device)
    colours = colour_masks(graph)
    view.tilt(pilot_means(view, colours, evidence.batch, drawing) if base is None else base)
    summed = SummedView(view, layers_to_sum(view, unit_count(view)))
    states = view.start(draw=True, generator=drawing)
    log_weights = log_base_partition(view).double()
    inverse = inverse_temperatures(steps, _first_step(summed, evidence.batch, steps, drawing))
    for step in range(steps):
        now, following = float(inverse[step]), float(inverse[step + 1])
        weighed = summed.weigh(states)
        log_weights = log_weights + (weighed.log_weight(following) - weighed.log_weight(now))
        if step + 1 < steps:
            sweep(view, colours, states, drawing, following)
    _check_weights(view, log_weights)
    return summary(view, colours, states, log_weights.reshape(evidence.batch, chains), drawing)


def _first_step(summed: SummedView, batch: int, steps: int, generator: torch.Generator) -> float:
    """The largest standard deviation, over the base, of the log-weights of an even first step."""
    view = summed.view
    # Random numbers of its own: the weights must not depend on the chains that they are taken of.
    pilot = torch.Generator(view.device).manual_seed(generator.initial_seed() ^ _PILOT_SEED)
    weighed = summed.weigh(view.start(draw=True, generator=pilot))
    gain = weighed.log_weight(1 / steps) - weighed.log_weight(0.0)
    return float(gain.double().reshape(batch, -1).std(1).max())


def _check_weights(view: FieldView, log_weights: Tensor) -> None:
    if not bool(log_weights.isfinite().all()) and any(
        not factor.compact for couplings in view.couplings.values() for factor in couplings
    ):  # infinitely much times nothing
        raise MmgraphError(
            "a table that joins layers has zeros, which annealing of layers does not pass through; "
            "use method='layer_summation' or 'gibbs'"
        )
    check_finite(view, "the weight of a chain", log_weights)


def summary(
    view: FieldView,
    colours: list[Masks],
    states: dict[str, Tensor],
    log_weights: Float64[Tensor, "batch chains"],
    generator: torch.Generator,
) -> Annealed:
    """Return what the chains' weights say of each row, and their moments after one more sweep."""
    batch, chains = log_weights.shape
    top = log_weights.amax(1, keepdim=True)
    weights = (log_weights - top).exp()
    share = weights / weights.sum(1, keepdim=True)
    mean = weights.mean(1)
    sums = MomentSums(view, states)
    sweep(view, colours, states, generator, watch=sums.add)  # of the model itself

    def averaged(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        for name, value in values.items():
            rows = value.reshape(batch, chains, -1)
            mixed = torch.einsum("bc,bcd->bd", share.to(rows), rows)
            found[name] = mixed.reshape(batch, *value.shape[1:])
        return found

    fixed_squares = {n: v.square() for n, v in sums.fixed.items()}
    found = moments(
        view,
        averaged({**sums.means, **sums.fixed}),
        averaged({**sums.squares, **fixed_squares}),
        view.variables,
    )
    return Annealed(
        top[:, 0] + mean.log(),
        weights.std(1) / mean / np.sqrt(chains),
        1 / share.square().sum(1),
        found,
    )
