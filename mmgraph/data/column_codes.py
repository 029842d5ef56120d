"""Cells of a table as state indices or real numbers, checked one distinct label at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Integer
from torch import Tensor

from mmgraph.data.csv_table import has_decimal_comma
from mmgraph.data.table import Table, said_so
from mmgraph.graph.column_reader import codes, lost_value, missing_as_none
from mmgraph.graph.errors import EvidenceError, LearningError, VanishingValueWarning, warn_caller
from mmgraph.graph.value_evidence import numbers
from mmgraph.graph.variable import Variable


def code_type(cardinality: int) -> type[np.signedinteger[Any]]:
    """Return the smallest signed integer type for that many states and ``MISSING``."""
    for kind in (np.int8, np.int16, np.int32):
        if cardinality - 1 <= np.iinfo(kind).max:
            return kind
    return np.int64


def column_codes(
    variable: Variable, column: Any, table: Table, first_row: int
) -> Integer[np.ndarray, " rows"]:
    """Return the state indices of a column of a table's chunk.

    What is no state is an UnknownStateError with column, row and cell; warns if -1 is read as
    missing, and is a value by all appearances.
    """
    missing = table.missing_cells(variable.labels)
    indices = codes(variable, column, lambda row: table.place(first_row + row), missing)
    if (message := lost_value(variable, column, indices)) is not None:
        warn_caller(message, VanishingValueWarning)
    if indices.ndim != 1:
        raise LearningError(
            f"'{variable.name}' takes one state a row; its column has shape {indices.shape}"
        )
    return indices


def real_values(
    variable: Variable, columns: Sequence[Any], table: Table, first_row: int
) -> Float64[Tensor, "rows *shape"]:
    """Return the real values of a variable, from one column or from one for each element.

    What is no finite number is an EvidenceError, what has another shape a LearningError.
    """
    arrays = [_numbers(variable, column, table, first_row) for column in columns]
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
        where = table.place(first_row + int(np.argwhere(infinite)[0][0]))
        raise EvidenceError(f"{where}: '{variable.name}' is infinite; a missing value is NaN")
    return torch.from_numpy(array)


def _numbers(
    variable: Variable, column: Any, table: Table, first_row: int
) -> Float64[np.ndarray, "rows *features"]:
    """The numbers of one column in an array of their own, NaN where missing."""
    cells: Any = column.to_numpy() if hasattr(column, "to_numpy") else column
    if table.is_text:
        cells = [cell or None for cell in cells]
    cells = missing_as_none(cells, table.missing)
    try:
        array = numbers(Variable(variable.name, family="gaussian"), cells).numpy()
        return array.astype(np.float64, copy=not table.is_text)
    except EvidenceError as error:
        for row, cell in enumerate(cells if np.ndim(cells) == 1 else ()):
            try:
                numbers(variable, [cell])
            except EvidenceError:
                raise EvidenceError(
                    f"{table.place(first_row + row)}: '{variable.name}' is no number: {cell!r} "
                    f"({_remedy(table, cell)})"
                ) from None
        raise EvidenceError(f"{table.origin}: {error}") from None


def _remedy(table: Table, cell: Any) -> str:
    """What would make a cell that is no number one, or missing."""
    if table.is_text and has_decimal_comma(cell):
        return f"with a decimal comma: say {said_so('decimal', ',')}"
    return f"if it stands for a missing cell, say {said_so('missing', str(cell))}"
