"""Where results go, checked before the work: the place, and whether the format holds the model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_suffix


def check_file(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Refuse a file that could not be written, or whose name has none of the endings, if any."""
    if suffixes:
        checked_suffix(path, suffixes)
    if path.is_dir():
        raise FormatError(f"{path} is a directory and no file")
    check_parent(path)


def check_directory(path: Path) -> None:
    """Refuse a directory that could neither be written nor made."""
    if path.exists() and not path.is_dir():
        raise FormatError(f"{path} is a file and no directory")
    place = next((p for p in (path, *path.parents) if p.exists()), path)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise FormatError(f"{path} cannot be made: {place} is no directory that can be written")


def directory(name: str) -> Path:
    """Read the name of a directory; an empty one, as of an unset variable, is an error."""
    if not name:
        raise MmgraphError("the name of a directory is empty; '.' is the current one")
    return Path(name)


def check_model_file(model: Any, path: Path) -> None:
    """Refuse a file in which a model such as this one could not be written.

    The model is written beside it, under a temporary name, before it is fitted: that tells all at
    once, whichever formats there are.
    """
    import mmgraph

    check_model_place(path)
    with tempfile.TemporaryDirectory(prefix=".mmgraph-", dir=path.parent) as beside:
        try:
            mmgraph.write(model, Path(beside) / path.name)
        except FormatError as error:
            message = str(error).replace(f"{Path(beside)}{os.sep}", _prefix(path))
            raise FormatError(message if path.name in message else f"{path}: {message}") from None


def check_model_place(path: Path) -> None:
    """Refuse a place where no model could be written."""
    from mmgraph.formats.native.directory import is_native

    if path.is_dir() and not is_native(path):
        raise FormatError(f"{path} is a directory, and not one of a model")
    check_parent(path)


def check_picture(path: Path) -> None:
    """Refuse a picture that could not be drawn or written."""
    from mmgraph.plots.figures import SUFFIXES

    check_file(path, SUFFIXES)
    check_drawing()


def check_drawing() -> None:
    """Refuse to draw where matplotlib is not installed."""
    from mmgraph.plots.figures import new_figure

    new_figure(1.0, 1.0)


def check_parent(path: Path) -> None:
    """Refuse a name in a directory that does not exist or takes no files, with a FormatError."""
    parent = path.parent
    if not parent.is_dir():
        raise FormatError(f"{path} cannot be written: there is no directory {parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise FormatError(f"{path} cannot be written: the directory {parent} takes no files")


def _prefix(path: Path) -> str:
    return "" if str(path) == path.name else f"{path.parent}{os.sep}"
