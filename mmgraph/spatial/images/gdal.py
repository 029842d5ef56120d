"""TIFF files that only GDAL reads, by rasterio (extra ``geo``)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.graph.errors import FormatError, needs
from mmgraph.spatial.images.raster import PathLike, StoredRaster, decoding


def read_by_rasterio(path: PathLike, content: bytes, indices: bool) -> StoredRaster:
    """Read a TIFF file of one page."""
    with needs("geo", "rasterio", f"{path}: reading this kind of TIFF"):
        import rasterio
        from rasterio.enums import ColorInterp, MaskFlags
    with (
        decoding(path, "TIFF file"),
        warnings.catch_warnings(action="ignore", category=rasterio.errors.NotGeoreferencedWarning),
        rasterio.MemoryFile(content) as memory,
        memory.open(driver="GTiff") as file,
    ):
        _check(path, file)
        kinds = list(zip(file.indexes, file.colorinterp, strict=True))
        bands = [index for index, kind in kinds if kind != ColorInterp.alpha]
        alpha = [index for index, kind in kinds if kind == ColorInterp.alpha]
        values, hidden = file.read(bands), file.read_masks(bands) == 0
        transparent = file.read(alpha[0]) == 0 if alpha else None
        flags = set(file.mask_flag_enums[bands[0] - 1])  # what ``hidden`` comes from
        # Of one bit GDAL makes black and white, which no file says.
        single = file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") == "1"
        palette = file.colorinterp[0] == ColorInterp.palette and not (indices or single)
        colours = file.colormap(1) if palette else {}
    masked = hidden[0] if flags == {MaskFlags.per_dataset} else None
    several = len(bands) > 1
    values, hidden = (np.moveaxis(x, 0, -1) if several else x[0] for x in (values, hidden))
    return StoredRaster(
        values,
        several,
        transparent,
        masked,
        hidden if MaskFlags.nodata in flags else None,
        np.array([colours[index][:3] for index in sorted(colours)], np.uint8) if colours else None,
    )


def _check(path: PathLike, file: Any) -> None:
    """Raise FormatError if a file holds pages, complex numbers, or more than the limit."""
    if file.subdatasets:
        raise FormatError(f"{path} has pages that tifffile does not read, nor rasterio")
    if any(kind.startswith("complex") for kind in file.dtypes):
        raise FormatError(f"{path} holds {file.dtypes[0]}, and not real numbers")
    bytes_of_pixel = sum(np.dtype(kind).itemsize for kind in file.dtypes)
    if file.width * file.height * bytes_of_pixel > SIZE_LIMIT:
        raise FormatError(f"{path} unpacks to more than the limit of {SIZE_LIMIT:,} bytes")
