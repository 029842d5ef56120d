"""What every fusion is: from the codes of modalities, of which any may be missing, to scores."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmgraph.deep.packs.layers import Codes, PackedDropout, PackedLinear
from mmgraph.deep.packs.pack import Pack

Present = Mapping[str, Bool[Tensor, " rows"]]
"""Which rows have each modality."""


class Scores(NamedTuple):
    """What a net says of rows.

    Attributes
    ----------
    fused : Tensor, shape (members, rows, outputs)
        By all modalities that are there: logits of classes, or a mean.
    single : dict of str to Tensor
        By each modality alone, where the fusion has heads of them, which are trained, too; of rows
        without it anything.
    shares : Tensor or None, shape (modalities + 1, members)
        How much each of ``single``, and ``fused`` at the end, counts in training; None: by options.
    """

    fused: Float[Tensor, "members rows outputs"]
    single: dict[str, Float[Tensor, "members rows outputs"]]
    shares: Float[Tensor, "scores members"] | None = None


class Fusion(nn.Module, abc.ABC):
    """A net from the codes of modalities to scores.

    Parameters
    ----------
    widths : mapping of str to int
        Of the code of each modality.
    outputs : int
        How many classes.
    pack : Pack
    width : int
        Of hidden layers.
    dropout : float
        The share of hidden units that are left out in a step.
    """

    encodes: bool = True
    """Whether modalities have encoders; if not, codes are their cells, and which are there."""
    trains_fused: bool = True
    """Whether the fused scores are trained; if not, those of single modalities alone are."""
    space: int = 0
    """The width of the joint representation; 0 where there is none."""

    @abc.abstractmethod
    def __init__(
        self, widths: Mapping[str, int], outputs: int, pack: Pack, width: int, dropout: float
    ) -> None:
        super().__init__()

    @abc.abstractmethod
    def forward(self, codes: Mapping[str, Codes], present: Present) -> Scores:
        """Return the scores of rows by what is there of them."""

    def joint(self, codes: Mapping[str, Codes], present: Present) -> Codes:
        """Return the joint representation, ``(members, rows, space)``, where there is one."""
        raise NotImplementedError


class SpaceFusion(Fusion):
    """A fusion whose scores are those of a joint representation."""

    head: nn.Module

    def forward(self, codes: Mapping[str, Codes], present: Present) -> Scores:
        """Return the scores of rows by what is there of them."""
        return Scores(self.head(self.joint(codes, present)), {})


def head_of(width: int, outputs: int, pack: Pack, dropout: float) -> nn.Module:
    """Return what makes scores of a joint representation."""
    return nn.Sequential(PackedDropout(dropout, pack), PackedLinear(width, outputs, pack))


def shown(present: Present, like: Tensor) -> Float[Tensor, "modalities 1 rows 1"]:
    """Return one where a modality is there, zero where not, in the precision of a tensor."""
    return torch.stack(list(present.values())).to(like.dtype)[:, None, :, None]


def masked(codes: Mapping[str, Codes], present: Present) -> list[Tensor]:
    """Return codes that are zero where missing, and which modalities are there, ``(…, 1)`` each."""
    tensors = []
    for modality, code in codes.items():
        there = present[modality][None, :, None].to(code.dtype)
        # A product would keep what is not finite.
        tensors += [code.masked_fill(there == 0, 0.0), there.expand(len(code), -1, -1)]
    return tensors
