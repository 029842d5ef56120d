"""An interval, and the checks of tables that bounds are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import GraphError

ROUNDING = 1e-6
"""What probabilities may be off by: sums of them, and what they contradict one another by."""


class Interval(NamedTuple):
    """The least and the greatest value that the data allow."""

    lower: float
    upper: float


def distributions(
    table: Any, what: str, axes: tuple[str, ...], over: int
) -> Float64[np.ndarray, "*states"]:
    """Return a table as float64 array that sums to one exactly over its last ``over`` axes.

    Raises
    ------
    GraphError
        If it has other axes, a cell is negative or not finite, or a sum is not one.
    """
    try:
        values = np.asarray(table, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise GraphError(f"{what} is no array of numbers: {error}") from None
    if values.ndim != len(axes) or 0 in values.shape:
        raise GraphError(f"{what} has the shape {values.shape}, its axes are ({', '.join(axes)})")
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        cell = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise GraphError(f"{what} holds {values[cell]} at {_at(axes, cell)}")
    sums = values.sum(tuple(range(-over, 0)), keepdims=True)
    if (np.abs(sums - 1) > ROUNDING).any():
        cell = tuple(int(i) for i in np.argwhere(np.abs(sums - 1) > ROUNDING)[0][: -over or None])
        where = f" at {_at(axes, cell)}" if cell else ""
        raise GraphError(f"{what} sums to {float(sums[cell].sum()):.9g}{where}, not to one")
    return np.asarray(values / sums)


def _at(axes: tuple[str, ...], cell: tuple[int, ...]) -> str:
    return ", ".join(f"{a} = {i}" for a, i in zip(axes, cell, strict=False))
