"""The command that cuts a sequence where it changes: changepoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import (
    JsonOption,
    ReadOption,
    print_json,
    print_table,
    print_written,
    spread,
)
from mmgraph.cli.evidence import reading
from mmgraph.cli.rows import check_table, lines_to, write_table
from mmgraph.cli.sequences.columns import Times, number_columns, text_columns, time_column
from mmgraph.graph.errors import EvidenceError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class CostOptions:
    """Options that say what a segment costs, and a change."""

    cost: Annotated[
        str,
        typer.Option(
            help="l2, l1, gaussian, full_gaussian, poisson, categorical, trend, autoregressive, "
            "rbf or cosine."
        ),
    ] = "l2"
    penalty: Annotated[
        float | None, typer.Option(help="What a change must gain; by default the criterion's, BIC.")
    ] = None
    changes: Annotated[
        int | None, typer.Option(help="How many changes there are, instead of a penalty.")
    ] = None
    least_length: Annotated[
        int | None, typer.Option(help="Rows of a segment at least; by default by the cost.")
    ] = None
    scale: Annotated[
        str, typer.Option(help="What columns are divided by: none, noise or deviation.")
    ] = "none"


@spread
def changepoints(
    rows: Annotated[Path, typer.Argument(help="A CSV, TSV or Parquet file, a row a step.")],
    options: CostOptions,
    columns: Annotated[
        str | None,
        typer.Option(help="NAME,NAME,…: what is looked at; by default all but the time."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="A column of times, which segments are told in; by default 'time', if it is there."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A table (.csv, .csv.gz, .parquet) of the segments.")
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cut a sequence into segments at the least cost, exactly.

    Rows are counted from 0, and a segment ends before the row that is its end. Empty cells are
    missing. Times that are dates are written as they stand there.

    Example: mmgraph changepoints walk.csv --time seconds --scale noise
    """
    from mmgraph.sequences.changepoints.changepoints import changepoints as find_changepoints

    check_table(output)
    values, times = _read_rows(rows, columns, time, options.cost == "categorical", reading(read))
    found = find_changepoints(values, **asdict(options))
    begins, ends = found.segments.T
    segments: dict[str, list[Any]] = {"begin": begins.tolist(), "end": ends.tolist()}
    if times is not None:
        at_begin, last = times.rows(begins), times.rows(ends - 1)
        segments |= {"begin_time": at_begin.cells(), "last_time": last.cells()}
    record = {"rows": str(rows), "cost": found.cost, "penalty": found.penalty}
    if output is not None:
        count = write_table(output, [segments])
        print_written(
            as_json, {**record, "output": str(output)}, f"wrote {lines_to(count, output)}"
        )
    elif as_json:
        print_json({**record, "boundaries": found.boundaries.tolist(), "segments": segments})
    else:
        print_table(list(segments), list(zip(*segments.values(), strict=True)))


def _read_rows(
    path: Path, columns: str | None, time: str | None, as_text: bool, options: Mapping[str, Any]
) -> tuple[np.ndarray, Times | None]:
    """Read the columns that are looked at, and the times of rows where there are any."""
    import numpy as np

    from mmgraph.data.tables import open_table

    table = open_table(path, **options)
    if time is None and "time" in table.columns:
        time = "time"
    named = [name.strip() for name in columns.split(",")] if columns else list(table.columns)
    names = [name for name in named if columns or name != time]
    read: Callable[..., Mapping[str, Any]] = text_columns if as_text else number_columns
    try:
        values = np.array(list(read(table, names).values())).T
    except EvidenceError as error:
        hint = "" if columns else "; or say --columns NAME,NAME,… to look at some columns alone"
        raise EvidenceError(f"{error}{hint}") from None
    times = None if time is None else time_column(table, time)
    if times is not None and (gone := np.isnan(times.seconds)).any():
        raise EvidenceError(f"{path}: the time of row {int(gone.argmax())} is missing")
    return values, times
