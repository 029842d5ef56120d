"""What a modality's rows are: columns of a table, arrays such as images, sequences, or texts.

A block says which of its rows are missing, gives some of its rows, and joins another's to its own.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.state_labels import MISSING, Index
from mmgraph.graph.variable import Variable

Rows = np.ndarray | slice
Features = Float64[np.ndarray, "rows features"]
B = TypeVar("B", bound="Block")


class Block(abc.ABC):
    """The rows of one modality."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @property
    @abc.abstractmethod
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows of which nothing is there."""

    @abc.abstractmethod
    def take(self, rows: Rows) -> Self:
        """Return some of the rows, in the order asked for."""

    @abc.abstractmethod
    def join(self, others: Sequence[Block]) -> Self:
        """Return the rows followed by those of other blocks.

        Raises
        ------
        LearningError
            If kinds, columns or shapes differ.
        """

    @abc.abstractmethod
    def emptied(self) -> Self:
        """Return as many rows of which nothing is there."""

    @abc.abstractmethod
    def labelled(self, modality: str) -> dict[str, Any]:
        """Return the columns that the rows are in a table, states in words, missing ones None."""

    @abc.abstractmethod
    def arrays(self) -> Iterator[np.ndarray]:
        """Yield all that a result depends on."""


@dataclass(frozen=True, eq=False)
class Columns(Block):
    """Columns of a table, numbers and states side by side.

    Attributes
    ----------
    variables : tuple of Variable
        A Gaussian one for a column of numbers, a categorical one for a column of states.
    kinds : tuple of str
        The kind of each, see :data:`mmgraph.data.schema.schema.KINDS`.
    values : ndarray, shape (rows, columns)
        Numbers, and indices of states; NaN where missing.
    """

    variables: tuple[Variable, ...]
    kinds: tuple[str, ...]
    values: Float64[np.ndarray, "rows columns"]

    @classmethod
    def of_numbers(cls, modality: str, values: object, names: Sequence[str] = ()) -> Columns:
        """Return columns of numbers, by default called ``modality[0]``, ``modality[1]``, ….

        Raises
        ------
        LearningError
            If they are no table of numbers, a number is infinite, or the names do not fit.
        """
        table = _numbers(modality, values)
        if table.ndim != 2 or (names and len(names) != table.shape[1]):
            raise LearningError(
                f"'{modality}' is a table of shape (rows, {len(names) or 'columns'}), not "
                f"{table.shape}"
            )
        names = names or [f"{modality}[{i}]" for i in range(table.shape[1])]
        variables = tuple(Variable(n, modality=modality, family="gaussian") for n in names)
        return cls(variables, ("continuous",) * len(variables), table)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns are called."""
        return tuple(variable.name for variable in self.variables)

    @property
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows in which every cell is missing."""
        return np.isnan(self.values).all(1)

    def take(self, rows: Rows) -> Columns:
        """As :meth:`Block.take`."""
        return replace(self, values=self.values[rows])

    def join(self, others: Sequence[Block]) -> Columns:
        """As :meth:`Block.join`."""
        alike = _same_kind(self, others)
        for other in alike:
            for mine, yours in zip(self.variables, other.variables, strict=False):
                if not mine.describes_same_as(yours):
                    raise LearningError(f"{mine!r} cannot be joined with {yours!r}")
            if len(self.variables) != len(other.variables):
                raise LearningError(
                    f"{len(self.variables)} columns cannot be joined with {len(other.variables)}"
                )
        return replace(self, values=np.concatenate([self.values, *(o.values for o in alike)]))

    def emptied(self) -> Columns:
        """As :meth:`Block.emptied`."""
        return replace(self, values=np.full_like(self.values, np.nan))

    def select(self, names: Sequence[str]) -> Columns:
        """Return some of the columns.

        Raises
        ------
        UnknownVariableError
            If one is not there.
        """
        places = []
        for name in names:
            if name not in self.names:
                hint = suggestion(name, self.names)
                raise UnknownVariableError(f"no column is called '{name}'{hint}")
            places.append(self.names.index(name))
        return Columns(
            tuple(self.variables[i] for i in places),
            tuple(self.kinds[i] for i in places),
            self.values[:, places],
        )

    def cells(self) -> dict[str, Any]:
        """Return the columns as evidence: numbers, and indices of states marked as such."""
        return {
            variable.name: Index(np.where(np.isnan(column), MISSING, column).astype(np.int64))
            if variable.is_discrete
            else column
            for variable, column in zip(self.variables, self.values.T, strict=True)
        }

    def numbers(self) -> Float64[np.ndarray, "rows features"]:
        """Return numbers alone: a categorical column becomes one of zero and one for each state.

        Ordinal columns are the indices of their states. A missing cell is NaN in all its features.
        """
        if "categorical" not in self.kinds:
            return self.values
        features = []
        for variable, kind, column in zip(self.variables, self.kinds, self.values.T, strict=True):
            if kind != "categorical":
                features.append(column[:, None])
                continue
            indicators = (column[:, None] == np.arange(variable.cardinality)).astype(np.float64)
            features.append(np.where(np.isnan(column)[:, None], np.nan, indicators))
        return np.hstack(features)

    def labelled(self, modality: str) -> dict[str, Any]:
        """As :meth:`Block.labelled`."""
        columns = zip(self.variables, self.values.T, strict=True)
        return {variable.name: labelled(variable, column) for variable, column in columns}

    def arrays(self) -> Iterator[np.ndarray]:
        """As :meth:`Block.arrays`."""
        yield self.values


@dataclass(frozen=True, eq=False)
class Arrays(Block):
    """An array for each row, all of one shape: images, volumes, spectrograms.

    Attributes
    ----------
    values : ndarray, shape (rows, *shape)
        NaN where missing.
    """

    values: Float64[np.ndarray, "rows *shape"]

    @classmethod
    def of(cls, modality: str, values: object) -> Arrays:
        """Return arrays with one row or more of numbers.

        Raises
        ------
        LearningError
            If they are none, or a number is infinite.
        """
        return cls(_numbers(modality, values))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows in which every number is missing."""
        return np.isnan(self.values.reshape(len(self), -1)).all(1)

    def take(self, rows: Rows) -> Arrays:
        """As :meth:`Block.take`."""
        return Arrays(self.values[rows])

    def join(self, others: Sequence[Block]) -> Arrays:
        """As :meth:`Block.join`."""
        alike = _same_kind(self, others)
        for other in alike:
            if other.values.shape[1:] != self.values.shape[1:]:
                raise LearningError(
                    f"arrays of shape {self.values.shape[1:]} cannot be joined with those of shape "
                    f"{other.values.shape[1:]}"
                )
        return Arrays(np.concatenate([self.values, *(o.values for o in alike)]))

    def emptied(self) -> Arrays:
        """As :meth:`Block.emptied`."""
        return Arrays(np.full_like(self.values, np.nan))

    def numbers(self) -> Float64[np.ndarray, "rows features"]:
        """Return the numbers of each row, one after the other."""
        return self.values.reshape(len(self), -1)

    def labelled(self, modality: str) -> dict[str, Any]:
        """As :meth:`Block.labelled`."""
        cells = zip(self.values, self.missing, strict=True)
        return {modality: [None if missing else value for value, missing in cells]}

    def arrays(self) -> Iterator[np.ndarray]:
        """As :meth:`Block.arrays`."""
        yield self.values


