"""Cells of a table as state indices or real numbers, checked one distinct label at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Integer
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, LearningError, UnknownStateError
from mmgraph.graph.evidence import MISSING
from mmgraph.graph.variable import Variable


@dataclass(frozen=True)
class Place:
    """Where a chunk of rows comes from, for error messages.

    Attributes
    ----------
    origin : str
        What the table is called.
    first_row : int
        The place of the chunk's first row.
    is_text : bool
        Whether cells are text whatever they mean.
    """

    origin: str
    first_row: int
    is_text: bool

    def __call__(self, row: int) -> str:
        """Return the words for a row of the chunk."""
        return f"{self.origin}, row {self.first_row + row}"


def code_type(cardinality: int) -> type[np.signedinteger[Any]]:
    """Return the smallest signed integer type for that many states and ``MISSING``."""
    for kind in (np.int8, np.int16, np.int32):
        if cardinality - 1 <= np.iinfo(kind).max:
            return kind
    return np.int64


def coded(variable: Variable, column: Any, where: Place) -> Integer[np.ndarray, " rows"]:
    """Return the state indices of a column of labels or of indices.

    Raises
    ------
    UnknownStateError
        If a cell holds what is no state: column, row and cell.
    """
    if getattr(column, "ndim", 1) != 1:
        raise LearningError(
            f"'{variable.name}' takes one state a row; its column has shape {column.shape}"
        )
    plain = np.asarray(column) if _is_plain(column) else column
    indices = isinstance(variable.states, int) or all(isinstance(x, str) for x in variable.labels)
    if indices and isinstance(plain, np.ndarray) and plain.dtype.kind in "iu":
        outside = (plain < MISSING) | (plain >= variable.cardinality)
        if outside.any():
            row = int(outside.argmax())
            raise UnknownStateError(
                f"{where(row)}: variable '{variable.name}' has {variable.cardinality} states; "
                f"index {int(plain[row])} is out of range"
            )
        return plain
    inverse, labels = factorised(column)
    code = _code_of_text if where.is_text else _code_of_cell
    table = np.full(len(labels) + 1, MISSING, np.int64)  # the last stands for missing cells
    for i, label in enumerate(labels):
        try:
            table[i] = code(variable, label)
        except UnknownStateError as error:
            row = int((inverse == i).argmax())
            raise UnknownStateError(f"{where(row)}: {error}") from None
    coded: np.ndarray = table[inverse]
    return coded


def _is_plain(column: Any) -> bool:
    return isinstance(getattr(column, "dtype", None), np.dtype)


def factorised(column: Any) -> tuple[Integer[np.ndarray, " rows"], Sequence[Any]]:
    """Return each cell's place among the distinct labels (-1 where missing), and the labels."""
    if hasattr(column, "factorize"):
        inverse, labels = column.factorize()
        return inverse, labels.tolist()
    array = np.asarray(column)
    if array.dtype.kind in "iub":
        distinct, inverse = np.unique(array, return_inverse=True)
        return inverse, distinct.tolist()
    known: dict[object, int] = {}
    inverse = np.empty(len(array), np.int64)
    for row, cell in enumerate(array.tolist()):
        missing = cell is None or type(cell).__name__ in ("NAType", "NaTType") or cell != cell
        inverse[row] = -1 if missing else known.setdefault(cell, len(known))
    return inverse, list(known)


def _code_of_cell(variable: Variable, cell: Any) -> int:
    # A column of integers with missing cells has become one of floats on its way here.
    if isinstance(cell, float) and cell.is_integer() and not _has_label(variable, cell):
        if cell == MISSING:
            return MISSING
        return variable.code(int(cell))
    return variable.code(cell)


def _has_label(variable: Variable, cell: object) -> bool:
    return any(cell == label for label in variable.labels)


def _code_of_text(variable: Variable, text: str) -> int:
    """A state given by its label as it is printed, or by a number."""
    for code, label in enumerate(variable.labels):
        if str(label) == text:
            return code
    try:
        number: float = int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return variable.code(text)
    return _code_of_cell(variable, number)


def real_values(
    variable: Variable, columns: Sequence[Any], where: Place
) -> Float64[Tensor, "rows *shape"]:
    """Return the real values of a variable, from one column or from one for each element.

    Raises
    ------
    EvidenceError
        If a value is no number, or infinite.
    LearningError
        If the shape is not that of the variable.
    """
    arrays = []
    for column in columns:
        given = column.to_numpy() if hasattr(column, "to_numpy") else column
        try:
            arrays.append(np.asarray(given, np.float64))
        except (TypeError, ValueError) as error:
            raise EvidenceError(
                f"{where.origin}: a value of '{variable.name}' is no number ({error})"
            ) from None
    array = arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)
    if len(arrays) == 1 and array.ndim == 1 and variable.shape == (1,):
        array = array[:, None]
    if array.shape[1:] != variable.shape:
        raise LearningError(
            f"values of '{variable.name}' have shape {array.shape}, not (rows, "
            f"{', '.join(map(str, variable.shape))})"
        )
    infinite = np.isinf(array)
    if infinite.any():
        row = int(np.argwhere(infinite)[0][0])
        raise EvidenceError(f"{where(row)}: '{variable.name}' is infinite; a missing value is NaN")
    return torch.from_numpy(np.array(array, np.float64))
