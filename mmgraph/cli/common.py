"""What the commands share: their common options, evidence from arguments and files, output."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.graph.errors import EvidenceError, FormatError, UnknownVariableError, suggestion

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mmgraph.graph.factor_graph import FactorGraph

Model = Annotated[
    str,
    typer.Argument(help="A file, a name in models/, or a bundled network such as alarm."),
]
EvidenceOption = Annotated[
    list[str] | None,
    typer.Option("--evidence", "-e", help="NAME=STATE, as often as needed."),
]
EvidenceFile = Annotated[
    Path | None,
    typer.Option(help="A CSV file: a column a variable, a row a case, empty where missing."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def read_evidence(
    graph: FactorGraph, given: Sequence[str] | None, file: Path | None
) -> tuple[dict[str, Any], bool]:
    """Return evidence for the library, and whether it is a file's rows.

    Raises
    ------
    EvidenceError
        If an argument is not NAME=STATE or a variable is given twice.
    FormatError
        If the file cannot be read as CSV.
    """
    evidence: dict[str, Any] = {}
    for argument in given or ():
        name, state = _split(graph, argument)
        if name in evidence:
            raise EvidenceError(f"'{name}' is given twice as evidence")
        evidence[name] = _state(graph, name, state)
    if file is None:
        return evidence, False
    columns = read_columns(file)
    rows = len(next(iter(columns.values())))
    for name, values in _cells(graph, columns).items():
        if name in evidence:
            raise EvidenceError(f"'{name}' is given both by --evidence and in {file}")
        evidence[name] = values
    return {n: v if isinstance(v, list) else [v] * rows for n, v in evidence.items()}, True


def _split(graph: FactorGraph, argument: str) -> tuple[str, str]:
    """Split NAME=STATE at the first ``=`` that leaves the name of a variable before it."""
    parts = argument.split("=")
    for count in range(len(parts) - 1, 0, -1):
        name = "=".join(parts[:count])
        if name in graph.variables:
            return name, "=".join(parts[count:])
    if len(parts) == 1:
        raise EvidenceError(f"--evidence {argument!r} is not of the form NAME=STATE")
    graph.variable(parts[0])
    raise AssertionError("a name that is not known has been accepted")


def _state(graph: FactorGraph, name: str, text: str) -> object:
    """A state as the model spells it; a whole number may be a label that is not a string."""
    variable = graph.variable(name)
    if not variable.is_discrete:
        raise EvidenceError(f"'{name}' is continuous: give its values in an evidence file")
    by_text = {str(label): label for label in variable.labels}
    if text in by_text:
        return by_text[text]
    return int(text) if text.isdigit() else text


def read_columns(file: Path) -> dict[str, list[str]]:
    """Read a CSV file as text, by column.

    Raises
    ------
    FormatError
        If there is no header or row, or a row has not as many cells as the header.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.reader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{file}: not a CSV file that can be read ({error})") from None
    if len(lines) < 2:
        raise FormatError(f"{file}: a header and at least one row were expected")
    header, rows = lines[0], [line for line in lines[1:] if line]
    repeated = [name for i, name in enumerate(header) if name in header[:i]]
    if repeated:
        raise FormatError(f"{file}: the column '{repeated[0]}' stands there twice")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise FormatError(
                f"{file}, line {number}: {len(header)} cells were expected, found {len(row)}"
            )
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def _cells(graph: FactorGraph, columns: Mapping[str, list[str]]) -> dict[str, Any]:
    """Columns as evidence: labels, or numbers gathered from ``x[0]``, ``x[1]``, … into rows."""
    evidence: dict[str, Any] = {}
    vectors: dict[str, dict[int, list[float]]] = {}
    for name, cells in columns.items():
        stem, bracket, rest = name.partition("[")
        if name not in graph.variables and bracket and stem in graph.variables:
            if not rest[:-1].isdigit():
                raise UnknownVariableError(f"the column '{name}' does not end in [number]")
            vectors.setdefault(stem, {})[int(rest[:-1])] = [_number(name, c) for c in cells]
        elif name not in graph.variables:
            hint = suggestion(name, graph.variables)
            raise UnknownVariableError(f"the column '{name}' is not a variable of the model{hint}")
        elif graph.variables[name].is_discrete:
            evidence[name] = [_state(graph, name, c) if c else None for c in cells]
        else:
            evidence[name] = [_number(name, c) for c in cells]
    for stem, elements in vectors.items():
        (length,) = graph.variables[stem].shape
        if sorted(elements) != list(range(length)):
            raise EvidenceError(f"'{stem}' needs the columns {stem}[0] … {stem}[{length - 1}]")
        evidence[stem] = [
            list(row) for row in zip(*(elements[i] for i in range(length)), strict=True)
        ]
    return evidence


def _number(name: str, cell: str) -> float:
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        raise EvidenceError(f"column '{name}': {cell!r} is not a number") from None


def print_json(content: object) -> None:
    """Print JSON; what is not a finite number is null, as JSON has no other word for it."""
    typer.echo(json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(content: Any) -> Any:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, Mapping):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for i, column in enumerate(columns):
        numbers = all(isinstance(row[i], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{c:.6g}" if isinstance(c, float) else str(c) for c in row))
    Console().print(table)


@contextmanager
def progress_bar(description: str, total: float | None) -> Iterator[tuple[Progress, TaskID]]:
    """Show progress on standard error, and leave nothing behind."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar, bar.add_task(description, total=total)
