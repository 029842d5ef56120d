"""How far chains have mixed: split R-hat and effective sample size.

Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and
localization: an improved R-hat for assessing convergence of MCMC", sections 3 and 4.

Where R-hat is above its limit, chains do not agree and the autocorrelation within them says little:
the effective sample size is then at most that which such an R-hat goes with (Vats and Knudson 2021,
"Revisiting the Gelman-Rubin diagnostic", section 3). Of an element that has one value in all draws
of all chains R-hat is undefined, and reported as infinite; its sample size is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.numerics.shortfall import shortfall

R_HAT_LIMIT = 1.01
"""Up to which chains count as mixed."""

LEAST_DRAWS = 4
"""Draws of a chain below which nothing is said: its halves need a variance."""


_strict = numba.njit(cache=True, nogil=True)  # no sum is taken in another order


def r_hat_shortfall(
    method: str, r_hat: Mapping[str, Tensor], limit: float, sweeps: int, enough: bool
) -> str:
    """Return which variable's R-hat is largest; empty if all are within the limit."""
    if not enough:
        return f"{method}: fewer than {LEAST_DRAWS} draws of a chain tell nothing"
    name = max(r_hat, key=lambda n: float(r_hat[n].max()), default=None)
    if name is None or float(r_hat[name].max()) <= limit:
        return ""
    worst = float(r_hat[name].max())
    return shortfall(method, f"R-hat of '{name}'", worst, limit, sweeps, "sweeps")


def state_diagnostics(
    trace: Int[np.ndarray, "draws chains elements"],
    cardinalities: Int64[np.ndarray, " elements"],
    threads: int = 1,
) -> tuple[Float64[np.ndarray, " elements"], Float64[np.ndarray, " elements"]]:
    """Return R-hat and effective sample size of elements with states, the worst of their states.

    What is followed is whether the element is in a state. Ranks and distances from the median are
    linear functions of such a value, so that rank normalisation changes nothing.
    """
    r_hat, size = _unknown(trace)
    cuts = np.linspace(0, len(size), 4 * threads + 1).astype(np.int64)
    with ThreadPoolExecutor(threads) as pool:
        parts = [
            pool.submit(_of_states, trace, cardinalities, first, last, r_hat, size)
            for first, last in itertools.pairwise(cuts)
            if first < last
        ]
        for part in parts:
            part.result()
    return r_hat, _limited(size, r_hat, trace.shape[1])


def value_diagnostics(
    trace: Float[np.ndarray, "draws chains elements"],
) -> tuple[Float64[np.ndarray, " elements"], Float64[np.ndarray, " elements"]]:
    """Return split R-hat and effective sample size of real-valued elements."""
    r_hat, size = _unknown(trace)
    _of_values(np.ascontiguousarray(trace, np.float64), r_hat, size)
    return r_hat, _limited(size, r_hat, trace.shape[1])


def split_r_hat(trace: Float[np.ndarray, "draws chains"]) -> float:
    """Return split R-hat of real values, one where nothing varies."""
    _unknown(trace[..., None])
    halves = np.empty((2 * trace.shape[1], len(trace) // 2))
    within, between = _split(np.ascontiguousarray(trace[..., None], np.float64), 0, halves)
    varies = within > 1e-24 or between > 1e-24
    return float(_r_hat(within, between, halves.shape[1])) if varies else 1.0


def _limited(
    size: Float64[np.ndarray, " elements"], r_hat: Float64[np.ndarray, " elements"], chains: int
) -> Float64[np.ndarray, " elements"]:
    """Sample sizes no larger than R-hat allows: it is about ``sqrt(1 + chains / size)``."""
    halves = 2 * chains
    most = np.full(len(r_hat), np.inf)
    apart = r_hat > R_HAT_LIMIT
    most[apart] = np.maximum(halves / (r_hat[apart] ** 2 - 1), 1.0)
    return np.minimum(size, most)


def _unknown(
    trace: np.ndarray,
) -> tuple[Float64[np.ndarray, " elements"], Float64[np.ndarray, " elements"]]:
    """What R-hat and sample size start from, or MmgraphError where there are too few draws."""
    if trace.shape[0] < LEAST_DRAWS:
        raise MmgraphError(
            f"{trace.shape[0]} draws a chain are too few; at least {LEAST_DRAWS} are needed"
        )
    elements = trace.shape[2]
    return np.zeros(elements), np.full(elements, np.inf)


@_strict
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


@_strict
def _r_hat(within, between, draws):  # type: ignore[no-untyped-def]
    if within <= 1e-24:  # constant in each chain: undefined, or a disagreement
        return np.inf
    return np.sqrt((within * (draws - 1) / draws + between) / within)


@_strict
def _mean_autocovariance(x, lag):  # type: ignore[no-untyped-def]
    chains, draws = x.shape
    total = 0.0
    for c in range(chains):
        for t in range(draws - lag):
            total += x[c, t] * x[c, t + lag]
    return total / (chains * draws)


@_strict
def _sample_size(x, within, between):  # type: ignore[no-untyped-def]
    """Draws divided by the autocorrelation time, summed over Geyer's initial monotone sequence."""
    chains, draws = x.shape
    if within <= 1e-24:
        return 1.0
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


@_strict
def _of_states(trace, cardinalities, first, last, r_hat, size):  # type: ignore[no-untyped-def]
    draws, chains, _ = trace.shape
    half = draws // 2
    x = np.empty((2 * chains, half))
    for n in range(first, last):
        states = cardinalities[n]
        varies = False
        for k in range(1 if states == 2 else 0, states):
            for c in range(chains):
                for t in range(half):
                    x[2 * c, t] = 1.0 if trace[t, c, n] == k else 0.0
                    x[2 * c + 1, t] = 1.0 if trace[draws - half + t, c, n] == k else 0.0
            within, between = _variances(x)
            if within <= 1e-24 and between <= 1e-24:
                continue  # a state that nobody visits, or that nobody leaves
            varies = True
            r_hat[n] = max(r_hat[n], _r_hat(within, between, half))
            size[n] = min(size[n], _sample_size(x, within, between))
        if not varies:
            r_hat[n], size[n] = np.inf, 1.0


@_strict
def _split(trace, n, x):  # type: ignore[no-untyped-def]
    """Write the centred halves of the chains of an element to ``x``; return their variances."""
    draws, chains, _ = trace.shape
    half = draws // 2
    centre = trace[:, :, n].mean()
    for c in range(chains):
        for t in range(half):
            x[2 * c, t] = trace[t, c, n] - centre
            x[2 * c + 1, t] = trace[draws - half + t, c, n] - centre
    return _variances(x)


@_strict
def _of_values(trace, r_hat, size):  # type: ignore[no-untyped-def]
    half = trace.shape[0] // 2
    x = np.empty((2 * trace.shape[1], half))
    for n in range(trace.shape[2]):
        within, between = _split(trace, n, x)
        r_hat[n] = _r_hat(within, between, half)
        size[n] = _sample_size(x, within, between)
