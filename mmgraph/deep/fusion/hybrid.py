"""Hybrid fusion: what a shared trunk says together with what each modality says by itself."""

from __future__ import annotations

from collections.abc import Mapping

from mmgraph.deep.fusion.fusion import Fusion, Present, Scores
from mmgraph.deep.fusion.joint import JointFusion
from mmgraph.deep.fusion.late import LateFusion
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack


class HybridFusion(Fusion):
    """A trunk of all modalities and a head of each, whose answers are multiplied."""

    def __init__(
        self, widths: Mapping[str, int], outputs: int, pack: Pack, width: int, dropout: float
    ) -> None:
        super().__init__(widths, outputs, pack, width, dropout)
        self.space = width
        self.trunk = JointFusion(widths, outputs, pack, width, dropout)
        self.heads = LateFusion(widths, outputs, pack, width, dropout)

    def forward(self, codes: Mapping[str, Codes], present: Present) -> Scores:
        """Return the scores of rows by what is there of them."""
        late = self.heads(codes, present)
        return late._replace(fused=self.trunk(codes, present).fused + late.fused)

    def joint(self, codes: Mapping[str, Codes], present: Present) -> Codes:
        """Return the joint representation, ``(members, rows, space)``."""
        return self.trunk.joint(codes, present)
