"""Sums over the rows of a Dask data frame, made where its partitions are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from typing import Any, TypeGuard, TypeVar

from mmgraph.data.beyond_memory.partitioned_table import PartitionedTable
from mmgraph.data.encoding import CodedRows, CodedTable
from mmgraph.data.tables import open_table
from mmgraph.graph.errors import LearningError, needs
from mmgraph.graph.variable import Variable

S = TypeVar("S")

_SUMMED_AT_ONCE = 8


def are_partitioned(chunks: object) -> TypeGuard[CodedTable]:
    """Whether chunks of rows are the partitions of a Dask data frame, each row counting once."""
    return (
        isinstance(chunks, CodedTable)
        and isinstance(chunks.table, PartitionedTable)
        and not chunks.is_weighted
    )


def reduced(
    table: CodedTable,
    summarise: Callable[[Iterable[CodedRows]], S],
    combine: Callable[[S, S], S],
) -> S:
    """Return what a function makes of the rows of each partition, combined by another in a tree.

    Both run on the cluster whose ``distributed.Client`` is the current one, in threads if there is
    none; what they take and give is pickled. A partition without rows is passed over.

    Raises
    ------
    LearningError
        If no partition has rows.
    """
    with needs("dask", "dask", "learning from a Dask data frame"):
        from dask import delayed
    assert isinstance(table.table, PartitionedTable)
    columns = {label: name for name, label in table.table.labels.items()}
    reading = {"missing": table.table.missing, "extra": table.table.extra}
    first = partial(_of_partition, summarise, table.variables, columns, reading)
    make, add = delayed(first, pure=False), delayed(partial(_combined, combine), pure=False)
    parts = [make(frame, number) for number, frame in enumerate(table.table.partitions())]
    while len(parts) > 1:
        parts = [add(parts[i : i + _SUMMED_AT_ONCE]) for i in range(0, len(parts), _SUMMED_AT_ONCE)]
    total: S | None = parts[0].compute() if parts else None
    if total is None:
        raise LearningError(f"{table.table.origin} has no rows: at least one row is needed")
    return total


def _of_partition(
    summarise: Callable[[Iterable[CodedRows]], S],
    variables: Mapping[str, Variable],
    columns: Mapping[Any, str],
    reading: Mapping[str, Any],
    frame: Any,
    number: int,
) -> S | None:
    """What a function makes of a partition, or None if that has no rows."""
    if not len(frame):
        return None
    table = open_table(frame.rename(columns=dict(columns)), **reading)
    table.origin = f"{PartitionedTable.origin}, partition {number}"
    return summarise(CodedTable(table, variables))


def _combined(combine: Callable[[S, S], S], parts: Iterable[S | None]) -> S | None:
    present = [part for part in parts if part is not None]
    return reduce(combine, present) if present else None
