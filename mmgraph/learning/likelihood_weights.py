"""How far to trust each leaf: powers on likelihoods, learned on rows that no leaf has seen."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError

_LARGEST_LOG_WEIGHT = 3.0
_SMALLEST_LOG_WEIGHT = -6.0


def learn_likelihood_weights(
    log_likelihoods: Float[Tensor, "leaves rows states"],
    log_prior: Float[Tensor, " states"],
    labels: Int64[Tensor, " rows"],
    start: float = -1.0,
) -> Float[Tensor, " leaves"]:
    """Return the powers under which the posterior fits held-out labels best.

    Generative leaves are overconfident where their features are dependent. With powers ``w`` the
    posterior is ``softmax(log_prior + sum w · log-likelihood)``; its mean log-loss over the labels
    is convex in ``w`` and is minimised over positive powers by L-BFGS in ``log w``, which begins at
    ``start``. Leaves are fitted on other rows (out-of-fold).

    References
    ----------
    Platt (1999) and Guo et al. (2017) calibrate one score this way; with several leaves it is
    logistic opinion pooling with positive weights.
    """
    if log_likelihoods.shape[1] != len(labels):
        raise LearningError(
            f"{log_likelihoods.shape[1]} rows of likelihoods, but {len(labels)} labels"
        )
    if not bool(log_likelihoods.isfinite().all()):
        leaf, row = (int(i) for i in (~log_likelihoods.isfinite()).nonzero()[0, :2])
        raise LearningError(f"the likelihood of leaf {leaf} is not finite in row {row}")
    centred = log_likelihoods - log_likelihoods.amax(2, keepdim=True)
    log_weights = torch.full(
        (len(centred),), start, dtype=log_likelihoods.dtype, requires_grad=True
    )
    optimiser = torch.optim.LBFGS(
        [log_weights],
        max_iter=200,
        tolerance_grad=1e-8,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        bounded = log_weights.clamp(_SMALLEST_LOG_WEIGHT, _LARGEST_LOG_WEIGHT)
        logits = log_prior + torch.tensordot(bounded.exp(), centred, 1)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    return log_weights.detach().clamp(_SMALLEST_LOG_WEIGHT, _LARGEST_LOG_WEIGHT).exp()
