"""Transformers of sequences: patches of time look at each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmgraph.deep.encoders.encoder import check_sizes
from mmgraph.deep.encoders.sequence_changes import SequenceOptions
from mmgraph.deep.encoders.sequence_stem import SequenceEncoder, Steps
from mmgraph.deep.packs.attention import PackedBlock
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack
from mmgraph.learning.training.options import check_whole


@dataclass(frozen=True, kw_only=True)
class TransformerOptions(SequenceOptions):
    """What Transformers of sequences take, beside what all encoders of sequences do.

    Parameters
    ----------
    blocks : int
        How many layers of attention and perceptron.
    hidden, heads : int
        The width of tokens, and how many heads attention has.
    strides : tuple of int
        By what each convolution divides the steps, 16 in all: so many steps are a token.
    channels : int
        How many maps the convolutions before the last one have.
    """

    blocks: int = 2
    hidden: int = 48
    heads: int = 4
    strides: tuple[int, ...] = (4, 4)
    channels: int = 16
    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "blocks", "hidden", "heads", "channels")
        check_sizes("strides", self.strides)


class Transformer(SequenceEncoder):
    """Patches of time as tokens with their positions, which attend to those that are inside.

    See :class:`TransformerOptions`.
    """

    options_kind = TransformerOptions

    def _convolutions(self, options: TransformerOptions) -> tuple[Sequence[int], Sequence[int]]:
        return [options.channels] * (len(options.strides) - 1) + [options.hidden], options.strides

    def _make_layers(self, options: TransformerOptions, pack: Pack) -> int:
        self.blocks = nn.ModuleList(
            PackedBlock(options.hidden, options.heads, pack, options.dropout)
            for _ in range(options.blocks)
        )
        return 2 * options.hidden

    def _summary(self, steps: Steps) -> list[Codes]:
        tokens = steps.tokens(self.members)
        _, rows, count, hidden = tokens.shape
        inside = steps.inside
        if inside is None:
            inside = torch.ones(rows, count, dtype=torch.bool, device=tokens.device)
        tokens = tokens + positions(count, hidden).to(tokens)
        for block in self.blocks:
            tokens = block(tokens, inside)
        tokens = tokens * inside[None, :, :, None]
        maps = tokens.permute(1, 0, 3, 2).flatten(1, 2)
        return [Steps(maps, steps.inside).pooled(self.members)]


def positions(count: int, width: int) -> Float[Tensor, "count width"]:
    """Return what tells the places of tokens: sines and cosines (Vaswani et al. 2017)."""
    place = torch.arange(count)[:, None]
    wave = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.cat([(place * wave).sin(), (place * wave).cos()], 1)[:, :width]
