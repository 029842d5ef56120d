"""Block Gibbs sampling by torch, on any device: all rows and chains are one batch.

Driven by nothing but the field view; the CPU takes this way for layers of units, whose fields are
matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.block_gibbs import States, sweep
from mmgraph.inference.field.moments import MomentSums
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.model_variables import default_precision
from mmgraph.inference.numerics.counted_random import device_generator, random_keys
from mmgraph.inference.numerics.memory import check_statistics_memory
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.inference.posterior import Moments
from mmgraph.inference.sampling.gibbs_program import gibbs_program
from mmgraph.inference.sampling.gibbs_start import starting_states
from mmgraph.inference.sampling.schedule import Schedule, draw_number

View = TypeVar("View", bound=FieldView)


class TorchRecord(NamedTuple):
    """What chains of the field view leave."""

    moments: Moments  # from the means of the distributions drawn from
    trace: dict[str, Shaped[Tensor, "traced batch chains *shape"]]  # state indices or real values
    swap_rates: Float64[Tensor, "1 replicas-1"] | None = None  # as those of a `ChainRecord`

    def samples(self, draws: int) -> dict[str, Shaped[Tensor, "... draws *shape"]]:
        """Return the draws of all chains in turn, without an axis of rows where there is one."""
        drawn = {n: t.movedim(1, 0).flatten(1, 2)[:, :draws] for n, t in self.trace.items()}
        return {n: t[0] if len(t) == 1 else t for n, t in drawn.items()}


def gibbs_torch(
    graph: FactorGraph,
    evidence: Evidence,
    schedule: Schedule,
    generator: torch.Generator | None,
    device: torch.device,
) -> TorchRecord:
    """Run the chains of every row of evidence."""
    chains, precision = schedule.chains, default_precision(graph)
    view = chains_view(FieldView, graph, evidence, chains, device, precision)
    states = starting_statistics(graph, evidence, view, chains, generator)
    return run_in_batch(graph, view, states, schedule, device_generator(generator, device))


def chains_view(
    kind: type[View],
    graph: FactorGraph,
    evidence: Evidence,
    chains: int,
    device: torch.device,
    precision: torch.dtype,
) -> View:
    """Return the field view of so many chains for each row of evidence, one after the other.

    It is refused where soft evidence leaves a unit no state, or the memory is too small.
    """
    check_statistics_memory(graph, evidence.batch * chains, precision)
    rows = evidence.rows(np.repeat(np.arange(evidence.batch), chains))
    view = kind(graph, rows, device, precision)
    view.check_possible()
    return view


def run_in_batch(
    graph: FactorGraph,
    view: FieldView,
    states: States,
    schedule: Schedule,
    generator: torch.Generator,
    inverse: Float[Tensor, " rows"] | None = None,
    after_sweep: Callable[[int], None] | None = None,
) -> TorchRecord:
    """Sweep all rows of a view from ``states``, in place, and record those of the model itself.

    All rows are chains; under ``inverse`` temperatures the first ``schedule.chains`` of them, for
    one row of evidence. ``after_sweep`` is called with the number of each sweep after it.
    """
    colours = colour_masks(graph)
    chains = schedule.chains
    rows = (view.batch // chains if inverse is None else 1), chains
    sums = MomentSums(view, states)
    trace: dict[str, list[Tensor]] = {n: [] for n in states}
    for number in range(schedule.sweeps):
        draw = draw_number(number, schedule)
        sweep(view, colours, states, generator, inverse, sums.add if draw >= 0 else None)
        if draw >= 0 and draw % schedule.interval == 0:
            for name, statistics in states.items():
                trace[name].append(view.forms[name].values(statistics[: rows[0] * chains]).cpu())
        if after_sweep is not None:
            after_sweep(number)
    return TorchRecord(
        sums.moments(rows, schedule.draws),
        {n: torch.stack(t).unflatten(1, rows) for n, t in trace.items()},
    )


def starting_statistics(
    graph: FactorGraph,
    evidence: Evidence,
    view: FieldView,
    chains: int,
    generator: torch.Generator | None,
) -> States:
    """Return starts of positive probability; of units, which have no hard zeros, any."""
    try:
        program = None if view.compact else gibbs_program(graph)
    except NotTabularError:
        program = None
    if program is None:
        return view.start(draw=True, generator=device_generator(generator, view.device))
    keys = random_keys(generator, evidence.batch)
    starts = [
        starting_states(program.conditioned(evidence, row), evidence, chains, key, generator)
        for row, key in enumerate(keys)
    ]
    states = program.pairwise.states_of(np.concatenate(starts))
    return {
        name: view.forms[name].statistics(codes.to(view.device), view.dtype)
        for name, codes in states.items()
    }
