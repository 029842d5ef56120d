"""Filtering and smoothing of many sequences on any device, in logarithmic depth.

Särkkä and García-Fernández (2021), "Temporal parallelization of Bayesian smoothers": each step is
an element, and those of any stretch of steps combine, in whatever order, into one of its kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.inference.gaussian.state_space.parameters import SystemParameters

Element = tuple[Tensor, ...]
"""Arrays of the shape (sequences, steps, …); vectors are columns."""


def smooth_in_parallel(
    parameters: SystemParameters,
    parts: Sequence[Float64[np.ndarray, "steps features"]],
    device: torch.device | str,
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Return means, covariances and the log-likelihood of each sequence.

    Parameters
    ----------
    parameters : SystemParameters
    parts : sequence of array of shape (steps, features)
        NaN is missing.
    device : torch.device or str

    Raises
    ------
    GraphError
        If a covariance that has to be inverted is singular: of a predicted state or row.
    """
    length = max(map(len, parts))
    padded = np.full((len(parts), length, parameters.features), np.nan)
    for number, part in enumerate(parts):
        padded[number, : len(part)] = part
    p = SystemParameters._make(torch.as_tensor(a, device=device) for a in parameters)
    try:
        *moments, totals = _smoothed(p, torch.as_tensor(padded, device=device))
    except torch.linalg.LinAlgError:
        raise GraphError(
            "a covariance is singular, which a parallel scan cannot invert: smooth without a device"
        ) from None
    means, covariances = (array.cpu().numpy() for array in moments)
    return [
        (means[i, : len(part)], covariances[i, : len(part)], float(totals[i]))
        for i, part in enumerate(parts)
    ]


def _smoothed(p: Any, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Smooth sequences of one length; the parameters are tensors."""
    there = ~rows.isnan()
    one = torch.eye(p.states, dtype=rows.dtype, device=rows.device)
    looking = there[..., None] * p.observation
    both = there[..., None] & there[..., None, :]
    # A missing cell shows nothing but noise of variance one, and is zero.
    noise = torch.where(both, p.observation_covariance, 0.0) + torch.diag_embed((~there).to(rows))
    error = torch.where(there, rows - p.observation_offset, 0.0)[..., None]
    offset = p.transition_offset[:, None].expand(*rows.shape[:2], -1, 1).clone()
    spread = p.transition_covariance.expand(*rows.shape[:2], -1, -1).clone()
    offset[:, 0], spread[:, 0] = p.start_mean[:, None], p.start_covariance
    move = p.transition.expand_as(spread).clone()
    move[:, 0] = 0
    shown = looking @ spread
    weighted = torch.cholesky_solve(
        torch.cat([shown, looking @ move, error - looking @ offset], -1),
        torch.linalg.cholesky(shown @ looking.mT + noise),
    )
    gain = weighted[..., : p.states].mT
    outward = (looking @ move).mT
    kept = one - gain @ looking
    means, covariances = _scan(
        _then_filtered,
        (
            kept @ move,
            offset + gain @ (error - looking @ offset),
            _symmetric(kept @ spread @ kept.mT + gain @ noise @ gain.mT),
            outward @ weighted[..., -1:],
            _symmetric(outward @ weighted[..., p.states : -1]),
        ),
    )[1:3]
    next_means = p.transition @ means + p.transition_offset[:, None]
    moved = p.transition @ covariances
    next_spread = moved @ p.transition.mT + p.transition_covariance
    # The log-likelihood is that of each row given those before it.
    offset[:, 1:], spread[:, 1:] = next_means[:, :-1], next_spread[:, :-1]
    root = torch.linalg.cholesky(looking @ spread @ looking.mT + noise)
    apart = torch.linalg.solve_triangular(root, error - looking @ offset, upper=False)
    terms = apart.square().sum((-2, -1)) + 2 * root.diagonal(0, -2, -1).log().sum(-1)
    totals = -0.5 * (terms + there.to(rows).sum(-1) * math.log(2 * math.pi)).sum(-1)
    back = torch.cholesky_solve(moved, torch.linalg.cholesky(next_spread)).mT
    back[:, -1] = 0
    kept = one - back @ p.transition
    rest = kept @ covariances @ kept.mT + back @ p.transition_covariance @ back.mT
    element = (back, means - back @ next_means, _symmetric(rest))
    _, means, covariances = (
        array.flip(1) for array in _scan(_then_smoothed, tuple(a.flip(1) for a in element))
    )
    return means[..., 0], covariances, totals


def _symmetric(array: Tensor) -> Tensor:
    return (array + array.mT) / 2


def _scan(combine: Callable[[Element, Element], Element], steps: Element) -> Element:
    """Combine each step with all before it: pairs first, of which there are half as many."""
    count = steps[0].shape[1]
    if count == 1:
        return steps
    pairs = combine(tuple(a[:, : count - 1 : 2] for a in steps), tuple(a[:, 1::2] for a in steps))
    odd = _scan(combine, pairs)
    later = tuple(a[:, 2::2] for a in steps)
    even = combine(tuple(a[:, : later[0].shape[1]] for a in odd), later)
    results = tuple(torch.empty_like(a) for a in steps)
    for result, first, others, own in zip(results, steps, even, odd, strict=True):
        result[:, :1], result[:, 2::2], result[:, 1::2] = first[:, :1], others, own
    return results


def _then_filtered(first: Element, second: Element) -> Element:
    """Two stretches of steps as one: their A, b, C, eta and J (equations 15 to 17)."""
    (a, b, c, eta, j), (a2, b2, c2, eta2, j2) = first, second
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    both = torch.linalg.solve(one + c @ j2, torch.cat([a, b + c @ eta2, c], -1))
    states = a.shape[-1]
    whole = a2 @ both
    # (I + J C)^-1 J is J (I + C J)^-1, and (I + J C)^-1 (eta - J b) likewise.
    left = torch.linalg.solve(one + j2 @ c, torch.cat([eta2 - j2 @ b, j2 @ a], -1))
    return (
        whole[..., :states],
        whole[..., states : states + 1] + b2,
        _symmetric(whole[..., states + 1 :] @ a2.mT + c2),
        a.mT @ left[..., :1] + eta,
        _symmetric(a.mT @ left[..., 1:] + j),
    )


def _then_smoothed(later: Element, earlier: Element) -> Element:
    """Two stretches of steps as one: their E, g and L (equation 20)."""
    (e2, g2, rest2), (e, g, rest) = later, earlier
    return e @ e2, e @ g2 + g, _symmetric(e @ rest2 @ e.mT + rest)
