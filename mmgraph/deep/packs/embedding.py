"""Numbers as several smooth functions of them, by which perceptrons tell fine differences."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack


class PackedPeriodic(nn.Module):
    """Each feature's sines and cosines of frequencies that are learned, mapped and rectified.

    Members share the frequencies, on purpose: waves are computed once, and mapped by each member in
    one product. So gradients of all members move them, and members of several are not quite those
    that would be trained alone. Maps, and the embedding of a feature that is missing, are each
    member's own.

    Parameters
    ----------
    features, frequencies, width : int
        How many there are, of each feature; and how many numbers embed a feature.
    scale : float
        The deviation of initial frequencies, in cycles per standard deviation of a feature.

    References
    ----------
    Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep
    learning", section 3.3.
    """

    def __init__(
        self, features: int, pack: Pack, frequencies: int = 8, width: int = 6, scale: float = 0.1
    ) -> None:
        super().__init__()
        self.width, inputs = width, 2 * frequencies
        normal = torch.randn(features, frequencies, generator=pack.generator)
        self.frequencies = nn.Parameter(scale * normal)
        self.weight = nn.Parameter(pack.initial(features, inputs, width, inputs=inputs))
        self.bias = nn.Parameter(pack.initial(features, width, inputs=inputs))
        self.missing = nn.Parameter(torch.zeros(pack.members, features, width))

    def forward(
        self, values: Float[Tensor, "rows features"], there: Bool[Tensor, "rows features"]
    ) -> Codes:
        """Return ``(members, rows, features * width)``."""
        angles = 2 * math.pi * values.T[..., None] * self.frequencies[:, None]
        waves = torch.cat([angles.sin(), angles.cos()], -1)
        # One product a feature, of all members side by side.
        maps = self.weight.permute(1, 2, 0, 3).flatten(2)
        biases, missing = (t.transpose(0, 1).flatten(1)[:, None] for t in (self.bias, self.missing))
        mapped = torch.baddbmm(biases, waves, maps).relu()
        embedded = torch.where(there.T[..., None], mapped, missing)
        return embedded.unflatten(2, (-1, self.width)).permute(2, 1, 0, 3).flatten(2)
