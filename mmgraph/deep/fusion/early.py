"""Early fusion: the features of all modalities joined, and one net of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from mmgraph.deep.fusion.fusion import Fusion, Present, Scores
from mmgraph.deep.packs.layers import Codes, PackedPerceptron
from mmgraph.deep.packs.pack import Pack


class EarlyFusion(Fusion):
    """One perceptron of all features, missing ones zero, and of which are there."""

    encodes = False

    def __init__(
        self, widths: Mapping[str, int], outputs: int, pack: Pack, width: int, dropout: float
    ) -> None:
        super().__init__(widths, outputs, pack, width, dropout)
        sizes = (sum(widths.values()), 2 * width, width, outputs)
        self.layers = PackedPerceptron(sizes, pack, dropout)

    def forward(self, codes: Mapping[str, Codes], present: Present) -> Scores:
        """Return the scores of rows by what is there of them."""
        return Scores(self.layers(torch.cat(list(codes.values()), -1)), {})
