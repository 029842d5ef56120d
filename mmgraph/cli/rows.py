"""Answers to many rows of evidence: asked batch by batch, written as a table with a line a row."""

from __future__ import annotations

import csv
import io
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from mmgraph.cli.answers import Columns
from mmgraph.cli.common import progress_bar
from mmgraph.cli.outputs import check_file
from mmgraph.graph.errors import needs
from mmgraph.graph.storage.whole_files import whole_file

if TYPE_CHECKING:
    from mmgraph.graph.evidence import Evidence
    from mmgraph.graph.factor_graph import FactorGraph

SUFFIXES = (".csv", ".csv.gz", ".parquet")
"""What a table's name may end in."""

MOST_ROWS = 4096
_MOST_CELLS = 1 << 22
"""The most rows of a batch, and the most probabilities that their answers may hold."""

_SAMPLED_ROWS = 16
"""The most rows of a batch for methods that sample, which take about a second a row."""

_SHOWN = 8

Ask = Callable[["Evidence"], Any]


def check_table(path: Path | None) -> None:
    """Refuse a table that could not be written, before anything is asked."""
    if path is None:
        return
    check_file(path, SUFFIXES)
    if path.suffix.lower() == ".parquet":
        _parquet()


def batch_size(graph: FactorGraph, method: str, draws: int = 1) -> int:
    """Return how many rows are asked at once: enough to be fast, few enough to show progress.

    The same question has the same batches, so that a seed has the same answer.
    """
    from mmgraph.inference.methods import is_seeded

    cells = draws * sum(v.size * max(v.cardinality, 1) for v in graph.variables.values())
    most = _SAMPLED_ROWS if is_seeded(method) else MOST_ROWS
    return max(1, min(most, _MOST_CELLS // max(cells, 1)))


def answers(
    evidence: Evidence, ask: Ask, size: int, output: Path | None
) -> Iterator[tuple[list[int], list[int], Any]]:
    """Ask ``size`` rows at a time, and set those apart that the model holds to be impossible.

    Yields the rows of the batch, counted from 0, those of them that are answered, and what ``ask``
    returned for these (None if there are none). Warns of those that are not.
    """
    from mmgraph.inference.possible_rows import ask_possible_rows

    impossible: list[int] = []
    with ExitStack() as stack:
        bar = None
        if output is not None or not sys.stdout.isatty():  # a bar among printed lines is no help
            bar = stack.enter_context(progress_bar("answering", evidence.batch))
        for start in range(0, evidence.batch, size):
            rows = list(range(start, min(start + size, evidence.batch)))
            part = evidence.rows(slice(start, start + size))
            answered, answer, error = ask_possible_rows(part, ask)
            possible = [start + row for row in answered.tolist()]
            impossible += sorted({*rows} - {*possible})
            if error is not None and len(impossible) == evidence.batch:
                raise error
            yield rows, possible, answer
            if bar is not None:
                bar[0].update(bar[1], completed=rows[-1] + 1)
    if impossible:
        _warn_of(impossible)


def _warn_of(impossible: Sequence[int]) -> None:
    shown = ", ".join(str(row + 1) for row in impossible[:_SHOWN])
    more = f" and {len(impossible) - _SHOWN} more" if len(impossible) > _SHOWN else ""
    which = "row" if len(impossible) == 1 else "rows"
    warnings.warn(
        f"the evidence of {which} {shown}{more} has probability zero: there is no answer",
        stacklevel=3,
    )


def in_columns(
    batches: Iterator[tuple[list[int], list[int], Any]],
    cells: Callable[[Any], Columns],
    each: int | None = None,
) -> Iterator[Columns]:
    """Lay answers out as columns, the first of which is the number of the row, from 1.

    A row has ``each`` lines, and none if it is impossible; by default one, which is empty then.
    """
    from mmgraph.inference.samples import row_column

    waiting: list[int] = []  # rows before the first that is possible: no column has a name yet
    names: list[str] | None = None
    for rows, possible, answer in batches:
        waiting += rows
        if answer is not None:
            columns = cells(answer)
            names = list(columns)
        elif names is None:
            continue
        else:
            columns = {name: [] for name in names}
        if each is None:
            place = {row: i for i, row in enumerate(possible)}
            lines = [place.get(row) for row in waiting]
            numbers = [row + 1 for row in waiting]
            columns = {
                name: [None if i is None else values[i] for i in lines]
                for name, values in columns.items()
            }
        else:
            numbers = [row + 1 for row in possible for _ in range(each)]
        yield {row_column(columns): numbers, **columns}
        waiting = []


def write_table(path: Path | None, batches: Iterable[Columns]) -> int:
    """Write columns batch by batch, to standard output as CSV where there is no path.

    Return how many lines there were.
    """
    if path is None:
        return _write_csv(sys.stdout, batches)
    with whole_file(path) as file:
        if path.suffix.lower() == ".parquet":
            return _write_parquet(file, batches)
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        lines = _write_csv(text, batches)
        text.detach()
        return lines


def lines_to(count: int, path: Path) -> str:
    """Return the words for that many lines of a table."""
    return f"{count} {'row' if count == 1 else 'rows'} to {path}"


def _write_csv(file: TextIO, batches: Iterable[Columns]) -> int:
    writer = csv.writer(file, lineterminator="\n")
    lines = 0
    for columns in batches:
        if not lines:
            writer.writerow(columns)
        rows = list(zip(*columns.values(), strict=True))
        writer.writerows(rows)
        lines += len(rows)
    return lines


def _write_parquet(file: BinaryIO, batches: Iterable[Columns]) -> int:
    pyarrow, parquet = _parquet()
    kinds = {str: "string", int: "int64", float: "float64", bool: "bool"}
    lines = 0
    writer = None
    try:
        for columns in batches:
            if writer is None:
                # What is empty throughout are numbers: labels of rows are never so.
                values = (next((v for v in c if v is not None), 0.0) for c in columns.values())
                named = zip(columns, values, strict=True)
                schema = pyarrow.schema([(name, kinds[type(value)]) for name, value in named])
                writer = parquet.ParquetWriter(file, schema)
            writer.write_table(pyarrow.table(columns, schema=schema))
            lines += len(next(iter(columns.values())))
    finally:
        if writer is not None:
            writer.close()
    return lines


def _parquet() -> tuple[Any, Any]:
    with needs("data", "pyarrow", "writing Parquet files"):
        import pyarrow
        from pyarrow import parquet
    return pyarrow, parquet
