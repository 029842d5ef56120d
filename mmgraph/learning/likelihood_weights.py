"""How far to trust each leaf: powers on likelihoods, learned on rows that no leaf has seen."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

from mmgraph.graph.errors import LearningError

_SMALLEST_LOG_WEIGHT, _LARGEST_LOG_WEIGHT = -6.0, 3.0
_LEAST, _MOST = math.exp(_SMALLEST_LOG_WEIGHT), math.exp(_LARGEST_LOG_WEIGHT)
_OFFSET_DEVIATION, _PRIOR_DEVIATION = 0.5, 0.7


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
    around ``log(2 / leaves)``, from which each deviates normally by a standard deviation of 0.7.
    The offset has heavy tails (Student's t of one degree of freedom), so that leaves that tell
    nothing lose all their power. The fewer independent rows, the more alike are the powers.

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
    centred = (log_likelihoods - log_likelihoods.amax(2, keepdim=True)).double().numpy()
    leaves, states = len(centred), centred.shape[2]
    prior = log_prior.double().numpy()
    truth = np.eye(states)[labels.numpy()]
    shares = (counted / counted.sum()).double().numpy()
    start = start if independent_rows is None else math.log(2 / leaves)

    def loss(
        point: Float64[np.ndarray, " numbers"],
    ) -> tuple[float, Float64[np.ndarray, " numbers"]]:
        offset, deviations = point[0], point[1:]
        weights = np.exp(np.clip(offset + deviations, _SMALLEST_LOG_WEIGHT, _LARGEST_LOG_WEIGHT))
        table = log_softmax(prior + np.tensordot(weights, centred, 1), axis=1)
        error = (np.exp(table) - truth) * shares[:, None]
        inside = (weights > _LEAST) & (weights < _MOST)
        slope = np.tensordot(centred, error, 2) * weights * inside
        value = -float(shares @ (table * truth).sum(1))
        if independent_rows is None:
            return value, np.r_[0.0, slope]  # the offset stays where it starts
        scale = 1 / (_PRIOR_DEVIATION**2 * independent_rows)
        common = (offset - start) ** 2 / (2 * _OFFSET_DEVIATION**2)
        value += math.log1p(common) / independent_rows + 0.5 * scale * float(
            deviations @ deviations
        )
        pull = (offset - start) / ((1 + common) * _OFFSET_DEVIATION**2 * independent_rows)
        return value, np.r_[slope.sum() + pull, slope + scale * deviations]

    begin = np.r_[start, np.zeros(leaves)]
    options = {"maxiter": 500, "maxfun": 2000, "ftol": 1e-15, "gtol": 1e-9, "maxls": 50}
    point = minimize(loss, begin, jac=True, method="L-BFGS-B", options=options).x
    bounded = np.clip(point[0] + point[1:], _SMALLEST_LOG_WEIGHT, _LARGEST_LOG_WEIGHT)
    return torch.as_tensor(np.exp(bounded)).to(log_likelihoods)
