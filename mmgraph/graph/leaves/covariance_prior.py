"""What covariances of few rows are drawn towards, held fixed while parameters are sought."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class CovariancePrior:
    """A target for each covariance, that counts as so many rows more: an inverse Wishart's mode.

    Attributes
    ----------
    targets : Tensor, shape (covariances, features, features) or (covariances, features)
        The second where the covariances are diagonal.
    strengths : Tensor, shape (covariances,)
        In rows. Zero leaves a covariance to its data, infinity puts the target in its place.
    """

    targets: Float[Tensor, "covariances ..."]
    strengths: Float[Tensor, " covariances"]

    def mixed(
        self, covariances: Float[Tensor, "..."], weights: Float[Tensor, " densities"]
    ) -> Float[Tensor, "..."]:
        """Return covariances of greatest likelihood, drawn towards the targets.

        They are laid out as these; one that all densities share may lack the first axis.
        """
        rows = weights if len(weights) == len(self.strengths) else weights.sum(0, keepdim=True)
        share = self.strengths / (rows + self.strengths).clamp_min(torch.finfo(rows.dtype).tiny)
        share = torch.where(self.strengths.isinf(), 1.0, share)
        share = share.reshape(-1, *(1,) * (self.targets.ndim - 1))
        mixed = (1 - share) * covariances.reshape(self.targets.shape) + share * self.targets
        return mixed.reshape(covariances.shape)

    def log_density(self, covariances: Float[Tensor, "..."]) -> float:
        """Return the logarithm of the prior's density, zero at the targets.

        Minus the divergence (of Kullback and Leibler) of normal densities from those with the
        targets' covariances, times the strengths; these must be finite. Added to an expected
        log-likelihood, it is greatest at what :meth:`mixed` returns.
        """
        counts = self.strengths > 0
        ours = covariances.detach().reshape(self.targets.shape)[counts].to(self.targets)
        targets = self.targets[counts]
        if targets.ndim == 2:
            ratio = targets / ours
            divergence = 0.5 * (ratio - 1 - ratio.log()).sum(-1)
        else:
            left, right = torch.linalg.cholesky(ours), torch.linalg.cholesky(targets)
            root = torch.linalg.solve_triangular(left, right, upper=False)
            volume = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            divergence = 0.5 * (root.square().sum((-2, -1)) - targets.shape[-1]) - volume
        return -float((self.strengths[counts] * divergence).sum())
