"""What a table is: named columns, given a chunk of rows at a time as often as they are asked."""

from __future__ import annotations

import abc
import copy
import shlex
from collections.abc import Collection, Iterator
from typing import Any, Self

from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion

CHUNK_ROWS = 100_000
"""How many rows are read at once where nothing else is asked for."""


def said_so(option: str, value: str) -> str:
    """Return the words for an option of reading, in Python and at the command line."""
    python = f"[{value!r}]" if option == "missing" else repr(value)
    return f"{option}={python}, at the command line --read {shlex.quote(f'{option}={value}')}"


def column_labels(frame: Any, origin: str) -> dict[str, Any]:
    """Return the labels of a data frame's columns by their names; LearningError if one repeats."""
    labels = {str(label): label for label in frame.columns}
    if len(labels) != len(frame.columns):
        names = [str(label) for label in frame.columns]
        twice = next(n for n in names if names.count(n) > 1)
        raise LearningError(f"{origin} has two columns called '{twice}'")
    return labels


class Table(abc.ABC):
    """Named columns whose rows can be read in chunks, more than once.

    Attributes
    ----------
    origin : str
        What error messages call it.
    columns : tuple of str
        The names of the columns.
    is_text : bool
        Whether cells are text whatever they mean, as in a CSV file; an empty one is missing.
    in_memory : bool
        Whether all rows are in memory anyway.
    missing : tuple
        What stands for a missing cell beside None, NaN and the empty text of a file.
    extra : {"raise", "ignore"}
        What becomes of columns that are no variables of a model.
    """

    origin: str
    columns: tuple[str, ...]
    is_text: bool = False
    in_memory: bool = True
    missing: tuple[object, ...] = ()
    extra: str = "raise"

    def place(self, row: int) -> str:
        """Return the words for a row, for messages."""
        return f"{self.origin}, row {row}"

    def has_all_categories(self, column: str) -> bool:
        """Whether the categories of a categorical column are the same in all chunks."""
        return self.in_memory

    def missing_cells(self, labels: Collection[object] = ()) -> tuple[object, ...]:
        """Return what stands for a missing cell: of text an empty one too, unless it is a label."""
        return (*self.missing, "") if self.is_text and "" not in labels else self.missing

    def select(self, columns: Collection[str]) -> Self:
        """Return the table with some of its columns.

        Raises
        ------
        UnknownVariableError
            If it lacks one; with the nearest name.
        """
        own_columns = set(self.columns)
        for name in columns:
            if name not in own_columns:
                hint = suggestion(name, self.columns)
                raise UnknownVariableError(f"{self.origin} has no column '{name}'{hint}")
        selected = copy.copy(self)
        selected.columns = tuple(dict.fromkeys(columns))
        return selected

    @abc.abstractmethod
    def chunks(self, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns, lists, arrays or pandas Series, of ``rows`` rows at a time.

        Raises
        ------
        FormatError
            If a file cannot be read.
        """
