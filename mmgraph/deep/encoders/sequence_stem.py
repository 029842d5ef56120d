"""What encoders of sequences begin with: few maps of many steps, and what sums the steps up."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmgraph.deep.encoders.encoder import Encoder
from mmgraph.deep.encoders.sequence_changes import Series, SmallChanges
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.convolution import Maps, PackedConvolution, PackedMapNorm
from mmgraph.deep.packs.layers import Codes, PackedDropout, PackedLinear, PackedNorm
from mmgraph.deep.packs.pack import Pack

SUMS = 3
"""How many numbers sum up a channel."""


class Steps(NamedTuple):
    """Maps of the steps of rows.

    Attributes
    ----------
    maps : Tensor, shape (rows, members * channels, steps)
        Zero behind the end of a row.
    inside : Tensor of bool, shape (rows, steps), or None
        Which steps are not behind the end; None where all are inside.
    """

    maps: Maps
    inside: Bool[Tensor, "rows steps"] | None

    def tokens(self, members: int) -> Float[Tensor, "members rows steps channels"]:
        """Return the maps as codes of each step."""
        return self.maps.unflatten(1, (members, -1)).permute(1, 0, 3, 2)

    def pooled(self, members: int) -> Codes:
        """Return the mean and the largest value of each map, the latter at least -1."""
        if self.inside is None:
            mean, largest = self.maps.mean(2), self.maps.amax(2)
        else:
            inside = self.inside[:, None]
            mean = self.maps.sum(2) / inside.sum(2).clamp(min=1)
            largest = self.maps.masked_fill(~inside, -1.0).amax(2)
        both = [part.unflatten(1, (members, -1)) for part in (mean, largest.clamp(min=-1.0))]
        return torch.cat(both, 2).transpose(0, 1)


class StridedLayer(nn.Module):
    """A convolution over time that divides its steps, normalisation and GELU."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, pack: Pack) -> None:
        super().__init__()
        self.stride = stride
        self.convolution = PackedConvolution(inputs, outputs, (size,), pack, stride)
        self.norm = PackedMapNorm(outputs, pack)

    def forward(self, steps: Steps) -> Steps:
        """Return fewer steps: of each so many the first is inside or not, and so are all."""
        inside = None if steps.inside is None else steps.inside[:, :: self.stride]
        maps = self.norm(self.convolution(steps.maps), inside)
        return Steps(nn.functional.gelu(maps), inside)


class SequenceStem(nn.Module):
    """Sequences as few steps of a perceptive field each, and numbers that sum them up.

    What is there of a step is an input beside its values. Normalised maps do not know how large
    values are; the means, the (logarithmic) deviations and the mean absolute differences from step
    to step of each channel tell.

    Parameters
    ----------
    channels : int
    outputs : sequence of int
        How many maps each convolution has.
    strides : sequence of int
        By what each divides the steps.
    changes : SmallChanges
        Of training.
    """

    def __init__(
        self,
        channels: int,
        outputs: Sequence[int],
        strides: Sequence[int],
        pack: Pack,
        changes: SmallChanges,
    ) -> None:
        super().__init__()
        self.members, self.changes, self.numbers = pack.members, changes, SUMS * channels
        inputs, layers = 2 * channels, []
        for maps, stride in zip(outputs, strides, strict=True):
            layers.append(StridedLayer(inputs, maps, 2 * stride + 1, stride, pack))
            inputs = maps
        self.layers = nn.Sequential(*layers)

    def forward(self, cells: Cells) -> tuple[Steps, Codes]:
        """Return the steps, and the numbers that sum up each row."""
        values = cells.values.masked_fill(~cells.there, 0.0)
        rows, longest, channels = values.shape
        there = cells.there
        if not longest:
            values, there = values.new_zeros(rows, 1, channels), there.new_zeros(rows, 1, channels)
        lengths = cells.lengths
        if lengths is None:
            lengths = torch.full((rows,), longest, device=values.device)
        series, known = values[None], there[None]
        if self.training:
            series, known = self.changes(values, there, lengths)
        steps = torch.arange(values.shape[1], device=values.device)
        inside = steps < lengths[:, None]
        known = known & inside[..., None]
        series = series * known
        missing = known.to(values.dtype) - inside[..., None].to(values.dtype)
        maps = torch.cat([series, missing], 3).permute(1, 0, 3, 2).flatten(1, 2)
        begun = Steps(maps, None if bool(inside.all()) else inside)
        sums = summed_up(series, known)
        return self.layers(begun), sums.expand(self.members, *sums.shape[1:])


class SequenceEncoder(Encoder):
    """A stem, layers of its steps, and a code of what these and the stem sum up."""

    axes = (2,)
    reads_sequences = True

    def __init__(self, shape: Sequence[int], width: int, pack: Pack, **options: Any) -> None:
        super().__init__(shape, width, pack)
        chosen: Any = self.options_kind(**options)
        chosen.check(shape)
        self.width, self.members = width, pack.members
        changes = SmallChanges(pack, chosen)
        self.stem = SequenceStem(shape[-1], *self._convolutions(chosen), pack, changes)
        numbers = self.stem.numbers + self._make_layers(chosen, pack)
        self.code = nn.Sequential(
            PackedNorm(numbers, pack),
            PackedDropout(chosen.dropout, pack),
            PackedLinear(numbers, width, pack),
        )

    @abc.abstractmethod
    def _convolutions(self, options: Any) -> tuple[Sequence[int], Sequence[int]]:
        """How many maps each convolution of the stem has, and by what it divides the steps."""

    @abc.abstractmethod
    def _make_layers(self, options: Any, pack: Pack) -> int:
        """Make the layers of steps, and return how many numbers they sum up a row by."""

    @abc.abstractmethod
    def _summary(self, steps: Steps) -> list[Codes]:
        """What layers make of the steps of rows."""

    def forward(self, cells: Cells) -> Codes:
        """Return the code of each row, as each member has it."""
        steps, sums = self.stem(cells)
        return self.code(torch.cat([sums, *self._summary(steps)], 2))


def summed_up(series: Series, known: Bool[Tensor, "members rows steps channels"]) -> Codes:
    """Return means, log deviations and log mean absolute differences of channels."""

    def mean(numbers: Tensor, where: Tensor) -> Tensor:
        return (numbers * where).sum(2) / where.sum(2).clamp(min=1)

    means = mean(series, known)
    deviations = mean((series - means[:, :, None]).square(), known).sqrt()
    pairs = known[:, :, 1:] & known[:, :, :-1]
    differences = mean(series.diff(dim=2).abs(), pairs)
    return torch.cat([means, *((part + 0.01).log() for part in (deviations, differences))], 2)
