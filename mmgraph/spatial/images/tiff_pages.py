"""The pages of a TIFF file, decoded by tifffile: which are the image, which masks and overviews."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.graph.errors import needs

NO_DATA, METADATA = 42113, 42112
"""GDAL's tags: which number stands for no data, and further facts as XML."""


_LOSS = re.compile(
    "invalid page offset|invalid offset to first page|incorrect (?:Strip|Tile)\\w+ count.*"
)
"""What tifffile only writes to the log where pages, or parts of one, are not there."""

_LOST: ContextVar[list[str] | None] = ContextVar("lost", default=None)
"""What is lost of the file that this thread has opened; all threads share tifffile's log."""


@dataclass(frozen=True, eq=False)
class StoredPages:
    """What a file holds before it is said which axis is what.

    The values are all pages of the image, with a letter for each axis: Y, X, S for samples, and
    others of pages. Extra samples are the kinds of the last ones, such as alpha. The palette has
    shape (3, colours). A page without a number for no data has that of the first. GDAL's metadata
    are XML; masks, of shape (pages, height, width), are zero where a page is hidden.
    """

    values: np.ndarray
    axes: str
    extra_samples: tuple[int, ...]
    palette: np.ndarray | None
    no_data: list[str | None]
    metadata: str
    masks: np.ndarray | None


def import_tifffile() -> Any:
    """Return the module, or raise MissingExtraError."""
    with needs("images", "tifffile", "reading and writing TIFF"):
        import tifffile
    return tifffile


@contextmanager
def opened(content: bytes) -> Iterator[Any]:
    """Open a file and find all its pages."""
    tifffile = import_tifffile()
    # It stays there: one that is taken away while another thread writes makes that skip others.
    logging.getLogger("tifffile").addFilter(_is_harmless)
    lost: list[str] = []
    before = _LOST.set(lost)
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            ends = [
                offset + count
                for page in file.pages
                for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
            ]
            if lost or not ends or max(ends) > len(content):
                raise tifffile.TiffFileError(lost[0] if lost else "the file ends too early")
            yield file
    finally:
        _LOST.reset(before)


def _is_harmless(record: logging.LogRecord) -> bool:
    """Keep a loss out of the log, and note it, where this thread has opened a file."""
    lost = _LOST.get()
    match = None if lost is None else _LOSS.search(record.getMessage())
    if lost is None or match is None:
        return True
    lost.append(match[0])
    return False


def image_pages(file: Any) -> list[Any]:
    """Return the pages that are neither masks nor overviews."""
    pages = [page for page in file.pages if not (page.is_mask or page.is_reduced)]
    return pages or list(file.pages)[:1]


def stored_pages(file: Any) -> StoredPages:
    """Decode all pages of the image and its masks."""
    pages = image_pages(file)
    if sum(int(np.prod(page.shape)) * page.dtype.itemsize for page in file.pages) > SIZE_LIMIT:
        raise import_tifffile().TiffFileError(
            f"it unpacks to more than the limit of {SIZE_LIMIT:,} bytes"
        )
    if len(pages) == len(file.pages):
        # tifffile knows how the programs of microscopes arrange their pages.
        values, axes = file.series[0].asarray(), file.series[0].axes
    else:
        pages = [page for page in pages if page.hash == pages[0].hash]
        values, axes = np.stack([page.asarray() for page in pages]), "I" + pages[0].axes
    if not set("YX") <= set(axes) or not values.size:
        raise import_tifffile().TiffFileError("it holds no image")
    first = pages[0]
    # GDAL calls pages with a palette grey if it was given last.
    indices = first.colormap is not None and first.samplesperpixel == 1
    masks = [page.asarray() for page in file.pages if page.is_mask and not page.is_reduced]
    return StoredPages(
        values,
        axes,
        tuple(int(kind) for kind in first.extrasamples),
        np.asarray(first.colormap) if indices else None,
        [_text(page, NO_DATA) or _text(first, NO_DATA) for page in pages],
        _text(first, METADATA) or "",
        np.stack(masks) if masks else None,
    )


def _text(page: Any, code: int) -> str | None:
    tag = page.tags.get(code)
    return None if tag is None else str(tag.value)
