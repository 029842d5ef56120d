"""The gradient of the log-likelihood: mean field under the data, Gibbs chains under the model.

Tieleman (2008), "Training restricted Boltzmann machines using approximations to the likelihood
gradient" (persistent chains); Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", section 3
(mean field in the positive phase); Desjardins et al. (2010), "Tempered Markov chain Monte Carlo for
training of restricted Boltzmann machines".
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.exponential_family import ReplicatedSoftmax
from mmgraph.inference.field.block_gibbs import States, swap_neighbours, sweep
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import ascend
from mmgraph.inference.field.view import FieldView
from mmgraph.learning.boltzmann.objective import MEAN, Objective, RandomBlocks
from mmgraph.learning.boltzmann.objectives.chains import ChainRecord
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters, Phase
from mmgraph.learning.boltzmann.settings import TrainingSettings


class ContrastiveDivergence(Objective):
    """The log-likelihood (of deep machines: its mean-field bound), by its stochastic gradient.

    Parameters
    ----------
    parameters : BoltzmannParameters
    chains : int, default 100
        Chains of the negative phase, of all processes together; a multiple of the blocks. Without
        persistence there is one for each row of the batch.
    gibbs_steps : int, default 1
        Sweeps between two steps of learning.
    mean_field_steps : int, default 10
        The most passes of the positive phase. Where hidden layers do not touch each other, one is
        exact, and one is made.
    tolerance : float, default 0
        Passes end when no mean changes by more; looking at that costs a little.
    temperatures : sequence of float, optional
        Increasing from 1: each chain is accompanied by one of each further temperature, with which
        it may swap.
    random : RandomBlocks, optional
        Generators of this process's blocks.
    persistent : bool, default True
        Whether chains go on from step to step, or begin at the data (contrastive divergence).
    lengths : mapping of str to Tensor, optional
        Lengths of the documents of the data, increasing; the chains' are spread like them. By
        default a document of a chain has the length that the model gives a missing one.

    Raises
    ------
    LearningError
        If an option is out of its range.
    """

    def __init__(
        self,
        parameters: BoltzmannParameters,
        chains: int = 100,
        gibbs_steps: int = 1,
        mean_field_steps: int = 10,
        tolerance: float = 0.0,
        temperatures: Sequence[float] | None = None,
        random: RandomBlocks | None = None,
        persistent: bool = True,
        lengths: Mapping[str, Float[Tensor, " documents"]] | None = None,
    ) -> None:
        self.parameters = parameters
        self.random = RandomBlocks(1, 0, parameters.device) if random is None else random
        self.chains, self.persistent = chains, persistent
        self.gibbs_steps, self.mean_field_steps = gibbs_steps, mean_field_steps
        self.tolerance = tolerance
        levels = tuple(temperatures or (1.0,))
        _check(chains, gibbs_steps, mean_field_steps, levels, self.random.count, persistent)
        self._inverse = torch.tensor(
            [1 / t for t in levels], device=parameters.device, dtype=parameters.dtype
        )
        self._states: dict[int, States] = {}
        self._views: dict[int, FieldView] = {}
        self._lengths = self._spread(lengths or {})
        self._step = 0
        self._record = ChainRecord()

    @classmethod
    def of_settings(
        cls,
        parameters: BoltzmannParameters,
        settings: TrainingSettings,
        random: RandomBlocks,
        lengths: Mapping[str, Float[Tensor, " documents"]],
    ) -> Self:
        """Return the objective that the settings of training describe."""
        return cls(
            parameters,
            settings.chains,
            settings.gibbs_steps,
            settings.mean_field_steps,
            settings.tolerance,
            settings.temperatures,
            random,
            settings.persistent,
            lengths,
        )

    def gradients(
        self, batch: Mapping[str, Clamped]
    ) -> tuple[dict[str, Tensor], Mapping[str, float | Tensor]]:
        """Return the derivatives of the log-likelihood, see :meth:`Objective.gradients`."""
        with torch.no_grad():
            view, positive = self._positive(batch)
            negative = self._negative(view, positive, batch)
            found = self.parameters.gradients(positive, negative)
            for name in self.parameters.centres:
                if name not in batch:
                    found[MEAN + name] = positive.statistics[name].mean(0)
        self._step += 1
        return found, {}

    def _positive(self, batch: Mapping[str, Clamped]) -> tuple[FieldView, Phase]:
        """Mean statistics with the rows clamped."""
        parameters = self.parameters
        rows = len(next(iter(batch.values())).values)
        graph = parameters.working()
        view = FieldView.given(graph, batch, rows, parameters.device, parameters.dtype)
        means = view.start()
        if any(view.couplings[name] for name in view.free):
            ascend(view, parameters.colours, means, self.mean_field_steps, self.tolerance)
        squares = {n: view.second_moment(n, means) for n in parameters.with_precision}
        return view, Phase(means, squares)

    def _negative(self, clamped: FieldView, positive: Phase, batch: Mapping[str, Clamped]) -> Phase:
        """Statistics of the chains, after some sweeps."""
        parts = self.random.parts(clamped.batch)
        phases = []
        for block, generator in self.random.generators.items():
            if self.persistent:
                view = self._view(block)
                if block not in self._states:
                    self._states[block] = view.start(draw=True, generator=generator)
                states = self._states[block]
            else:
                view, states = self._from_data(clamped, positive, parts[block], generator)
            phases.append(self._swept(view, states, generator))
            if self.persistent:
                kept = self.chains // self.random.count
                self._record.add(block, {n: s[:kept] for n, s in states.items() if n not in batch})
        share = self.random.share / self.row_share if self.persistent else 1.0
        if len(phases) == 1:
            return phases[0]._replace(share=share)
        statistics = {n: torch.cat([p.statistics[n] for p in phases]) for n in phases[0].statistics}
        squares = {n: torch.cat([p.squares[n] for p in phases]) for n in phases[0].squares}
        return Phase(statistics, squares, share)

    def _view(self, block: int) -> FieldView:
        """The view of a block's chains, nothing clamped.

        It is made once: it holds the biases and precisions of the working graph, which are written
        to in place.
        """
        if block in self._views:
            self.parameters.working()
            return self._views[block]
        rows = self.chains // self.random.count * len(self._inverse)
        parameters = self.parameters
        view = FieldView.given(parameters.working(), {}, rows, parameters.device, parameters.dtype)
        for name, lengths in self._lengths.items():
            view.families[name] = ReplicatedSoftmax(lengths[block])
        self._views[block] = view
        return view

    def _from_data(
        self, clamped: FieldView, positive: Phase, part: slice, generator: torch.Generator
    ) -> tuple[FieldView, States]:
        """Chains that begin at rows of the batch, what is unknown of them drawn."""
        parameters = self.parameters
        view = FieldView.given(
            parameters.working(), {}, part.stop - part.start, parameters.device, parameters.dtype
        )
        means = positive.statistics
        states = {}
        for name in view.variables:
            family = clamped.families[name]
            if isinstance(family, ReplicatedSoftmax):
                view.families[name] = ReplicatedSoftmax(family.lengths[part])
            if clamped.is_whole(name):
                states[name] = means[name][part]
                continue
            field = clamped.field(name, means).expand(clamped.batch, *means[name].shape[1:])
            drawn = view.families[name].sample(field[part], generator)
            known = clamped.clamped.get(name)
            if known is not None and known.known is not None:
                mask = known.known[part]
                mask = mask.reshape(*mask.shape, *(1,) * (drawn.ndim - mask.ndim))
                drawn = torch.where(mask, known.values[part], drawn)
            states[name] = drawn
        return view, states

    def _swept(self, view: FieldView, states: States, generator: torch.Generator) -> Phase:
        """Sweep; the layers drawn last count by their means given the others, which vary less."""
        levels = len(self._inverse)
        tempered = levels > 1 and self.persistent
        inverse = self._inverse.repeat_interleave(view.batch // levels) if tempered else None
        colours = self.parameters.colours
        for step in range(self.gibbs_steps - 1):
            sweep(view, colours, states, generator, inverse)
            if tempered:
                swap_neighbours(view, states, self._inverse, step % 2, generator)
        sweep(view, colours[:-1], states, generator, inverse)
        kept = view.batch // levels if tempered else view.batch
        statistics = {n: s[:kept] for n, s in states.items()}
        squares = {n: statistics[n].square() for n in self.parameters.with_precision}
        for name in colours[-1]:
            field = view.field(name, states, inverse)
            field = field.expand(view.batch, *states[name].shape[1:])
            family = view.families[name]
            mean = family.mean(field)
            if name in squares:
                squares[name] = family.second_moment(field, mean)[:kept]
            statistics[name] = mean[:kept]
            states[name] = family.sample(field, generator)
        if tempered:
            parity = (self._step + self.gibbs_steps - 1) % 2
            swap_neighbours(view, states, self._inverse, parity, generator)
        return Phase(statistics, squares)

    def _spread(self, lengths: Mapping[str, Tensor]) -> dict[str, dict[int, Tensor]]:
        """The lengths of the chains' documents, spread like those of the data."""
        result: dict[str, dict[int, Tensor]] = {}
        graph = self.parameters.working()
        for name, sorted_lengths in lengths.items():
            if graph.variable(name).family != "replicated_softmax":
                continue
            place = (torch.arange(self.chains) + 0.5) / self.chains * len(sorted_lengths)
            chosen = sorted_lengths[place.long().to(sorted_lengths.device)]
            # Dealt out in turns, so that every block has short and long ones.
            dealt = chosen.to(self.parameters.device, self.parameters.dtype)
            count, levels = self.random.count, len(self._inverse)
            result[name] = {b: dealt[b::count].repeat(levels) for b in self.random.own}
        return result

    def report(self) -> dict[str, float]:
        """Return the chains' health over the epoch: R-hat, and the share of saturated units."""
        return self._record.report()

    def state(self) -> dict[str, Tensor]:
        """Return chains, generators and what was recorded of the epoch."""
        state = {"step": torch.tensor(self._step), **self.random.state(), **self._record.state()}
        for block, states in self._states.items():
            state.update({f"block:{block}:chain:{n}": s for n, s in states.items()})
        return state

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state; chains of blocks that other processes have are passed over."""
        self._step = int(state["step"])
        self.random.load(state)
        self._record.load(state, self.random.own)
        self._states = {}
        for block in self.random.own:
            prefix = f"block:{block}:chain:"
            found = {k.removeprefix(prefix): t for k, t in state.items() if k.startswith(prefix)}
            if found:
                self._states[block] = {
                    n: t.to(self.parameters.device, self.parameters.dtype).clone()
                    for n, t in found.items()
                }


def _check(
    chains: int, gibbs_steps: int, mean_field_steps: int, levels: Sequence[float],
    blocks: int, persistent: bool,
) -> None:  # fmt: skip
    for name, value in (
        ("chains", chains), ("gibbs_steps", gibbs_steps), ("mean_field_steps", mean_field_steps)
    ):  # fmt: skip
        if value < 1:
            raise LearningError(f"{name} must be at least 1, not {value}")
    if persistent and chains % blocks:
        raise LearningError(f"{chains} chains cannot be cut into {blocks} equal blocks")
    if levels[0] != 1 or any(a >= b for a, b in itertools.pairwise(levels)):
        raise LearningError(f"temperatures must increase from 1, but they are {list(levels)}")
    if len(levels) > 1 and not persistent:
        raise LearningError("temperatures need persistent chains")
