"""The gradient of the log-likelihood: mean field under the data, Gibbs chains under the model.

Tieleman (2008), "Training restricted Boltzmann machines using approximations to the likelihood
gradient" (persistent chains); Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", section 3
(mean field in the positive phase); Desjardins et al. (2010), "Tempered Markov chain Monte Carlo for
training of restricted Boltzmann machines".
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.exponential_family import ReplicatedSoftmax
from mmgraph.inference.field.block_gibbs import States, swap_neighbours, sweep
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import inferred
from mmgraph.inference.field.view import FieldView
from mmgraph.learning.boltzmann.objective import MEAN, Objective
from mmgraph.learning.boltzmann.objectives.chains import ChainRecord
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters, Phase
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training_rows import elementwise
from mmgraph.learning.kept_state import part
from mmgraph.learning.training.random_blocks import RandomBlocks


class ContrastiveDivergence(Objective):
    """The log-likelihood (of deep machines: its mean-field bound), by its stochastic gradient.

    Of the settings those of chains and of mean field count. The ``lengths`` of documents of the
    data increase; those of the chains are spread like them, and have by default the length that
    the model gives a missing document.
    """

    def __init__(
        self,
        parameters: BoltzmannParameters,
        settings: TrainingSettings | None = None,
        random: RandomBlocks | None = None,
        lengths: Mapping[str, Float[Tensor, " documents"]] | None = None,
    ) -> None:
        super().__init__(parameters, random)
        self.settings = settings or TrainingSettings()
        _check(self.settings, self.random.count)
        self._inverse = torch.tensor(
            [1 / t for t in self.settings.temperatures],
            device=parameters.device,
            dtype=parameters.dtype,
        )
        self._states: dict[int, States] = {}
        self._views: dict[int, FieldView] = {}
        self._lengths = self._chain_lengths(lengths or {})
        self._step = 0
        self._record = ChainRecord()

    def gradients(
        self, batch: Mapping[str, Clamped]
    ) -> tuple[dict[str, Tensor], Mapping[str, float | Tensor]]:
        """Return the derivatives of the log-likelihood, see :meth:`Objective.gradients`."""
        with torch.no_grad():
            view, positive = self.positive_phase(batch)
            negative = self._negative(view, positive, batch)
            gradients = self.parameters.gradients(positive, negative)
            for name in self.parameters.centres:
                if name not in batch:
                    gradients[MEAN + name] = positive.statistics[name].mean(0)
        self._step += 1
        return gradients, {}

    def positive_phase(self, batch: Mapping[str, Clamped]) -> tuple[FieldView, Phase]:
        """Return the view of clamped rows, and the mean statistics given them."""
        settings, parameters = self.settings, self.parameters
        view, means = inferred(
            parameters.working(), batch, settings.mean_field_steps, settings.tolerance
        )
        squares = {n: view.second_moment(n, means) for n in parameters.with_precision}
        return view, Phase(means, squares)

    def _negative(self, clamped: FieldView, positive: Phase, batch: Mapping[str, Clamped]) -> Phase:
        """Statistics of the chains, after some sweeps."""
        parts, persistent = self.random.parts(clamped.batch), self.settings.persistent
        phases = []
        for block, generator in self.random.generators.items():
            if persistent:
                view = self._view(block)
                if block not in self._states:
                    self._states[block] = view.start(draw=True, generator=generator)
                states = self._states[block]
            else:
                view, states = self._from_data(clamped, positive, parts[block], generator)
            phases.append(self._swept(view, states, generator))
            if persistent:
                chains = self._block_chains
                hidden = {n: s[:chains] for n, s in states.items() if n not in batch}
                self._record.add(block, hidden)
        share = self.random.share / self.row_share if persistent else 1.0
        if len(phases) == 1:
            return phases[0]._replace(share=share)
        statistics = {n: torch.cat([p.statistics[n] for p in phases]) for n in phases[0].statistics}
        squares = {n: torch.cat([p.squares[n] for p in phases]) for n in phases[0].squares}
        return Phase(statistics, squares, share)

    @property
    def _block_chains(self) -> int:
        """The chains of a block, without those at further temperatures."""
        return self.settings.chains // self.random.count

    def _view(self, block: int) -> FieldView:
        """The view of a block's chains, nothing clamped.

        It is made once: it holds the biases and precisions of the working graph, which are written
        to in place.
        """
        if block in self._views:
            self.parameters.working()
            return self._views[block]
        view = self._free_view(self._block_chains * len(self._inverse))
        for name, lengths in self._lengths.items():
            view.families[name] = ReplicatedSoftmax(lengths[block])
        self._views[block] = view
        return view

    def _free_view(self, rows: int) -> FieldView:
        """A view of so many rows, nothing clamped."""
        parameters = self.parameters
        return FieldView.given(parameters.working(), {}, rows, parameters.device, parameters.dtype)

    def _from_data(
        self, clamped: FieldView, positive: Phase, rows: slice, generator: torch.Generator
    ) -> tuple[FieldView, States]:
        """Chains that begin at rows of the batch, what is unknown of them drawn."""
        view, means = self._free_view(rows.stop - rows.start), positive.statistics
        states = {}
        for name in view.variables:
            if clamped.families[name].lengths is not None:
                view.families[name] = clamped.families[name].of_rows(rows)
            if clamped.is_whole(name):
                states[name] = means[name][rows]
                continue
            field = clamped.field(name, means).expand(clamped.batch, *means[name].shape[1:])
            drawn = view.families[name].sample(field[rows], generator)
            observed = clamped.clamped.get(name)
            if observed is not None and observed.known is not None:
                mask = elementwise(observed.known, drawn)[rows]
                drawn = torch.where(mask, observed.values[rows], drawn)
            states[name] = drawn
        return view, states

    def _swept(self, view: FieldView, states: States, generator: torch.Generator) -> Phase:
        """Sweep; the layers drawn last count by their means given the others, which vary less."""
        levels = len(self._inverse)
        tempered = levels > 1
        inverse = self._inverse.repeat_interleave(view.batch // levels) if tempered else None
        colours = self.parameters.colours
        for step in range(self.settings.gibbs_steps - 1):
            sweep(view, colours, states, generator, inverse)
            if tempered:
                swap_neighbours(view, states, self._inverse, step % 2, generator)
        sweep(view, colours[:-1], states, generator, inverse)
        chains = view.batch // levels  # without those at further temperatures
        statistics = {n: s[:chains] for n, s in states.items()}
        squares = {n: statistics[n].square() for n in self.parameters.with_precision}
        for name in colours[-1]:
            field = view.field(name, states, inverse)
            field = field.expand(view.batch, *states[name].shape[1:])
            family = view.families[name]
            mean = family.mean(field)
            if name in squares:
                squares[name] = family.second_moment(field, mean)[:chains]
            statistics[name] = mean[:chains]
            states[name] = family.sample(field, generator)
        if tempered:
            parity = (self._step + self.settings.gibbs_steps - 1) % 2
            swap_neighbours(view, states, self._inverse, parity, generator)
        return Phase(statistics, squares)

    def _chain_lengths(self, lengths: Mapping[str, Tensor]) -> dict[str, dict[int, Tensor]]:
        """The lengths of the chains' documents, spread like those of the data."""
        result: dict[str, dict[int, Tensor]] = {}
        graph = self.parameters.working()
        for name, sorted_lengths in lengths.items():
            if graph.variable(name).family != "replicated_softmax":
                continue
            chains = self.settings.chains
            place = (torch.arange(chains) + 0.5) / chains * len(sorted_lengths)
            chosen = sorted_lengths[place.long().to(sorted_lengths.device)]
            # Dealt out in turns, so that every block has short and long ones.
            dealt = chosen.to(self.parameters.device, self.parameters.dtype)
            count, levels = self.random.count, len(self._inverse)
            result[name] = {b: dealt[b::count].repeat(levels) for b in self.random.local}
        return result

    def report(self) -> dict[str, float]:
        """Return the chains' health over the epoch: R-hat, and the share of saturated units."""
        return self._record.report()

    def state(self) -> dict[str, Tensor]:
        """Return chains, generators and what was recorded of the epoch."""
        state = {"step": torch.tensor(self._step), **super().state(), **self._record.state()}
        for block, states in self._states.items():
            state.update({f"block:{block}:chain:{n}": s for n, s in states.items()})
        return state

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state; chains of blocks that other processes have are passed over."""
        super().load(state)
        self._step = int(state["step"])
        self._record.load(state, self.random.local)
        self._states = {}
        for block in self.random.local:
            if chains := part(state, f"block:{block}:chain:"):
                place, dtype = self.parameters.device, self.parameters.dtype
                self._states[block] = {n: t.to(place, dtype).clone() for n, t in chains.items()}


def _check(settings: TrainingSettings, blocks: int) -> None:
    levels = settings.temperatures
    if settings.persistent and settings.chains % blocks:
        raise LearningError(f"{settings.chains} chains cannot be cut into {blocks} equal blocks")
    if levels[0] != 1 or any(a >= b for a, b in itertools.pairwise(levels)):
        raise LearningError(f"temperatures must increase from 1, but they are {list(levels)}")
    if len(levels) > 1 and not settings.persistent:
        raise LearningError("temperatures need persistent chains")
