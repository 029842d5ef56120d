"""Conditional tables from the numbers of a file, and back, whatever its format."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.formats.rows import bounded_product, normalise, problem_of, row_name, state_of
from mmgraph.formats.text import Fail
from mmgraph.graph.errors import FormatError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable

FREE_NUMBERS = 2**24
"""The numbers that a file may leave to its reader, all tables and counts of states together.

All others stand in the file; for these a few bytes could ask without end.
"""


_STATE_SIZE = 16
"""The room of a state, in numbers."""


class ListedRow(NamedTuple):
    """A row of a conditional table as a file lists it, by the parents' state indices."""

    states: Sequence[int]
    numbers: Sequence[float]
    fail: Fail


class TableBuilder:
    """Makes conditional tables within the limit for what the file does not spell out."""

    def __init__(self) -> None:
        self.free_left = FREE_NUMBERS

    def reserve(self, numbers: Iterable[int], what: str, fail: Fail) -> int:
        """Take the product of these numbers from the limit, and return it."""
        size = bounded_product(numbers, self.free_left)
        if size is None:
            fail(f"{what} would take more numbers than the limit of {FREE_NUMBERS:,}")
        self.free_left -= size
        return size

    def reserve_states(self, name: str, count: int, fail: Fail) -> None:
        """Take the states of a variable from the limit that a file only counts."""
        if bounded_product([count, _STATE_SIZE], self.free_left) is None:
            limit = FREE_NUMBERS // _STATE_SIZE
            fail(
                f"'{name}' claims {count:,} states; a file may count {limit:,} without naming them"
            )
        self.free_left -= count * _STATE_SIZE

    def table(
        self,
        child: Variable,
        parents: Sequence[Variable],
        numbers: Float64[np.ndarray, " numbers"],
        fail: Fail,
    ) -> TableFactor:
        """Return the table of numbers that a file gives, the child moving fastest.

        Rows that are off one by rounding are divided by their sum.
        """
        cardinalities = [v.cardinality for v in (*parents, child)]
        if bounded_product(cardinalities, len(numbers)) != len(numbers):
            shape = f" ({' × '.join(map(str, cardinalities))})" if parents else ""
            fail(
                f"expected {math.prod(cardinalities):,} numbers{shape} in the table of "
                f"'{child.name}', found {len(numbers):,}"
            )
        rows = numbers.reshape(-1, child.cardinality)
        check_rows(rows, child, parents, lambda _: fail)
        return TableFactor((*parents, child), rows.reshape(cardinalities), child=child)

    def listed(
        self,
        child: Variable,
        parents: Sequence[Variable],
        rows: Iterable[ListedRow],
        default: Sequence[float] | None,
        fail: Fail,
    ) -> tuple[Float64[np.ndarray, "rows states"], dict[int, Fail]]:
        """Return the numbers of rows that a file lists in any order, and what tells of each row.

        ``default`` holds the numbers of the rows that are left out.
        """
        cardinalities = [p.cardinality for p in parents]
        by_number: dict[int, ListedRow] = {}
        for listed in rows:
            row = 0
            for cardinality, state in zip(cardinalities, listed.states, strict=True):
                row = row * cardinality + state
            name = row_name(child, parents, listed.states)
            if row in by_number:
                listed.fail(f"{name} is given twice")
            check_count(listed.numbers, child.cardinality, name, listed.fail)
            by_number[row] = listed
        what = f"the default of '{child.name}'"
        if default is not None:
            check_count(default, child.cardinality, what, fail)
        elif bounded_product(cardinalities, len(by_number)) != len(by_number):
            missing = next(i for i in range(len(by_number) + 1) if i not in by_number)
            name = row_name(child, parents, state_of(missing, cardinalities))
            fail(f"{name} is missing, and there is no default")
        most = len(by_number) + self.free_left // child.cardinality
        count = bounded_product(cardinalities, most)
        if count is None:
            fail(f"{what} would take more numbers than the limit of {FREE_NUMBERS:,}")
        self.free_left -= (count - len(by_number)) * child.cardinality
        table = np.empty((count, child.cardinality))
        if default is not None:
            table[:] = default
        for row, listed in by_number.items():
            table[row] = listed.numbers
        return table, {row: listed.fail for row, listed in by_number.items()}

    def uniform(self, child: Variable, parents: Sequence[Variable], fail: Fail) -> TableFactor:
        """Return the table that stands for one that a file leaves out."""
        cardinalities = [v.cardinality for v in (*parents, child)]
        self.reserve(cardinalities, f"the uniform table of '{child.name}'", fail)
        values = torch.full(cardinalities, 1 / child.cardinality, dtype=torch.float64)
        return TableFactor((*parents, child), values, child=child)


def check_count(numbers: Sequence[float], count: int, what: str, fail: Fail) -> None:
    """Refuse another number of numbers than a row or a table has."""
    if len(numbers) != count:
        fail(f"expected {count} numbers in {what}, found {len(numbers)}")


def check_rows(
    rows: Float64[np.ndarray, "rows states"],
    child: Variable,
    parents: Sequence[Variable],
    fail_of: Callable[[int], Fail],
) -> None:
    """Divide rows that are off by rounding by their sum, and refuse what is no distribution."""
    wrong = normalise(rows)
    if wrong is not None:
        row = row_name(child, parents, state_of(wrong, [p.cardinality for p in parents]))
        fail_of(wrong)(f"{row} {problem_of(rows[wrong])}")


def check_discrete(variable: Variable, format_name: str) -> None:
    """Refuse to write arrays and continuous variables."""
    if variable.shape or not variable.is_discrete:
        raise FormatError(
            f"'{variable.name}' is not a scalar discrete variable, and {format_name} holds no "
            "others; write a .mmgraph directory instead"
        )


def conditional_values(
    factor: Factor, format_name: str
) -> tuple[Variable, tuple[Variable, ...], Float64[Tensor, "*parents child"]]:
    """Return the child, its parents and the table of a distribution that is to be written."""
    child, table = factor.child, factor.conditional_table()
    if child is None or table is None:
        raise FormatError(
            f"{factor!r} is not a conditional table, and {format_name} holds no others; "
            "write a .mmgraph directory instead"
        )
    return child, factor.parents, table.detach().double()
