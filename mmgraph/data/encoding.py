"""Tables as state indices: what learning counts, read chunk by chunk and checked cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

import numpy as np
import torch
from jaxtyping import Float64, Integer
from torch import Tensor

from mmgraph.data.column_codes import code_type, column_codes, real_values
from mmgraph.data.table import CHUNK_ROWS, Table
from mmgraph.data.tables import open_table
from mmgraph.graph.arrays import float_array
from mmgraph.graph.element_evidence import check_complete, elements_in
from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.variable import Variable

READING = ("missing", "encoding", "separator", "decimal", "extra")
"""The options that say how a table is read."""


@dataclass(frozen=True, eq=False)
class CodedRows:
    """Some rows of a table, their states as indices.

    Attributes
    ----------
    variables : mapping of str to Variable
        Every variable of the model.
    columns : tuple of str
        The discrete variables that have a column.
    codes : integer array, shape (rows, columns)
        State indices, ``MISSING`` (-1) where a cell is; columns are contiguous, and of the
        smallest integer type that holds every variable's states.
    values : dict of str to Tensor
        Real values ``(rows, *shape)`` of continuous variables; NaN where missing.
    soft : dict of str to Tensor
        Log-likelihoods ``(rows, states)``, where the rows come from an ``Evidence`` with any.
    weights : ndarray, optional
        How often each row counts.
    first_row : int
        The place of the first row in the whole table.
    """

    variables: Mapping[str, Variable]
    columns: tuple[str, ...]
    codes: Integer[np.ndarray, "rows columns"]
    values: dict[str, Tensor] = field(default_factory=dict)
    soft: dict[str, Tensor] = field(default_factory=dict)
    weights: Float64[np.ndarray, " rows"] | None = None
    first_row: int = 0

    def __len__(self) -> int:
        return len(self.codes)

    def column(self, name: str) -> Integer[np.ndarray, " rows"]:
        """Return the codes of one variable."""
        return self.codes[:, self.columns.index(name)]

    def evidence(self) -> Evidence:
        """Return the rows as evidence; a column without any observation is left out."""
        observed = [i for i, c in enumerate(self.codes.T) if bool((c != MISSING).any())]
        return Evidence(
            self.variables,
            len(self),
            tuple(self.columns[i] for i in observed),
            np.ascontiguousarray(self.codes[:, observed], np.int64),
            soft=self.soft,
            values=self.values,
        )


class CodedTable:
    """A table as chunks of :class:`CodedRows`; can be gone over as often as needed.

    What is in memory is coded once and kept; a file is read anew each time. ``variables`` are all
    of the model, and ``weights`` say how often each row counts.
    """

    def __init__(
        self,
        table: Table,
        variables: Mapping[str, Variable],
        chunk_rows: int = CHUNK_ROWS,
        weights: object = None,
    ) -> None:
        if chunk_rows < 1:
            raise LearningError(f"a chunk has at least one row, not {chunk_rows}")
        self.table, self.variables, self.chunk_rows = table, variables, chunk_rows
        self._weights = None if weights is None else checked_weights(weights)
        self._elements = _matched(table, variables)
        self._coded: list[CodedRows] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that the table has columns of."""
        return tuple(self._elements)

    @property
    def is_weighted(self) -> bool:
        """Whether rows count unequally."""
        return self._weights is not None

    def __iter__(self) -> Iterator[CodedRows]:
        """Yield the rows, of which there must be some and, if there are weights, as many."""
        if self._coded is not None:
            yield from self._coded
            return
        coded: list[CodedRows] | None = [] if self.table.in_memory else None
        for rows in self._read():
            if coded is not None:
                coded.append(rows)
            yield rows
        self._coded = coded

    def _read(self) -> Iterator[CodedRows]:
        discrete = [n for n in self._elements if self.variables[n].is_discrete]
        kind = code_type(max((self.variables[n].cardinality for n in discrete), default=1))
        first = 0
        for chunk in self.table.chunks(self.chunk_rows):
            count = len(next(iter(chunk.values())))
            codes = np.empty((count, len(discrete)), kind, order="F")
            for i, name in enumerate(discrete):
                codes[:, i] = column_codes(self.variables[name], chunk[name], self.table, first)
            values = {
                name: real_values(
                    self.variables[name], [chunk[c] for c in columns], self.table, first
                )
                for name, columns in self._elements.items()
                if name not in discrete
            }
            weights = None if self._weights is None else self._weights[first : first + count]
            yield CodedRows(self.variables, tuple(discrete), codes, values, {}, weights, first)
            first += count
        if not first:
            raise LearningError(f"{self.table.origin} has no rows: at least one row is needed")
        if self._weights is not None and len(self._weights) != first:
            raise LearningError(f"{len(self._weights)} weights for {first} rows")


