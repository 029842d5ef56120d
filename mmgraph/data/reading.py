"""Tables, frames and arrays as the rows of several modalities."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.block import Block, Rows, beyond_largest, finite_numbers, too_large
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.blocks.sequences_and_texts import Sequences, Texts
from mmgraph.data.column_codes import column_codes, real_values
from mmgraph.data.dates import is_date, seconds_of
from mmgraph.data.groups import Groups, coded_groups
from mmgraph.data.images.files import read_images
from mmgraph.data.inferred_states import states_in
from mmgraph.data.schema.columns import Column
from mmgraph.data.schema.kinds import kind_of_column
from mmgraph.data.schema.schema import Schema
from mmgraph.data.table import Table
from mmgraph.data.tables import open_table
from mmgraph.graph.column_reader import factorised, is_frame, plain_array, spelling, spellings
from mmgraph.graph.errors import (
    EvidenceError,
    LearningError,
    SchemaError,
    UnknownStateError,
    warn_caller,
)
from mmgraph.graph.state_labels import MISSING, is_missing
from mmgraph.graph.variable import Label, Variable

_OF_MANY_STATES = (
    "make it a text (or numbers), or ignore it, by a schema, or leave it out of the modalities"
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is to be predicted, and what it was in each row.

    Attributes
    ----------
    variable : Variable
        Categorical, or Gaussian of shape ``()``.
    labels : ndarray
        Indices of states (-1 where missing), or numbers (NaN).
    """

    variable: Variable
    labels: np.ndarray

    def rows(self, index: Rows) -> Outcome:
        """Return that of some of the rows."""
        return replace(self, labels=self.labels[index])


def check_weights(weights: np.ndarray, place: Callable[[int], str]) -> None:
    """Refuse weights that are negative, missing or infinite, with the first row's place."""
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        problem = "missing" if np.isnan(weights[row]) else f"{weights[row]:g}"
        raise LearningError(f"{place(row)} is {problem}; weights are finite and at least zero")


class UnknownStateWarning(UserWarning):
    """Cells hold a state of which a model has learned nothing, and are read as missing."""


class ReadRows(NamedTuple):
    """What a table says; fields are those of :class:`MultimodalData`."""

    blocks: dict[str, Block]
    outcome: Outcome | None
    groups: Groups | None
    weights: Float64[np.ndarray, " rows"] | None
    times: Float64[np.ndarray, " rows"] | None
    origin: str
    schema: Schema


def read_rows(table: Table, described: Schema, partial: bool) -> ReadRows:
    """Return the rows of a table that a schema describes, as :meth:`MultimodalData.read`."""
    if not partial:
        described = described.resolved(table.columns, table.origin)
    wanted = [c for c in described.columns.values() if c.role not in ("ignored", "intervention")]
    cells = _whole_columns(table, [c.name for c in wanted if c.name in table.columns])
    if not cells:
        names = ", ".join(f"'{c.name}'" for c in wanted[:5]) + (", …" if len(wanted) > 5 else "")
        raise SchemaError(f"{table.origin} has none of the columns that the schema names: {names}")
    rows = len(next(iter(cells.values())))
    if not rows:
        raise LearningError(f"{table.origin} has no rows")
    fresh = [c for c in wanted if not partial or c.role != "feature"]
    states = _states(table, [c for c in fresh if c.name in cells])
    columns = {c.name: replace(c, states=c.states or states.get(c.name) or None) for c in wanted}
    reader = _CellReader(table, cells, rows, partial)
    blocks = {
        modality: reader.block(modality, [columns[name] for name in names])
        for modality, names in described.modalities.items()
    }
    return ReadRows(
        blocks,
        reader.outcome(columns.get(described.target or "")),
        reader.groups(described.group),
        reader.weights(described.role("weight")),
        reader.values_of(described.role("time")),
        table.origin,
        Schema(columns.get(c.name, c) for c in described.columns.values()),
    )


def _states(table: Table, columns: Sequence[Column]) -> dict[str, tuple[Label, ...]]:
    """The states that occur, of columns whose schema names none."""
    names = [c.name for c in columns if c.is_discrete and c.states is None and c.role != "group"]
    return states_in(table, names, constant=True, remedy=_OF_MANY_STATES) if names else {}


