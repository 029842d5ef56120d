"""What GDAL keeps beside an image: a mask in ``NAME.msk``, no data in ``NAME.aux.xml``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from mmgraph.formats.files import read_bytes, read_text
from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.no_data import equal_to_each
from mmgraph.spatial.images.raster import PathLike, Raster, StoredRaster, size_text, united

_SIZE_LIMIT = 1 << 24
_BAND = re.compile(r'<PAMRasterBand\s+band="(\d+)"[^>]*>(.*?)</PAMRasterBand>', re.DOTALL)
_NUMBER = re.compile(r"<NoDataValue(?:\s[^>]*)?>([^<]*)</NoDataValue>")


def with_sidecars(path: PathLike, stored: StoredRaster) -> Raster:
    """Decide what is hidden, from what a file and those beside it say.

    What is transparent is hidden. A mask, in the file or beside it, has the last word over numbers
    for no data, whichever of the two says those (GDAL's RFC 15).
    """
    hidden = stored.transparent
    masks = {} if stored.masked is None else {os.fspath(path): stored.masked}
    beside = Path(os.fspath(path) + ".msk")
    if beside.is_file():
        masks[str(beside)] = _hidden_by(beside)
    places = stored.values.shape[:-1] if stored.has_bands else stored.values.shape
    for name, mask in masks.items():
        if mask.shape not in (stored.values.shape, places):
            sizes = f"{size_text(mask.shape)} and {size_text(places)}"
            raise FormatError(f"{name}: the mask and the image differ in size: {sizes}")
        hidden = united(hidden, mask)
    if not masks:
        hidden = united(united(hidden, stored.no_data), _no_data_beside(path, stored))
    if stored.palette is not None and int(stored.values.max()) >= len(stored.palette):
        raise FormatError(
            f"{path} has a palette of {len(stored.palette)} colours, and larger indices"
        )
    return stored.hiding(hidden)


def _hidden_by(path: Path) -> Bool[np.ndarray, "..."]:
    from mmgraph.spatial.images.tiff import read_tiff

    return np.asarray(read_tiff(path, read_bytes(path), 2, True).values == 0)


def _no_data_beside(path: PathLike, stored: StoredRaster) -> Bool[np.ndarray, "..."] | None:
    """Where values are the numbers for no data that ``NAME.aux.xml`` gives for the bands."""
    beside = Path(os.fspath(path) + ".aux.xml")
    if not beside.is_file():
        return None
    bands = stored.values.shape[-1] if stored.has_bands else 1
    numbers: list[str | None] = [None] * bands
    for band, content in _BAND.findall(read_text(beside, _SIZE_LIMIT)):
        match = _NUMBER.search(content)
        if match is not None and 1 <= int(band) <= bands:
            numbers[int(band) - 1] = match[1]
    return equal_to_each(stored.values, numbers, stored.values.ndim - 1 if stored.has_bands else 0)
