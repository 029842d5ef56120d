"""What pixels say of a picture without any training: its colours, edges and outline."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from torch.nn import functional

from mmgraph.retrieval.images.features import ImageFeatures

_NAMED_COLOURS = (
    (0, 0, 0), (64, 64, 64), (128, 128, 128), (192, 192, 192), (255, 255, 255),
    (255, 0, 0), (128, 0, 0), (255, 192, 203), (255, 128, 128), (255, 165, 0), (139, 69, 19),
    (210, 180, 140), (245, 222, 179), (255, 255, 0), (128, 128, 0), (0, 255, 0), (0, 128, 0),
    (0, 80, 0), (128, 255, 128), (0, 128, 128), (0, 255, 255), (135, 206, 235), (0, 0, 255),
    (0, 0, 128), (70, 130, 180), (128, 0, 128), (255, 0, 255), (200, 160, 220),
)  # fmt: skip
"""Red, green and blue of the colours that pixels are likened to."""
_COLOUR_DEVIATION = 12.0
"""How far from a named colour, in CIELAB, pixels are still somewhat of it."""
_FOREGROUND_DISTANCE = 20.0
"""From so far from the colour of the corner, in CIELAB, a pixel is surely no background."""
_LEAST_FOREGROUND = 0.002
"""The share of a picture that is no background at least."""
_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE = (0.95047, 1.0, 1.08883)
_DIRECTIONS = 16

Maps = Float[Tensor, "images rows columns"]


class Pixels(ImageFeatures):
    """Colours of the whole and of its parts, directions of edges, and the outline.

    Of each picture there are shares of named colours in what is no background, in all and in each
    of 4 × 4 cells; the strength of edges in 16 directions in 8 × 8 and 4 × 4 cells, relative to
    neighbouring cells (Dalal and Triggs 2005, "Histograms of oriented gradients for human
    detection"); and the outline: what the background does not reach, and the directions of its
    edge.
    """

    name: ClassVar[str] = "pixels"
    batch: ClassVar[int] = 64
    size = 64
    widths = (1024, 256, 448, 28, 256, 576)

    def of_squares(
        self, squares: UInt8[np.ndarray, "images size size channels=3"]
    ) -> Float32[np.ndarray, "images width"]:
        """As :meth:`ImageFeatures.of_squares`."""
        colours = _cielab(torch.as_tensor(squares))
        background = colours[:, :, :1, :1]
        distance = (colours - background).pow(2).sum(1).sqrt()
        foreground = (distance / _FOREGROUND_DISTANCE).clamp(0, 1)
        # A picture of one colour is all that colour, not all background.
        foreground[foreground.mean((1, 2)) < _LEAST_FOREGROUND] = 1
        outline = _filled(foreground)
        named = _named_shares(colours)
        edges = _edges(colours / 100, _DIRECTIONS, signed=True)
        contour = _edges(outline[:, None], 9, signed=False)
        share = (named * foreground[:, None]).mean((2, 3))
        parts = (
            _relative(functional.adaptive_avg_pool2d(edges, 8)).clamp(max=0.4).sqrt(),
            _relative(functional.adaptive_avg_pool2d(edges, 4)).clamp(max=0.4).sqrt(),
            functional.adaptive_avg_pool2d(named * outline[:, None], 4).sqrt(),
            (share / (foreground.mean((1, 2))[:, None] + 1e-3)).sqrt(),
            functional.adaptive_avg_pool2d(outline[:, None], 16),
            _relative(functional.adaptive_avg_pool2d(contour, 8)).sqrt(),
        )
        return torch.cat([part.flatten(1) for part in parts], 1).numpy()


def _cielab(
    pixels: UInt8[Tensor, "images rows columns channels=3"],
) -> Float[Tensor, "images channels=3 rows columns"]:
    """Colours in CIELAB, in which distances are about as people see them (CIE 15:2004)."""
    values = pixels.float() / 255
    linear = torch.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    relative = linear @ torch.tensor(_XYZ).T / torch.tensor(_WHITE)
    roots = relative.clamp(min=1e-8) ** (1 / 3)
    x, y, z = torch.where(relative > 0.008856, roots, 7.787 * relative + 16 / 116).unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def _named_shares(
    colours: Float[Tensor, "images channels=3 rows columns"],
) -> Float[Tensor, "images names rows columns"]:
    """How much each pixel is of each named colour; its shares sum to one."""
    names = torch.tensor(_NAMED_COLOURS, dtype=torch.uint8)[None, None]
    palette = _cielab(names)[0, :, 0].T
    flat = colours.permute(0, 2, 3, 1).reshape(-1, 3)
    squares = torch.cdist(flat, palette) ** 2
    shares = torch.softmax(-squares / (2 * _COLOUR_DEVIATION**2), 1)
    return shares.reshape(len(colours), *colours.shape[2:], -1).permute(0, 3, 1, 2)


def _filled(foreground: Maps) -> Maps:
    """One where the background does not reach from the sides: the outline with its holes filled."""
    free = (foreground < 0.5).float()[:, None]
    reached = torch.zeros_like(free)
    reached[..., [0, -1], :] = free[..., [0, -1], :]
    reached[..., :, [0, -1]] = free[..., :, [0, -1]]
    for _ in range(free.shape[-1]):
        reached = functional.max_pool2d(reached, 3, 1, 1) * free
    return 1 - reached[:, 0]


def _edges(
    values: Float[Tensor, "images channels rows columns"], directions: int, signed: bool
) -> Float[Tensor, "images directions rows columns"]:
    """The strength of the steepest channel's edge, shared between the two nearest directions."""
    padded = functional.pad(values, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    strength = across**2 + down**2
    steepest = strength.argmax(1, keepdim=True)
    across, down, strength = (x.gather(1, steepest)[:, 0] for x in (across, down, strength))
    period = 2 * math.pi if signed else math.pi
    place = torch.atan2(down, across) % period / period * directions
    lower = place.floor()
    towards_next, first = place - lower, lower.long() % directions
    made = torch.zeros(len(values), directions, *strength.shape[1:])
    strength = strength.sqrt()
    made.scatter_add_(1, first[:, None], (strength * (1 - towards_next))[:, None])
    made.scatter_add_(1, ((first + 1) % directions)[:, None], (strength * towards_next)[:, None])
    return made


def _relative(
    cells: Float[Tensor, "images directions rows columns"],
) -> Float[Tensor, "images directions rows columns"]:
    """Strengths relative to those of a cell and its neighbours together."""
    energy = cells.pow(2).sum(1, keepdim=True)
    around = 9 * functional.avg_pool2d(functional.pad(energy, (1, 1, 1, 1)), 3, 1)
    floor = 9e-3 * energy.mean((1, 2, 3), keepdim=True) + 1e-6
    return cells / (around + floor).sqrt()
