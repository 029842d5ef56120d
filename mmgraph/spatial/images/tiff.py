"""TIFF files and what they are made into: GeoTIFF, BigTIFF, cloud-optimised GeoTIFF, stacks."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped, UInt8, UInt16

from mmgraph.graph.errors import FormatError, MissingExtraError
from mmgraph.spatial.images.gdal import read_by_rasterio
from mmgraph.spatial.images.georeference import (
    GEOTIFF_TAGS,
    Georeference,
    Tag,
    geotiff_georeference,
)
from mmgraph.spatial.images.no_data import equal_to_each
from mmgraph.spatial.images.png_and_jpeg import read_simple_tiff
from mmgraph.spatial.images.raster import PathLike, StoredRaster, decoding, united
from mmgraph.spatial.images.tiff_pages import (
    NO_DATA,
    StoredPages,
    image_pages,
    import_tifffile,
    opened,
    stored_pages,
)

_JPEG = (6, 7, 34892)
"""Compressions that do not keep numbers."""

_LERC, _CONTIGUOUS = 34887, 1
"""A compression, and the planar configuration of bands side by side."""

_LUMINANCE_CHROMINANCE = 6
"""The photometric interpretation YCbCr."""

_ALPHA = (1, 2)
"""Kinds of extra samples that are alpha, multiplied into the colours or not."""

_BANDS = "SC"
"""The letters with which tifffile names axes of bands: samples and channels."""

_SHORT, _TEXT, _DOUBLE = 3, 2, 12
_TYPES = {GEOTIFF_TAGS["keys"]: _SHORT, GEOTIFF_TAGS["texts"]: _TEXT}
"""The types of the tags of georeferencing; the others hold real numbers."""

_TOGETHER = re.compile(r'<Item name="NODATA_VALUES">([^<]*)</Item>')
"""Numbers of all bands that stand for no data only together."""


def read_tiff(
    path: PathLike, content: bytes, dimensions: int | None, indices: bool
) -> StoredRaster:
    """Read a TIFF file, its overviews left out."""
    try:
        tifffile = import_tifffile()
    except MissingExtraError:
        return read_simple_tiff(path, content, indices, "tifffile")
    try:
        with opened(content) as file:
            if indices and int(file.pages[0].compression) in _JPEG:
                raise FormatError(
                    f"{path} is compressed by JPEG, which is lossy: its numbers are not those that "
                    "were drawn; give labels and masks uncompressed, or by LZW or Deflate"
                )
            if _has_bands_of_lerc(file):
                return _by_rasterio(path, content, dimensions, indices)
            if _has_coarse_colours(file):
                with suppress(MissingExtraError):
                    return _by_rasterio(path, content, dimensions, indices)
            stored = stored_pages(file)
    except (FormatError, MissingExtraError):
        raise
    except Exception as error:  # damaged files end in errors of many kinds
        damaged = isinstance(error, tifffile.TiffFileError)
        if damaged or not any(word in str(error) for word in ("support", "imagecodecs")):
            raise FormatError(f"{path} is no readable TIFF file ({error})") from None
        return _by_another_package(path, content, dimensions, indices, str(error))
    return _stored_raster(stored, dimensions, indices)


def _has_bands_of_lerc(file: Any) -> bool:
    """Whether LERC holds several bands of real numbers, which tifffile mixes up around NaN."""
    page = file.pages[0]
    return (
        int(page.compression) == _LERC
        and page.samplesperpixel > 1
        and int(page.planarconfig) == _CONTIGUOUS
        and page.dtype.kind == "f"
    )


def _has_coarse_colours(file: Any) -> bool:
    """Whether JPEG holds an image with fewer pixels of colour than of brightness.

    Decoders fill the colours in differently; where rasterio is installed it decides, so that such
    an image looks as it does in other programs for maps.
    """
    pages = image_pages(file)
    first = pages[0]
    coarse = int(first.compression) in _JPEG and int(first.photometric) == _LUMINANCE_CHROMINANCE
    return coarse and len(pages) == 1


def _by_rasterio(
    path: PathLike, content: bytes, dimensions: int | None, indices: bool
) -> StoredRaster:
    stored = read_by_rasterio(path, content, indices)
    transparent, masked, no_data = (
        None if part is None else arranged(part, "YXS"[: part.ndim], dimensions)[0]
        for part in (stored.transparent, stored.masked, stored.no_data)
    )
    values, has_bands = arranged(stored.values, "YXS"[: stored.values.ndim], dimensions)
    return StoredRaster(values, has_bands, transparent, masked, no_data, stored.palette)


def _by_another_package(
    path: PathLike, content: bytes, dimensions: int | None, indices: bool, reason: str
) -> StoredRaster:
    """Read what tifffile does not know, or only with imagecodecs, by rasterio or Pillow."""
    try:
        return _by_rasterio(path, content, dimensions, indices)
    except MissingExtraError:
        if "imagecodecs" in reason:
            return read_simple_tiff(path, content, indices, "imagecodecs")
        raise FormatError(
            f"{path} is a TIFF file of a kind that tifffile does not read ({reason}); rasterio "
            "may: pip install 'mmgraph[geo]'"
        ) from None


def _stored_raster(stored: StoredPages, dimensions: int | None, indices: bool) -> StoredRaster:
    """Say which axis is what, and what may be hidden."""
    pages, axes, alpha = _without_alpha(stored)
    values, has_bands = arranged(pages, axes, dimensions)
    transparent = masked = no_data = None
    if alpha is not None:
        transparent, _ = arranged(alpha == 0, axes.replace("S", ""), dimensions)
    if stored.masks is not None:
        masked, _ = arranged(stored.masks == 0, "IYX", dimensions)
    if any(stored.no_data):
        no_data, _ = arranged(equal_to_each(pages, stored.no_data, 0), axes, dimensions)
    if has_bands:
        no_data = united(no_data, _equal_together(values, stored.metadata))
    palette = None
    if stored.palette is not None and not (indices or has_bands):
        palette = _palette(stored.palette)
    return StoredRaster(values, has_bands, transparent, masked, no_data, palette)


def _without_alpha(stored: StoredPages) -> tuple[np.ndarray, str, np.ndarray | None]:
    """Take the alpha band out: return values, their axes, and alpha, which has no axis of bands."""
    values, axes, kinds = stored.values, stored.axes, stored.extra_samples
    axis = axes.find("S")
    if axis < 0 or "C" in axes:
        return values, axes, None
    first = values.shape[axis] - len(kinds)
    bands = [first + number for number, kind in enumerate(kinds) if kind in _ALPHA]
    if not bands or first < 0:
        return values, axes, None
    alpha = values.take(bands[0], axis)
    values = np.delete(values, bands, axis)
    if values.shape[axis] == 1:
        values, axes = values.squeeze(axis), axes.replace("S", "")
    return values, axes, alpha


def arranged(values: np.ndarray, axes: str, dimensions: int | None) -> tuple[np.ndarray, bool]:
    """Return an array with its bands last, and whether it has any.

    Axes have letters, of which S and C are bands and all others places; the dimensions say whether
    pages are bands of an image (2) or slices of a volume (3).
    """
    bands = [i for i, axis in enumerate(axes) if axis in _BANDS]
    values = np.moveaxis(values, bands, range(-len(bands), 0))
    places = values.ndim - len(bands)
    if len(bands) > 1:
        values = values.reshape(*values.shape[:places], -1)
    while places > (dimensions or 2) and values.shape[0] == 1:
        values, places = values[0], places - 1
    if not bands and dimensions is not None and places == dimensions + 1:
        return np.moveaxis(values, 0, -1), True
    return values[None] if dimensions == 3 and places == 2 else values, bool(bands)


def _equal_together(
    values: Shaped[np.ndarray, "*places bands"], metadata: str
) -> Bool[np.ndarray, "*places"] | None:
    """Where all bands have the numbers that GDAL's metadata give them together."""
    match = _TOGETHER.search(metadata)
    numbers = [] if match is None else match[1].split()
    if len(numbers) != values.shape[-1]:
        return None
    equal = [equal_to_each(values[..., i], [n], -1) for i, n in enumerate(numbers)]
    return np.asarray(np.logical_and.reduce(equal))


