"""The kind of a data frame's column by its cells, where nobody names it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from mmgraph.data.csv_table import has_decimal_comma
from mmgraph.graph.column_reader import factorised, plain_array
from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.graph.state_labels import plain_cell
from mmgraph.graph.value_evidence import number_in
from mmgraph.graph.variable import Variable

FEW_STATES = 10
"""So many distinct whole numbers are more likely labels than measurements."""
_MANY_WORDS = 3
"""Cells of more words on average are text and no labels."""


def is_number(cell: Any) -> bool:
    """Whether a cell is a number or spells one; truth values are none."""
    if isinstance(plain_cell(cell), bool):
        return False
    try:
        number_in(str(cell))
    except ValueError:
        return False
    return str(cell).strip().casefold() not in ("true", "false")


def are_measurements(numbers: np.ndarray, rows: int) -> bool:
    """Return whether the distinct numbers of a column of so many rows are no labels.

    They measure something where some are fractions; or where they are more than ten, and do not
    just number the rows.
    """
    if bool((numbers != np.floor(numbers)).any()):
        return True
    numbering = len(numbers) == rows and bool((np.diff(np.sort(numbers)) == 1).all())
    return len(numbers) > FEW_STATES and not numbering


def not_numbers(cells: Collection[Any]) -> list[Any] | None:
    """Return the cells that are no numbers, of distinct ones that measure something, or None.

    Numbers measure where they are more than ten, and more than other cells.
    """
    others = [cell for cell in cells if not is_number(cell)]
    numbers = len(cells) - len(others)
    return others if numbers > FEW_STATES and numbers > len(others) else None


def are_texts(cells: Sequence[Any]) -> bool:
    """Whether distinct cells are free text: of more than three words on average."""
    words = sum(len(str(cell).split()) for cell in cells)
    return words > _MANY_WORDS * len(cells)


def is_column_of_texts(column: Any) -> bool:
    """Whether a data frame's column is of free text, no lists of numbers and no categories."""
    if getattr(column.dtype, "kind", "O") != "O" or hasattr(column.dtype, "categories"):
        return False
    cells = list(factorised(Variable("text", 1), plain_array(column))[1])
    return are_texts(cells) and all(isinstance(c, str) and not c.startswith("[") for c in cells)


def kind_of_column(name: str, column: Any, origin: str = "the data frame") -> str:
    """Return whether a data frame's column is continuous or categorical.

    Columns of numbers are continuous, and so are texts that spell more than ten numbers.

    Raises
    ------
    EvidenceError
        If most cells are numbers, and some are not (which rows); or have decimal commas.
    LearningError
        If the column holds dates.
    """
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iuf":
        return "continuous"
    if kind in "mM":
        raise LearningError(
            f"the column '{name}' of {origin} holds dates, which are no feature: make them numbers "
            "(days since a first one, say), or leave the column out"
        )
    if kind != "O" or hasattr(column.dtype, "categories"):
        return "categorical"
    place, distinct = factorised(Variable(name, 1), plain_array(column))
    commas = [cell for cell in distinct if has_decimal_comma(str(cell))]
    if len(commas) > FEW_STATES and 2 * len(commas) > len(distinct):
        raise EvidenceError(
            f"the column '{name}' of {origin} holds numbers with decimal commas ({commas[0]!r}): "
            "read them as numbers (pandas.read_csv(…, decimal=','))"
        )
    others = not_numbers(distinct)
    if others is None:
        return "categorical"
    if others:
        wrong = {index for index, cell in enumerate(distinct) if not is_number(cell)}
        rows = np.flatnonzero(np.isin(place, list(wrong)))
        which = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
        raise EvidenceError(
            f"the column '{name}' of {origin} holds numbers, but for {others[0]!r} (row {which}): "
            "make such cells missing (NaN), or the column a pandas category if it has states"
        )
    return "continuous"
