"""Recurrent nets of sequences: GRU and LSTM, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmgraph.deep.encoders.encoder import check_sizes
from mmgraph.deep.encoders.sequence_changes import SequenceOptions
from mmgraph.deep.encoders.sequence_stem import SequenceEncoder, Steps
from mmgraph.deep.packs.layers import Codes, PackedLinear
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.options import check_whole

States = Float[Tensor, "runs rows hidden"]
GATES = {"gru": 3, "lstm": 4}


@dataclass(frozen=True, kw_only=True)
class RNNOptions(SequenceOptions):
    """What recurrent nets take, beside what all encoders of sequences do.

    Parameters
    ----------
    cell : {"gru", "lstm"}
        Cho et al. (2014); Hochreiter and Schmidhuber (1997).
    hidden : int
        The width of states, of each direction.
    bidirectional : bool
        Whether sequences are read from their end, too.
    strides : tuple of int
        By what each convolution divides the steps, 16 in all; ``(1,)`` of short sequences.
    channels : tuple of int
        How many maps each has.
    """

    cell: Literal["gru", "lstm"] = "gru"
    hidden: int = 32
    bidirectional: bool = True
    strides: tuple[int, ...] = (4, 4)
    channels: tuple[int, ...] = (16, 48)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell not in tuple(GATES):
            raise LearningError(f"cell must be 'gru' or 'lstm', not {self.cell!r}")
        if not isinstance(self.bidirectional, bool):
            raise LearningError(f"bidirectional must be true or false, not {self.bidirectional!r}")
        check_whole(self, "hidden")
        check_sizes("strides", self.strides)
        check_sizes("channels", self.channels)
        if len(self.strides) != len(self.channels):
            raise LearningError(
                f"strides and channels are one of each convolution, not {self.strides!r} and "
                f"{self.channels!r}"
            )


class RNN(SequenceEncoder):
    """A recurrent net over the few steps that strided convolutions make of a sequence.

    All members and both directions are one batched product at each step. Its states are the code:
    the last one, and their mean and maximum. Behind the end of a row states stay as they are. See
    :class:`RNNOptions`.
    """

    options_kind = RNNOptions

    def _convolutions(self, options: RNNOptions) -> tuple[Sequence[int], Sequence[int]]:
        return options.channels, options.strides

    def _make_layers(self, options: RNNOptions, pack: Pack) -> int:
        hidden, runs = options.hidden, 1 + options.bidirectional
        self.hidden, self.directions, self.cell = hidden, runs, options.cell
        gates = GATES[options.cell] * hidden
        self.inputs = PackedLinear(options.channels[-1], runs * gates, pack)
        self.weight = nn.Parameter(pack.initial(runs, hidden, gates, inputs=hidden))
        self.bias = nn.Parameter(pack.initial(runs, 1, gates, inputs=hidden))
        if options.cell == "lstm":
            # Memories last from the start (Jozefowicz et al. 2015).
            with torch.no_grad():
                self.bias[..., hidden : 2 * hidden] += 1
        return 3 * runs * hidden

    def _summary(self, steps: Steps) -> list[Codes]:
        tokens = steps.tokens(self.members)
        members, rows, count, _ = tokens.shape
        inputs = self.inputs(tokens.transpose(1, 2).flatten(1, 2))
        inputs = inputs.view(members, count, rows, self.directions, -1).permute(1, 0, 3, 2, 4)
        if self.directions == 2:
            # The second direction is a member of its own, whose steps stand in reverse.
            inputs = torch.stack([inputs[:, :, 0], inputs[:, :, 1].flip(0)], 2)
        inside = None if steps.inside is None else steps.inside.T[..., None]
        states = self._states(inputs.flatten(1, 2), inside)
        states = states.view(count, members, self.directions, rows, self.hidden)
        return [self._summed_up(states, inside)]

    def _states(
        self,
        inputs: Float[Tensor, "steps runs rows gates"],
        inside: Bool[Tensor, "steps rows 1"] | None,
    ) -> Float[Tensor, "steps runs rows hidden"]:
        """The states after each step."""
        weight, bias = self.weight.flatten(0, 1), self.bias.flatten(0, 1)
        state = inputs.new_zeros(*inputs.shape[1:3], self.hidden)
        memory, states = state, []
        step = _gru_step if self.cell == "gru" else _lstm_step
        places = self._inside_of_runs(inside)
        for place, of_step in enumerate(inputs):
            changed, remembered = step(of_step, torch.baddbmm(bias, state, weight), state, memory)
            if places is not None:
                changed = torch.where(places[place], changed, state)
                remembered = torch.where(places[place], remembered, memory)
            state, memory = changed, remembered
            states.append(state)
        return torch.stack(states)

    def _inside_of_runs(
        self, inside: Bool[Tensor, "steps rows 1"] | None
    ) -> Bool[Tensor, "steps runs rows 1"] | None:
        if inside is None:
            return None
        both = [inside, inside.flip(0)][: self.directions]
        return torch.stack(both, 1).repeat(1, self.members, 1, 1)

    def _summed_up(
        self,
        states: Float[Tensor, "steps members directions rows hidden"],
        inside: Bool[Tensor, "steps rows 1"] | None,
    ) -> Codes:
        """The last state, and the mean and the maximum of those of steps that are inside."""
        if inside is None:
            mean, largest = states.mean(0), states.amax(0)
        else:
            both = torch.stack([inside, inside.flip(0)][: self.directions], 1)[:, None]
            mean = (states * both).sum(0) / both.sum(0).clamp(min=1)
            largest = states.masked_fill(~both, -1.0).amax(0)
        parts = torch.cat([states[-1], mean, largest], 3)
        return parts.transpose(1, 2).flatten(2)


def _gru_step(
    inputs: Tensor, recurrent: Tensor, state: States, memory: States
) -> tuple[States, States]:
    """The next state of gated recurrent units, which have no memory beside it."""
    width = state.shape[-1]
    gates = (inputs[..., : 2 * width] + recurrent[..., : 2 * width]).sigmoid()
    reset, update = gates.split(width, -1)
    candidate = torch.addcmul(inputs[..., 2 * width :], reset, recurrent[..., 2 * width :]).tanh()
    return torch.lerp(candidate, state, update), memory


def _lstm_step(
    inputs: Tensor, recurrent: Tensor, state: States, memory: States
) -> tuple[States, States]:
    """The next state and memory of long short-term memory."""
    width = state.shape[-1]
    summed = inputs + recurrent
    gates = summed[..., : 3 * width].sigmoid()
    enter, forget, leave = gates.split(width, -1)
    memory = torch.addcmul(forget * memory, enter, summed[..., 3 * width :].tanh())
    return leave * memory.tanh(), memory