class _CellReader:
    """Makes blocks and labels of a table's cells; what a table lacks is missing in every row."""

    def __init__(self, table: Table, cells: Mapping[str, Any], rows: int, lenient: bool) -> None:
        self._table, self._cells, self._rows, self._lenient = table, cells, rows, lenient

    def block(self, modality: str, columns: Sequence[Column]) -> Block:
        """Return the rows of a modality."""
        kinds = {column.kind for column in columns}
        if kinds <= {"continuous", "count", "categorical", "ordinal"}:
            variables = tuple(_variable(column) for column in columns)
            values = [self._numbers(c, v) for c, v in zip(columns, variables, strict=True)]
            return Columns(variables, tuple(c.kind for c in columns), np.stack(values, axis=1))
        if len(columns) > 1:
            raise SchemaError(
                f"the modality '{modality}' holds columns of the kinds {', '.join(sorted(kinds))}; "
                "a column of images, sequences or texts is a modality alone"
            )
        name = columns[0].name
        texts = self._texts(name)
        if kinds == {"text"}:
            return Texts(tuple(texts))
        if kinds == {"image_path"}:
            return Arrays(read_images([self._path(name, row, t) for row, t in enumerate(texts)]))
        return Sequences.of(modality, self._sequences(name))

    def _path(self, name: str, row: int, cell: Any) -> Path | None:
        """Where an image lies: paths in a file are counted from its folder."""
        if cell is None:
            return None
        if not isinstance(cell, str | os.PathLike):
            raise LearningError(f"{self._table.place(row)}: '{name}' is no path: {cell!r}")
        folder = Path() if self._table.in_memory else Path(self._table.origin).parent
        return folder / cell

    def outcome(self, column: Column | None) -> Outcome | None:
        """Return the target and its labels."""
        if column is None or column.name not in self._cells:
            return None
        variable = _variable(column)
        values = self._numbers(column, variable)
        if not variable.is_discrete:
            return Outcome(variable, values)
        return Outcome(variable, np.where(np.isnan(values), MISSING, values).astype(np.int64))

    def groups(self, name: str | None) -> Groups | None:
        """Return what the cells of a column say of which rows belong together."""
        if name is None or name not in self._cells:
            return None
        return coded_groups(name, self._cells[name], self._table)

    def weights(self, name: str | None) -> np.ndarray | None:
        """Return how much each row counts."""
        values = self.values_of(name)
        if values is not None:
            check_weights(values, lambda row: f"{self._table.place(row)}: the weight '{name}'")
        return values

    def values_of(self, name: str | None) -> np.ndarray | None:
        """Return the numbers of a column; of dates the seconds since 1970."""
        if name is None or name not in self._cells:
            return None
        texts = self._texts(name)
        if any(is_date(str(cell)) for cell in texts):
            return np.array([self._seconds(name, row, cell) for row, cell in enumerate(texts)])
        column = self._cells[name]
        return real_values(Variable(name, family="gaussian"), [column], self._table, 0).numpy()

    def _seconds(self, name: str, row: int, cell: Any) -> float:
        try:
            return np.nan if cell is None else seconds_of(str(cell))
        except ValueError:
            raise EvidenceError(
                f"{self._table.place(row)}: '{name}' is no date (YYYY-MM-DD, perhaps with a time): "
                f"{cell!r}"
            ) from None

    def _numbers(self, column: Column, variable: Variable) -> np.ndarray:
        """Numbers or indices of states, NaN where missing."""
        cells = self._cells.get(column.name)
        if cells is None:
            return np.full(self._rows, np.nan)
        if variable.is_discrete:
            if self._lenient and column.role == "feature":
                if column.states is None:  # every cell that was learned from was missing
                    self._warn_of_unknown(column.name, self._texts(column.name))
                    return np.full(self._rows, np.nan)
                cells = self._with_known_states(variable, cells)
            codes = column_codes(variable, cells, self._table, 0)
            return np.where(codes == MISSING, np.nan, codes)
        values = real_values(variable, [cells], self._table, 0).numpy()
        if (row := too_large(values)) is not None:
            where = self._table.place(row)
            raise EvidenceError(f"{where}: '{column.name}' {beyond_largest(values[row])}")
        return values

    def _with_known_states(self, variable: Variable, cells: Any) -> Any:
        """The cells, those of states that the variable has not left out, with a warning."""
        inverse, distinct = factorised(variable, plain_array(cells))
        missing = spellings(self._table.missing_cells(variable.labels))
        unknown = []
        for place, cell in enumerate(distinct):
            try:
                variable.reader.read(None if spelling(cell) in missing else cell)
            except UnknownStateError:
                unknown.append(place)
        if not unknown:
            return cells
        wrong = np.isin(inverse, unknown).tolist()
        self._warn_of_unknown(
            variable.name, [distinct[p] if w else None for p, w in zip(inverse, wrong, strict=True)]
        )
        return [None if p < 0 or w else distinct[p] for p, w in zip(inverse, wrong, strict=True)]

    def _warn_of_unknown(self, name: str, cells: Sequence[Any]) -> None:
        """Warn of states of which nothing was learned; other cells are None."""
        rows = [row for row, cell in enumerate(cells) if cell is not None]
        if rows:
            warn_caller(
                f"{self._table.place(rows[0])}: '{name}' has the state {cells[rows[0]]!r}, of "
                f"which nothing was learned; such cells are read as missing ({len(rows)} rows)",
                UnknownStateWarning,
            )

    def _texts(self, name: str) -> list[Any]:
        if name not in self._cells:
            return [None] * self._rows
        column = self._cells[name]
        if isinstance(column, np.ndarray) and column.dtype.kind == "M":
            column = column.astype("datetime64[us]")  # finer ones would become whole numbers
        cells = column.tolist() if hasattr(column, "tolist") else list(column)
        missing = spellings(self._table.missing_cells())
        return [None if is_missing(c) or spelling(c) in missing else c for c in cells]

    def _sequences(self, name: str) -> list[Any]:
        """Arrays, or lists of numbers as JSON writes them."""
        sequences = []
        for row, cell in enumerate(self._texts(name)):
            try:
                sequences.append(json.loads(cell) if isinstance(cell, str) else cell)
            except ValueError:
                raise LearningError(
                    f"{self._table.place(row)}: '{name}' is no list of numbers: {cell[:60]!r}"
                ) from None
        return sequences


