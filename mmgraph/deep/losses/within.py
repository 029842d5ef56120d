"""Losses within a modality: its cells are to be told from its code."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.losses.loss import Loss, MemberLosses, NetOutput, RowLosses, precise, row_mean
from mmgraph.deep.packs.layers import Codes, PackedPerceptron
from mmgraph.deep.packs.pack import Pack

_MOST_STEPS = 32
_WAVES = 8


class Decoder(nn.Module):
    """A perceptron from codes to cells: of a sequence, from a code and a place in it to channels.

    Places of sequences, at most 32 in even distances, are told as sines and cosines.

    Parameters
    ----------
    shape : tuple of int
        Of cells; ``(0, channels)`` of sequences.
    width : int
        Of codes.
    """

    def __init__(self, shape: tuple[int, ...], width: int, pack: Pack) -> None:
        super().__init__()
        in_steps = 0 in shape
        inputs = width + 2 * _WAVES * in_steps
        outputs = shape[-1] if in_steps else math.prod(shape)
        self.layers = PackedPerceptron((inputs, max(width, 32), outputs), pack)

    def forward(
        self, codes: Codes, cells: Cells, counted: Bool[Tensor, "rows *shape"]
    ) -> RowLosses:
        """Return half the mean squared error of each row's cells that count; 0 of none."""
        codes, values, counted = precise(codes), cells.values, counted & cells.there
        if cells.lengths is None:
            told = self.layers(codes)
        else:
            every = max(1, math.ceil(values.shape[1] / _MOST_STEPS))
            values, counted = values[:, ::every], counted[:, ::every]
            members, rows, steps = len(codes), *values.shape[:2]
            places = torch.arange(steps, device=values.device) * every
            waves = _waves(places / (cells.lengths[:, None] - 1).clamp(min=1)).to(codes.dtype)
            inputs = torch.cat(
                [
                    codes[:, :, None].expand(-1, -1, steps, -1),
                    waves.expand(members, -1, -1, -1),
                ],
                -1,
            )
            told = self.layers(inputs.flatten(1, 2)).reshape(members, rows, -1)
        counts = counted.flatten(1).to(values.dtype)
        errors = (told - values.flatten(1)).square() * counts
        return errors.sum(-1) / counts.sum(-1).clamp(min=1) / 2


class Reconstruction(Loss):
    """Half the squared error of a modality's cells, told from its code: an autoencoder's loss."""

    def prepare(
        self, shapes: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], pack: Pack
    ) -> None:
        """Make a decoder of each modality."""
        self.decoders = nn.ModuleList(Decoder(shapes[m], widths[m], pack) for m in shapes)

    def forward(self, output: NetOutput) -> MemberLosses:
        """Return the loss of each member, a mean over modalities."""
        return self._of(output.codes, output, {m: c.there for m, c in output.cells.items()})

    def _of(
        self,
        codes: Mapping[str, Codes],
        output: NetOutput,
        counted: Mapping[str, Bool[Tensor, "rows *shape"]],
    ) -> MemberLosses:
        """The mean over modalities of the errors of cells that count, told from codes."""
        losses = [
            row_mean(decoder(codes[m], output.cells[m], counted[m]), output.weights, rows)
            for (m, rows), decoder in zip(output.present.items(), self.decoders, strict=True)
        ]
        return torch.stack(losses).mean(0)


class MaskedPrediction(Reconstruction):
    """Half the squared error of cells that are hidden from the net, told from what it then sees.

    Of sequences whole steps are hidden. Devlin et al. (2019), "BERT", of cells.

    Parameters
    ----------
    share : float
        Which share of cells is hidden.
    """

    def __init__(self, share: float = 0.3) -> None:
        super().__init__()
        self.share = share

    def prepare(
        self, shapes: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], pack: Pack
    ) -> None:
        """Make a decoder of each modality."""
        super().prepare(shapes, widths, pack)
        self.pack = pack

    def forward(self, output: NetOutput) -> MemberLosses:
        """Return the loss of each member, a mean over modalities."""
        assert output.encode is not None
        shown, hidden = {}, {}
        for modality, cells in output.cells.items():
            drawn = self._hidden(cells)
            remaining = Cells(cells.values * ~drawn, cells.there & ~drawn, cells.lengths)
            told = remaining.present.reshape(-1, *(1,) * (drawn.ndim - 1))
            shown[modality], hidden[modality] = remaining, drawn & told
        return self._of(output.encode(shown), output, hidden)

    def _hidden(self, cells: Cells) -> Bool[Tensor, "rows *shape"]:
        """Cells that are drawn, the same of all members."""
        assert self.pack.noise is not None
        rows, *shape = cells.there.shape
        if cells.lengths is not None:
            shape[1:] = [1] * (len(shape) - 1)
        drawn = self.pack.noise.uniform(rows, shape) < self.share
        return cells.there & drawn.to(cells.there.device)


def _waves(places: Float[Tensor, "rows steps"]) -> Float[Tensor, "rows steps waves"]:
    """Sines and cosines of places in [0, 1], of up to so many half waves."""
    angles = places[..., None] * torch.pi * torch.arange(1, _WAVES + 1, device=places.device)
    return torch.cat([angles.sin(), angles.cos()], -1)
