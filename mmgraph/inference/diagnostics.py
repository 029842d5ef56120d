"""How far chains have mixed: split R-hat and effective sample size.

Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and
localization: an improved R-hat for assessing convergence of MCMC", sections 3 and 4.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from scipy import stats
from torch import Tensor

from mmgraph.graph.errors import MmgraphError

LEAST_DRAWS = 4
"""Draws of a chain below which nothing is said: its halves need a variance."""


def split_r_hat(draws: Float[Tensor, "chains draws *shape"]) -> Float64[Tensor, "*shape"]:
    """Return rank-normalised split R-hat of every quantity, one where it never varies.

    The larger of two: that of the values, and that of their distances from the median (section
    4.2). Chains that each stand still in different places have infinite R-hat.

    Raises
    ------
    MmgraphError
        If a chain has fewer than four draws.
    """
    values = _series(draws)
    folded = np.abs(values - np.median(values, axis=(1, 2), keepdims=True))
    both = (_r_hats(_rank_normalised(_split(v))) for v in (values, folded))
    return torch.from_numpy(np.maximum(*both).reshape(draws.shape[2:]))


def effective_sample_size(draws: Float[Tensor, "chains draws *shape"]) -> Float64[Tensor, "*shape"]:
    """Return the bulk effective sample size of every quantity (section 4.3).

    A quantity that never varies counts all draws; chains that each stand still in different
    places count as one draw.

    Raises
    ------
    MmgraphError
        If a chain has fewer than four draws.
    """
    values = _series(draws)
    sizes = _sample_sizes(_rank_normalised(_split(values)))
    return torch.from_numpy(sizes.reshape(draws.shape[2:]))


def state_diagnostics(
    trace: Int[np.ndarray, "draws chains elements"],
    cardinalities: Int64[np.ndarray, " elements"],
    threads: int = 1,
) -> tuple[Float64[np.ndarray, " elements"], Float64[np.ndarray, " elements"]]:
    """Return R-hat and effective sample size of elements with states, the worst of their states.

    What is followed is whether the element is in a state. Ranks and distances from the median are
    linear functions of such a value, so that rank normalisation changes nothing.

    Raises
    ------
    MmgraphError
        If a chain has fewer than four draws.
    """
    _check_length(trace.shape[0])
    elements = trace.shape[2]
    r_hat, size = np.zeros(elements), np.full(elements, float(trace.shape[0] * trace.shape[1]))
    cuts = np.linspace(0, elements, 4 * threads + 1).astype(np.int64)
    with ThreadPoolExecutor(threads) as pool:
        parts = [
            pool.submit(_of_states, trace, cardinalities, first, last, r_hat, size)
            for first, last in itertools.pairwise(cuts)
            if first < last
        ]
        for part in parts:
            part.result()
    return r_hat, size


def _check_length(draws: int) -> None:
    if draws < LEAST_DRAWS:
        raise MmgraphError(f"{draws} draws a chain are too few; at least {LEAST_DRAWS} are needed")


def _series(draws: Tensor) -> Float64[np.ndarray, "quantities chains draws"]:
    _check_length(draws.shape[1])
    flat = draws.detach().cpu().double().numpy().reshape(*draws.shape[:2], -1)
    return np.ascontiguousarray(np.moveaxis(flat, 2, 0))


def _split(values: np.ndarray) -> np.ndarray:
    """Halve each chain; the middle draw of an odd number is left out."""
    half = values.shape[2] // 2
    return np.concatenate([values[..., :half], values[..., values.shape[2] - half :]], axis=1)


def _rank_normalised(values: np.ndarray) -> Float64[np.ndarray, "quantities chains draws"]:
    """Normal quantiles of the ranks over all chains, ties at their mean (equation 14)."""
    flat = values.reshape(len(values), -1)
    ranks = stats.rankdata(flat, axis=1)
    quantiles = stats.norm.ppf((ranks - 0.375) / (flat.shape[1] + 0.25))
    normal: np.ndarray = np.ascontiguousarray(quantiles.reshape(values.shape))
    return normal


@numba.njit(cache=True, nogil=True)
def _variances(x):  # type: ignore[no-untyped-def]
    """The mean variance within chains, and the variance of their means; ``x`` is centred."""
    chains, draws = x.shape
    means = np.empty(chains)
    within = 0.0
    for c in range(chains):
        total = 0.0
        for t in range(draws):
            total += x[c, t]
        means[c] = total / draws
        for t in range(draws):
            x[c, t] -= means[c]
            within += x[c, t] * x[c, t]
    grand = means.mean()
    between = 0.0
    for c in range(chains):
        between += (means[c] - grand) ** 2
    return within / (chains * (draws - 1)), between / max(chains - 1, 1)


@numba.njit(cache=True, nogil=True)
def _r_hat(within, between, draws):  # type: ignore[no-untyped-def]
    if within <= 1e-24:
        return 1.0 if between <= 1e-24 else np.inf
    return np.sqrt((within * (draws - 1) / draws + between) / within)


@numba.njit(cache=True, nogil=True)
def _mean_autocovariance(x, lag):  # type: ignore[no-untyped-def]
    chains, draws = x.shape
    total = 0.0
    for c in range(chains):
        for t in range(draws - lag):
            total += x[c, t] * x[c, t + lag]
    return total / (chains * draws)


@numba.njit(cache=True, nogil=True)
def _sample_size(x, within, between):  # type: ignore[no-untyped-def]
    """Draws divided by the autocorrelation time, summed over Geyer's initial monotone sequence."""
    chains, draws = x.shape
    if within <= 1e-24:
        return float(chains * draws) if between <= 1e-24 else 1.0
    variance = within * (draws - 1) / draws + between
    time, last = -1.0, np.inf
    for lag in range(0, draws - 1, 2):
        even = 1.0 if lag == 0 else 1.0 - (within - _mean_autocovariance(x, lag)) / variance
        odd = 1.0 - (within - _mean_autocovariance(x, lag + 1)) / variance
        if even + odd <= 0.0:
            time += max(even, 0.0)
            break
        last = min(last, even + odd)
        time += 2.0 * last
    total = float(chains * draws)
    return total / max(time, 1.0 / np.log10(total))


@numba.njit(cache=True, nogil=True)
def _r_hats(values):  # type: ignore[no-untyped-def]
    result = np.empty(len(values))
    for q in range(len(values)):
        within, between = _variances(values[q])
        result[q] = _r_hat(within, between, values.shape[2])
    return result


@numba.njit(cache=True, nogil=True)
def _sample_sizes(values):  # type: ignore[no-untyped-def]
    result = np.empty(len(values))
    for q in range(len(values)):
        within, between = _variances(values[q])
        result[q] = _sample_size(values[q], within, between)
    return result


@numba.njit(cache=True, nogil=True)
def _of_states(trace, cardinalities, first, last, r_hat, size):  # type: ignore[no-untyped-def]
    draws, chains, _ = trace.shape
    half = draws // 2
    x = np.empty((2 * chains, half))
    for n in range(first, last):
        states = cardinalities[n]
        for k in range(1 if states == 2 else 0, states):
            for c in range(chains):
                for t in range(half):
                    x[2 * c, t] = 1.0 if trace[t, c, n] == k else 0.0
                    x[2 * c + 1, t] = 1.0 if trace[draws - half + t, c, n] == k else 0.0
            within, between = _variances(x)
            r_hat[n] = max(r_hat[n], _r_hat(within, between, half))
            size[n] = min(size[n], _sample_size(x, within, between))
