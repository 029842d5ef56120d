"""Block Gibbs sampling by torch, on any device: all rows and chains are one batch.

Driven by nothing but :meth:`Factor.field` and one-hot statistics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.colouring import colour_masks
from mmgraph.inference.field_view import FieldView, default_precision
from mmgraph.inference.gibbs_chains import Schedule
from mmgraph.inference.gibbs_program import gibbs_program
from mmgraph.inference.gibbs_start import starting_states
from mmgraph.inference.philox import random_keys


class TorchRecord(NamedTuple):
    """What is kept of the chains.

    Attributes
    ----------
    marginals : dict of str to Tensor
        The mean of the distributions drawn from, ``(batch, *shape, states)``.
    trace : dict of str to Tensor
        States, ``(kept, batch, chains, *shape)``.
    """

    marginals: dict[str, Float[Tensor, "batch *shape states"]]
    trace: dict[str, Int64[Tensor, "kept batch chains *shape"]]


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
        As for :func:`mmgraph.inference.gibbs.gibbs`.
    """
    chains = schedule.chains
    repeated = evidence.rows(np.repeat(np.arange(evidence.batch), chains))
    view = FieldView(graph, repeated, device, default_precision(graph))
    states = _starts(graph, evidence, view, chains, generator)
    seed = int(torch.randint(2**62, (), generator=generator))
    drawing = torch.Generator(device).manual_seed(seed)
    one_hot = {n: _one_hot(view, n, codes) for n, codes in states.items()}
    sums = {n: torch.zeros_like(s, dtype=torch.float64) for n, s in one_hot.items()}
    trace: dict[str, list[Tensor]] = {n: [] for n in states}
    for sweep in range(schedule.sweeps):
        after = sweep - schedule.burn_in + 1
        recorded = after > 0 and after % schedule.thinning == 0
        for colour in colour_masks(graph):
            for name, mask in colour.items():
                chances = view.field(name, one_hot).softmax(-1)
                drawn = _drawn(chances, drawing)
                if mask is not None:
                    drawn = torch.where(mask.to(device), drawn, states[name])
                states[name] = drawn
                one_hot[name] = _one_hot(view, name, drawn)
                if recorded:
                    kept = chances if mask is None else chances * mask.to(device).unsqueeze(-1)
                    sums[name] += kept
        if recorded and (after // schedule.thinning - 1) % schedule.interval == 0:
            for name, codes in states.items():
                trace[name].append(codes.cpu())
    rows = (evidence.batch, chains)
    return TorchRecord(
        {n: s.unflatten(0, rows).mean(1) / schedule.draws for n, s in sums.items()},
        {n: torch.stack(t).unflatten(1, rows) for n, t in trace.items()},
    )


def _starts(
    graph: FactorGraph,
    evidence: Evidence,
    view: FieldView,
    chains: int,
    generator: torch.Generator | None,
) -> dict[str, Int64[Tensor, "batch *shape"]]:
    """Starts of positive probability; of factors without tables, which have no hard zeros, any."""
    try:
        program = gibbs_program(graph)
    except NotTabularError:
        any_state = torch.Generator(view.device).manual_seed(
            int(torch.randint(2**62, (), generator=generator))
        )
        return {n: _drawn(u.softmax(-1), any_state) for n, u in view.unary.items()}
    keys = random_keys(generator, evidence.batch)
    starts = np.concatenate(
        [
            starting_states(program.conditioned(evidence, row), evidence, chains, key, generator)
            for row, key in enumerate(keys)
        ]
    )
    states = program.pairwise.states_of(starts)
    return {name: codes.to(view.device) for name, codes in states.items()}


def _one_hot(view: FieldView, name: str, codes: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(codes, view.variables[name].cardinality).to(view.dtype)


def _drawn(chances: Tensor, generator: torch.Generator) -> Int64[Tensor, "batch *shape"]:
    """The first of exponential clocks to ring; one of rate zero never does."""
    clocks = torch.empty_like(chances).exponential_(generator=generator)
    return (chances / clocks).argmax(-1)
