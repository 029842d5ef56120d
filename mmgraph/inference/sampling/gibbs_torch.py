"""Block Gibbs sampling by torch, on any device: all rows and chains are one batch.

Driven by nothing but the field view; the CPU takes this way for layers of units, whose fields are
matrix products.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import one_hot
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.block_gibbs import States, sweep
from mmgraph.inference.field.moments import MomentSums, values_of
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.model_variables import default_precision
from mmgraph.inference.moments import Moments
from mmgraph.inference.numerics.counted_random import device_generator, random_keys
from mmgraph.inference.numerics.memory import check_statistics_memory
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.inference.sampling.gibbs_chains import Schedule
from mmgraph.inference.sampling.gibbs_program import gibbs_program
from mmgraph.inference.sampling.gibbs_start import starting_states


class TorchRecord(NamedTuple):
    """What is kept of the chains.

    Attributes
    ----------
    moments : Moments
        From the means of the distributions drawn from.
    trace : dict of str to Tensor
        State indices or real values, ``(kept, batch, chains, *shape)``.
    """

    moments: Moments
    trace: dict[str, Shaped[Tensor, "kept batch chains *shape"]]


def gibbs_torch(
    graph: FactorGraph,
    evidence: Evidence,
    schedule: Schedule,
    generator: torch.Generator | None,
    device: torch.device,
) -> TorchRecord:
    """Run the chains of every row of evidence.

    Raises
    ------
    ZeroProbabilityError, MmgraphError
        As for :func:`mmgraph.inference.sampling.gibbs.gibbs`.
    """
    chains = schedule.chains
    check_statistics_memory(graph, evidence.batch * chains, default_precision(graph))
    repeated = evidence.rows(np.repeat(np.arange(evidence.batch), chains))
    view = FieldView(graph, repeated, device, default_precision(graph))
    view.check_possible()
    states = starting_statistics(graph, evidence, view, chains, generator)
    drawing = device_generator(generator, device)
    sums = MomentSums(view, states)
    trace: dict[str, list[Tensor]] = {n: [] for n in states}
    colours = colour_masks(graph)
    for number in range(schedule.sweeps):
        after = number - schedule.burn_in + 1
        recorded = after > 0 and after % schedule.thinning == 0
        sweep(view, colours, states, drawing, watch=sums.add if recorded else None)
        if recorded and (after // schedule.thinning - 1) % schedule.interval == 0:
            for name, statistics in states.items():
                trace[name].append(values_of(view, name, statistics).cpu())
    return TorchRecord(
        sums.moments((evidence.batch, chains), schedule.draws),
        {n: torch.stack(t).unflatten(1, (evidence.batch, chains)) for n, t in trace.items()},
    )


def starting_statistics(
    graph: FactorGraph,
    evidence: Evidence,
    view: FieldView,
    chains: int,
    generator: torch.Generator | None,
) -> States:
    """Return starts of positive probability; of units, which have no hard zeros, any."""
    if view.compact:
        return view.start(draw=True, generator=device_generator(generator, view.device))
    try:
        program = gibbs_program(graph)
    except NotTabularError:
        return view.start(draw=True, generator=device_generator(generator, view.device))
    keys = random_keys(generator, evidence.batch)
    starts = np.concatenate(
        [
            starting_states(program.conditioned(evidence, row), evidence, chains, key, generator)
            for row, key in enumerate(keys)
        ]
    )
    states = program.pairwise.states_of(starts)
    return {
        name: one_hot(codes.to(view.device), view.variables[name].cardinality, view.dtype)
        for name, codes in states.items()
    }
