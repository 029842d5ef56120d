"""A figure with its noise: over rows, or over groups of rows that belong together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtrit

from mmgraph.learning.prediction.noise import standard_error


class Estimate(NamedTuple):
    """A figure, its standard error (zero where it is exact) and the ends of its 95% interval.

    The interval is by Student's distribution with a degree of freedom less than there are groups
    (or rows), which is wide where these are few. A single one tells nothing of the noise: standard
    error and ends are None.
    """

    value: float
    standard_error: float | None = 0.0
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        noise = f" ± {self.standard_error:.3f}" if self.standard_error else ""
        return f"{self.value:z.3f}{noise}"


def exactly(value: float) -> Estimate:
    """Return an estimate without noise."""
    return Estimate(value, 0.0, value, value)


def mean_of(
    values: Float[np.ndarray, " rows"], groups: Int[np.ndarray, " rows"] | None = None
) -> Estimate:
    """Return the mean over rows, its noise that over groups where there are some."""
    value, error = float(values.mean()), standard_error(values, groups)
    if error is None:
        return Estimate(value, None)
    count = len(values) if groups is None else len(np.unique(groups))
    reach = error * float(stdtrit(count - 1, 0.975))
    return Estimate(value, error, value - reach, value + reach)
