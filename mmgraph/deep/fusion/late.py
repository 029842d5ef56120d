"""Late fusion: a head of each modality, whose answers are averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import nn

from mmgraph.deep.fusion.fusion import Fusion, Present, Scores, shown
from mmgraph.deep.packs.layers import Codes, PackedLinear
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError, check_choice


class LateFusion(Fusion):
    """A head of each modality; probabilities are the mean of those by what is there.

    Heads are trained by themselves, so that a modality is told from alone as well as a net of it
    alone would.

    Parameters
    ----------
    pool : {"powers", "average"}
        How a classifier joins their answers: with a power of each, that held-out rows tell, or
        averaged, with one power of the average.
    """

    trains_fused = False

    def __init__(
        self,
        widths: Mapping[str, int],
        outputs: int,
        pack: Pack,
        width: int,
        dropout: float,
        pool: Literal["powers", "average"] = "powers",
    ) -> None:
        super().__init__(widths, outputs, pack, width, dropout)
        check_choice("pool", pool, ("powers", "average"), LearningError)
        self.pool = pool
        self.heads = nn.ModuleList(PackedLinear(w, outputs, pack) for w in widths.values())

    def forward(self, codes: Mapping[str, Codes], present: Present) -> Scores:
        """Return the scores of rows by what is there of them."""
        single = {m: head(codes[m]) for m, head in zip(codes, self.heads, strict=True)}
        logs = torch.stack([scores.log_softmax(-1) for scores in single.values()])
        there = shown(present, logs) > 0
        # Without any modality all classes are alike, and gradients finite.
        otherwise = torch.where(there.any(0), -torch.inf, 0.0).to(logs.dtype)
        return Scores(torch.logsumexp(logs.where(there, otherwise), 0), single)
