"""Tables of data, read a chunk of rows at a time, so that they need not fit the memory.

A data frame, a mapping of arrays, a CSV file and a Parquet file look alike from here on: they have
named columns, and give their rows in chunks as often as they are asked.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mmgraph.data.beyond_memory.partitioned_table import PartitionedTable
from mmgraph.data.csv_table import CsvTable
from mmgraph.data.table import Table, column_labels
from mmgraph.graph.column_reader import is_frame, is_partitioned, plain_array, spellings
from mmgraph.graph.errors import FormatError, LearningError, UnknownVariableError, needs
from mmgraph.graph.evidence import check_extra
from mmgraph.graph.state_labels import Index


class _FrameTable(Table):
    origin = "the data frame"

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self._labels = column_labels(frame, self.origin)
        self.columns = tuple(self._labels)

    def chunks(self, rows: int) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self._frame), rows):
            some = self._frame.iloc[start : start + rows]
            yield {name: some[self._labels[name]] for name in self.columns}


class _ArraysTable(Table):
    def __init__(self, arrays: Mapping[str, Any], origin: str = "the arrays") -> None:
        self.origin = origin
        for name in arrays:
            if not isinstance(name, str):
                raise UnknownVariableError(f"a column is called {name!r}, and not by a text")
        self._arrays = {name: _array(name, column) for name, column in arrays.items()}
        self.columns = tuple(self._arrays)
        lengths = {name: len(array) for name, array in self._arrays.items()}
        for name, length in lengths.items():
            if length != lengths[self.columns[0]]:
                raise LearningError(
                    f"the column '{name}' has {length} rows, '{self.columns[0]}' has "
                    f"{lengths[self.columns[0]]}"
                )
        self._rows = max(lengths.values(), default=0)

    def chunks(self, rows: int) -> Iterator[dict[str, Any]]:
        for start in range(0, self._rows, rows):
            yield {name: self._arrays[name][start : start + rows] for name in self.columns}


def _array(name: object, column: Any) -> np.ndarray | Index:
    if isinstance(column, Index):
        marked = np.asarray(plain_array(column.codes))
        if not marked.ndim:
            raise LearningError(f"the column '{name}' is {column!r}, and no sequence of cells")
        return Index(marked)
    if not isinstance(column, Tensor) and (
        isinstance(column, str) or not hasattr(column, "__len__")
    ):
        raise LearningError(f"the column '{name}' is {column!r}, and no sequence of cells")
    array: np.ndarray = np.asarray(plain_array(column))
    if not array.ndim:
        raise LearningError(f"the column '{name}' is a single cell, and no sequence of cells")
    return array


class _ParquetTable(Table):
    in_memory = False

    def __init__(self, path: Path) -> None:
        self.origin, self._path = str(path), path
        with needs("data", "pandas", "reading a Parquet file"):
            import pandas  # noqa: F401 (pyarrow makes frames)
        with self._file() as file:
            self.columns = tuple(file.schema_arrow.names)

    def _file(self) -> Any:
        with needs("data", "pyarrow", "reading a Parquet file"):
            import pyarrow.parquet
        with _reading(self._path):
            return pyarrow.parquet.ParquetFile(self._path)

    def chunks(self, rows: int) -> Iterator[dict[str, Any]]:
        with self._file() as file:
            batches = file.iter_batches(batch_size=rows, columns=list(self.columns))
            while True:
                with _reading(self._path):
                    batch = next(batches, None)
                    frame = None if batch is None else batch.to_pandas()
                if frame is None:
                    return
                if len(frame):
                    yield {name: frame[name] for name in self.columns}


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what a library says of a file that it cannot read into an error that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise FormatError(f"there is no file {path}") from None
    except (ValueError, OSError) as error:  # of which pandas' and pyarrow's own are kinds
        raise FormatError(f"{path} cannot be read: {error}") from None


_TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET = (".parquet", ".pq")


def open_table(
    data: object,
    *,
    missing: Collection[object] = (),
    encoding: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    extra: str = "raise",
) -> Table:
    """Return the table that some data is.

    Parameters
    ----------
    data : pandas.DataFrame, dask.dataframe.DataFrame, mapping of str to array, Samples, Table, path
        A path ends in ``.csv``, ``.tsv`` (both perhaps followed by ``.gz``), ``.parquet`` or
        ``.pq``.
    missing : collection of cells
        What stands for a missing cell beside None, NaN and a file's empty cells: ``["NA", -9]``. A
        state of that name is missing then, too.
    encoding, separator : str, optional
        Of a text file; by default UTF-8 and a comma (a tab in ``.tsv``).
    decimal : {".", ","}, optional
        What stands before the decimals of a text file's numbers; by default a point.
    extra : {"raise", "ignore"}
        What becomes of columns that are no variables of a model.

    Raises
    ------
    LearningError
        If the data is of another kind, or columns differ in length.
    FormatError
        If the file is missing or cannot be read, or its name has another ending.
    MissingExtraError
        If pandas, or pyarrow for a Parquet file, is not installed.
    """
    check_extra(extra)
    spellings(missing)
    of_text = {"encoding": encoding, "separator": separator, "decimal": decimal}
    for name, value in of_text.items():
        if value is not None and not isinstance(value, str):
            raise LearningError(f"{name} is a text, not {value!r}")
    table = copy.copy(_table(data, of_text))
    if any(of_text.values()) and not table.is_text:
        raise LearningError(
            f"{table.origin} is no text file, which alone has an encoding, a separator and a "
            "decimal mark"
        )
    table.missing = (*table.missing, *missing)
    table.extra = extra if extra != "raise" else table.extra
    return table


def is_text_file(data: object) -> bool:
    """Whether data is the path of a text file, by its ending."""
    return isinstance(data, str | os.PathLike) and Path(data).name.lower().endswith(_TEXT)


def _table(data: object, of_text: Mapping[str, str | None]) -> Table:
    if isinstance(data, Table):
        return data
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        name = path.name.lower()
        if is_text_file(path):
            return CsvTable(path, **of_text)
        if name.endswith(_PARQUET):
            return _ParquetTable(path)
        raise FormatError(f"{path}: a table's file name ends in {', '.join((*_TEXT, *_PARQUET))}")
    if is_frame(data):
        return _FrameTable(data)
    if is_partitioned(data):
        return PartitionedTable(data)
    if callable(columns := getattr(data, "columns", None)):  # samples, rows of several modalities
        return _ArraysTable(columns(), getattr(data, "origin", "the samples"))
    if isinstance(data, Mapping):
        return _ArraysTable(data)
    raise LearningError(
        "data to learn from is a pandas DataFrame, a mapping of names to arrays or the path of a "
        f"CSV or Parquet file, not {type(data).__name__}"
    )
