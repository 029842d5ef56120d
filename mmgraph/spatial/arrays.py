"""Arrays as users hold them, read once for images, labels, masks and opinions."""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.graph.arrays import as_array
from mmgraph.graph.column_reader import is_frame, plain_array
from mmgraph.graph.errors import LearningError, MmgraphError
from mmgraph.graph.state_labels import is_missing


def read_cells(
    cells: Any, what: str, error: type[MmgraphError] = LearningError
) -> tuple[np.ndarray, Bool[np.ndarray, "..."]]:
    """Return an array of real numbers in the type it came in, and which cells say nothing.

    Arrays, masked ones, tensors, data frames, and nested lists of those may have any memory layout
    and byte order. A cell says nothing where a mask hides it, and where it is NaN, None or pandas'
    NA. An error of the type calls the array ``what``.
    """
    if isinstance(cells, Tensor):
        cells = plain_array(cells)
    array = as_array(cells.to_numpy() if is_frame(cells) else cells, what, error)
    mask = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    array = np.ma.getdata(array)
    if array.dtype == object:
        array = _from_cells(array, mask, what, error)
    if array.dtype.kind not in "biuf":
        raise error(f"{what} holds {array.dtype}, and not real numbers")
    hidden = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    return array, hidden if mask is None else hidden | mask


def real_array(
    cells: object, what: str, error: type[MmgraphError] = LearningError
) -> Float[np.ndarray, "..."]:
    """Return numbers in double precision, in an array of their own; else as :func:`read_cells`."""
    array, hidden = read_cells(cells, what, error)
    with np.errstate(over="ignore"):  # beyond double precision lies infinity
        numbers_read = array.astype(np.float64, order="C", subok=False)
    numbers_read[hidden] = np.nan
    return numbers_read


def reversal_hint(sizes: Mapping[str, tuple[int, ...]]) -> str:
    """Say so if one of several sizes is another in reverse, as NIfTI's axes i, j, k are."""
    for one, other in itertools.combinations(sizes, 2):
        if sizes[one] == sizes[other][::-1] != sizes[other]:
            return (
                f"; {one} has the axes of {other} in reverse: NIfTI files (i, j, k) are read as "
                "(slices, rows, columns), so transpose arrays that nibabel has read"
            )
    return ""


def unmasked(image: np.ndarray) -> np.ndarray:
    """Return an image as it is, or if it is masked with NaN where it is hidden."""
    return real_array(image, "the image") if isinstance(image, np.ma.MaskedArray) else image


def is_real(value: object) -> bool:
    """Whether a value is one real number: Python's or NumPy's, and not hidden by a mask."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _from_cells(
    array: np.ndarray, mask: np.ndarray | None, what: str, error: type[MmgraphError]
) -> np.ndarray:
    """Read cells one by one: whole numbers stay whole, missing ones are NaN."""
    hidden = np.zeros(array.size, bool) if mask is None else mask.reshape(-1)
    cells = array.reshape(-1).tolist()
    for place, cell in enumerate(cells):
        if hidden[place] or is_missing(cell):
            cells[place] = np.nan
        elif not isinstance(cell, numbers.Real | np.bool_):
            raise error(f"{what} holds {cell!r:.40}, and not real numbers")
    whole = all(isinstance(cell, int) for cell in cells)
    try:
        return np.array(cells, np.int64 if whole else np.float64).reshape(array.shape)
    except OverflowError:
        raise error(f"{what} holds a number that is too large") from None
