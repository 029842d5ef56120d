"""Losses between the distributions of modalities' codes, whose rows need no pairs."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.deep.losses.between import BetweenModalities, Pair, centred
from mmgraph.deep.losses.loss import MemberLosses

_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


class MeanDiscrepancy(BetweenModalities):
    """The squared maximum mean discrepancy (MMD) of codes, by Gaussian kernels of five widths.

    Gretton et al. (2012), "A kernel two-sample test"; widths around the mean squared distance of
    rows, as Long et al. (2015), "Learning transferable features with deep adaptation networks".
    """

    def of_pair(self, pair: Pair) -> MemberLosses:
        """Return the loss of two modalities."""
        one, other = (_shares(pair.weights, has) for has in (pair.has_first, pair.has_second))
        codes, signed = torch.cat([pair.first, pair.second], 1), torch.cat([one, -other])
        squares = codes.square().sum(-1)
        distances = squares[:, :, None] + squares[:, None] - 2 * codes @ codes.mT
        distances = distances.clamp(min=0)
        shares = signed.abs() / 2
        mean = (shares @ (distances.detach() @ shares).mT)[:, None, None]
        mean = mean.clamp(min=torch.finfo(mean.dtype).tiny ** 0.5)
        kernels = torch.stack([(-distances / (scale * mean)).exp() for scale in _SCALES]).mean(0)
        enough = (pair.has_first.any() & pair.has_second.any()).to(codes.dtype)
        return enough * ((kernels @ signed) @ signed)


class Coral(BetweenModalities):
    """The squared difference of the covariances of codes, over four times their squared width.

    Sun and Saenko (2016), "Deep CORAL: correlation alignment for deep domain adaptation".
    """

    def of_pair(self, pair: Pair) -> MemberLosses:
        """Return the loss of two modalities."""
        covariances = []
        for codes, there in ((pair.first, pair.has_first), (pair.second, pair.has_second)):
            shares = _shares(pair.weights, there)
            rows = centred(codes, shares)
            covariances.append(rows.mT @ (rows * shares[:, None]))
        enough = (pair.has_first.any() & pair.has_second.any()).to(pair.first.dtype)
        apart = (covariances[0] - covariances[1]).square().sum((1, 2))
        return enough * apart / (4 * pair.first.shape[-1] ** 2)


def _shares(
    weights: Float[Tensor, " rows"], there: Bool[Tensor, " rows"]
) -> Float[Tensor, " rows"]:
    """The share of each row among those that are there; zero of others."""
    counted = weights * there
    return counted / counted.sum().clamp(min=torch.finfo(counted.dtype).tiny)
