"""Gradient blending: heads count in training by how well what they learn generalises."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.deep.fusion.fusion import Present, Scores
from mmgraph.deep.fusion.hybrid import HybridFusion
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack

Losses = Float[Tensor, "heads members"]
_LEAST_OVERFITTING = 0.01


class GradientBlending(HybridFusion):
    """A trunk that answers, and heads of single modalities that are trained beside it.

    Wang, Tran and Feiszli (2020), "What makes training multi-modal classification networks hard?".
    Their losses count as :meth:`measure` last said, equally at first.

    Attributes
    ----------
    shares : Tensor, shape (modalities + 1, members)
        How much each head counts, and the trunk at the end.
    measured : Tensor, shape (2, modalities + 1, members)
        Their losses before training, on rows that are learned from and on others.
    """

    shares: Losses
    measured: Float[Tensor, "2 heads members"]

    def __init__(
        self, widths: Mapping[str, int], outputs: int, pack: Pack, width: int, dropout: float
    ) -> None:
        super().__init__(widths, outputs, pack, width, dropout)
        heads = len(widths) + 1
        self.register_buffer("shares", torch.full((heads, pack.members), 1 / heads))
        self.register_buffer("measured", torch.full((2, heads, pack.members), torch.nan))

    def forward(self, codes: Mapping[str, Codes], present: Present) -> Scores:
        """Return the scores of rows by what is there of them."""
        single = self.heads(codes, present).single
        return Scores(self.trunk(codes, present).fused, single, self.shares)

    def measure(self, training: Losses, held_out: Losses) -> None:
        """Weigh heads by what they learned since this was first called.

        Differences of two epochs late in training would be noise.

        Parameters
        ----------
        training, held_out : Tensor, shape (modalities + 1, members)
            The loss of each modality's head, and of the trunk, on rows that are learned from and
            on rows that are not.
        """
        now = torch.stack([training, held_out])
        if self.measured.isnan().any():
            self.measured.copy_(now)
        else:
            self.shares.copy_(blending_weights(self.measured, now, self.shares))


def blending_weights(
    before: Float[Tensor, "2 heads members"],
    after: Float[Tensor, "2 heads members"],
    otherwise: Losses,
) -> Losses:
    """Return how much heads should count: what they gained, by the square of their overfitting.

    Parameters
    ----------
    before, after : Tensor, shape (2, heads, members)
        The losses on rows that are learned from and on others, at two times of training.
    otherwise : Tensor, shape (heads, members)
        The weights of members none of whose heads gained anything.
    """
    gain = (before[1] - after[1]).clamp(min=0)
    overfitting = (after[1] - after[0]) - (before[1] - before[0])
    weights = gain / overfitting.clamp(min=_LEAST_OVERFITTING).square()
    total = weights.sum(0)
    return torch.where(total > 0, weights / total.where(total > 0, 1.0), otherwise)
