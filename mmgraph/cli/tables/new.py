"""The command that writes a declaration to start from: new."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from mmgraph.cli.common import JsonOption, ReadOption, print_json, print_written, say
from mmgraph.cli.outputs import check_file
from mmgraph.cli.tables.schema import print_utf8, table_reading
from mmgraph.graph.errors import FormatError, MmgraphError, suggestion

_Written = tuple[str, dict[str, Any], str]
"""The text of a declaration, and what it is of: a record, and words."""
_KINDS = ("classification", "retrieval")


def new(
    kind: Annotated[str, typer.Argument(help="What is declared: classification or retrieval.")],
    data: Annotated[
        Path,
        typer.Argument(
            help="A CSV, TSV or Parquet file; of retrieval, a folder with captions.csv."
        ),
    ],
    schema: Annotated[
        Path | None, typer.Option(help="What its columns are, as `mmgraph schema` proposes it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A file (.toml) instead of standard output.")
    ] = None,
    read: ReadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the declaration of a model of your own table, for `mmgraph run`, to start from.

    The table is read by its schema first, so that what does not fit is said now. All entries have
    their defaults, and comments say what they mean. A declaration of the kind retrieval is for
    `mmgraph index`: its captions.csv has the columns file, caption (or one for each language, such
    as en and zh), and perhaps id and group.

    Example: mmgraph new classification rows.csv --schema schema.toml > my.toml
    """
    from mmgraph.graph.storage.whole_files import write_text

    if kind not in _KINDS:
        hint = f"{suggestion(kind, _KINDS)} (known: {', '.join(_KINDS)})"
        raise MmgraphError(f"no declaration of the kind '{kind}' can be written{hint}")
    if output is not None:
        check_file(output, (".toml",))
    if kind == "retrieval":
        if schema is not None or read:
            raise MmgraphError("a folder of pictures has no --schema and no --read")
        text, record, words = _retrieval(data, output)
    else:
        text, record, words = _classification(data, schema, output, read)
    record = {"kind": kind, **record}
    if output is not None:
        write_text(output, text)
        print_written(as_json, {"output": str(output), **record}, f"wrote {output}: {words}")
    elif as_json:
        print_json({**record, "declaration": text})
    else:
        print_utf8(text)
        say(words)


def _retrieval(folder: Path, output: Path | None) -> _Written:
    from mmgraph.data.images.captioned_folder import read_captioned_folder
    from mmgraph.experiments.retrieval.template import declaration_text

    pictures = read_captioned_folder(folder)
    texts = pictures.texts
    by_item = zip(*texts.values(), strict=True) if isinstance(texts, dict) else texts
    there = [image is not None for image in pictures.images]
    captioned = sum(here and any(item) for here, item in zip(there, by_item, strict=True))
    text = declaration_text(_place(folder, output))
    record = {"pictures": sum(there), "captioned": captioned}
    return text, record, f"{sum(there)} pictures, {captioned} of them with captions"


def _classification(
    data: Path, schema: Path | None, output: Path | None, read: list[str] | None
) -> _Written:
    from mmgraph.data.multimodal_data import MultimodalData
    from mmgraph.data.schema.schema import Schema
    from mmgraph.experiments.classification.data import check_labels, check_rows
    from mmgraph.experiments.classification.template import declaration_text, most_folds

    if schema is None:
        options = "".join(f" --read {shlex.quote(option)}" for option in read or ())
        raise MmgraphError(
            f"what are the columns of {data}? `mmgraph schema {data} --target COLUMN{options} > "
            "schema.toml` proposes it (COLUMN is to be told); correct it and give it as --schema "
            "schema.toml"
        )
    reading = table_reading(read)
    described = Schema.read(schema)
    table = described.open(data, **reading)
    rows = MultimodalData.read(table, described)
    check_labels(rows, table)
    check_rows(rows)
    folds = most_folds(rows)
    places = [_place(path, output) for path in (data, schema)]
    text = declaration_text(rows, places[0], places[1], reading, folds)
    record = {
        "rows": len(rows),
        "target": rows.target.name,
        "group": None if rows.groups is None else rows.groups.name,
        "modalities": list(rows.modalities),
    }
    words = f"{len(rows)} rows, target {rows.target.name}, modalities {', '.join(rows.modalities)}"
    return text, record, words


def _place(path: Path, output: Path | None) -> str:
    """A path as the declaration names it, from its own directory."""
    if output is None or path.is_absolute():
        return path.as_posix()
    try:
        return Path(os.path.relpath(path, output.parent)).as_posix()
    except ValueError as error:  # drives of Windows
        raise FormatError(f"{path} cannot be named from {output.parent}: {error}") from None
