"""Rows of two sides, checked, and the scores of every row with every other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import MmgraphError

Rows = Float64[np.ndarray, "rows features"]
Scores = Float64[np.ndarray, "rows columns"]


def checked_rows(values: Any, side: str, impossible: float | None = None) -> Rows:
    """Return one side as rows; of a vector each value is one.

    Raises
    ------
    MmgraphError
        If it is empty, no matrix of numbers, or neither finite nor ``impossible``; names the side
        and the first such row.
    """
    try:
        rows = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise MmgraphError(f"{side} is no matrix of numbers: {error}") from None
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.size:
        raise MmgraphError(f"{side} has shape {rows.shape}; expected one row of numbers or more")
    good = (np.isfinite(rows) | (rows == impossible)).all(1)
    if not good.all():
        bad = int(good.argmin())
        raise MmgraphError(f"{side} is not finite in row {bad}: {rows[bad]}")
    return rows


def checked_pair(a: Any, b: Any) -> tuple[Rows, Rows]:
    """Return both sides as :func:`checked_rows`, which must be equally wide."""
    first, second = checked_rows(a, "a"), checked_rows(b, "b")
    if first.shape[1] != second.shape[1]:
        raise MmgraphError(
            f"rows of a have {first.shape[1]} features, those of b {second.shape[1]}; both must be "
            "places in one space"
        )
    return first, second


def standardisation(
    rows: Rows, widths: Sequence[int] | None = None
) -> tuple[Float64[np.ndarray, "features"], ...]:
    """Return by what features are shifted, and then scaled, to mean zero and variance one.

    What all of one side have in common, say the style of its drawings, says nothing of a match.
    Constant features become zero. Kinds of features that lie side by side, with such ``widths``,
    then count equally, however wide they are.

    Raises
    ------
    MmgraphError
        If the widths are not above zero with the number of features as their sum.
    """
    sizes = np.array([rows.shape[1]] if widths is None else widths)
    if sizes.min(initial=1) < 1 or sizes.sum() != rows.shape[1]:
        raise MmgraphError(f"widths add up to the {rows.shape[1]} features, not {widths}")
    deviation = rows.std(0)
    varies = deviation > 1e-9 * np.abs(rows).max(0)  # else it is a rounding error
    scale = varies / np.where(varies, deviation, 1.0)
    return rows.mean(0), scale / np.sqrt(np.repeat(sizes, sizes))


def directions(rows: Rows) -> Rows:
    """Return rows scaled to length one; zero where they are zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def less_hubs(scores: Scores, neighbours: int) -> Scores:
    """Take from scores what is near to everything: the mean of each item's best ones.

    Cross-domain similarity local scaling (Conneau et al. 2018, section 2.3).
    """
    means = []
    for side in (scores, scores.T):
        count = min(neighbours, side.shape[1])
        best = np.partition(side, -count, axis=1)[:, -count:]
        possible = np.isfinite(best)
        means.append(np.where(possible, best, 0).sum(1) / np.maximum(possible.sum(1), 1))
    return 2 * scores - means[0][:, None] - means[1]
