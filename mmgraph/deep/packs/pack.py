"""What the layers of a packed ensemble share: how many members, and random numbers of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor


class Noise(Protocol):
    """Where training draws random numbers from."""

    def uniform(self, rows: int, shape: Sequence[int]) -> Tensor:
        """Return ``(rows, *shape)`` numbers in [0, 1)."""

    def parts(self, rows: int) -> Mapping[int, slice]:
        """Return which rows have numbers of one generator, by its block."""


class Pack:
    """Members that are trained, and answer, in one batched product of each layer.

    Parameters
    ----------
    members : int
    generator : torch.Generator
        Draws initial parameters, on the CPU, so that they are the same on every device.

    Attributes
    ----------
    noise : Noise or None
        Draws what changes from step to step (units that are left out); the trainer sets it. None
        where nothing is random: layers in their mode of evaluation ask for none.
    """

    def __init__(self, members: int, generator: torch.Generator) -> None:
        self.members, self.generator = members, generator
        self.noise: Noise | None = None

    def initial(self, *shape: int, inputs: int) -> Tensor:
        """Return initial parameters of each member, uniform as of layers with so many inputs.

        He et al. (2015), "Delving deep into rectifiers", with the gain of ``torch.nn.Linear``.
        """
        bound = 1 / math.sqrt(max(inputs, 1))
        tensor = torch.empty(self.members, *shape)
        return tensor.uniform_(-bound, bound, generator=self.generator)

    def uniform(self, rows: int, *shape: int) -> Tensor:
        """Return numbers in [0, 1) of each member and row, ``(members, rows, *shape)``."""
        assert self.noise is not None, "a layer in training mode has no noise"
        return self.noise.uniform(rows, (self.members, *shape)).transpose(0, 1)
