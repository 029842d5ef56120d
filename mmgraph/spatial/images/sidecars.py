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

    Raises
    ------
    FormatError
        If such a file is damaged or has another size.
    """
    name = os.fspath(path)
    if Path(name + ".aux.xml").is_file():
        axis = raster.values.ndim - 1 if raster.has_bands else 0
        bands = raster.values.shape[axis] if raster.has_bands else 1
        numbers = _numbers(name + ".aux.xml", bands)
        raster = raster.hiding(equal_to_each(raster.values, numbers, axis))
    if Path(name + ".msk").is_file():
        raster = raster.hiding(_mask(name + ".msk", raster))
    return raster


def _numbers(path: str, bands: int) -> list[str | None]:
    numbers: list[str | None] = [None] * bands
    for band, content in _BAND.findall(read_text(path, _SIZE_LIMIT)):
        found = _NUMBER.search(content)
        if found is not None and 1 <= int(band) <= bands:
            numbers[int(band) - 1] = found[1]
    return numbers


def _mask(path: str, raster: Raster) -> np.ndarray:
    from mmgraph.spatial.images.tiff import read_tiff

    mask = read_tiff(path, read_bytes(path), 2, True)
    found = mask.values.shape
    if found not in (raster.values.shape, raster.places):
        sizes = " and ".join(" x ".join(map(str, size)) for size in (found, raster.places))
        raise FormatError(f"{path}: the mask and the image differ in size: {sizes}")
    return np.asarray(mask.values == 0)
