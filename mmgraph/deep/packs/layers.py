"""Packed layers: affine maps, normalisation, units left out, and perceptrons of these."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmgraph.deep.packs.pack import Pack

Codes = Float[Tensor, "members rows width"]
"""Numbers of each row, as each member has them."""


class PackedLinear(nn.Module):
    """An affine map of each member.

    Rows without an axis of members, or one of length one, are the same for all of them.
    """

    def __init__(self, inputs: int, outputs: int, pack: Pack) -> None:
        super().__init__()
        self.weight = nn.Parameter(pack.initial(inputs, outputs, inputs=inputs))
        self.bias = nn.Parameter(pack.initial(1, outputs, inputs=inputs))

    def forward(self, rows: Tensor) -> Codes:
        """Return ``(members, rows, outputs)`` of ``([members,] rows, inputs)``."""
        rows = rows.expand(len(self.weight), *rows.shape[-2:])
        return torch.baddbmm(self.bias, rows, self.weight)


class PackedNorm(nn.Module):
    """Layer normalisation, over the last axis (Ba et al. 2016), with each member's own scale."""

    def __init__(self, width: int, pack: Pack) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(pack.members, 1, width))
        self.bias = nn.Parameter(torch.zeros(pack.members, 1, width))

    def forward(self, rows: Codes) -> Codes:
        """Return rows of mean 0 and variance 1, scaled and moved."""
        return torch.addcmul(
            self.bias, torch.nn.functional.layer_norm(rows, rows.shape[-1:]), self.weight
        )


class PackedDropout(nn.Module):
    """Units left out in training, of each member others (Srivastava et al. 2014)."""

    def __init__(self, rate: float, pack: Pack) -> None:
        super().__init__()
        self.rate, self.pack = rate, pack

    def forward(self, rows: Codes) -> Codes:
        """Return rows in which units are zero, and the others larger, at random."""
        if not self.training or not self.rate:
            return rows
        kept = self.pack.uniform(rows.shape[1], *rows.shape[2:]) >= self.rate
        return rows * kept / (1 - self.rate)


class PackedPerceptron(nn.Sequential):
    """Affine maps with normalisation, GELU and dropout between them; the last one is affine alone.

    Parameters
    ----------
    widths : tuple of int
        Of the inputs, the hidden layers and the outputs.
    """

    def __init__(self, widths: tuple[int, ...], pack: Pack, dropout: float = 0.0) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            if layers:
                layers += [PackedNorm(inputs, pack), nn.GELU(), PackedDropout(dropout, pack)]
            layers.append(PackedLinear(inputs, outputs, pack))
        super().__init__(*layers)