def encode(
    data: object, variables: Mapping[str, Variable], chunk_rows: int | None = None
) -> CodedRows:
    """Return all rows of a table in one piece; arguments as :func:`coded_chunks`."""
    chunks = list(coded_chunks(data, variables, chunk_rows))
    if len(chunks) == 1:
        return chunks[0]
    codes = np.empty(
        (sum(map(len, chunks)), len(chunks[0].columns)), chunks[0].codes.dtype, order="F"
    )
    for chunk in chunks:
        codes[chunk.first_row : chunk.first_row + len(chunk)] = chunk.codes
    values = {n: torch.cat([c.values[n] for c in chunks]) for n in chunks[0].values}
    return replace(chunks[0], codes=codes, values=values)


def checked_reading(
    reading: Mapping[str, Any], known: Sequence[str] = READING
) -> Mapping[str, Any]:
    """Return options of reading, or raise LearningError if there is one that is not known."""
    for name in reading:
        if name not in known:
            raise LearningError(
                f"there is no option {name!r}{suggestion(name, known)} (here: {', '.join(known)})"
            )
    return reading


def read_with(data: object, reading: Mapping[str, Any]) -> object:
    """Return data that is to be read in a certain way: a table, or coded rows as they are.

    ``reading`` holds the options ``READING`` of ``open_table``; what is read already takes none.
    """
    checked_reading(reading)
    if not reading:
        return data
    if isinstance(data, Evidence | CodedRows | CodedTable | list):
        raise LearningError(f"the rows are read already; '{next(iter(reading))}' comes too late")
    return open_table(data, **reading)


def coded_chunks(
    data: object,
    variables: Mapping[str, Variable],
    chunk_rows: int | None = None,
    weights: object = None,
) -> CodedTable | list[CodedRows]:
    """Return chunks of coded rows that can be gone over more than once.

    ``data`` is what ``open_table`` takes, Evidence, or coded already; by default a chunk holds
    ``CHUNK_ROWS`` of a file, and all of what is in memory.
    """
    if isinstance(data, CodedTable) or _are_coded(data):
        if weights is not None:
            raise LearningError("chunks of coded rows have weights of their own; give none beside")
        return data
    if isinstance(data, CodedRows):
        rows = data if weights is None else replace(data, weights=checked_weights(weights))
        return [rows]
    if isinstance(data, Evidence):
        return [_of_evidence(data, None if weights is None else checked_weights(weights))]
    table = open_table(data)
    if chunk_rows is None:
        chunk_rows = 1 << 62 if table.in_memory else CHUNK_ROWS
    return CodedTable(table, variables, chunk_rows, weights)


def _are_coded(data: object) -> TypeGuard[list[CodedRows]]:
    return isinstance(data, list) and bool(data) and all(isinstance(c, CodedRows) for c in data)


def _of_evidence(evidence: Evidence, weights: np.ndarray | None) -> CodedRows:
    if evidence.arrays:
        raise LearningError(f"'{next(iter(evidence.arrays))}' is an array of discrete variables")
    largest = max((evidence.variables[n].cardinality for n in evidence.columns), default=1)
    codes = np.asfortranarray(evidence.codes, code_type(largest))
    if len(codes) != evidence.batch:  # nothing discrete is observed
        codes = np.empty((evidence.batch, 0), np.int8)
    return CodedRows(
        evidence.variables, evidence.columns, codes, evidence.values, evidence.soft, weights
    )


def checked_weights(weights: object) -> np.ndarray:
    """Return weights, one a row, or raise LearningError if one is negative or not finite."""
    array = float_array(weights, "weights are numbers, one a row", LearningError)
    if array.ndim != 1:
        raise LearningError(f"weights have one axis, of rows; these have shape {array.shape}")
    bad = ~((array >= 0) & (array < np.inf))
    if bad.any():
        row = int(bad.argmax())
        raise LearningError(f"the weight {array[row]} of row {row} is negative or not finite")
    return array


def columns_of(
    table: Table, variables: Mapping[str, Variable]
) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """Return the variable of each column of a table, and the place of what is an element of it."""
    elements = elements_in(table.columns, variables)
    check_complete(elements.values(), variables, table.origin)
    places: dict[str, tuple[str, tuple[int, ...] | None]] = {}
    for column in table.columns:
        if column in variables:
            places[column] = column, None
        elif column in elements:
            places[column] = elements[column]
        elif table.extra != "ignore":
            raise UnknownVariableError(
                f"{table.origin}: the column '{column}' is not a variable of the model"
                f"{suggestion(column, variables)} (extra='ignore' passes over such columns)"
            )
    return places


def _matched(table: Table, variables: Mapping[str, Variable]) -> dict[str, tuple[str, ...]]:
    """The columns of each variable: its name, or those of the elements of a vector."""
    columns: dict[str, tuple[str, ...]] = {}
    elements: dict[str, dict[tuple[int, ...], str]] = {}
    for column, (name, place) in columns_of(table, variables).items():
        if place is None:
            columns[name] = (column,)
        else:
            elements.setdefault(name, {})[place] = column
    for name, places in elements.items():
        if name in columns:
            raise LearningError(
                f"{table.origin} gives '{name}' as a whole and its element '{places.popitem()[1]}'"
            )
        columns[name] = tuple(places[place] for place in sorted(places))
    for name in columns:
        if variables[name].is_discrete and variables[name].shape:
            raise LearningError(f"'{name}' is an array of discrete variables; learning takes none")
    return columns