def _variable(column: Column) -> Variable:
    """The variable that a column of numbers or states is."""
    if not column.is_discrete:
        return Variable(column.name, modality=column.modality, family="gaussian")
    return Variable(column.name, column.states or 1, modality=column.modality)


def block_of(modality: str, given: Any) -> Block:
    """Return the rows of a modality that a frame, an array or a list holds.

    Parameters
    ----------
    modality : str
        Named in errors.
    given : Block, data frame, array or list
        As of :meth:`MultimodalData.of`.

    Raises
    ------
    LearningError
        If it is nothing of that kind.
    """
    if isinstance(given, Block):
        return given
    if is_frame(given):
        return _frame_columns(modality, given)
    if hasattr(given, "to_frame"):  # a pandas Series
        cells: list[Any] = [None if is_missing(cell) else cell for cell in given.tolist()]
        states = hasattr(given.dtype, "categories")
        if states or not any(isinstance(cell, str) or np.ndim(cell) for cell in cells):
            name = f"{modality}[0]" if given.name is None else str(given.name)
            return _frame_columns(modality, given.to_frame(name))
        given = cells
    if isinstance(given, list | tuple):
        if all(cell is None or isinstance(cell, str) for cell in given) and any(given):
            return Texts(tuple(given))
        if any(np.ndim(cell) for cell in given if cell is not None):
            lengths = {np.shape(cell) for cell in given if cell is not None}
            if len(lengths) > 1 and max(map(len, lengths)) > 2:
                first, other = sorted(lengths)[:2]
                raise LearningError(
                    f"images (arrays) of '{modality}' differ in size: some have shape {first}, "
                    f"and some {other}; arrays of a modality are of one shape"
                )
            # Arrays are sequences, of equal lengths, too; lists of numbers are rows of a table.
            is_series = any(isinstance(cell, np.ndarray) or np.ndim(cell) == 2 for cell in given)
            if len(lengths) > 1 or is_series:
                return Sequences.of(modality, given)
            nothing = np.full(lengths.pop(), np.nan)
            given = [nothing if cell is None else cell for cell in given]
    shape = np.shape(given)
    if len(shape) < 2:
        raise LearningError(
            f"the modality '{modality}' is a data frame or series, an array of two axes or "
            f"more, or a list of arrays or texts, not {type(given).__name__} of shape {shape}"
        )
    if len(shape) == 2:
        return Columns.of_numbers(modality, given)
    return Arrays.of(modality, given)


def _frame_columns(modality: str, frame: Any) -> Block:
    """The columns of a data frame: numbers, and states where cells are none."""
    names = list(map(str, frame.columns))
    columns = [
        Column(name, modality, kind_of_column(name, frame.iloc[:, place], f"'{modality}'"))
        for place, name in enumerate(names)
    ]
    return read_rows(open_table(frame), Schema(columns), partial=False).blocks[modality]


def coded_outcome(name: str, cells: Any) -> Outcome:
    """Return the variable of labels, and the label of each row: continuous for real numbers.

    Whole numbers, texts and truth values are states.
    """
    array = plain_array(cells)
    values = np.asarray(list(array))  # of cells that are all numbers an array of numbers
    fractional = values.dtype.kind == "f" and (values != np.floor(values)) & ~np.isnan(values)
    continuous = bool(np.any(fractional))
    column = Column(name, kind="continuous" if continuous else "categorical", role="target")
    rows = read_rows(open_table({name: array}), Schema([column]), partial=False)
    assert rows.outcome is not None
    return rows.outcome


def numbered_times(times: Any) -> np.ndarray:
    """Return times as numbers, NaN where missing; dates as seconds since 1970.

    Raises
    ------
    LearningError
        If they are no numbers and no dates, or not one a row.
    """
    array = np.asarray(plain_array(times))
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[us]").astype(np.int64) / 1e6
        array = np.where(np.isnat(array), np.nan, seconds)
    numbers = finite_numbers("times", array)
    if numbers.ndim != 1:
        raise LearningError(f"times are one a row, not of shape {numbers.shape}")
    return numbers


def _whole_columns(table: Table, names: Sequence[str]) -> dict[str, Any]:
    """Columns of all rows, the chunks of each joined."""
    chunks: dict[str, list[Any]] = {name: [] for name in names}
    for chunk in table.select(names).chunks(1_000_000) if names else ():
        for name in names:
            chunks[name].append(chunk[name])
    return {name: _joined(parts) for name, parts in chunks.items()}


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, list) for part in parts):
        return [cell for part in parts for cell in part]
    if parts and hasattr(parts[0], "to_numpy"):
        import pandas

        return pandas.concat(parts)
    return np.concatenate(parts) if parts else []
