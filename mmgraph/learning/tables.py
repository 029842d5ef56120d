"""Tables of data, read a chunk of rows at a time, so that they need not fit the memory.

A data frame, a mapping of arrays, a CSV file and a Parquet file look alike from here on: they have
named columns, and give their rows in chunks as often as they are asked.
"""

from __future__ import annotations

import abc
import copy
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from mmgraph.graph.errors import (
    FormatError,
    LearningError,
    MissingExtraError,
    UnknownVariableError,
    suggestion,
)

MISSING_TEXT = frozenset({"", "NA", "N/A", "NaN", "nan", "<NA>", "null", "NULL", "None"})
"""What stands for a missing cell in a text file, unless it is the label of a state."""

CHUNK_ROWS = 100_000
"""How many rows are read at once where nothing else is asked for."""


class Table(abc.ABC):
    """Named columns whose rows can be read in chunks, more than once.

    Attributes
    ----------
    origin : str
        What error messages call it.
    columns : tuple of str
        The names of the columns.
    is_text : bool
        Whether cells are text whatever they mean, as in a CSV file.
    in_memory : bool
        Whether all rows are in memory anyway.
    """

    origin: str
    columns: tuple[str, ...]
    is_text: bool = False
    in_memory: bool = True

    def select(self, columns: Collection[str]) -> Self:
        """Return the table with some of its columns.

        Raises
        ------
        UnknownVariableError
            If it lacks one; with the nearest name.
        """
        for name in columns:
            if name not in self.columns:
                hint = suggestion(name, self.columns)
                raise UnknownVariableError(f"{self.origin} has no column '{name}'{hint}")
        selected = copy.copy(self)
        selected.columns = tuple(dict.fromkeys(columns))
        return selected

    @abc.abstractmethod
    def chunks(
        self,
        rows: int,
        numeric: Collection[str] = (),
        labels: Mapping[str, Collection[str]] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the columns, arrays or pandas Series, of ``rows`` rows at a time.

        Parameters
        ----------
        rows : int
            At most so many rows in a chunk.
        numeric : collection of str
            Columns of real numbers (a text file must be told).
        labels : mapping of str to collection of str, optional
            Labels of the states of columns: they are labels even where they look like missing
            cells, as a state called "None" does.

        Raises
        ------
        FormatError
            If a file cannot be read, or a number in it is none.
        """


class _FrameTable(Table):
    origin = "the data frame"

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self._labels = {str(label): label for label in frame.columns}
        self.columns = tuple(self._labels)
        if len(self.columns) != len(frame.columns):
            names = [str(c) for c in frame.columns]
            twice = next(n for n in names if names.count(n) > 1)
            raise LearningError(f"the data frame has two columns called '{twice}'")

    def chunks(
        self,
        rows: int,
        numeric: Collection[str] = (),
        labels: Mapping[str, Collection[str]] | None = None,
    ) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self._frame), rows):
            some = self._frame.iloc[start : start + rows]
            yield {name: some[self._labels[name]] for name in self.columns}


class _ArraysTable(Table):
    origin = "the arrays"

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._arrays = {str(name): _array(name, given) for name, given in arrays.items()}
        self.columns = tuple(self._arrays)
        lengths = {name: len(array) for name, array in self._arrays.items()}
        for name, length in lengths.items():
            if length != lengths[self.columns[0]]:
                raise LearningError(
                    f"the column '{name}' has {length} rows, '{self.columns[0]}' has "
                    f"{lengths[self.columns[0]]}"
                )
        self._rows = max(lengths.values(), default=0)

    def chunks(
        self,
        rows: int,
        numeric: Collection[str] = (),
        labels: Mapping[str, Collection[str]] | None = None,
    ) -> Iterator[dict[str, Any]]:
        for start in range(0, self._rows, rows):
            yield {name: self._arrays[name][start : start + rows] for name in self.columns}


def _array(name: object, given: Any) -> np.ndarray:
    if isinstance(given, Tensor):
        return np.asarray(given.detach().cpu().numpy())
    if isinstance(given, np.ndarray):
        array = given
    elif hasattr(given, "to_numpy"):
        array = given.to_numpy()
    else:
        if isinstance(given, str) or not hasattr(given, "__len__"):
            raise LearningError(f"the column '{name}' is {given!r}, and no sequence of cells")
        array = np.asarray(given)
        if array.dtype.kind not in "iufb":  # numpy would turn mixed cells, None too, into text
            array = np.empty(len(given), dtype=object)
            array[:] = list(given)
    if not array.ndim:
        raise LearningError(f"the column '{name}' is a single cell, and no sequence of cells")
    return array


class _CsvTable(Table):
    is_text = True
    in_memory = False

    def __init__(self, path: Path) -> None:
        self.origin, self._path = str(path), path
        self._pandas = _pandas("reading a CSV file")
        with _Reading(path):
            header = self._pandas.read_csv(path, nrows=0)
        self.columns = tuple(str(c) for c in header.columns)

    def chunks(
        self,
        rows: int,
        numeric: Collection[str] = (),
        labels: Mapping[str, Collection[str]] | None = None,
    ) -> Iterator[dict[str, Any]]:
        states = labels or {}
        missing = {
            name: sorted(MISSING_TEXT - set(map(str, states.get(name, ()))))
            for name in self.columns
        }
        with _Reading(self._path):
            reader = self._pandas.read_csv(
                self._path,
                chunksize=rows,
                dtype={name: np.float64 if name in numeric else str for name in self.columns},
                keep_default_na=False,
                na_values=missing,
            )
        with reader:
            while True:
                with _Reading(self._path):
                    frame = next(reader, None)
                if frame is None:
                    return
                if not isinstance(frame.index, self._pandas.RangeIndex):
                    # pandas takes cells beyond the header for an index, and shifts the rest.
                    raise FormatError(
                        f"{self._path} cannot be read: rows have more cells than the header"
                    )
                yield {name: frame[name] for name in self.columns}


class _ParquetTable(Table):
    in_memory = False

    def __init__(self, path: Path) -> None:
        self.origin, self._path = str(path), path
        _pandas("reading a Parquet file")
        with self._file() as file:
            self.columns = tuple(file.schema_arrow.names)

    def _file(self) -> Any:
        try:
            import pyarrow.parquet
        except ImportError:
            raise MissingExtraError("data", "pyarrow", "reading a Parquet file") from None
        with _Reading(self._path):
            return pyarrow.parquet.ParquetFile(self._path)

    def chunks(
        self,
        rows: int,
        numeric: Collection[str] = (),
        labels: Mapping[str, Collection[str]] | None = None,
    ) -> Iterator[dict[str, Any]]:
        with self._file() as file:
            batches = file.iter_batches(batch_size=rows, columns=list(self.columns))
            while True:
                with _Reading(self._path):
                    batch = next(batches, None)
                    frame = None if batch is None else batch.to_pandas()
                if frame is None:
                    return
                if len(frame):
                    yield {name: frame[name] for name in self.columns}


class _Reading:
    """Turns what a library says of a file that it cannot read into an error that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise FormatError(f"there is no file {self._path}") from None
        # pandas' and pyarrow's own errors are all ValueErrors or OSErrors.
        if isinstance(error, ValueError | OSError):
            raise FormatError(f"{self._path} cannot be read: {error}") from None


def _pandas(purpose: str) -> Any:
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("data", "pandas", purpose) from None
    return pandas


_FILES: dict[str, type[_CsvTable] | type[_ParquetTable]] = {
    ".csv": _CsvTable,
    ".csv.gz": _CsvTable,
    ".parquet": _ParquetTable,
    ".pq": _ParquetTable,
}


def open_table(data: object) -> Table:
    """Return the table that some data is.

    Parameters
    ----------
    data : pandas.DataFrame, mapping of str to array, or path
        A path ends in ``.csv``, ``.csv.gz``, ``.parquet`` or ``.pq``.

    Raises
    ------
    LearningError
        If the data is of another kind, or columns differ in length.
    FormatError
        If the file is missing or cannot be read, or its name has another ending.
    MissingExtraError
        If pandas, or pyarrow for a Parquet file, is not installed.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        for ending, kind in _FILES.items():
            if path.name.lower().endswith(ending):
                return kind(path)
        raise FormatError(f"{path}: a table's file name ends in {', '.join(_FILES)}")
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return _FrameTable(data)
    if isinstance(data, Mapping):
        return _ArraysTable(data)
    raise LearningError(
        "data to learn from is a pandas DataFrame, a mapping of names to arrays or the path of a "
        f"CSV or Parquet file, not {type(data).__name__}"
    )
