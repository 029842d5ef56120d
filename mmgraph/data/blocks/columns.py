"""Columns of a table as the rows of a modality: numbers and states side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.blocks.block import Block, Rows, finite_numbers, same_kind, without_column
from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.state_labels import MISSING, Index
from mmgraph.graph.variable import Variable


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
        table = finite_numbers(modality, values)
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
        alike = same_kind(self, others)
        for other in alike:
            for mine, yours in zip(self.variables, other.variables, strict=False):
                if not mine.describes_same_as(yours):
                    raise LearningError(f"{mine!r} cannot be joined with {yours!r}")
            if len(self.variables) != len(other.variables):
                raise LearningError(
                    f"{len(self.variables)} columns cannot be joined with {len(other.variables)}"
                )
        return replace(self, values=np.concatenate([self.values, *(o.values for o in alike)]))

    def emptied(self, rows: int | None = None) -> Columns:
        """As :meth:`Block.emptied`."""
        count = len(self) if rows is None else rows
        return replace(self, values=np.full((count, len(self.variables)), np.nan))

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

    def parts(self, modality: str) -> tuple[str, ...]:
        """As :meth:`Block.parts`: the columns."""
        return self.names

    def without_part(self, place: int) -> Columns:
        """As :meth:`Block.without_part`."""
        return replace(self, values=without_column(self.values, place))

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


def labelled(variable: Variable, values: np.ndarray) -> Any:
    """Return numbers as they are, and indices of states as labels, None where missing."""
    if not variable.is_discrete:
        return values
    known = ~np.isnan(values) & (values != MISSING)
    return [
        variable.labels[int(value)] if there else None
        for value, there in zip(values, known, strict=True)
    ]
