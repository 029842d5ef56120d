"""The states of variables, learned from the columns of a table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mmgraph.data.discretisation.column_numbers import column_numbers
from mmgraph.data.discretisation.cut_points import quantile_cuts
from mmgraph.data.discretisation.intervals import interval_labels
from mmgraph.data.schema.kinds import are_measurements, is_number, not_numbers
from mmgraph.data.table import CHUNK_ROWS, Table
from mmgraph.graph.column_reader import factorised, plain_array, spelling, spellings
from mmgraph.graph.errors import LearningError, warn_caller
from mmgraph.graph.state_labels import number_spelled, plain_cell
from mmgraph.graph.value_evidence import number_in
from mmgraph.graph.variable import Label, Variable

MANY_STATES = 20
"""Beyond so many states a column is more likely a measurement or an identifier than a variable."""

Bins = Mapping[str, int | Sequence[float]]
"""For some columns the number of bins, or the edges between them."""


class ManyStatesWarning(UserWarning):
    """A column whose distinct cells are so many that they are hardly states."""


def states_in(
    table: Table,
    columns: Collection[str],
    chunk_rows: int = CHUNK_ROWS,
    constant: bool = False,
    remedy: str | None = None,
) -> dict[str, tuple[Label, ...]]:
    """Return the distinct labels of some columns, sorted.

    Text is read as numbers where each label of a column spells one and is spelled by it, so that
    ``02139``, ``1_0`` and ``1E2`` are labels. A categorical column in memory has its categories, in
    their order. Cells that are neither text nor numbers, such as intervals, are called by their
    text. Unless ``constant``, a column has two labels at least.

    Warns of more than ``MANY_STATES`` states, with what can be done about it (by default, to name
    some in ``states``, or bins); a column that is empty, has a single label (name the
    states then), or holds real numbers is a LearningError.
    """
    distinct: dict[str, dict[Any, None]] = {name: {} for name in columns}
    declared: dict[str, tuple[Any, ...]] = {}
    hidden = spellings(table.missing_cells())
    rows = 0
    for chunk in table.chunks(chunk_rows):
        for name in columns:
            column = chunk[name]
            rows += len(column) if name == next(iter(columns)) else 0
            categories = getattr(getattr(column, "dtype", None), "categories", None)
            if categories is not None and len(categories) and table.has_all_categories(name):
                declared[name] = tuple(c for c in categories.tolist() if spelling(c) not in hidden)
            else:
                _, cells = factorised(Variable(name, 1), plain_array(column))
                distinct[name].update(dict.fromkeys(c for c in cells if spelling(c) not in hidden))
    if not table.columns:
        raise LearningError(f"{table.origin} has no columns to learn from")
    if columns and not rows:
        raise LearningError(f"{table.origin} has no rows to learn from")
    states = {}
    for name, labels in distinct.items():
        if declared.get(name):
            states[name] = tuple(map(_label, declared[name]))
        else:
            states[name] = _sorted_labels(name, labels, table, constant)
            _warn_of_many(name, states[name], rows, table.origin, remedy)
    return states


def check_no_texts(table: Table, columns: Collection[str]) -> None:
    """Raise LearningError if one of some columns that should hold numbers begins with texts alone.

    That is, in the first chunk of its rows; a text among numbers is told of where it is read.
    """
    hidden = spellings(table.missing_cells())
    for chunk in itertools.islice(table.chunks(CHUNK_ROWS), 1):
        for name in columns:
            column = np.asarray(plain_array(chunk[name]))
            if column.ndim != 1 or column.dtype.kind not in "OUT":
                continue
            cells = dict.fromkeys(c for c in column if isinstance(c, str))
            texts = [str(c) for c in cells if c and spelling(c) not in hidden]
            others = any(not isinstance(c, str) and c is not None and c == c for c in column)
            if texts and not others and not any(map(is_number, texts)):
                raise LearningError(
                    f"the column '{name}' of {table.origin} holds texts ({texts[0]!r}), and is not "
                    "continuous: leave it out of `continuous`, and they are its states"
                )


def measured_columns(
    table: Table, columns: Collection[str], chunk_rows: int = CHUNK_ROWS
) -> list[str]:
    """Return the columns that hold measurements, and no labels: numbers as ``are_measurements``.

    Categorical columns and truth values are labels, and so are texts such as ``02139``, which are
    more than the number that they spell. A table is read no further than it takes to tell.
    """
    distinct: dict[str, dict[Any, None]] = {name: {} for name in columns}
    measured: set[str] = set()
    hidden = spellings(table.missing_cells())
    rows = 0
    for chunk in table.chunks(chunk_rows):
        rows += len(next(iter(chunk.values()), ()))
        for name in list(distinct):
            column = plain_array(chunk[name])
            kind = getattr(getattr(column, "dtype", None), "kind", "O")
            if hasattr(getattr(column, "dtype", None), "categories") or kind == "b":
                del distinct[name]
                continue
            if kind == "f" and _has_fractions(np.asarray(column), hidden):
                measured.add(name)
                del distinct[name]
                continue
            _, cells = factorised(Variable(name, 1), column)
            cells = [c for c in cells if spelling(c) not in hidden]
            if all(map(_is_plain_number, cells)):
                distinct[name].update(dict.fromkeys(cells))
            else:
                del distinct[name]
        if not distinct:
            break
    for name, seen in distinct.items():
        numbers = np.array([float(str(cell)) for cell in seen])
        if are_measurements(numbers[np.isfinite(numbers)], rows):
            measured.add(name)
    return [name for name in columns if name in measured]


def _has_fractions(cells: np.ndarray, hidden: Collection[str]) -> bool:
    """Whether numbers that are not missing have fractions."""
    broken = cells[np.isfinite(cells) & (cells != np.floor(cells))]
    return any(spelling(plain_cell(cell)) not in hidden for cell in np.unique(broken))


def _is_plain_number(cell: Any) -> bool:
    """Whether a cell is a number, and no text of digits that begins with a zero."""
    digits = cell.strip().lstrip("-") if isinstance(cell, str) else ""
    return is_number(cell) and not (digits.isdigit() and digits != str(int(digits)))


def binned_states(
    table: Table, bins: Bins, chunk_rows: int = CHUNK_ROWS
) -> dict[str, tuple[str, ...]]:
    """Return intervals as states of numeric columns: a number is read as the one that holds it.

    A number of bins asks for as many that hold equally many rows (fewer where values repeat), the
    outer ones open; a sequence gives the edges, ``-inf`` and ``inf`` among them if wanted.
    """
    counted = [name for name, wanted in bins.items() if isinstance(wanted, int | np.integer)]
    values = column_numbers(table, counted, chunk_rows)
    return {name: _intervals(name, wanted, values.get(name)) for name, wanted in bins.items()}


def _intervals(
    name: str, bins: int | Sequence[float], values: np.ndarray | None
) -> tuple[str, ...]:
    """The labels of bins that hold equally many numbers, or lie between edges."""
    wanted: Any = bins
    if values is not None and not isinstance(bins, bool):
        return interval_labels([-math.inf, *quantile_cuts(name, values, wanted), math.inf])
    try:
        edges = [float(edge) for edge in wanted]
    except (TypeError, ValueError):
        edges = []
    if len(edges) < 3 or any(not a < b for a, b in itertools.pairwise(edges)):
        raise LearningError(f"the edges of '{name}' are three or more that rise, not {bins!r}")
    return interval_labels(edges)


def _sorted_labels(
    name: str, labels: Collection[Any], table: Table, constant: bool
) -> tuple[Label, ...]:
    if not labels and constant:
        return ()
    if not labels:
        raise LearningError(f"the column '{name}' of {table.origin} is empty in every row")
    read: list[Any] = _as_numbers(list(labels)) if table.is_text else list(map(_label, labels))
    if all(isinstance(x, float) for x in read):
        if not all(x.is_integer() for x in read):
            raise LearningError(
                f"the column '{name}' of {table.origin} holds real numbers, not states: put it "
                f"into bins ({_offer(name)}), or give it a continuous leaf"
            )
        read = [int(x) for x in read]
    if not constant:
        _refuse_numbers_with_texts(name, labels, table)
    if len(read) == 1 and not constant:
        raise LearningError(
            f"the column '{name}' of {table.origin} is constant ({read[0]!r} in every row): its "
            "other states cannot be learned; name them in `states`"
        )
    same_kind = len({type(x) for x in read}) == 1
    return tuple(sorted(read) if same_kind else sorted(read, key=str))


def _refuse_numbers_with_texts(name: str, labels: Collection[Any], table: Table) -> None:
    """Raise LearningError if labels are fractions but for a few: which, and in which row."""
    others = not_numbers(labels)
    if not others:
        return
    numbers = np.array([number_in(str(cell)) for cell in labels if is_number(cell)])
    if not bool((numbers != np.floor(numbers)).any()):
        return
    first, where = 0, ""
    for chunk in table.chunks(CHUNK_ROWS):
        places, cells = factorised(Variable(name, 1), plain_array(chunk[name]))
        if others[0] in list(cells):
            where = table.place(first + int((places == list(cells).index(others[0])).argmax()))
            break
        first += len(places)
    cell = plain_cell(others[0])
    raise LearningError(
        f"{where}: the column '{name}' holds numbers, but for {cell!r}: if it stands for a missing "
        f"cell, say missing=[{cell!r}]; if all of them are states, name them in `states`"
    )


def _label(cell: Any) -> Label:
    return cell if isinstance(cell, str | int | float | bool) else str(cell)


def _as_numbers(labels: list[str]) -> list[Any]:
    """Numbers, or truth values, where every label spells one of its own."""
    if set(labels) == {"False", "True"}:
        return [label == "True" for label in labels]
    numbers = [number_spelled(label) for label in labels]
    spelled = [n for n in numbers if n is not None]
    if len(set(spelled)) < len(labels):
        return labels
    return list(map(float, spelled)) if any(isinstance(n, float) for n in spelled) else spelled


def _warn_of_many(
    name: str, states: Sequence[Label], rows: int, origin: str, remedy: str | None
) -> None:
    if len(states) <= MANY_STATES:
        return
    what = f"the column '{name}' of {origin} has {len(states)} distinct cells"
    if len(states) == rows:
        hint = "one for each row: it looks like an identifier, and is better left out"
    elif remedy is not None:
        hint = f"which are many for states: {remedy}"
    elif all(isinstance(x, int) and not isinstance(x, bool) for x in states):
        hint = (
            f"and another number will be refused as unknown; bins are an offer ({_offer(name)}), "
            "and so is a continuous leaf"
        )
    else:
        hint = "which are many for states; those that matter can be named in `states`"
    warn_caller(f"{what}, {hint}", ManyStatesWarning)


def _offer(name: str) -> str:
    return f"bins={{'{name}': 5}}"
