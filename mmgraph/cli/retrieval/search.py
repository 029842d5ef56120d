"""The command that finds pictures by words, words by pictures, and pictures by both: search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mmgraph.cli.common import JsonOption, list_written, print_json, print_table, say
from mmgraph.cli.outputs import check_picture
from mmgraph.graph.errors import FormatError

if TYPE_CHECKING:
    from mmgraph.retrieval.collection import Side
    from mmgraph.retrieval.retriever import Retriever

_COLUMNS = ("rank", "id", "score", "probability", "caption")


def search(
    model: Annotated[str, typer.Argument(help="What `mmgraph index` has written.")],
    words: Annotated[str | None, typer.Argument(help='Such as "red dress".')] = None,
    image: Annotated[
        Path | None, typer.Option(help="A picture to look for, alone or together with words.")
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many are found.")] = 10,
    find: Annotated[
        str | None,
        typer.Option(help="images or texts; by default texts where a picture alone is given."),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Of the words; by default what knows most of them.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="A sheet of the pictures found (.png, .svg or .pdf).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the pictures that words describe, the words of a picture, or pictures by both.

    Scores are similarities, from -1 to 1. The probability is that of being what is asked for, as
    measured on pairs of pictures and captions that the model had not learned from.

    Example: mmgraph search shop.mmgraph "red dress" --picture hits.png
    """
    if picture is not None:
        check_picture(picture)
    finder = _read_retriever(model)
    hits = finder.search(words, image=image, k=k, find=cast("Side | None", find), language=language)
    drawn = picture is not None and len(hits) > 0
    if picture is not None and drawn:
        hits.draw(picture, words or "", image=image)
    if as_json:
        unknown = list(hits.unknown_words)
        print_json({"model": model, "unknown_words": unknown, "hits": hits.records()})
    else:
        records = [{**record, "caption": record["caption"] or ""} for record in hits.records()]
        rows = [[record[name] for name in _COLUMNS] for record in records]
        print_table(_COLUMNS, rows)
        if not rows:
            say("nothing was found: no word is known")
    list_written([picture] if drawn else [])


def _read_retriever(name: str) -> Retriever:
    import mmgraph
    from mmgraph.retrieval.retriever import Retriever

    if Path(name).suffix == ".toml":
        raise FormatError(f"{name} is a declaration: mmgraph index {name} --output NAME.mmgraph")
    model = mmgraph.read(name)
    if not isinstance(model, Retriever):
        kind = getattr(type(model), "file_kind", type(model).__name__)
        raise FormatError(f"{name} holds a {kind}, and nothing to be searched")
    return model
