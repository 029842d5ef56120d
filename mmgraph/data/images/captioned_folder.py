"""Folders of pictures whose captions stand in a table, captions.csv."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mmgraph.data.images.files import opened_image
from mmgraph.data.table import CHUNK_ROWS, Table
from mmgraph.data.tables import open_table
from mmgraph.graph.errors import FormatError, suggestion

CAPTIONS = "captions.csv"

_ROLES = {"file": "file", "image": "file", "caption": "caption", "text": "caption"}
_ROLES |= {"id": "id", "group": "group"}
_LANGUAGE = re.compile(r"(?!id$)[a-z]{2}(-[A-Za-z0-9]+)*")
_EXPECTED = (
    "expected 'file' (or 'image') and 'caption' (or 'text', or a column for each language: "
    "'en', 'zh', 'pt-BR', …), and perhaps 'id' and 'group'"
)


class CaptionedPictures(NamedTuple):
    """Pictures with what is said of them, and captions without a picture, item by item.

    Attributes
    ----------
    images : list of path or None
    texts : list of (list of str), or dict of str to list
        The captions of each item, perhaps none; or of each language.
    ids : list of str
        By default the files' names, from the folder, or ``"row 7"``, from zero, without a picture.
    groups : list, or None
        Pictures that belong together, such as views of one thing, have the same one.
    """

    images: list[Path | None]
    texts: Any
    ids: list[str]
    groups: list[Any] | None


@dataclass
class _Item:
    name: str
    row: int
    texts: dict[str, list[str]]
    labels: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Its id and group, where there are any, each with the row that says it."""


def read_captioned_folder(
    folder: Path, *, encoding: str | None = None, separator: str | None = None
) -> CaptionedPictures:
    """Read the captions of a folder's pictures; of these only the beginnings are read.

    Parameters
    ----------
    folder : path
        Its table ``captions.csv`` has the columns ``file`` or ``image`` (from the folder);
        ``caption`` or ``text``, or one for each language, named by its code (``en``, ``pt-BR``);
        perhaps ``id`` and ``group``. A picture may have several lines; either of picture and
        captions may be empty.
    encoding, separator : str, optional
        Of the table; by default UTF-8 and a comma.

    Raises
    ------
    FormatError
        If there is no such table, a column is unknown or missing, no line names a picture, or an
        image is missing or is none (which line); if two items have one id, or an image two ids or
        groups (which two lines).
    MissingExtraError
        If Pillow is not installed.
    """
    table = open_table(folder / CAPTIONS, encoding=encoding, separator=separator)
    roles = _roles(table)
    languages = [role for role in roles if role not in _ROLES] or ["caption"]
    items: dict[str | int, _Item] = {}
    for row, cells in enumerate(_rows(table, roles)):
        name = Path(cells["file"]).as_posix() if cells["file"] else ""
        item = items.get(name or row)
        if item is None:
            if name:
                _check_image(folder / name, table, row)
            elif not any(cells[language] for language in languages):
                raise FormatError(f"{table.place(row)}: there is neither a file nor a caption")
            texts: dict[str, list[str]] = {language: [] for language in languages}
            item = items[name or row] = _Item(name, row, texts)
        for what in ("id", "group"):
            if cell := cells.get(what):
                before, first = item.labels.setdefault(what, (cell, row))
                if cell != before:
                    raise FormatError(
                        f"{table.place(row)}: '{name}' has the {what} '{cell}', and '{before}' in "
                        f"{_line(table, first)}"
                    )
        for language in languages:
            item.texts[language] += [cells[language]] if cells[language] else []
    if not any(item.name for item in items.values()):
        raise FormatError(f"{table.origin} names no picture")
    by_language = {name: [item.texts[name] for item in items.values()] for name in languages}
    # An item without a group is one of its own.
    groups = [item.labels.get("group", ((item.row,),))[0] for item in items.values()]
    return CaptionedPictures(
        [folder / item.name if item.name else None for item in items.values()],
        by_language.get("caption", by_language),
        _ids(table, items.values()),
        groups if "group" in roles else None,
    )


def _roles(table: Table) -> dict[str, str]:
    """Return the column of each role; that of a language is its code."""
    roles: dict[str, str] = {}
    for column in table.columns:
        role = _ROLES.get(column, column)
        if role not in _ROLES and not _LANGUAGE.fullmatch(column):
            problem = f"unknown column '{column}'{suggestion(column, _ROLES)}"
            raise FormatError(f"{table.origin}, line 1: {problem} ({_EXPECTED})")
        if role in roles:
            problem = f"the columns '{roles[role]}' and '{column}' are both the {role}"
            raise FormatError(f"{table.origin}, line 1: {problem}")
        roles[role] = column
    if "file" not in roles or ("caption" in roles) == bool(roles.keys() - _ROLES):
        columns = ", ".join(table.columns)
        raise FormatError(f"{table.origin}, line 1: the columns are {columns}; {_EXPECTED}")
    return roles


def _rows(table: Table, roles: dict[str, str]) -> Iterator[dict[str, str]]:
    for columns in table.chunks(CHUNK_ROWS):
        for cells in zip(*(columns[column] for column in roles.values()), strict=True):
            yield {role: cell.strip() for role, cell in zip(roles, cells, strict=True)}


def _check_image(path: Path, table: Table, row: int) -> None:
    try:
        with opened_image(path, str(path)):
            pass
    except FormatError as error:
        raise FormatError(f"{table.place(row)}: {error}") from None


def _ids(table: Table, items: Iterable[_Item]) -> list[str]:
    """Return the items' ids; FormatError where two have the same."""
    rows: dict[str, int] = {}
    for item in items:
        name, row = item.labels.get("id", (item.name or f"row {item.row}", item.row))
        if name in rows:
            raise FormatError(
                f"{table.place(row)}: the id '{name}' is that of {_line(table, rows[name])} too"
            )
        rows[name] = row
    return list(rows)


def _line(table: Table, row: int) -> str:
    return table.place(row).removeprefix(f"{table.origin}, ")
