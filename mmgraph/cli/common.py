"""What the commands share: their common options, and output as JSON, table or progress."""

from __future__ import annotations

import functools
import inspect
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from mmgraph.cli.outputs import directory

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mmgraph.graph.factor_graph import FactorGraph

Model = Annotated[
    str,
    typer.Argument(help="A file, a name in models/, or a bundled network such as alarm."),
]
ReadOption = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        help="How the file is read, as often as needed: missing=CELL (what stands for a missing "
        "cell), encoding=latin-1, separator=';', decimal=',', extra=ignore (columns that are no "
        "variables).",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        min=0, max=2**63 - 1, help="Of what is random: the same seed gives the same answer."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
RowsOutput = Annotated[
    Path | None,
    typer.Option(help="A table (.csv, .csv.gz, .parquet) with a line for each row of evidence."),
]
_SEVERAL = (
    *("--evidence", "-e", "--query", "-q", "--read", "--given"),
    *("--do", "--baseline", "--through", "--latent", "--on", "--by"),
)
_ASKS = {
    "sequence model": "mmgraph infer {name} --evidence-file STEPS.csv",
    "retriever": "mmgraph search {name} WORDS",
    "command recogniser": "mmgraph listen {name} AUDIO.wav",
    "sequence labeller": "mmgraph recognise {name} NEW.csv",
}
"""By kind of model, the command that asks it."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def read_model(name: str) -> Any:
    """Return the model of that name, a graph or a model of sequences, which have questions."""
    import mmgraph
    from mmgraph.inference.sequence_model import SequenceModel

    model = mmgraph.read(name)
    return model if isinstance(model, SequenceModel) else checked_graph(name, model)


def checked_graph(name: str, graph: Any) -> FactorGraph:
    """Return what was read under a name; FormatError unless it is a graph."""
    import mmgraph
    from mmgraph.graph.errors import FormatError

    if hasattr(type(graph), "file_kind"):
        usual = "mmgraph predict {name} ROWS.csv" if hasattr(graph, "classes_") else ""
        command = _ASKS.get(graph.file_kind, usual)
        hint = f": `{command.format(name=name)}` asks it" if command else ""
        if hasattr(graph, "predict_quantiles"):
            hint = f": regressors are asked in Python, mm.read({name!r}).predict(rows)"
        raise FormatError(
            f"{name} holds a {graph.file_kind}, and no graph that could be asked so{hint}"
        )
    if not isinstance(graph, mmgraph.FactorGraph):
        raise FormatError(f"{name} holds {graph!r}, which asks for an image's scores")
    return graph


class SeveralValues(TyperCommand):
    """A command whose options such as ``--evidence`` take several values at once.

    ``infer alarm --evidence A=x B=y`` means ``--evidence A=x --evidence B=y``. That is clear only
    behind the model's name, so it is read like that only there.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its values, and parse."""
        return super().parse_args(ctx, _repeated(args))


def _repeated(arguments: Sequence[str]) -> list[str]:
    if not arguments or arguments[0].startswith("-"):
        return list(arguments)
    repeated: list[str] = []
    option, taken = "", 0
    for i, argument in enumerate(arguments):
        if argument == "--":
            return [*repeated, *arguments[i:]]
        name, equals, _ = argument.partition("=")
        if argument.startswith("-"):
            option, taken = (name if name in _SEVERAL else ""), int(bool(equals))
        elif option:
            if taken:
                repeated.append(option)
            taken += 1
        repeated.append(argument)
    return repeated


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose options are the fields of the dataclasses that it takes.

    Typer reads a command's signature: where that has a parameter annotated with a dataclass, it
    gets one for each field.
    """
    signature = inspect.signature(command, eval_str=True)
    records: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        group = [parameter]
        if is_dataclass(record := parameter.annotation) and isinstance(record, type):
            records[name] = record
            group = list(inspect.signature(record, eval_str=True).parameters.values())
        parameters += [option.replace(kind=option.KEYWORD_ONLY) for option in group]

    @functools.wraps(command)
    def run(**options: Any) -> None:
        filled = {
            name: record(**{field.name: options.pop(field.name) for field in fields(record)})
            for name, record in records.items()
        }
        command(**filled, **options)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def print_json(content: object) -> None:
    """Print JSON; what is not a finite number is null, as JSON has no other word for it."""
    typer.echo(json.dumps(_finite(content), indent=2, allow_nan=False))


def _finite(content: Any) -> Any:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, Mapping):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


def say(message: str) -> None:
    """Say something in one line on standard error."""
    print(f"mmgraph: {' '.join(message.split())}", file=sys.stderr)


def print_written(as_json: bool, record: Mapping[str, object], message: str) -> None:
    """Print the record of what was written as JSON, or say it in one line on standard error."""
    if as_json:
        print_json(record)
    else:
        say(message)


def list_written(files: Iterable[object]) -> None:
    """Say on standard error which files were written."""
    for file in files:
        print(f"wrote {file}", file=sys.stderr)


def print_record(record: Mapping[str, object]) -> None:
    """Print a record as a table of two columns."""
    rows = [(key, "-" if value is None else value) for key, value in record.items()]
    print_table(("", "value"), rows)


def directory_option(purpose: str) -> Any:
    """Return an option that names a directory."""
    return typer.Option(parser=directory, metavar="DIRECTORY", help=purpose)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    title: str = "",
    pad_edge: bool = True,
) -> None:
    """Print a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(pad_edge=pad_edge)
    for i, column in enumerate(columns):
        numbers = all(isinstance(row[i], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{c:.6g}" if isinstance(c, float) else str(c) for c in row))
    # Names are no markup: 'x[0]' is not a style.
    console = Console(markup=False, emoji=False, highlight=False)
    if title:  # above the table rather than as its title, which wraps at the table's width
        console.print(title)
    console.print(table)


_SPEED_OVER = 3600.0
"""Seconds over which the time left is estimated: steps may take minutes each."""
_QUIET_SECONDS = 5.0
"""Where steps take less they are not told one by one."""


class StepLines:
    """Says on standard error when a step is done, where that is no terminal, which has a bar."""

    def __init__(self, text: str = "") -> None:
        self._began = self._told = time.monotonic()
        self._done, self._text = 0, text

    def __call__(self, done: int, total: int, text: str) -> None:
        """Take note that so many steps are done, and what is being done now."""
        now = time.monotonic()
        if done > self._done and now - self._told >= _QUIET_SECONDS and not sys.stderr.isatty():
            say(f"{self._text} done after {now - self._began:.0f} s ({done} of {total} steps)")
            self._told = now
        self._done, self._text = done, text


@contextmanager
def progress_bar(description: str, total: float | None) -> Iterator[tuple[Progress, TaskID]]:
    """Show progress on standard error if that is a terminal, and leave nothing behind.

    Where a total is known, the time left is shown beside the time that it took so far.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,  # what is printed there is the answer, and no part of the bar
        disable=not console.file.isatty(),  # FORCE_COLOR, as in notebooks, makes no terminal
    ) as bar:
        yield bar, bar.add_task(description, total=total)
