"""What noise without variance is, and covariances as noise of elements that are independent."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SINGULAR = 1e-13
"""A variance of an element given those before it is zero at this share of its variance."""

AGREEMENT = 1e-9
"""So near, beside its terms, an equation without noise and unknowns holds."""


def unit_factors(
    covariance: Float[Tensor, "configurations n n"],
) -> tuple[Float[Tensor, "configurations n n"], Float[Tensor, "configurations n"]]:
    """Return inverses of the unit triangular factors ``L`` of ``L D Lᵀ``, and the variances ``D``.

    A covariance may be singular: a variance is then zero.
    """
    left, columns, variances = covariance, [], []
    for j in range(covariance.shape[-1]):
        here = left[:, 0, 0]
        least = (SINGULAR * covariance[:, j, j]).clamp_min(torch.finfo(torch.float64).tiny)
        positive = here > least
        scale = torch.where(positive, here, 1.0).unsqueeze(1)
        below = torch.where(positive.unsqueeze(1), left[:, 1:, 0] / scale, 0.0)
        columns.append(torch.nn.functional.pad(below, (j + 1, 0)))
        variances.append(torch.where(positive, here, 0.0))
        left = left[:, 1:, 1:] - below.unsqueeze(2) * below.unsqueeze(1) * scale.unsqueeze(2)
    identity = torch.eye(len(columns), dtype=covariance.dtype, device=covariance.device)
    inverse: Tensor = torch.linalg.solve_triangular(
        torch.stack(columns, -1),
        identity.expand_as(covariance),
        upper=False,
        unitriangular=True,  # whose diagonal is not looked at
    )
    return inverse, torch.stack(variances, -1)
