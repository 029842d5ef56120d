"""Block Gibbs sampling by torch, on any device: all rows and chains are one batch.

Driven by nothing but the field view; the CPU takes this way for layers of units, whose fields are
matrix products.
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import one_hot
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.block_gibbs import States, sweep
from mmgraph.inference.colouring import colour_masks
from mmgraph.inference.field_variables import default_precision
from mmgraph.inference.field_view import FieldView
from mmgraph.inference.gibbs_chains import Schedule
from mmgraph.inference.gibbs_program import gibbs_program
from mmgraph.inference.gibbs_start import starting_states
from mmgraph.inference.memory import check_statistics_memory
from mmgraph.inference.moments import Moments, moments
from mmgraph.inference.philox import device_generator, random_keys


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
        As for :func:`mmgraph.inference.gibbs.gibbs`.
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


class MomentSums:
    """Sums of means and squares of the distributions that states are drawn from.

    Parameters
    ----------
    view : FieldView
    states : dict of str to Tensor
        Of every variable; those of variables clamped as a whole count as they are.
    """

    def __init__(self, view: FieldView, states: States) -> None:
        self.view = view
        self.fixed = {n: s.double() for n, s in states.items() if view.is_whole(n)}
        self.means = {
            n: torch.zeros_like(s, dtype=torch.float64)
            for n, s in states.items()
            if n not in self.fixed
        }
        self.squares = {
            n: torch.zeros_like(m)
            for n, m in self.means.items()
            if not view.variables[n].is_discrete
        }

    def add(self, name: str, mask: Tensor | None, natural: Tensor) -> None:
        """Add the distribution that a variable (or its masked elements) is drawn from."""
        view = self.view
        kept = view.kept(name, view.families[name].mean(natural))
        if mask is not None:
            kept = kept * mask.to(kept.device).unsqueeze(-1)
        self.means[name] += kept
        if name in self.squares:
            square = view.second_moment_of(name, natural)
            self.squares[name] += square

    def rows(self, part: slice) -> MomentSums:
        """Return the sums of some of the rows."""
        chosen = copy(self)
        for field in ("fixed", "means", "squares"):
            setattr(chosen, field, {n: t[part] for n, t in getattr(self, field).items()})
        return chosen

    def moments(self, rows: tuple[int, int], count: int) -> Moments:
        """Return the averages over ``count`` sweeps and over the chains of each row."""

        def average(total: Tensor) -> Tensor:
            averaged: Tensor = total.unflatten(0, rows).mean(1)
            return averaged

        means = {n: average(t) / count for n, t in self.means.items()}
        squares = {n: average(t) / count for n, t in self.squares.items()}
        for name, values in self.fixed.items():
            means[name], squares[name] = average(values), average(values.square())
        return moments(self.view, means, squares, self.view.variables)


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


def values_of(view: FieldView, name: str, statistics: Tensor) -> Tensor:
    """Return the state indices that statistics stand for, or the real values themselves."""
    variable = view.variables[name]
    if not variable.is_discrete:
        return statistics
    if name in view.compact and variable.family == "bernoulli":
        return statistics.long()
    return statistics.argmax(-1)
