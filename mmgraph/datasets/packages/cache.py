"""The folder in which fetched packages, and what is unpacked from them, lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from mmgraph.graph.errors import DatasetError, FormatError


def cache_dir() -> Path:
    """Folder of the fetched packages: ``datasets`` below MMGRAPH_CACHE or the user's own cache."""
    root = os.environ.get("MMGRAPH_CACHE") or platformdirs.user_cache_dir("mmgraph")
    return Path(root).expanduser() / "datasets"


@contextmanager
def writing_to_cache() -> Iterator[Path]:
    """Yield the folder, which exists then; what cannot be written there is a DatasetError."""
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except (OSError, FormatError) as error:
        raise DatasetError(f"cannot write to the data set cache {folder}: {error}") from error
