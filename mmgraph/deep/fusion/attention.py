"""Fusion by attention: tokens of all modalities look at those of each other that are there."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from mmgraph.deep.fusion.fusion import Present, SpaceFusion, head_of, masked
from mmgraph.deep.packs.attention import PackedBlock
from mmgraph.deep.packs.layers import Codes, PackedLinear, PackedNorm
from mmgraph.deep.packs.pack import Pack


class AttentionFusion(SpaceFusion):
    """A Transformer of tokens of each modality and one that asks, which is the joint space.

    Parameters
    ----------
    tokens, layers, heads : int
        Of a modality; of the Transformer; of its attention.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        outputs: int,
        pack: Pack,
        width: int,
        dropout: float,
        tokens: int = 1,
        layers: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__(widths, outputs, pack, width, dropout)
        self.space, self.tokens = width, tokens
        self.asking = nn.Parameter(pack.initial(1, 1, width, inputs=width))
        self.inputs = nn.ModuleList(PackedLinear(w, tokens * width, pack) for w in widths.values())
        self.blocks = nn.ModuleList(PackedBlock(width, heads, pack, dropout) for _ in range(layers))
        self.norm = PackedNorm(width, pack)
        self.head = head_of(width, outputs, pack, dropout)

    def joint(self, codes: Mapping[str, Codes], present: Present) -> Codes:
        """Return the joint representation, ``(members, rows, space)``."""
        shown = masked(codes, present)[::2]
        there = torch.stack([present[modality] for modality in codes], 1)
        parts = [self.asking.expand(-1, len(there), -1, -1)]
        for layer, code in zip(self.inputs, shown, strict=True):
            parts.append(layer(code).unflatten(-1, (self.tokens, self.space)))
        tokens = torch.cat(parts, 2)
        always = torch.ones_like(there[:, :1])
        seen = torch.cat([always, there.repeat_interleave(self.tokens, 1)], 1)
        for block in self.blocks:
            tokens = block(tokens, seen)
        return self.norm(tokens[:, :, 0])
