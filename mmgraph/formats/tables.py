"""Conditional tables from the numbers of a file, and back, whatever its format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.formats.rows import (
    LARGEST_RANK,
    bounded_product,
    normalise,
    problem_of,
    row_name,
    state_of,
)
from mmgraph.formats.text import Fail
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

FREE_NUMBERS = 2**24
"""The numbers that a file may leave to its reader, all tables and counts of states together.

All others stand in the file; for these a few bytes could ask without end.
"""


_STATE_SIZE = 16
"""The room of a state, in numbers."""


class ListedRow(NamedTuple):
    """A row of a conditional table as a file lists it.

    Attributes
    ----------
    states : sequence of int
        The parents' state indices.
    numbers : sequence of float
    fail : callable
        Raises the error that names the place of the row.
    """

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

        Rows that are off one by rounding are divided by their sum, see
        :func:`~mmgraph.formats.rows.normalise`.
        """
        check_family(child, parents, fail)
        cardinalities = [v.cardinality for v in (*parents, child)]
        if bounded_product(cardinalities, len(numbers)) != len(numbers):
            shape = f" ({' × '.join(map(str, cardinalities))})" if parents else ""
            fail(
                f"expected {math.prod(cardinalities):,} numbers{shape} in the table of "
                f"'{child.name}', found {len(numbers):,}"
            )
        rows = numbers.reshape(-1, child.cardinality)
        wrong = normalise(rows)
        if wrong is not None:
            row = row_name(child, parents, state_of(wrong, cardinalities[:-1]))
            fail(f"{row} {problem_of(rows[wrong])}")
        return TableFactor((*parents, child), rows.reshape(cardinalities), child=child)

    def listed(
        self,
        child: Variable,
        parents: Sequence[Variable],
        rows: Iterable[ListedRow],
        default: Sequence[float] | None,
        fail: Fail,
    ) -> tuple[Float64[np.ndarray, "rows states"], dict[int, Fail]]:
        """Return the numbers of rows that a file lists in any order, as they stand there.

        Parameters
        ----------
        default : sequence of float, optional
            The numbers of the rows that are left out.

        Returns
        -------
        array, dict of int to callable
            And what raises the error of each row that is listed.
        """
        cardinalities = [p.cardinality for p in parents]
        given: dict[int, ListedRow] = {}
        for listed in rows:
            row = 0
            for cardinality, state in zip(cardinalities, listed.states, strict=True):
                row = row * cardinality + state
            name = row_name(child, parents, listed.states)
            if row in given:
                listed.fail(f"{name} is given twice")
            check_count(listed.numbers, child.cardinality, name, listed.fail)
            given[row] = listed
        what = f"the default of '{child.name}'"
        if default is not None:
            check_count(default, child.cardinality, what, fail)
        elif bounded_product(cardinalities, len(given)) != len(given):
            missing = next(i for i in range(len(given) + 1) if i not in given)
            name = row_name(child, parents, state_of(missing, cardinalities))
            fail(f"{name} is missing, and there is no default")
        count = bounded_product(cardinalities, len(given) + self.free_left // child.cardinality)
        if count is None:
            fail(f"{what} would take more numbers than the limit of {FREE_NUMBERS:,}")
        self.free_left -= (count - len(given)) * child.cardinality
        table = np.empty((count, child.cardinality))
        if default is not None:
            table[:] = default
        for row, listed in given.items():
            table[row] = listed.numbers
        return table, {row: listed.fail for row, listed in given.items()}

    def uniform(self, child: Variable, parents: Sequence[Variable], fail: Fail) -> TableFactor:
        """Return the table that stands for one that a file leaves out."""
        check_family(child, parents, fail)
        cardinalities = [v.cardinality for v in (*parents, child)]
        self.reserve(cardinalities, f"the uniform table of '{child.name}'", fail)
        values = torch.full(cardinalities, 1 / child.cardinality, dtype=torch.float64)
        return TableFactor((*parents, child), values, child=child)


def check_count(numbers: Sequence[float], count: int, what: str, fail: Fail) -> None:
    """Refuse another number of numbers than a row or a table has."""
    if len(numbers) != count:
        fail(f"expected {count} numbers in {what}, found {len(numbers)}")


def check_family(child: Variable, parents: Sequence[Variable], fail: Fail) -> None:
    """Refuse parents that stand twice, and more of them than a table has axes."""
    if len(parents) >= LARGEST_RANK:
        fail(f"'{child.name}' has more than {LARGEST_RANK - 1} parents")
    names = [v.name for v in (*parents, child)]
    for i, name in enumerate(names):
        if name in names[:i]:
            fail(f"'{name}' stands twice in the distribution of '{child.name}'")


def bayesian_network(
    path: str | PathLike[str], variables: Iterable[Variable], factors: Iterable[Factor]
) -> BayesianNetwork:
    """Return the network of a file; what is wrong with it as a whole is a FormatError."""
    try:
        return BayesianNetwork(variables, factors)
    except GraphError as error:
        raise FormatError(f"{path}: {error}") from None


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
