"""How far to trust each leaf: powers on likelihoods, learned on rows that no leaf has seen."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

from mmgraph.graph.errors import LearningError

_LARGEST_LOG_WEIGHT = 3.0
_SMALLEST_LOG_WEIGHT = -6.0
_PRIOR_DEVIATION = 0.5


def learn_likelihood_weights(
    log_likelihoods: Float[Tensor, "leaves rows states"],
    log_prior: Float[Tensor, " states"],
    labels: Int64[Tensor, " rows"],
    start: float = -1.0,
    counts: Float[Tensor, " rows"] | None = None,
    independent_rows: float | None = None,
) -> Float[Tensor, " leaves"]:
    """Return the powers under which the posterior fits held-out labels best.

    Generative leaves are overconfident where their features are dependent. With powers ``w`` the
    posterior is ``softmax(log_prior + sum w · log-likelihood)``; its mean log-loss over the labels
    is convex in ``w`` and is minimised over positive powers by L-BFGS in ``log w``, which begins at
    ``start``. Leaves are fitted on other rows (out-of-fold); ``counts`` says how much each row
    counts.

    Where ``independent_rows`` says how many independent rows the labels are worth (of a few
    recordings far fewer than there are rows), powers have a prior: their logarithms share an offset
    around ``log(2 / leaves)``, from which each deviates normally by a standard deviation of one
    half. The offset has heavy tails (Student's t of one degree of freedom), so that leaves that
    tell nothing lose all their power. The fewer independent rows, the more alike are the powers.

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
    counted = torch.ones(len(labels)) if counts is None else counts
    shares = (counted / counted.sum()).to(log_likelihoods)
    centred = log_likelihoods - log_likelihoods.amax(2, keepdim=True)
    leaves = len(centred)
    if independent_rows is not None:
        start = math.log(2 / leaves)
    offset = torch.tensor(start, dtype=log_likelihoods.dtype, requires_grad=True)
    deviations = torch.zeros(leaves, dtype=log_likelihoods.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [deviations] if independent_rows is None else [offset, deviations],
        max_iter=200,
        tolerance_grad=1e-8,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def bounded() -> Tensor:
        return (offset + deviations).clamp(_SMALLEST_LOG_WEIGHT, _LARGEST_LOG_WEIGHT)

    def closure() -> Tensor:
        optimiser.zero_grad()
        logits = log_prior + torch.tensordot(bounded().exp(), centred, 1)
        loss = (cross_entropy(logits, labels, reduction="none") * shares).sum()
        if independent_rows is not None:
            common, single = (
                x**2 / (2 * _PRIOR_DEVIATION**2) for x in (offset - start, deviations)
            )
            loss = loss + (common.log1p() + single.sum()) / independent_rows
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    return bounded().detach().exp()
