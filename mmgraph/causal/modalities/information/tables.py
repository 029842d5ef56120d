"""Tables of probabilities, read and checked, and their entropies in bits."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.special import entr

from mmgraph.graph.arrays import first_place, float_array
from mmgraph.graph.errors import MmgraphError

_ROUNDING = 1e-6
"""How far from one a sum of probabilities may lie, which is then divided by it."""


def joint_table(numbers: object, what: str, axes: int | None = None) -> Float64[np.ndarray, "..."]:
    """Return a table of probabilities that sums to one.

    Raises
    ------
    MmgraphError
        If it has another number of axes or none, an entry is negative or not finite (which), or the
        sum is not one.
    """
    table = _probabilities(numbers, what)
    if axes is not None and table.ndim != axes:
        raise MmgraphError(f"{what} has {axes} axes, and {table.ndim} are given")
    return _divided(table, table.sum(), what)


def conditional_table(
    numbers: object, what: str, states: int, axes: int
) -> Float64[np.ndarray, "states *outcomes"]:
    """Return distributions given each state, the first axis; raises as :func:`joint_table`."""
    table = _probabilities(numbers, what)
    if table.ndim != axes + 1 or len(table) != states:
        raise MmgraphError(
            f"{what}: a table of {states} states, then {axes} of outcomes, was expected, not the "
            f"shape {table.shape}"
        )
    sums = table.reshape(states, -1).sum(1)
    return np.stack(
        [_divided(row, sums[i], f"{what}, given state {i},") for i, row in enumerate(table)]
    )


def _probabilities(numbers: object, what: str) -> Float64[np.ndarray, "..."]:
    table = float_array(numbers, what, MmgraphError)
    if not table.size or not table.ndim:
        raise MmgraphError(f"{what}: a table of probabilities was expected, not {numbers!r}")
    wrong = ~np.isfinite(table) | (table < 0)
    if wrong.any():
        place = first_place(wrong)
        raise MmgraphError(f"{what}: {table[place]:g} at {place} is no probability")
    return table


def _divided(table: Float64[np.ndarray, "..."], total: float, what: str) -> np.ndarray:
    if not abs(total - 1) <= _ROUNDING:
        raise MmgraphError(f"{what} sums to {total:.9g}, not to one")
    return np.asarray(table / total)


def entropy(table: Float64[np.ndarray, "..."]) -> float:
    """Return the entropy of a joint distribution in bits."""
    return float(entr(table).sum() / np.log(2))


def mutual_information(table: Float64[np.ndarray, "... target"]) -> float:
    """Return what all axes but the last tell of the last, in bits; never negative."""
    target = tuple(range(table.ndim - 1))
    bits = entropy(table.sum(-1)) + entropy(table.sum(target)) - entropy(table)
    return max(bits, 0.0)
