"""Values that are missing because a file says which number stands for no data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool


def equal_to(values: np.ndarray, number: object) -> Bool[np.ndarray, "..."]:
    """Return where an array holds the number for no data, which files give as text.

    The number is compared as the array would hold it, since 0.1 in single precision is not 0.1 in
    double. Nothing is equal to what is no number, or to one that such an array cannot hold.
    """
    text = str(number).strip().strip("\x00")
    try:
        value = float(text)
    except ValueError:
        return np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        if np.isnan(value):
            return np.isnan(values)
        with np.errstate(over="ignore"):
            return np.asarray(values == values.dtype.type(value))
    if not value.is_integer():  # infinity and NaN are not, either
        return np.zeros(values.shape, bool)
    # Whole numbers of 64 bits do not go through a double.
    whole = int(text) if text.lstrip("+-").isdecimal() else int(value)
    return np.asarray(values == whole)


def equal_to_each(
    values: np.ndarray, numbers: Sequence[object], axis: int
) -> Bool[np.ndarray, "..."]:
    """Return where an array holds the numbers for no data of its parts along an axis.

    There is a number for each band or page; or one for all, if they are the same.
    """
    hidden = np.zeros(values.shape, bool)
    if len(set(numbers)) == 1:
        return hidden if numbers[0] is None else equal_to(values, numbers[0])
    if values.ndim and values.shape[axis] == len(numbers):
        parts, places = np.moveaxis(values, axis, 0), np.moveaxis(hidden, axis, 0)
        for part, number in enumerate(numbers):
            if number is not None:
                places[part] = equal_to(parts[part], number)
    return hidden
