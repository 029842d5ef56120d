"""What is unpacked once from the packages of a data set, so that its files can be read in place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from mmgraph.datasets.entries import entry
from mmgraph.datasets.packages.cache import cache_dir, writing_to_cache
from mmgraph.graph.storage.whole_files import write_directory

_SIZES = "sizes.json"


def unpacked(name: str, fill: Callable[[Path], None], edition: int = 1) -> Path:
    """Folder of the cache with the unpacked files of a data set, made if need be.

    Parameters
    ----------
    name : str
        A name in :func:`mmgraph.datasets.catalog`.
    fill : callable
        Writes the files into an empty folder. They appear all or not at all.
    edition : int
        To be raised when ``fill`` writes something else than before.

    Returns
    -------
    Path
        The folder. It is made anew where the pinned packages are others, or where a file is absent
        or has not the size that it was written with.

    Raises
    ------
    DatasetError
        If the packages cannot be got, or the cache cannot be written.
    """
    pins = "".join(pin.sha256 for pin in entry(name).packages)
    digest = hashlib.sha256(f"{edition} {pins}".encode()).hexdigest()[:12]
    folder = cache_dir() / f"{name}-{digest}"

    def fill_and_measure(fresh: Path) -> None:
        fill(fresh)
        (fresh / _SIZES).write_text(json.dumps(_sizes(fresh)), "utf-8")

    if not _is_whole(folder):
        with writing_to_cache():
            write_directory(folder, fill_and_measure)
    return folder


def write_below(folder: Path, name: str, content: bytes) -> None:
    """Write one file of an archive below a folder, at the place that its name says."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _sizes(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _is_whole(folder: Path) -> bool:
    try:
        expected = json.loads((folder / _SIZES).read_text("utf-8"))
        return all((folder / name).stat().st_size == size for name, size in expected.items())
    except (OSError, ValueError, AttributeError):
        return False
