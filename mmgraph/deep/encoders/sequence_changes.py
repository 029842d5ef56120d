"""Sequences changed a little in training, as another recording might have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmgraph.deep.encoders.encoder import EncoderOptions
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.options import check_number

Series = Float[Tensor, "members rows steps channels"]


@dataclass(frozen=True, kw_only=True)
class SequenceOptions(EncoderOptions):
    """By how much sequences are changed in training; by default so little that it harms none.

    Parameters
    ----------
    speed, scaling : float
        By which share at most sequences are made faster or slower, and larger or smaller.
    shift : float
        By which share of their length at most they are moved in time.
    rotation : float
        By how many degrees at most three channels are turned, as the axes of a sensor are that is
        worn otherwise. They are turned as encoders see them, each of deviation 1: with a sensor
        whose axes deviate alike it is a rotation of it, with others it is nearly one.
    """

    speed: float = 0.05
    shift: float = 0.05
    scaling: float = 0.05
    rotation: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("speed", "shift", "scaling"):
            check_number(name, getattr(self, name), "[0, 1)")
        check_number("rotation", self.rotation, "[0, inf)")

    def check(self, shape: Sequence[int]) -> None:
        """Refuse to turn what has not three axes."""
        if self.rotation and shape[-1] != 3:
            raise LearningError(f"rotation turns sequences of three channels, not {shape[-1]}")


class SmallChanges(nn.Module):
    """Sequences faster or slower, moved in time, larger or smaller and turned, in training.

    Of each row by other numbers, all members alike, whose first convolution is one then (Um et al.
    2017, "Data augmentation of wearable sensor data"). What comes in from outside is the sequence
    mirrored at its ends.
    """

    def __init__(self, pack: Pack, options: SequenceOptions) -> None:
        super().__init__()
        self.speed, self.scaling = math.log1p(options.speed), math.log1p(options.scaling)
        self.shift, self.pack = options.shift, pack
        self.angle = math.radians(options.rotation)

    def forward(
        self,
        values: Float[Tensor, "rows steps channels"],
        there: Bool[Tensor, "rows steps channels"],
        lengths: Int64[Tensor, " rows"],
    ) -> tuple[Series, Bool[Tensor, "members rows steps channels"]]:
        """Return the sequences as all members see them, as long as they were."""
        draws = 2 * self.pack.uniform(len(values), 6)[:1] - 1
        speed, shift, scale, *axes = draws.to(values.dtype).unbind(-1)
        longest = values.shape[1]
        steps = torch.arange(longest, device=values.device, dtype=values.dtype)
        last = (lengths - 1).clamp(min=0)[:, None]
        place = steps * (self.speed * speed).exp()[..., None]
        place = place + (self.shift * shift * lengths)[..., None]
        place = place.remainder(2 * last.clamp(min=1))
        place = torch.minimum(place, 2 * last.clamp(min=1) - place).clamp(min=0)
        before = torch.minimum(place.floor().long(), last)
        after = torch.minimum(before + 1, last)
        part = (place - before)[..., None]
        rows = torch.arange(len(values), device=values.device)[:, None]
        known = there[rows, before] & there[rows, after]
        moved = torch.lerp(values[rows, before], values[rows, after], part) * known
        moved = moved * (self.scaling * scale).exp()[..., None, None]
        return self._turned(moved, torch.stack(axes, -1)), known

    def _turned(self, values: Series, axes: Float[Tensor, "members rows 3"]) -> Series:
        if not self.angle:
            return values
        x, y, z = (self.angle * axes / math.sqrt(3)).unbind(-1)
        none = torch.zeros_like(x)
        turn = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).unflatten(-1, (3, 3))
        return values @ torch.linalg.matrix_exp(turn)
