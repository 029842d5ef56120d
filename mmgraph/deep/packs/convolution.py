"""Packed layers of maps: convolutions of all members in one product, and their normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack

Maps = Float[Tensor, "rows member_channels *space"]
"""Channels of each row over one axis or more, those of the first member first."""


class PackedConvolution(nn.Module):
    """A convolution of each member, over one axis or two, which keeps or divides their lengths.

    All members are one convolution of as many groups, which on small maps is two to five times as
    fast as products of patches. Maps with the channels of one member are the same for all of them.

    Parameters
    ----------
    size : tuple of int
        Of the kernel along each axis, odd.
    stride : int
        By what lengths are divided, and rounded up.
    """

    def __init__(
        self, inputs: int, outputs: int, size: tuple[int, ...], pack: Pack, stride: int = 1
    ) -> None:
        super().__init__()
        cells = inputs * math.prod(size)
        self.weight = nn.Parameter(pack.initial(outputs, inputs, *size, inputs=cells))
        self.bias = nn.Parameter(pack.initial(outputs, inputs=cells))
        self.padding, self.stride = [length // 2 for length in size], stride

    def forward(self, maps: Maps) -> Maps:
        """Return ``(rows, members * outputs, *space)`` of maps of each member, or of all."""
        groups = maps.shape[1] // self.weight.shape[2]
        convolve = nn.functional.conv1d if maps.ndim == 3 else nn.functional.conv2d
        weight, bias = self.weight.flatten(0, 1), self.bias.flatten()
        return convolve(maps, weight, bias, self.stride, self.padding, groups=groups)


class PackedMapNorm(nn.Module):
    """Normalisation of all maps of a row and a member, with a scale of each channel.

    Group normalisation (Wu and He 2018) with a group for each member: a row's maps do not depend on
    the other rows.
    """

    def __init__(self, channels: int, pack: Pack) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(pack.members, channels))
        self.bias = nn.Parameter(torch.zeros(pack.members, channels))

    def forward(self, maps: Maps, there: Bool[Tensor, "rows *space"] | None = None) -> Maps:
        """Return maps of mean 0 and variance 1, scaled and moved, of which some may be outside.

        Outside, where they are not there, they have no influence, and are zero. In single
        precision, as those of torch are, also where products are in half of that.
        """
        weight, bias = self.weight.flatten(), self.bias.flatten()
        if there is None:
            return nn.functional.group_norm(maps, len(self.weight), weight, bias)
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        inside = there[:, None].to(maps.dtype)
        own = (maps * inside).unflatten(1, self.weight.shape).flatten(2)
        cells = inside.flatten(1).sum(1).clamp(min=1)[:, None, None] * self.weight.shape[1]
        centred = own - own.sum(2, keepdim=True) / cells
        centred = centred.view(maps.shape) * inside
        squares = centred.unflatten(1, self.weight.shape).flatten(2).square()
        scale = (
            (squares.sum(2, keepdim=True) / cells + 1e-5)
            .rsqrt()
            .repeat_interleave(self.weight.shape[1], 1)
        )
        ones = (1,) * (maps.ndim - 2)
        scaled = centred * scale.reshape(len(maps), -1, *ones)
        return (scaled * weight.view(-1, *ones) + bias.view(-1, *ones)) * inside


class WindowMeans(nn.Module):
    """Means of windows that share maps of two axes out, as adaptive pooling has them.

    Its gradients add up in one order, those of torch's own layer on GPUs do not.

    Parameters
    ----------
    size, grid : sequence of int
        The lengths of maps, and how many windows there are along each.
    """

    def __init__(self, size: Sequence[int], grid: Sequence[int]) -> None:
        super().__init__()
        self.windows = [
            [slice(i * side // n, -(-(i + 1) * side // n)) for i in range(n)]
            for side, n in zip(size, grid, strict=True)
        ]

    def forward(self, maps: Maps) -> Maps:
        """Return maps with a place of each window."""
        along, down = self.windows[1], self.windows[0]
        maps = torch.stack([maps[..., window].mean(-1) for window in along], -1)
        return torch.stack([maps[..., window, :].mean(-2) for window in down], -2)


def codes_of_maps(maps: Maps, members: int) -> Codes:
    """Return all numbers of a row's maps one after another, ``(members, rows, numbers)``."""
    return maps.reshape(len(maps), members, -1).transpose(0, 1)
