"""Perceptrons of the cells of a row, one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mmgraph.deep.encoders.encoder import Encoder, EncoderOptions, check_sizes
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.embedding import PackedPeriodic
from mmgraph.deep.packs.layers import Codes, PackedPerceptron
from mmgraph.deep.packs.pack import Pack
from mmgraph.learning.training.options import check_whole


@dataclass(frozen=True, kw_only=True)
class MLPOptions(EncoderOptions):
    """What perceptrons take.

    Parameters
    ----------
    frequencies : int
        Of how many frequencies' waves each cell is seen, beside its value; see
        :class:`~mmgraph.deep.packs.embedding.PackedPeriodic`.
    hidden : tuple of int
        The widths of hidden layers.
    dropout : float
        The share of hidden units that are left out in a step.
    """

    frequencies: int = 8
    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "frequencies", least=0)
        check_sizes("hidden", self.hidden)


class MLP(Encoder):
    """A perceptron of all cells of a row, and of which are there; see :class:`MLPOptions`.

    Members share the frequencies of waves, which they learn together; all else is each one's own.
    """

    axes = (1, 2, 3, 4)
    options_kind = MLPOptions

    def __init__(self, shape: Sequence[int], width: int, pack: Pack, **options: Any) -> None:
        super().__init__(shape, width, pack)
        chosen = MLPOptions(**options)
        frequencies = chosen.frequencies
        self.width, cells = width, math.prod(shape)
        self.waves = PackedPeriodic(cells, pack, frequencies) if frequencies else None
        inputs = cells * (2 + (0 if self.waves is None else self.waves.width))
        self.layers = PackedPerceptron((inputs, *chosen.hidden, width), pack, chosen.dropout)

    def forward(self, cells: Cells) -> Codes:
        """Return the code of each row, as each member has it."""
        values, there = cells.values.flatten(1), cells.there.flatten(1).to(cells.values.dtype)
        plain = torch.cat([values, there - 1], 1)
        if self.waves is None:
            return self.layers(plain)
        waves = self.waves(values, cells.there.flatten(1))
        return self.layers(torch.cat([plain.expand(len(waves), -1, -1), waves], -1))