@dataclass(frozen=True, eq=False)
class Sequences(Block):
    """A sequence for each row, of its own length.

    Attributes
    ----------
    values : tuple of ndarray or None
        ``(steps, channels)`` each; None where missing.
    """

    values: tuple[Float64[np.ndarray, "steps channels"] | None, ...]

    @classmethod
    def of(cls, modality: str, values: Sequence[object]) -> Sequences:
        """Return sequences; one without channels has a single one.

        Raises
        ------
        LearningError
            If a row is no sequence of numbers (which), or channels differ in number.
        """
        rows: list[np.ndarray | None] = []
        channels = None
        for number, given in enumerate(values):
            if given is None or np.size(np.asarray(given, object)) == 0:
                rows.append(None)
                continue
            array = _numbers(f"{modality}, row {number}", given)
            array = array[:, None] if array.ndim == 1 else array
            if array.ndim != 2 or (channels is not None and array.shape[1] != channels):
                raise LearningError(
                    f"'{modality}', row {number}: a sequence has shape (steps, "
                    f"{channels or 'channels'}), not {array.shape}"
                )
            channels = array.shape[1]
            rows.append(array)
        return cls(tuple(rows))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows without a sequence."""
        return _absent(self.values)

    def take(self, rows: Rows) -> Sequences:
        """As :meth:`Block.take`."""
        return Sequences(_taken(self.values, rows))

    def join(self, others: Sequence[Block]) -> Sequences:
        """As :meth:`Block.join`."""
        joined = Sequences(sum((o.values for o in _same_kind(self, others)), self.values))
        widths = {value.shape[1] for value in joined.values if value is not None}
        if len(widths) > 1:
            raise LearningError(
                f"sequences of {' and '.join(map(str, sorted(widths)))} channels cannot be joined"
            )
        return joined

    def emptied(self) -> Sequences:
        """As :meth:`Block.emptied`."""
        return Sequences((None,) * len(self))

    def labelled(self, modality: str) -> dict[str, Any]:
        """As :meth:`Block.labelled`."""
        return {modality: list(self.values)}

    def arrays(self) -> Iterator[np.ndarray]:
        """As :meth:`Block.arrays`."""
        yield np.array([0 if value is None else len(value) for value in self.values])
        yield from (value for value in self.values if value is not None)


@dataclass(frozen=True, eq=False)
class Texts(Block):
    """A text for each row.

    Attributes
    ----------
    values : tuple of str or None
        None where missing.
    """

    values: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> Bool[np.ndarray, " rows"]:
        """The rows without a text."""
        return _absent(self.values)

    def take(self, rows: Rows) -> Texts:
        """As :meth:`Block.take`."""
        return Texts(_taken(self.values, rows))

    def join(self, others: Sequence[Block]) -> Texts:
        """As :meth:`Block.join`."""
        return Texts(sum((o.values for o in _same_kind(self, others)), self.values))

    def emptied(self) -> Texts:
        """As :meth:`Block.emptied`."""
        return Texts((None,) * len(self))

    def labelled(self, modality: str) -> dict[str, Any]:
        """As :meth:`Block.labelled`."""
        return {modality: list(self.values)}

    def arrays(self) -> Iterator[np.ndarray]:
        """As :meth:`Block.arrays`."""
        yield np.frombuffer("\0".join(v or "" for v in self.values).encode(), np.uint8)


def labelled(variable: Variable, values: np.ndarray) -> Any:
    """Return numbers as they are, and indices of states as labels, None where missing."""
    if not variable.is_discrete:
        return values
    known = ~np.isnan(values) & (values != MISSING)
    return [
        variable.labels[int(value)] if there else None
        for value, there in zip(values, known, strict=True)
    ]


def _same_kind(block: B, others: Sequence[Block]) -> list[B]:
    """Other blocks, all of the kind of the first."""
    for other in others:
        if type(other) is not type(block):
            names = f"{type(other).__name__} cannot be joined with {type(block).__name__}"
            raise LearningError(names)
    return list(others)  # type: ignore[arg-type]


def _absent(values: tuple[Any, ...]) -> Bool[np.ndarray, " rows"]:
    return np.array([value is None for value in values], bool)


def _taken(values: tuple[Any, ...], rows: Rows) -> tuple[Any, ...]:
    return tuple(values[i] for i in np.arange(len(values))[rows])


def _numbers(what: str, values: object) -> Float64[np.ndarray, "..."]:
    """Numbers in double precision, none of them infinite."""
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise LearningError(f"'{what}' is no array of numbers") from None
    if np.isinf(table).any():
        row = int(np.argwhere(np.isinf(table))[0][0])
        raise LearningError(f"'{what}' is infinite in row {row}; a missing number is NaN")
    return table
