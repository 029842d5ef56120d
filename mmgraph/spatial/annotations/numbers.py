"""Numbers that stand for classes, one a pixel: whole, and not wrapped around."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from mmgraph.graph.arrays import first_place
from mmgraph.graph.errors import FormatError
from mmgraph.spatial.annotations.colour_labels import unlabelled_hint

_TOO_LARGE = 2.0**63


def unlabelled_number(unlabelled: object, default: int, source: str) -> int:
    """Return the number of pixels without a label, or raise FormatError if it is none."""
    if unlabelled is None:
        return default
    if isinstance(unlabelled, bool) or not isinstance(unlabelled, int | np.integer):
        raise FormatError(
            f"{source}: one number a pixel, and so the unlabelled one is a number, not "
            f"{unlabelled!r}"
        )
    return int(unlabelled)


def whole_numbers(
    cells: np.ndarray, hidden: np.ndarray, unlabelled: int, source: str
) -> Int64[np.ndarray, "*shape"]:
    """Return labels as whole numbers, the unlabelled one where they are hidden."""
    if cells.ndim not in (2, 3) or not cells.size:
        raise FormatError(
            f"{source}: {cells.dtype} of shape {cells.shape}; one whole number a pixel was "
            "expected, (height, width) or (depth, height, width), or colours (height, width, 3)"
        )
    if cells.dtype.kind == "f":
        broken = ~hidden & (~np.isfinite(cells) | (cells != np.floor(cells)))
        if broken.any():
            place = first_place(broken)
            raise FormatError(
                f"{source}: the label at {place} is {cells[place]}, which is no whole number"
            )
    large = ~hidden & (np.abs(cells.astype(np.float64)) >= _TOO_LARGE)
    if large.any():
        place = first_place(large)
        raise FormatError(f"{source}: the label at {place} is {cells[place]}, too large")
    numbers = np.where(hidden, 0, cells).astype(np.int64)
    numbers[hidden] = unlabelled
    return numbers


def wrapped(cells: np.ndarray, known: np.ndarray) -> str | None:
    """Say so if the largest number of an unsigned type stands beside 0, 1, 2 … or 1, 2, 3 …."""
    if cells.dtype.kind != "u" or not known.any():
        return None
    values = np.unique(cells[known]).tolist()
    largest = np.iinfo(cells.dtype).max
    small = values[:-1]
    consecutive = len(small) > 1 and small[0] <= 1 and small[-1] - small[0] < len(small)
    if values[-1] != largest or not consecutive:
        return None
    return (
        f"{largest} beside the classes {small[0]} to {small[-1]} is what -1 becomes in "
        f"{cells.dtype}; if it stands for no label, say {unlabelled_hint(largest)}, or subtract "
        "after astype(int); if it is a class, give the numbers as astype(int)"
    )
