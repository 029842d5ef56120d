"""Tensor fusion of low rank: products of what modalities say, in their sum over ranks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from mmgraph.deep.fusion.fusion import Fusion, Present, Scores, masked
from mmgraph.deep.packs.layers import Codes, PackedDropout, PackedLinear, PackedNorm
from mmgraph.deep.packs.pack import Pack


class LowRankFusion(Fusion):
    """A linear map of the outer product of codes, each with a constant 1, as factors of low rank.

    Liu et al. (2018), "Efficient low-rank multimodal fusion with modality-specific factors". Of a
    missing modality the constant alone is there. What it is multiplied by is 1 at first, so that a
    modality adds to what others say before it changes that.

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
        factors = [PackedLinear(w, rank * width, pack) for w in widths.values()]
        for factor in factors:
            nn.init.ones_(factor.bias)
        self.factors = nn.ModuleList(factors)
        self.norm = PackedNorm(width, pack)
        self.head = nn.Sequential(PackedDropout(dropout, pack), PackedLinear(width, outputs, pack))

    def forward(self, codes: Mapping[str, Codes], present: Present) -> Scores:
        """Return the scores of rows by what is there of them."""
        return Scores(self.head(self.joint(codes, present)), {})

    def joint(self, codes: Mapping[str, Codes], present: Present) -> Codes:
        """Return the joint representation, ``(members, rows, space)``."""
        shown = masked(codes, present)[::2]
        products = torch.stack([f(c) for f, c in zip(self.factors, shown, strict=True)]).prod(0)
        return self.norm(products.unflatten(-1, (self.rank, self.space)).sum(-2))
