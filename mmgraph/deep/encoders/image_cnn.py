"""Convolutional nets of images, spectrograms and patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmgraph.deep.encoders.encoder import Encoder, EncoderOptions, check_sizes
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.inputs.image_axes import has_channels_first
from mmgraph.deep.packs.convolution import (
    Maps,
    PackedConvolution,
    PackedMapNorm,
    WindowMeans,
    codes_of_maps,
)
from mmgraph.deep.packs.layers import Codes, PackedDropout, PackedLinear, PackedNorm
from mmgraph.deep.packs.pack import Pack
from mmgraph.learning.training.options import check_number

LARGEST_GRID = 4
"""The most places along an axis that the affine map tells apart."""


@dataclass(frozen=True, kw_only=True)
class ImageCNNOptions(EncoderOptions):
    """What convolutional nets of images take.

    Parameters
    ----------
    channels : tuple of int
        How many maps each convolution has.
    dropout : float
        The share of numbers of the last maps that are left out in a step.
    shift : float
        By how many pixels at most an image is moved, along each axis, in a step of training.
    rotation : float
        By how many degrees at most it is turned.
    scaling : float
        By which share at most it is made larger or smaller.
    """

    channels: tuple[int, ...] = (16, 32)
    shift: float = 0.0
    rotation: float = 0.0
    scaling: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes("channels", self.channels)
        for name in ("shift", "rotation"):
            check_number(name, getattr(self, name), "[0, inf)")
        check_number("scaling", self.scaling, "[0, 1)")


class ImageCNN(Encoder):
    """Convolutions, after each of which maps are halved; then an affine map of what is left.

    Which cells are there are channels of their own. Maps are padded by what is missing, so that
    the edge of an image is told from its inside. See :class:`ImageCNNOptions`.
    """

    axes = (2, 3)
    options_kind = ImageCNNOptions

    def __init__(self, shape: Sequence[int], width: int, pack: Pack, **options: Any) -> None:
        super().__init__(shape, width, pack)
        chosen = ImageCNNOptions(**options)
        self.width, self.members = width, pack.members
        count, *size = _channels_first(torch.empty(1, *shape)).shape[1:]
        moves = (chosen.shift, chosen.rotation, chosen.scaling)
        self.moves = SmallMoves(*moves, pack) if any(moves) else None
        layers: list[nn.Module] = []
        inputs = 2 * count
        for outputs in chosen.channels:
            layers.append(PackedConvolution(inputs, outputs, (3, 3), pack))
            window = tuple(min(side, 2) for side in size)
            size = [math.ceil(side / 2) for side in size]
            layers.append(nn.MaxPool2d(window, ceil_mode=True))
            layers += [PackedMapNorm(outputs, pack), nn.GELU()]
            inputs = outputs
        grid = tuple(min(side, LARGEST_GRID) for side in size)
        if grid != tuple(size):
            layers.append(WindowMeans(size, grid))
        self.maps = nn.Sequential(*layers)
        numbers = inputs * math.prod(grid)
        self.code = nn.Sequential(
            PackedNorm(numbers, pack),
            PackedDropout(chosen.dropout, pack),
            PackedLinear(numbers, width, pack),
        )

    def forward(self, cells: Cells) -> Codes:
        """Return the code of each row, as each member has it."""
        values = cells.values.masked_fill(~cells.there, 0.0)
        there = cells.there.to(values.dtype)
        maps = torch.cat([_channels_first(values), _channels_first(there)], 1)
        if self.moves is not None and self.training:
            maps = self.moves(maps)
        return self.code(codes_of_maps(self.maps(maps), self.members))


class SmallMoves(nn.Module):
    """Images moved, turned and scaled a little, of each member and row by other numbers.

    What comes in from outside is as the image is at its edge.

    Parameters
    ----------
    shift, rotation, scaling : float
        As of :class:`ImageCNNOptions`.
    """

    def __init__(self, shift: float, rotation: float, scaling: float, pack: Pack) -> None:
        super().__init__()
        self.shift, self.angle, self.scaling = shift, math.radians(rotation), scaling
        self.pack = pack

    def forward(self, maps: Maps) -> Maps:
        """Return ``(rows, members * channels, height, width)``, of maps that members share."""
        rows, channels, height, width = maps.shape
        angle, scale, down, along = (2 * self.pack.uniform(rows, 4) - 1).unbind(-1)
        sine, cosine = torch.sin(angle * self.angle), torch.cos(angle * self.angle)
        scale = 1 + scale * self.scaling
        # From the places of the result to those of the image, both from -1 to 1 along each axis.
        places = torch.stack(
            [
                scale * cosine,
                -scale * sine * height / width,
                2 * self.shift / width * along,
                scale * sine * width / height,
                scale * cosine,
                2 * self.shift / height * down,
            ],
            -1,
        ).to(maps)
        members = len(places)
        grid = nn.functional.affine_grid(
            places.reshape(-1, 2, 3), [members * rows, channels, height, width], False
        )
        repeated = maps.repeat(members, 1, 1, 1)
        moved = nn.functional.grid_sample(repeated, grid, "bilinear", "border", False)
        moved = moved.reshape(members, rows, channels, height, width).transpose(0, 1)
        return moved.reshape(rows, members * channels, height, width)


def _channels_first(images: Tensor) -> Tensor:
    """Images with an axis of channels before their height and width."""
    if images.ndim == 3:
        return images[:, None]
    return images if has_channels_first(images.shape[1:]) else images.movedim(-1, 1)
