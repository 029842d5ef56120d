"""The command that describes a user's table: schema; and how such tables are read."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmgraph.cli.common import JsonOption, ReadOption, print_json, print_written, say
from mmgraph.cli.evidence import reading
from mmgraph.cli.outputs import check_file
from mmgraph.graph.errors import EvidenceError

if TYPE_CHECKING:
    from mmgraph.data.schema.schema import Schema


def schema(
    data: Annotated[Path, typer.Argument(help="A CSV, TSV or Parquet file.")],
    target: Annotated[
        str | None,
        typer.Option(help="The column to be predicted; default: one that is called like it."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A file (.toml) instead of standard output.")
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose what a table's columns are, as TOML to be corrected by hand.

    Of each column its modality, kind and role, by names and cells; a comment says what is
    uncertain. What --read says of the file stands there, too, for `new`, `run` and `fit`.

    Example: mmgraph schema rows.csv --target y > schema.toml
    """
    from mmgraph.data.schema.schema import Schema
    from mmgraph.graph.storage.whole_files import write_text

    if output is not None:
        check_file(output, (".toml",))
    proposed = Schema.guess(data, target, **table_reading(read))
    text = proposed.to_toml(f"The columns of {data}, as their names and cells suggest.")
    if output is not None:
        write_text(output, text)
        record = {"data": str(data), "output": str(output), **_summary(proposed)}
        print_written(as_json, record, f"wrote {output}: {_words(proposed)}")
    elif as_json:
        print_json({"data": str(data), **_records(text), **_summary(proposed)})
    else:
        print_utf8(text)
        say(_words(proposed))


def table_reading(options: list[str] | None) -> dict[str, Any]:
    """Return what ``--read`` says, of which a table with a schema needs all but one."""
    read = reading(options)
    if "extra" in read:
        raise EvidenceError("--read extra=…: a schema describes every column of its table")
    return read


def _summary(proposed: Schema) -> dict[str, Any]:
    return {
        "target": proposed.target,
        "group": proposed.group,
        "modalities": {name: len(columns) for name, columns in proposed.modalities.items()},
        "uncertain": [c.name for c in proposed.columns.values() if c.note],
    }


def _records(text: str) -> Mapping[str, Any]:
    """What a schema's file has: the entries of each column, and how the table is read."""
    import tomllib

    return tomllib.loads(text)


def _words(proposed: Schema) -> str:
    """Return what a person should know of a proposal before using it."""
    summary = _summary(proposed)
    modalities = ", ".join(f"{name} ({size})" for name, size in summary["modalities"].items())
    target = "no target (--target NAME)" if proposed.target is None else f"target {proposed.target}"
    group = "no group" if proposed.group is None else f"group {proposed.group}"
    unsure = len(summary["uncertain"])
    return (
        f"{len(proposed.columns)} columns; features by modality: {modalities or 'none'}; {target}; "
        f"{group}; {unsure} uncertain" + (", as comments say" if unsure else "")
    )


def print_utf8(text: str) -> None:
    """Print the text of a TOML file, which is UTF-8 whatever the terminal speaks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    typer.echo(text, nl=False)
