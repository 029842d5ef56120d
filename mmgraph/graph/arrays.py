"""Numbers in arrays as users have them: what factors, weights and edges are read through.

Arrays may be reversed, of foreign byte order, in any memory order or precision, of Python objects,
or masked (as netCDF4 and rasterio return them): what torch would refuse is copied, and what it
would misread is refused by name. Cells with labels are read by :mod:`mmgraph.graph.column_reader`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmgraph.graph.errors import GraphError, MmgraphError


def float_tensor(
    numbers: object, owner: str, error: type[MmgraphError] = GraphError
) -> Float[Tensor, "..."]:
    """Return numbers as a floating tensor, without a copy where that is possible.

    Floating tensors stay as they are, with their gradients; floating arrays keep their precision up
    to double, and all else becomes double. What is no real number, or hidden by a mask, is an
    ``error`` that names the ``owner`` of the numbers; so in all functions of this module.
    """
    numbers = _joined_tensors(numbers)
    if isinstance(numbers, Tensor):
        if numbers.is_complex() or numbers.dtype == torch.bool:
            raise error(f"{owner}: real numbers were expected, not {numbers.dtype}")
        return numbers if numbers.is_floating_point() else numbers.to(torch.float64)
    array = as_array(numbers, owner, error)
    refuse_mask(array, owner, error)
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    elif array.dtype.kind == "O":
        array = _of_objects(array, owner, error)
    elif array.dtype.kind in "SU":
        raise error(f"{owner}: not an array of numbers, but of texts")
    elif array.dtype.kind != "f":
        raise error(f"{owner}: real numbers were expected, not {array.dtype}")
    elif not hasattr(numbers, "dtype"):  # a list that holds arrays
        array = array.astype(np.float64)
    return torch.from_numpy(native(array))


def float_array(
    numbers: object, owner: str, error: type[MmgraphError] = GraphError
) -> Float64[np.ndarray, "..."]:
    """Return an array of doubles, truth values as 0 and 1; else as :func:`float_tensor`."""
    if isinstance(numbers, Tensor):
        numbers = numbers.detach().cpu()
        numbers = numbers.double() if numbers.dtype == torch.bool else numbers
    elif not isinstance(numbers, str) and (array := as_array(numbers, owner, error)).dtype == bool:
        numbers = array.astype(np.float64)  # which keeps a mask
    doubles: np.ndarray = float_tensor(numbers, owner, error).double().numpy()
    return doubles


def log_potentials(numbers: object, owner: str) -> Float[Tensor, "*shape states"]:
    """Return log-potentials of states as a floating tensor; an element that is masked says nothing.

    A mask hides all states of an element, or none.
    """
    array = numbers if isinstance(numbers, Tensor) else as_array(numbers, owner, GraphError)
    return float_tensor(neutral_where_masked(array, owner, GraphError), owner)


def neutral_where_masked(
    numbers: Any, owner: str, error: type[MmgraphError], neutral: float = 0.0
) -> Any:
    """Return numbers with the neutral one in all states of an element that a mask hides."""
    if not isinstance(numbers, np.ma.MaskedArray) or not np.ma.is_masked(numbers):
        return numbers
    mask = np.ma.getmaskarray(numbers)
    partly = np.asarray(mask.any(-1) & ~mask.all(-1) if mask.ndim else False)
    if partly.any():
        raise error(
            f"{owner}: the mask hides some states of element {first_place(partly)} and not others; "
            "an element is masked as a whole"
        )
    return np.where(mask, numbers.dtype.type(neutral), np.ma.getdata(numbers))


def nan_where_masked(numbers: Any) -> Any:
    """Return numbers with NaN, which stands for a missing one, where a mask hides one."""
    numbers = with_masks_joined(numbers)
    if not isinstance(numbers, np.ma.MaskedArray):
        return numbers
    return np.ma.filled(numbers.astype(np.float64), np.nan)


def with_masks_joined(numbers: Any) -> Any:
    """Return nested lists that hold masked arrays as one masked array; anything else as it is."""
    if not _holds_mask(numbers):
        return numbers
    return np.ma.stack([np.ma.asanyarray(with_masks_joined(part)) for part in numbers])


def whole_numbers(
    numbers: object, owner: str, error: type[MmgraphError] = GraphError
) -> Int64[Tensor, "..."]:
    """Return whole numbers of any type as a tensor of int64, on the device where they are.

    Truth values are none, nor is what is fractional, NaN, infinite or beyond 64 bits.
    """
    if isinstance(numbers, Tensor):
        if numbers.is_floating_point():
            plain = numbers.detach()
            _refuse_unwhole(
                (plain != plain.floor()) | (plain.abs() >= 2.0**63), plain, owner, error
            )
        elif numbers.dtype == torch.uint64:  # of which torch compares nothing
            return whole_numbers(numbers.cpu().numpy(), owner, error).to(numbers.device)
        elif numbers.is_complex() or numbers.dtype == torch.bool:
            raise error(f"{owner}: whole numbers were expected, not {numbers.dtype}")
        return numbers.long()
    array = as_array(numbers, owner, error)
    refuse_mask(array, owner, error)
    if not array.size:
        return torch.zeros(array.shape, dtype=torch.int64)
    if array.dtype.kind == "O" and all(_is_whole(n) for n in array.flat):
        too_large = np.array([not -(2**63) <= int(n) < 2**63 for n in array.flat], bool)
        _refuse_unwhole(too_large.reshape(array.shape), array, owner, error)
    elif array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = (array != np.floor(array)) | ~(np.abs(array) < 2.0**63)
        _refuse_unwhole(wrong, array, owner, error)
    elif array.dtype.kind == "u":
        _refuse_unwhole(array > np.uint64(2**63 - 1), array, owner, error)
    elif array.dtype.kind != "i":
        raise error(f"{owner}: whole numbers were expected, not {array.dtype}")
    return torch.from_numpy(native(array.astype(np.int64)))


def _is_whole(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def as_array(numbers: Any, owner: str, error: type[MmgraphError]) -> np.ndarray:
    """Return an array of what is given, still masked where it, or a part of a list, was."""
    try:
        numbers = with_masks_joined(numbers)
        return (
            _of_sequence(numbers) if isinstance(numbers, list | tuple) else np.asanyarray(numbers)
        )
    except (TypeError, ValueError, OverflowError, RuntimeError) as problem:
        raise error(f"{owner}: not an array of numbers ({problem})") from None


def _holds_mask(numbers: object) -> bool:
    if not isinstance(numbers, list | tuple):
        return False
    return any(isinstance(part, np.ma.MaskedArray) or _holds_mask(part) for part in numbers)


def _of_sequence(numbers: Any) -> np.ndarray:
    if any(isinstance(part, Tensor) for part in numbers):
        numbers = [p.detach().cpu().numpy() if isinstance(p, Tensor) else p for p in numbers]
    return np.asarray(numbers)


def _joined_tensors(numbers: Any) -> Any:
    """A list of nothing but tensors as one, which keeps their gradients; all else as it is."""
    if not isinstance(numbers, list | tuple) or not numbers:
        return numbers
    parts = [_joined_tensors(part) for part in numbers]
    return torch.stack(parts) if all(isinstance(part, Tensor) for part in parts) else numbers


def refuse_mask(array: np.ndarray, owner: str, error: type[MmgraphError]) -> None:
    """Raise an error if a mask hides a number: how many, and the first."""
    if not np.ma.is_masked(array):
        return
    mask = np.ma.getmaskarray(array)
    raise error(
        f"{owner}: a mask hides {int(mask.sum()):,} of {mask.size:,} numbers, the first at "
        f"{first_place(mask)}; fill them or leave them out"
    )


def native(array: np.ndarray) -> np.ndarray:
    """Return an array that torch can share: of native byte order, in one piece, writeable."""
    array = np.ma.getdata(array)
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)
    array = np.asarray(array, array.dtype.newbyteorder("="))
    step = array.itemsize  # fields of records lie at other distances
    if any(stride < 0 or stride % step for stride in array.strides) or not array.flags.writeable:
        return array.copy()  # a tensor on memory that may not be written would be a trap
    return array


def first_place(wrong: Bool[np.ndarray, "..."]) -> Any:
    """Return where the first true one stands: a number in one axis, a tuple in several."""
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return place[0] if len(place) == 1 else place


def _of_objects(array: np.ndarray, owner: str, error: type[MmgraphError]) -> np.ndarray:
    """Doubles from Python numbers; texts and truth values are none."""
    for cell in array.flat:
        if isinstance(cell, str | bytes | bool):
            raise error(f"{owner}: real numbers were expected, not {cell!r}")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as problem:
        raise error(f"{owner}: not an array of numbers ({problem})") from None


def _refuse_unwhole(wrong: Any, numbers: Any, owner: str, error: type[MmgraphError]) -> None:
    if not bool(wrong.any()):
        return
    place = first_place(np.asarray(wrong.cpu() if isinstance(wrong, Tensor) else wrong))
    number = numbers[place] if place != () else numbers[()]
    raise error(f"{owner}: {float(number):g} at {place} is no whole number that fits 64 bits")
