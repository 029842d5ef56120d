"""The states of variables, learned from the columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from mmgraph.graph.errors import LearningError
from mmgraph.learning.cells import factorised
from mmgraph.learning.tables import CHUNK_ROWS, Table


def states_in(
    table: Table, columns: Collection[str], chunk_rows: int = CHUNK_ROWS
) -> dict[str, tuple[Any, ...]]:
    """Return the distinct labels of some columns, sorted.

    Text that spells numbers is read as numbers where all of a column does. A categorical column in
    memory has its categories, in their order.

    Raises
    ------
    LearningError
        If there are no rows, or a column is empty, has a single label (name the states then), or
        holds real numbers.
    """
    found: dict[str, dict[Any, None]] = {name: {} for name in columns}
    declared: dict[str, tuple[Any, ...]] = {}
    any_rows = False
    for chunk in table.chunks(chunk_rows):
        any_rows = True
        for name in columns:
            categories = getattr(getattr(chunk[name], "dtype", None), "categories", None)
            if categories is not None and table.in_memory and len(categories):
                declared[name] = tuple(categories.tolist())
            else:
                found[name].update(dict.fromkeys(factorised(chunk[name])[1]))
    if not any_rows:
        raise LearningError(f"{table.origin} has no rows to learn from")
    return {
        name: declared.get(name) or _sorted_labels(name, labels, table)
        for name, labels in found.items()
    }


def _sorted_labels(name: str, labels: Collection[Any], table: Table) -> tuple[Any, ...]:
    if not labels:
        raise LearningError(f"the column '{name}' of {table.origin} is empty in every row")
    read: list[Any] = _as_numbers(list(labels)) if table.is_text else list(labels)
    if all(isinstance(x, float) for x in read):
        if not all(x.is_integer() for x in read):
            raise LearningError(
                f"the column '{name}' of {table.origin} holds real numbers, not states: name its "
                "states, or give it a continuous leaf"
            )
        read = [int(x) for x in read]
    if len(read) == 1:
        raise LearningError(
            f"the column '{name}' of {table.origin} is constant ({read[0]!r} in every row): its "
            "other states cannot be learned; name them in `states`"
        )
    same_kind = len({type(x) for x in read}) == 1
    return tuple(sorted(read) if same_kind else sorted(read, key=str))


def _as_numbers(labels: list[str]) -> list[Any]:
    kinds: tuple[Callable[[str], Any], ...] = (int, float)
    for kind in kinds:
        try:
            numbers = [kind(x) for x in labels]
        except ValueError:
            continue
        # "01" and "1" are two labels, and no number.
        if len(set(numbers)) == len(labels) and (
            kind is float or list(map(str, numbers)) == labels
        ):
            return numbers
    return labels
