"""Losses between modalities: rows of one are to lie by the same rows of another."""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmgraph.deep.losses.loss import Loss, MemberLosses, NetOutput, RowLosses, precise, row_mean
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError

_STEEPEST = 100.0


class Pair(NamedTuple):
    """Codes of two modalities, zero where missing, and which rows have each.

    Attributes
    ----------
    first, second : Tensor, shape (members, rows, width)
    has_first, has_second : Tensor of bool, shape (rows,)
    weights : Tensor, shape (rows,)
        How much each row counts.
    """

    first: Codes
    second: Codes
    has_first: Bool[Tensor, " rows"]
    has_second: Bool[Tensor, " rows"]
    weights: Float[Tensor, " rows"]

    @property
    def has_both(self) -> Bool[Tensor, " rows"]:
        """The rows that have both."""
        return self.has_first & self.has_second

    def cosines(self) -> tuple[Float[Tensor, "members rows rows"], Bool[Tensor, "rows rows"]]:
        """Return those of each row of one with each of another, and which have both."""
        one, other = (nn.functional.normalize(c, dim=-1) for c in (self.first, self.second))
        return one @ other.mT, self.has_both[:, None] & self.has_both


class BetweenModalities(Loss):
    """A loss of each two modalities, of which the mean is taken."""

    compares_rows = True
    ties_codes = True

    def prepare(
        self, shapes: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], pack: Pack
    ) -> None:
        """Check that there are two modalities, whose codes are equally wide."""
        name = type(self).__name__
        if len(widths) < 2:
            raise LearningError(
                f"{name} is a loss between modalities, and there is but one, '{next(iter(widths))}'"
            )
        first = next(iter(widths))
        for modality, width in widths.items():
            if width != widths[first]:
                raise LearningError(
                    f"{name} compares codes of one width, not {widths[first]} numbers of "
                    f"'{first}' with {width} of '{modality}'"
                )

    def forward(self, output: NetOutput) -> MemberLosses:
        """Return the loss of each member, a mean over modalities."""
        losses = []
        for one, other in itertools.combinations(output.codes, 2):
            has_one, has_other = output.present[one], output.present[other]
            first, second = (
                precise(output.codes[m]).masked_fill(~shown[:, None], 0.0)
                for m, shown in ((one, has_one), (other, has_other))
            )
            losses.append(self.of_pair(Pair(first, second, has_one, has_other, output.weights)))
        return torch.stack(losses).mean(0)

    @abc.abstractmethod
    def of_pair(self, pair: Pair) -> MemberLosses:
        """Return the loss of two modalities."""


class Contrastive(BetweenModalities):
    """How badly a row's code tells the same row's of another modality among those of a batch.

    The mean of both directions, as in CLIP (Radford et al. 2021), of InfoNCE (van den Oord et al.
    2018). Cosines are divided by a temperature that is learned, down to 0.01.

    Parameters
    ----------
    temperature : float
        The first one.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = temperature

    def prepare(
        self, shapes: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], pack: Pack
    ) -> None:
        """Make the temperature of each member."""
        super().prepare(shapes, widths, pack)
        start = torch.full((pack.members, 1, 1), -math.log(self.temperature))
        self.log_scale = nn.Parameter(start)

    def of_pair(self, pair: Pair) -> MemberLosses:
        """Return the loss of two modalities."""
        cosines, compared = pair.cosines()
        # A row without its pair is compared with itself alone: its loss is 0.
        itself = torch.eye(len(compared), dtype=torch.bool, device=compared.device)
        logits = cosines * self.log_scale.exp().clamp(max=_STEEPEST)
        logits = logits.masked_fill(~(compared | itself), -torch.inf)
        both_ways = torch.stack([logits.log_softmax(-1), logits.mT.log_softmax(-1)])
        return row_mean(-both_ways.diagonal(dim1=-2, dim2=-1).mean(0), pair.weights)


class Cosine(BetweenModalities):
    """One less the cosine of pairs, and by how much those of other rows exceed a margin.

    Without the latter all codes would be one.

    Parameters
    ----------
    margin : float
    """

    def __init__(self, margin: float = 0.0) -> None:
        super().__init__()
        self.margin = margin

    def of_pair(self, pair: Pair) -> MemberLosses:
        """Return the loss of two modalities."""
        cosines, compared = pair.cosines()
        others = compared & ~torch.eye(len(compared), dtype=torch.bool, device=compared.device)
        excess = (cosines - self.margin).clamp(min=0).masked_fill(~others, 0.0)
        pushed = excess.sum(-1) / others.sum(-1).clamp(min=1)
        pulled: RowLosses = 1 - cosines.diagonal(dim1=-2, dim2=-1)
        return row_mean(pulled + pushed, pair.weights, pair.has_both)


class Correlation(BetweenModalities):
    """One less the mean canonical correlation of a batch: deep CCA.

    Andrew et al. (2013), "Deep canonical correlation analysis". Batches should have several rows
    for each number of a code.

    Parameters
    ----------
    ridge : float
        What is added to variances, as a share of their mean.
    """

    def __init__(self, ridge: float = 1e-3) -> None:
        super().__init__()
        self.ridge = ridge

    def of_pair(self, pair: Pair) -> MemberLosses:
        """Return the loss of two modalities."""
        shares = pair.weights * pair.has_both
        shares = shares / shares.sum().clamp(min=torch.finfo(shares.dtype).tiny)
        one, other = centred(pair.first, shares), centred(pair.second, shares)
        cross = one.mT @ (other * shares[:, None])
        for side, transposed in ((one, False), (other, True)):
            factor = torch.linalg.cholesky(self._ridged(side.mT @ (side * shares[:, None])))
            cross = torch.linalg.solve_triangular(
                factor, cross.mT if transposed else cross, upper=False
            )
        return 1 - torch.linalg.svdvals(cross).mean(-1)

    def _ridged(self, covariance: Tensor) -> Tensor:
        """A covariance whose inverse exists, whatever its scale."""
        mean = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
        unit = torch.eye(covariance.shape[-1], dtype=mean.dtype, device=mean.device)
        return covariance + (self.ridge * mean + torch.finfo(mean.dtype).tiny ** 0.5) * unit


def centred(codes: Codes, shares: Float[Tensor, " rows"]) -> Codes:
    """Return codes less their mean, in which rows have shares that add up to one."""
    return codes - (codes * shares[:, None]).sum(1, keepdim=True)
