"""Folders of image files as rows: a sub-folder is a class, or a modality, and a file a row."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.images.files import read_images
from mmgraph.data.reading import Outcome
from mmgraph.graph.errors import FormatError, LearningError, suggestion, warn_caller
from mmgraph.graph.variable import Variable

_ENDINGS = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
_DEEPEST = 3
"""How many parts the longest path has: MODALITY/CLASS/FILE."""


class SkippedFilesWarning(UserWarning):
    """What a folder of images has beside them: hidden files, other files, folders without any."""


class FolderLayout(NamedTuple):
    """The image of each row by modality, relative to the folder; and whether rows have classes."""

    images: dict[str, dict[PurePosixPath, PurePosixPath]]
    classes: bool


def read_folder(
    root: Path,
    modalities: Collection[str] | None,
    modality: str,
    target: str,
    size: tuple[int, int] | None,
    colour: bool | None,
) -> dict[str, Any]:
    """Return what MultimodalData are made of, as :meth:`MultimodalData.of_folder` says."""
    if size is not None and not (
        np.shape(size) == (2,) and all(isinstance(n, int | np.integer) and n > 0 for n in size)
    ):
        raise LearningError(f"size is (height, width) in pixels, not {size!r}")
    paths = _image_paths(root)
    if modalities is None:
        layout = _layout_by_depth(root, paths, modality)
    else:
        names = [modalities] if isinstance(modalities, str) else list(modalities)
        layout = _layout_of_modalities(root, paths, names)
    rows = sorted({row for images in layout.images.values() for row in images}, key=_natural)
    blocks = {}
    for name, images in layout.images.items():
        files = [root / images[row] if row in images else None for row in rows]
        advice = "; size=(height, width) resizes them, colour=True or False makes all RGB or grey"
        blocks[name] = Arrays(read_images(files, size=size, colour=colour, advice=advice))
    outcome = _outcome(target, [row.parts[0] for row in rows]) if layout.classes else None
    return {
        "blocks": blocks,
        "outcome": outcome,
        "origin": str(root),
        "row_names": np.array([str(row) for row in rows]),
    }


def _outcome(target: str, labels: Sequence[str]) -> Outcome:
    """The classes of rows; states are in natural order."""
    classes = sorted(set(labels), key=lambda label: _natural(PurePosixPath(label)))
    codes = [classes.index(label) for label in labels]
    return Outcome(Variable(target, tuple(classes)), np.array(codes, np.int64))


def _natural(path: PurePosixPath) -> Any:
    """The key of an order in which ``scan 9`` stands before ``scan 10``."""
    parts = [re.split(r"(\d+)", part) for part in path.parts]
    return [[int(t) if i % 2 else t for i, t in enumerate(part)] for part in parts], str(path)


def _image_paths(root: Path) -> list[PurePosixPath]:
    """The images in a folder and its folders, relative to it, in natural order."""
    if not root.is_dir():
        raise FormatError(f"{root} is no folder" if root.exists() else f"there is no folder {root}")
    images: list[PurePosixPath] = []
    skipped: list[PurePosixPath] = []
    for folder, folders, files in os.walk(root, onerror=_refuse, followlinks=True):
        here = PurePosixPath(Path(folder).relative_to(root).as_posix())
        suited = {name for name in files if _is_image(name)}
        images += [here / name for name in suited]
        skipped += [here / name for name in files if name not in suited]
        deeper = len(here.parts) < _DEEPEST  # a link may lead back to where it lies
        skipped += [here / name for name in folders if not deeper or _is_hidden(name)]
        if not suited and not folders:
            skipped.append(here)
        folders[:] = [name for name in folders if deeper and not _is_hidden(name)]
    if not images:
        endings = ", ".join(_ENDINGS)
        raise FormatError(
            f"the folder {root} has no images ({endings})"
            if any(root.iterdir())
            else f"the folder {root} is empty"
        )
    _warn_of_skipped(root, sorted(skipped, key=_natural))
    images.sort(key=_natural)
    for path in images:
        if len(path.parts) > _DEEPEST:
            raise FormatError(f"{root / path} lies deeper in {root} than MODALITY/CLASS/FILE")
    return images


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in _ENDINGS and not _is_hidden(name)


def _refuse(error: OSError) -> None:
    raise FormatError(f"{error.filename} cannot be read: {error.strerror}") from None


def _warn_of_skipped(root: Path, skipped: Sequence[PurePosixPath]) -> None:
    if skipped:
        shown = ", ".join(map(str, skipped[:5])) + (", …" if len(skipped) > 5 else "")
        warn_caller(
            f"{root}: {len(skipped)} skipped, which are hidden, too deep, no images, or folders "
            f"without any: {shown}",
            SkippedFilesWarning,
        )


def _layout_by_depth(root: Path, paths: Sequence[PurePosixPath], modality: str) -> FolderLayout:
    """Images alone, in folders of classes, or these in folders of modalities."""
    depth = _depth(root, paths)
    if depth < _DEEPEST:
        return FolderLayout({modality: {path: path for path in paths}}, depth == _DEEPEST - 1)
    layout = _joined(root, paths, dict.fromkeys(path.parts[0] for path in paths))
    rows = [row for images in layout.images.values() for row in images]
    if len(layout.images) > 1 and len(set(rows)) == len(rows):
        raise LearningError(
            f"no row of {root} is in two of the folders {', '.join(layout.images)}: where these "
            "are modalities, not parts, name them in modalities=; or read each alone"
        )
    return layout


def _layout_of_modalities(
    root: Path, paths: Sequence[PurePosixPath], names: Sequence[str]
) -> FolderLayout:
    """Folders of modalities, each of which has images, or folders of classes with those."""
    folders = dict.fromkeys(path.parts[0] for path in paths if len(path.parts) > 1)
    for name in names:
        if name not in folders:
            raise FormatError(
                f"{root} has no images in a folder '{name}'{suggestion(name, folders)}"
            )
    return _joined(root, [p for p in paths if len(p.parts) > 1 and p.parts[0] in names], names)


def _joined(root: Path, paths: Sequence[PurePosixPath], names: Iterable[str]) -> FolderLayout:
    """Rows by what stands in a path after the modality, without the ending of the file."""
    depth = _depth(root, paths)
    layout = FolderLayout({name: {} for name in names}, depth == _DEEPEST)
    for path in paths:
        images = layout.images[path.parts[0]]
        row = PurePosixPath(*path.parts[1:]).with_suffix("")
        if row in images:
            raise FormatError(f"{root / images[row]} and {root / path} are both the row '{row}'")
        images[row] = path
    if not layout.images:
        raise LearningError(f"no modality of {root} is named")
    return layout


def _depth(root: Path, paths: Sequence[PurePosixPath]) -> int:
    """How many parts all paths have."""
    for path in paths:
        if len(path.parts) != len(paths[0].parts):
            raise FormatError(
                f"images of {root} lie beside folders of images, as {paths[0]} and {path}: a "
                "folder holds images, or folders of classes, or folders of modalities with either"
            )
    return len(paths[0].parts) if paths else 0
