"""Columns of cells as state indices or real numbers: the reader behind every door to a model.

Evidence, learning, tables on disk, ``do`` and the command line all read through here; what a single
cell means is said by :class:`~mmgraph.graph.state_labels.StateLabels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmgraph.graph.arrays import float_array, with_masks_joined
from mmgraph.graph.errors import EvidenceError, UnknownStateError
from mmgraph.graph.state_labels import (
    MISSING,
    Index,
    StateLabels,
    is_missing,
    number_spelled,
    plain_cell,
)
from mmgraph.graph.variable import Variable, element_names

_ENOUGH = 10
"""Known cells below which it may be chance that a state does not occur."""

Place = Callable[[int], str]
"""Says where the cell with this number in scan order stands, for messages."""


def codes(
    variable: Variable, column: object, place: Place, missing: Collection[object] = ()
) -> Int64[np.ndarray, "*cells"]:
    """Return the state indices of cells in any container, ``MISSING`` where nothing is said.

    The column is a scalar, sequence, array, tensor, series or :class:`Index` of any shape. What a
    mask hides is missing, and so are cells in ``missing``, however they are spelled: ``-9`` is also
    ``"-9"``.

    Raises
    ------
    UnknownStateError
        If a cell names no state, with its place.
    EvidenceError
        If a cell is no single value.
    """
    reader = variable.reader
    listed = spellings(missing)

    def read(cell: object) -> int:
        return MISSING if listed and spelling(cell) in listed else reader.read(cell)

    if isinstance(column, Index):
        marked = np.asarray(plain_array(column.codes))
        if not marked.ndim:
            return np.array(reader.checked_index(marked.item()), np.int64)
        return _indices(reader, marked, place)
    array = plain_array(column)
    if isinstance(array, np.ndarray):
        if not array.ndim:
            cell = plain_cell(array[()])
            return np.array(read(cell), np.int64)
        if array.dtype.kind in "iuf" and reader.takes_indices and not missing:
            return _indices(reader, array, place)
    inverse, cells = factorised(variable, array)
    table = np.full(len(cells) + 1, MISSING, np.int64)  # the last stands for missing cells
    for i, cell in enumerate(cells):
        try:
            table[i] = read(cell)
        except UnknownStateError as error:
            first = int((inverse.reshape(-1) == i).argmax())
            raise UnknownStateError(f"{place(first)}: {error}") from None
    indices: np.ndarray = table[inverse]
    return indices


def factorised(
    variable: Variable, column: Any
) -> tuple[Int64[np.ndarray, "*cells"], Sequence[Any]]:
    """Return each cell's place among the distinct cells (-1 where missing), and those.

    Cells of different types are distinct: the truth value True is not the number 1.
    """
    if hasattr(column, "factorize"):
        try:
            inverse, distinct = column.factorize()
        except TypeError:  # something unhashable
            distinct = None
        if distinct is not None:
            single = getattr(distinct.dtype, "itemsize", 8) < 8  # floats that are spelled shorter
            cells = [plain_cell(c) for c in distinct.to_numpy()] if single else distinct.tolist()
            if str(column.dtype) != "object" or all(isinstance(cell, str) for cell in cells):
                return inverse, cells
        column = np.asarray(column, dtype=object)  # pandas takes True and 1 for the same
    array = np.asarray(column)
    if array.dtype.kind in "biuf":
        present = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(array.shape, bool)
        distinct, places = np.unique(array[present], return_inverse=True)
        inverse = np.full(array.shape, -1, np.int64)
        inverse[present] = places.reshape(-1)
        return inverse, [plain_cell(cell) for cell in distinct]
    distinct_text = _distinct_text(array)
    if distinct_text is not None:
        number = {cell: i for i, cell in enumerate(distinct_text)} | {None: -1}
        places = np.fromiter(map(number.__getitem__, array.reshape(-1)), np.int64, array.size)
        return places.reshape(array.shape), distinct_text
    numbered: dict[tuple[type, Any], int] = {}
    inverse = np.empty(array.size, np.int64)
    for i, cell in enumerate(array.reshape(-1).tolist()):
        if is_missing(cell):
            inverse[i] = -1
            continue
        try:
            inverse[i] = numbered.setdefault((type(cell), cell), len(numbered))
        except TypeError:
            raise EvidenceError(
                f"evidence for '{variable.name}' holds {cell!r}, which is no single state"
            ) from None
    return inverse.reshape(array.shape), [cell for _, cell in numbered]


def _distinct_text(array: np.ndarray) -> list[str] | None:
    """The distinct texts of an array that holds nothing but texts and None; else None."""
    try:
        distinct = dict.fromkeys(array.reshape(-1))
    except TypeError:  # something unhashable
        return None
    distinct.pop(None, None)
    return list(distinct) if all(isinstance(cell, str) for cell in distinct) else None


def plain_array(column: Any) -> Any:
    """Return the column as an array in which cells are as they were, or as pandas holds it."""
    if isinstance(column, Tensor):
        column = column.detach().cpu()
        return (column.float() if column.dtype == torch.bfloat16 else column).numpy()
    if isinstance(column, np.ma.MaskedArray):
        mask, cells = np.ma.getmaskarray(column), np.ma.getdata(column).astype(object)
        cells[mask] = None
        return cells
    if isinstance(column, np.ndarray) or hasattr(column, "factorize"):
        return column
    if isinstance(column, list | tuple | range):
        joined = with_masks_joined(column)
        if isinstance(joined, np.ma.MaskedArray):
            return plain_array(joined)
        if all(type(cell) is int for cell in column):
            return np.asarray(column, dtype=np.int64 if _fits(column) else object)
        return _object_array(column)
    whole = np.empty((), dtype=object)
    whole[()] = column
    return whole


def _fits(cells: Sequence[int]) -> bool:
    return not cells or (min(cells) >= -(2**63) and max(cells) < 2**63)


def _object_array(cells: Sequence[Any]) -> np.ndarray:
    """Nested lists as an array with an axis a level; NumPy would turn mixed cells into text."""
    try:
        return np.asarray(cells, dtype=object)
    except ValueError:  # arrays of unequal shapes within a list
        array = np.empty(len(cells), dtype=object)
        array[:] = cells
        return array


def _indices(reader: StateLabels, array: np.ndarray, place: Place) -> Int64[np.ndarray, "*cells"]:
    """Indices from numbers: NaN is missing, everything else must be a state."""
    if array.dtype.kind == "O":
        cells = [math.nan if is_missing(cell) else cell for cell in array.flat]
        owner = f"the state indices of '{reader.name}'"
        array = float_array(np.array(cells, object), owner, EvidenceError).reshape(array.shape)
    elif array.dtype.kind not in "iuf":
        raise EvidenceError(f"the state indices of '{reader.name}' are no numbers: {array!r:.100}")
    with np.errstate(invalid="ignore"):
        missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
        wrong = ~missing & ((array < MISSING) | (array >= len(reader.labels)))
        if array.dtype.kind == "f":
            wrong |= ~missing & (array != np.floor(array))
    if wrong.any():
        first = int(wrong.reshape(-1).argmax())
        try:
            reader.checked_index(array.reshape(-1)[first].item())
        except UnknownStateError as error:
            raise UnknownStateError(f"{place(first)}: {error}") from None
    return np.where(missing, MISSING, array).astype(np.int64)


def lost_value(
    variable: Variable, column: object, indices: Int64[np.ndarray, "*cells"]
) -> str | None:
    """Return what to say where -1, which is read as missing, looks like a value; else None.

    So it looks where cells are numbers, -1 among them, and as many values occur as there are
    states: then one state, which -1 stands for, never occurs. Of few cells that may be chance.
    The elements of a vector are judged together, and then one by one, unless -1 and all states
    occur in another element: there it does mean a missing cell.
    """
    if isinstance(column, Index) or not (indices == MISSING).any():
        return None
    lost = _minus_ones(variable, column)
    if not lost.any():
        return None
    whole, _ = _vanished(variable, indices.reshape(-1, 1), lost.reshape(-1, 1))
    if whole[0] != MISSING:
        return _what_vanishes(variable, variable.name, whole[0])
    if variable.size == 1 or indices.shape[1:] != variable.shape:
        return None
    size = variable.size
    absent, complete = _vanished(variable, indices.reshape(-1, size), lost.reshape(-1, size))
    first = int((absent != MISSING).argmax())
    if complete or absent[first] == MISSING:
        return None
    return _what_vanishes(variable, element_names(variable)[first], absent[first])


def _vanished(
    variable: Variable,
    indices: Int64[np.ndarray, "rows elements"],
    lost: Bool[np.ndarray, "rows elements"],
) -> tuple[Int64[np.ndarray, " elements"], bool]:
    """The state that -1 looks like in each element, or ``MISSING``; whether one has all states."""
    occurs = np.zeros((indices.shape[1], variable.cardinality), bool)
    present = indices != MISSING
    occurs[np.nonzero(present)[1], indices[present]] = True
    numbered = lost.any(0)
    looks = numbered & (occurs.sum(1) == variable.cardinality - 1) & (present.sum(0) >= _ENOUGH)
    absent = np.where(looks, (~occurs).argmax(1), MISSING)
    return absent, bool((numbered & occurs.all(1)).any())


def _minus_ones(variable: Variable, column: object) -> Bool[np.ndarray, "*cells"]:
    """Which cells are the number -1."""
    array = plain_array(column)
    if isinstance(array, np.ndarray) and array.dtype.kind in "iuf":
        return np.asarray(array == MISSING)
    inverse, cells = factorised(variable, array)
    table = np.array([*(spelling(cell) == str(MISSING) for cell in cells), False])
    return np.asarray(table[inverse])


def _what_vanishes(variable: Variable, name: str, state: int) -> str:
    return (
        f"'{name}' is given as numbers with -1 among them, which is read as a missing cell, and "
        f"its state {variable.labels[state]!r} never occurs. If -1 is a value, code the states "
        "from 0, or give the variable labels (states=(-1, …)); if it is missing, say so by NaN, "
        "None or mm.index"
    )


def missing_as_none(column: object, missing: Collection[object]) -> object:
    """Return a column of cells, as of :func:`codes`, in which those that are missing are None."""
    listed = spellings(missing)
    if not listed:
        return column
    array = np.asarray(plain_array(column), dtype=object)
    cells = np.empty(array.size, dtype=object)
    for i, cell in enumerate(array.reshape(-1).tolist()):
        if isinstance(cell, list | tuple | np.ndarray):  # a row of a vector
            cells[i] = missing_as_none(cell, missing)
        else:
            cells[i] = None if spelling(cell) in listed else cell
    return cells.reshape(array.shape) if array.ndim else cells[0]


def is_frame(data: object) -> bool:
    """Whether this is a data frame, told without importing pandas."""
    return hasattr(data, "columns") and hasattr(data, "iloc") and not is_partitioned(data)


def is_partitioned(data: object) -> bool:
    """Whether this is a Dask data frame, told without importing Dask."""
    return hasattr(data, "map_partitions") and hasattr(data, "columns")


def spellings(missing: Collection[object]) -> set[str]:
    """Return how cells that stand for missing ones are spelled, without those missing anyway."""
    if isinstance(missing, str) or not isinstance(missing, Collection):
        raise EvidenceError(f"missing is a list of cells, as in missing=['NA'], not {missing!r}")
    return {spelling(cell) for cell in missing if not is_missing(cell)}


def spelling(cell: object) -> str:
    """Return how a cell is spelled, whole numbers without a decimal point."""
    if isinstance(cell, str):
        number = number_spelled(cell)
        return cell if number is None else spelling(number)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
