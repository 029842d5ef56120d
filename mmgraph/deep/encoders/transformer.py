"""Transformers of sequences: patches of time look at each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmgraph.deep.encoders.encoder import Encoder
from mmgraph.deep.encoders.sequence_changes import SmallChanges
from mmgraph.deep.encoders.sequence_stem import SequenceStem, Steps, code_layers
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.attention import PackedBlock
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack


class Transformer(Encoder):
    """Patches of time as tokens with their positions, which attend to those that are inside.

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
    dropout : float
        The share of numbers that are left out in a step.
    speed, shift, scaling, rotation : float
        As of :class:`~mmgraph.deep.encoders.sequence_changes.SmallChanges`.
    """

    axes = (2,)
    reads_sequences = True

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        pack: Pack,
        blocks: int = 2,
        hidden: int = 48,
        heads: int = 4,
        strides: tuple[int, ...] = (4, 4),
        channels: int = 16,
        dropout: float = 0.1,
        **changes: float,
    ) -> None:
        super().__init__(shape, width, pack)
        self.width, self.members = width, pack.members
        outputs = [channels] * (len(strides) - 1) + [hidden]
        self.stem = SequenceStem(shape[-1], outputs, strides, pack, SmallChanges(pack, **changes))
        self.blocks = nn.ModuleList(
            PackedBlock(hidden, heads, pack, dropout) for _ in range(blocks)
        )
        numbers = 2 * hidden + self.stem.numbers
        self.code = code_layers(numbers, width, dropout, pack)

    def forward(self, cells: Cells) -> Codes:
        """Return the code of each row, as each member has it."""
        steps, sums = self.stem(cells)
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
        pooled = Steps(maps, steps.inside).pooled(self.members)
        return self.code(torch.cat([sums, pooled], 2))


def positions(count: int, width: int) -> Float[Tensor, "count width"]:
    """Return what tells the places of tokens: sines and cosines (Vaswani et al. 2017)."""
    place = torch.arange(count)[:, None]
    wave = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.cat([(place * wave).sin(), (place * wave).cos()], 1)[:, :width]
