"""Losses of the task: of classes, and of numbers."""

from __future__ import annotations

import abc

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.deep.losses.loss import Loss, MemberLosses, NetOutput, RowLosses, precise, row_mean


class TaskLoss(Loss):
    """What fused scores miss of the targets, and what those of single modalities miss.

    Parameters
    ----------
    single : float
        How much the scores of each modality alone count, beside 1 of the fused ones. Where the
        fusion says how much each counts (gradient blending), that holds.
    fused : bool
        Whether the fused scores count.
    """

    def __init__(self, single: float = 1.0, fused: bool = True) -> None:
        super().__init__()
        self.single, self.fused = single, fused

    @abc.abstractmethod
    def of_rows(
        self, scores: Float[Tensor, "members rows outputs"], targets: Float[Tensor, "rows outputs"]
    ) -> RowLosses:
        """Return the loss of each row."""

    def forward(self, output: NetOutput) -> MemberLosses:
        """Return the loss of each member, a mean over all rows."""
        assert output.scores is not None
        losses = self.by_scores(output)
        shares = output.scores.shares
        if shares is None:
            shares = losses.new_full((len(losses), 1), self.single)
            shares[-1] = float(self.fused)
        return (losses * shares).sum(0)

    def by_scores(self, output: NetOutput) -> Float[Tensor, "scores members"]:
        """Return the losses of each modality's scores, and of the fused ones at the end."""
        assert output.scores is not None
        assert output.targets is not None
        losses = [
            row_mean(self.of_rows(precise(s), output.targets), output.weights, output.present[m])
            for m, s in output.scores.single.items()
        ]
        fused = self.of_rows(precise(output.scores.fused), output.targets)
        return torch.stack([*losses, row_mean(fused, output.weights)])


class CrossEntropy(TaskLoss):
    """The cross-entropy of classes.

    Parameters
    ----------
    smoothing : float
        Which share of each label is spread evenly over all classes (Szegedy et al. 2016).
    """

    def __init__(self, smoothing: float = 0.0, single: float = 1.0, fused: bool = True) -> None:
        super().__init__(single, fused)
        self.smoothing = smoothing

    def of_rows(
        self, scores: Float[Tensor, "members rows outputs"], targets: Float[Tensor, "rows outputs"]
    ) -> RowLosses:
        """Return the loss of each row."""
        labels = targets.lerp(torch.full_like(targets, 1 / targets.shape[-1]), self.smoothing)
        return -(scores.log_softmax(-1) * labels).sum(-1)


class SquaredError(TaskLoss):
    """Half the squared error: the Gaussian likelihood of variance 1, up to a constant."""

    def of_rows(
        self, scores: Float[Tensor, "members rows outputs"], targets: Float[Tensor, "rows outputs"]
    ) -> RowLosses:
        """Return the loss of each row."""
        return (scores - targets).square().sum(-1) / 2


class GaussianLikelihood(TaskLoss):
    """The negative log-likelihood of means and logarithms of variances, the latter half of scores.

    Up to a constant; Nix and Weigend (1994), "Estimating the mean and variance of the target
    probability distribution".
    """

    def of_rows(
        self, scores: Float[Tensor, "members rows outputs"], targets: Float[Tensor, "rows outputs"]
    ) -> RowLosses:
        """Return the loss of each row."""
        mean, log_variance = scores.chunk(2, -1)
        return (log_variance + (targets - mean).square() * (-log_variance).exp()).sum(-1) / 2
