"""Which inverse temperatures annealing passes through, and whether its weights say anything.

The variance of a log-weight grows with the change of the mean energy from one step to the next
(Neal 2001, "Annealed importance sampling", section 4): steps of equal length suit energies of some
nats, but leave the base in one leap where they are large.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64
from scipy.optimize import brentq
from torch import Tensor

from mmgraph.inference.numerics.shortfall import warn_caller

_FIRST_STEP = 0.5
"""Nats by which the log-weights may spread in the first step."""

_STEEPEST = 700.0


def inverse_temperatures(steps: int, spread: float) -> Float64[np.ndarray, " steps+1"]:
    """Return inverse temperatures from zero to one, evenly spaced if the first step is short.

    Parameters
    ----------
    spread : float
        The standard deviation over the base of the log-weight that an even first step would give.
        Where it is large, temperatures grow as ``expm1(k t)``: slowly at first, and then by equal
        ratios.
    """
    even = np.linspace(0.0, 1.0, steps + 1)
    ratio = spread / _FIRST_STEP
    if not 1.0 < ratio < math.inf:
        return even
    ratio = min(ratio, math.exp(_STEEPEST / 2))
    steepness = brentq(lambda k: math.log(math.expm1(k) / k) - math.log(ratio), 1e-9, _STEEPEST)
    grown: np.ndarray = np.expm1(steepness * even) / math.expm1(steepness)
    grown[-1] = 1.0
    return grown


def have_collapsed(sample_size: Tensor, chains: int) -> Tensor:
    """Return in which rows nearly all weight falls on one run, so that its error is unknown.

    The standard error of a mean of ``n`` weights that is told by their variance is at most one:
    where one run has all weight it is one, however far the other runs would have to go.
    """
    return sample_size < min(2.0, (1 + chains) / 2)


def warn_of_collapse(sample_size: Tensor, chains: int, steps: int) -> None:
    """Warn of rows whose weights have collapsed."""
    rows = have_collapsed(sample_size, chains).nonzero().flatten().tolist()
    if rows:
        shown = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
        warn_caller(
            f"annealed_importance_sampling: in row {shown} of the evidence nearly all weight falls "
            f"on one of {chains} runs (effective sample size {float(sample_size[rows[0]]):.3g}), "
            f"so that log P(evidence) may be far off by an unknown error; more than {steps} steps, "
            "or exact inference, would tell"
        )
