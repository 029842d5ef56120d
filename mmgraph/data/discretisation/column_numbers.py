"""The numbers of some columns of a table, whole, read as cells are read everywhere."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.data.column_codes import real_values
from mmgraph.data.table import CHUNK_ROWS, Table
from mmgraph.graph.state_labels import plain_cell
from mmgraph.graph.variable import Variable


def column_numbers(
    table: Table, columns: Collection[str], chunk_rows: int = CHUNK_ROWS
) -> dict[str, Float64[np.ndarray, " rows"]]:
    """Return the numbers of columns, NaN where missing; of single precision as they are spelled.

    What is no finite number is an EvidenceError, with column and row.
    """
    parts: dict[str, list[np.ndarray]] = {name: [np.empty(0)] for name in columns}
    first = 0
    for chunk in table.select(columns).chunks(chunk_rows) if parts else ():
        for name in parts:
            column: Any = chunk[name]
            if getattr(column, "dtype", None) == np.float32:
                column = [plain_cell(cell) for cell in np.asarray(column)]
            variable = Variable(name, family="gaussian")
            parts[name].append(real_values(variable, [column], table, first).numpy())
        first += len(next(iter(chunk.values())))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
