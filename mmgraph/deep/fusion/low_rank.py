"""Tensor fusion of low rank: products of what modalities say, in their sum over ranks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from mmgraph.deep.fusion.fusion import Present, SpaceFusion, head_of, masked
from mmgraph.deep.packs.layers import Codes, PackedLinear, PackedNorm
from mmgraph.deep.packs.pack import Pack


class LowRankFusion(SpaceFusion):
    """A linear map of the outer product of codes, each with a constant 1, as factors of low rank.

    Liu et al. (2018), "Efficient low-rank multimodal fusion with modality-specific factors". Of a
    missing modality the constant alone is there; whether it is missing stands beside its code. What
    the constant is multiplied by is 1 at first, so that a modality adds to what others say before
    it changes that.

    Parameters
    ----------
    rank : int
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        outputs: int,
        pack: Pack,
        width: int,
        dropout: float,
        rank: int = 8,
    ) -> None:
        super().__init__(widths, outputs, pack, width, dropout)
        self.space, self.rank = width, rank
        factors = [PackedLinear(w + 1, rank * width, pack) for w in widths.values()]
        for factor in factors:
            nn.init.ones_(factor.bias)
        self.factors = nn.ModuleList(factors)
        self.norm = PackedNorm(width, pack)
        self.head = head_of(width, outputs, pack, dropout)

    def joint(self, codes: Mapping[str, Codes], present: Present) -> Codes:
        """Return the joint representation, ``(members, rows, space)``."""
        parts = masked(codes, present)
        pairs = zip(self.factors, parts[::2], parts[1::2], strict=True)
        products = torch.stack([f(torch.cat([code, there], -1)) for f, code, there in pairs]).prod(
            0
        )
        return self.norm(products.unflatten(-1, (self.rank, self.space)).sum(-2))
