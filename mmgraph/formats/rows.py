"""Rows of conditional tables as files give them: rounded, so that few sum to one exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.variable import Variable

ROUNDING = 0.01
"""How far the sum of a row may be from one for the digits that its file left out."""

EXACT = 1e-12
"""A row whose sum is this close to one is left as it is, to the last bit."""

LARGEST_RANK = 64
"""The most axes that an array can have."""


def normalise(table: Float64[np.ndarray, "rows states"]) -> int | None:
    """Divide the rows that are off by rounding by their sum, in place.

    Return the first row that is no distribution (a negative or infinite number, or a sum further
    than ``ROUNDING`` from one), or None if there is none.
    """
    with np.errstate(over="ignore"):
        sums = table.sum(axis=1)
    off = np.abs(sums - 1.0)
    wrong = ~(off <= ROUNDING) | (table < 0).any(axis=1)
    if wrong.any():
        return int(wrong.argmax())
    inexact = off > EXACT
    if inexact.any():
        table[inexact] /= sums[inexact, None]
    return None


def problem_of(row: Float64[np.ndarray, " states"]) -> str:
    """Say what keeps a row from being a distribution."""
    wrong = row[~((row >= 0) & (row < np.inf))]
    if len(wrong):
        return f"holds {wrong[0]:.9g}, which is no probability"
    return f"sums to {row.sum():.9g}, not 1"


def bounded_product(numbers: Iterable[int], bound: int) -> int | None:
    """Return the product, or None as soon as it exceeds a bound.

    A zero is taken as it comes: states are counted from one, so that it can only be an error.
    """
    product = 1
    for number in numbers:
        product *= number
        if product > bound:
            return None
    return product


def state_of(row: int, cardinalities: list[int]) -> list[int]:
    """Return the state indices that a row number stands for, the last parent moving fastest."""
    states = []
    for cardinality in reversed(cardinalities):
        row, state = divmod(row, cardinality)
        states.append(state)
    return states[::-1]


def row_name(child: Variable, parents: Sequence[Variable], states: Sequence[int]) -> str:
    """Name the row of a conditional table for a message."""
    if not parents:
        return f"the distribution of '{child.name}'"
    pairs = (f"{p.name}={p.labels[s]}" for p, s in zip(parents, states, strict=True))
    return f"the row ({', '.join(pairs)}) of '{child.name}'"