def _palette(stored: UInt16[np.ndarray, "3 colours"]) -> UInt8[np.ndarray, "colours 3"]:
    """Return colours of 8 bits, which the 16 bits of a palette hold (TIFF 6.0, section 5)."""
    if stored.max() > 255:  # else a program has written the 8 bits as they are
        stored = stored // 257 if not (stored % 257).any() else stored >> 8
    return np.asarray(stored.T.astype(np.uint8))


def read_tiff_georeference(path: PathLike, content: bytes, dimensions: int) -> Georeference | None:
    """Return where the pixels of a TIFF file lie, or ``None`` where it does not say so."""
    with decoding(path, "TIFF file"), opened(content) as file:
        stored = [image_pages(file)[0].tags.get(code) for code in GEOTIFF_TAGS.values()]
        tags = tuple(_checked_tag(tag) for tag in stored if tag is not None)
        axes = list(zip(file.series[0].shape, file.series[0].axes, strict=True))
    size = (1, *(length for length, axis in axes if axis not in _BANDS))[-dimensions:]
    return geotiff_georeference(tags, size) if tags else None


def _checked_tag(tag: Any) -> Tag:
    """Return a tag of georeferencing, or raise ValueError if it is not of the type that it has."""
    kind = int(tag.dtype)
    value = tag.value if isinstance(tag.value, tuple | str | bytes) else (tag.value,)
    if kind != _TYPES.get(tag.code, _DOUBLE) or isinstance(value, tuple) == (kind == _TEXT):
        raise ValueError(f"the tag {tag.code} is damaged")
    if isinstance(value, str):  # GDAL writes names of systems as UTF-8
        value = value.encode()
    return tag.code, kind, tag.count, value


def tiff_bytes(array: np.ndarray, bands: bool, georeference: Georeference | None) -> bytes:
    """Return a map as the content of a TIFF file: a page a slice, a plane a band, NaN no data."""
    tags = [] if georeference is None else [(*tag, True) for tag in georeference.tags]
    if np.isnan(array).any():
        tags.append((NO_DATA, 2, 0, "nan", False))
    planes = bands and array.shape[-1] > 1
    if planes:
        array = np.moveaxis(array, -1, -3)
    elif bands:
        array = array[..., 0]
    buffer = io.BytesIO()
    import_tifffile().imwrite(
        buffer,
        array,
        photometric="minisblack",
        planarconfig="separate" if planes else None,
        metadata=None,
        extratags=tags,
    )
    return buffer.getvalue()
