"""Folders of pictures whose captions stand in a table, captions.csv."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from mmgraph.data.table import CHUNK_ROWS
from mmgraph.data.tables import open_table
from mmgraph.graph.errors import FormatError

CAPTIONS = "captions.csv"


class CaptionedPictures(NamedTuple):
    """Pictures with what is said of them, picture by picture.

    Attributes
    ----------
    images : list of path
    texts : list of (list of str), or dict of str to list
        The captions of each picture, perhaps none; or of each language.
    ids : list of str
        The files' names, from the folder.
    groups : list, or None
        Pictures that belong together, such as views of one thing, have the same one.
    """

    images: list[Path]
    texts: Any
    ids: list[str]
    groups: list[Any] | None


def read_captioned_folder(folder: Path) -> CaptionedPictures:
    """Read the captions of a folder's pictures.

    Parameters
    ----------
    folder : path
        Its table ``captions.csv`` has the columns ``file`` (from the folder), ``caption`` (empty,
        where a picture has none) and perhaps ``group``; a file may have several lines.

    Raises
    ------
    FormatError
        If there is no such table, or a line names no file that is there (which line).
    UnknownVariableError
        If the table lacks a column (with the nearest one).
    """
    table = open_table(folder / CAPTIONS)
    has_groups = "group" in table.columns
    captions: dict[str, list[str]] = {}
    groups: dict[str, str] = {}
    row = 0
    for chunk in table.select(["file", "caption", *["group"] * has_groups]).chunks(CHUNK_ROWS):
        for name, caption, *group in zip(*chunk.values(), strict=True):
            if not name or not (folder / name).is_file():
                raise FormatError(f"{table.place(row)}: {folder} has no file '{name}'")
            captions.setdefault(name, []).extend([caption] if caption else [])
            groups.setdefault(name, *group or [""])
            row += 1
    if not captions:
        raise FormatError(f"{table.origin} names no picture")
    files = [folder / name for name in captions]
    texts = list(captions.values())
    # A picture without a group is one of its own.
    alone = [groups[name] or (place,) for place, name in enumerate(captions)]
    return CaptionedPictures(files, texts, list(captions), alone if has_groups else None)
