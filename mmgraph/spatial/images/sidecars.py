"""What GDAL keeps beside an image: a mask in ``NAME.msk``, no data in ``NAME.aux.xml``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from mmgraph.formats.files import read_bytes, read_text
from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.no_data import equal_to_each
from mmgraph.spatial.images.raster import PathLike, Raster

_SIZE_LIMIT = 1 << 24
_BAND = re.compile(r'<PAMRasterBand\s+band="(\d+)"[^>]*>(.*?)</PAMRasterBand>', re.DOTALL)
_NUMBER = re.compile(r"<NoDataValue(?:\s[^>]*)?>([^<]*)</NoDataValue>")


def with_sidecars(path: PathLike, raster: Raster) -> Raster:
    """Return a raster with those values hidden that files beside it say to be missing.

    A mask has the last word over numbers for no data (GDAL's RFC 15).

    Raises
    ------
    FormatError
        If such a file is damaged or has another size.
    """
    mask = mask_beside(path)
    if mask is not None:
        return raster.hiding(_hidden(mask, raster))
    numbers = Path(os.fspath(path) + ".aux.xml")
    if not numbers.is_file():
        return raster
    bands = raster.values.shape[-1] if raster.has_bands else 1
    axis = raster.values.ndim - 1 if raster.has_bands else 0
    return raster.hiding(equal_to_each(raster.values, _numbers(numbers, bands), axis))


def mask_beside(path: PathLike) -> Path | None:
    """Return the file with the mask of an image, if there is one."""
    mask = Path(os.fspath(path) + ".msk")
    return mask if mask.is_file() else None


def _numbers(path: Path, bands: int) -> list[str | None]:
    numbers: list[str | None] = [None] * bands
    for band, content in _BAND.findall(read_text(path, _SIZE_LIMIT)):
        found = _NUMBER.search(content)
        if found is not None and 1 <= int(band) <= bands:
            numbers[int(band) - 1] = found[1]
    return numbers


def _hidden(path: Path, raster: Raster) -> np.ndarray:
    from mmgraph.spatial.images.tiff import read_tiff

    mask = read_tiff(path, read_bytes(path), 2, True)
    found = mask.values.shape
    if found not in (raster.values.shape, raster.places):
        sizes = " and ".join(" x ".join(map(str, size)) for size in (found, raster.places))
        raise FormatError(f"{path}: the mask and the image differ in size: {sizes}")
    return np.asarray(mask.values == 0)
