"""Columns of tables that stand in the order of time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mmgraph.graph.errors import EvidenceError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float64, Int64

    from mmgraph.data.table import Table


class Times(NamedTuple):
    """Times of rows in seconds; of dates since ``origin`` (in seconds since 1970), and as texts."""

    seconds: Float64[np.ndarray, " rows"]
    dates: Sequence[str] = ()
    origin: float = 0.0

    def rows(self, rows: Int64[np.ndarray, " some"]) -> Times:
        """Return those of some rows."""
        return Times(self.seconds[rows], [self.dates[r] for r in rows if self.dates], self.origin)

    def cells(self) -> list[Any]:
        """Return what the file has: dates as they are written there, or seconds."""
        return list(self.dates) or self.seconds.tolist()

    def cell(self, seconds: float) -> Any:
        """Return a time as the file has it: the date of the nearest row, or the seconds."""
        import numpy as np

        if not self.dates:
            return float(seconds)
        return self.dates[int(np.abs(self.seconds - seconds).argmin())]


def number_columns(table: Table, names: Sequence[str]) -> dict[str, Float64[np.ndarray, " rows"]]:
    """Return columns of numbers, NaN where missing; what is no number is an EvidenceError."""
    import numpy as np

    from mmgraph.data.column_codes import real_values
    from mmgraph.graph.variable import Variable

    def numbers(name: str, cells: Any, first: int) -> Any:
        return real_values(Variable(name, family="gaussian"), [cells], table, first).numpy()

    chunks = _chunks(table, names)
    parts = {name: [np.empty(0)] for name in names}
    for first, chunk in chunks:
        for name in names:
            parts[name].append(numbers(name, chunk[name], first))
    return {name: np.concatenate(part) for name, part in parts.items()}


def text_columns(table: Table, names: Sequence[str]) -> dict[str, list[str]]:
    """Return columns as texts, empty where missing."""
    from mmgraph.graph.column_reader import missing_as_none
    from mmgraph.graph.state_labels import is_missing

    cells: dict[str, list[str]] = {name: [] for name in names}
    for _, chunk in _chunks(table, names):
        for name in names:
            column: Any = missing_as_none(chunk[name], table.missing)
            cells[name] += ["" if is_missing(cell) else str(cell) for cell in column]
    return cells


def element_names(name: str, shape: Sequence[int]) -> list[str]:
    """Return what the columns of an array's elements are called: ``x[0,1]``, of a number ``x``."""
    places = itertools.product(*map(range, shape))
    return [f"{name}[{','.join(map(str, place))}]" for place in places] if shape else [name]


def time_column(table: Table, name: str, origin: float | None = None) -> Times:
    """Return times in seconds: numbers as they are, dates since an origin, by default the first.

    Raises
    ------
    EvidenceError
        If a cell is neither: which.
    """
    import numpy as np

    from mmgraph.data.dates import is_date, seconds_of

    texts = text_columns(table, [name])[name]
    if not texts or not is_date(texts[0]):
        return Times(number_columns(table, [name])[name])
    seconds = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            seconds[row] = seconds_of(text)
        except ValueError as error:
            raise EvidenceError(f"{table.place(row)}: '{name}': {error}") from None
    origin = float(seconds[0]) if origin is None else origin
    return Times(seconds - origin, texts, origin)


def _chunks(table: Table, names: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
    from mmgraph.data.table import CHUNK_ROWS

    chunks = table.select(names).chunks(CHUNK_ROWS)
    return [(i * CHUNK_ROWS, chunk) for i, chunk in enumerate(chunks)]
