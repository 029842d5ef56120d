"""Joint fusion: one space of all modalities, from the codes of those that are there."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from mmgraph.deep.fusion.fusion import Present, SpaceFusion, head_of, masked
from mmgraph.deep.packs.layers import Codes, PackedLinear, PackedNorm
from mmgraph.deep.packs.pack import Pack


class JointFusion(SpaceFusion):
    """A shared trunk: codes side by side, zero where missing, and which are there."""

    def __init__(
        self, widths: Mapping[str, int], outputs: int, pack: Pack, width: int, dropout: float
    ) -> None:
        super().__init__(widths, outputs, pack, width, dropout)
        self.space = width
        inputs = sum(widths.values()) + len(widths)
        self.trunk = nn.Sequential(
            PackedLinear(inputs, width, pack), PackedNorm(width, pack), nn.GELU()
        )
        self.head = head_of(width, outputs, pack, dropout)

    def joint(self, codes: Mapping[str, Codes], present: Present) -> Codes:
        """Return the joint representation, ``(members, rows, space)``."""
        return self.trunk(torch.cat(masked(codes, present), -1))
