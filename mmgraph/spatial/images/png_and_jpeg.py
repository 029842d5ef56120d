"""PNG and JPEG files, and what Pillow reads of TIFF files where tifffile is not installed."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.graph.errors import FormatError, MissingExtraError, needs
from mmgraph.spatial.images.no_data import equal_to
from mmgraph.spatial.images.raster import PathLike, StoredRaster, decoding

_NO_DATA, _BITS, _COMPRESSION, _PHOTOMETRIC, _COLOUR_MAP = 42113, 258, 259, 262, 320
"""Tags of TIFF files; the first, in which GDAL says which number stands for no data, is its own."""

_PNG_DEPTH = 24
"""The byte of a PNG file that holds the bits of a band."""


def pillow() -> Any:
    """Return the module ``PIL.Image``, or raise MissingExtraError."""
    with needs("images", "pillow", "reading and writing PNG and JPEG"):
        from PIL import Image
    return Image


def read_png_or_jpeg(path: PathLike, content: bytes, indices: bool) -> StoredRaster:
    """Read one image, its rows as they are stored (an EXIF orientation turns nothing)."""
    if _is_deep_colour(content):
        return _read_deep_colour(path, content)
    return _read_pillow(path, content, indices, ("PNG", "JPEG"))


def read_simple_tiff(path: PathLike, content: bytes, indices: bool, package: str) -> StoredRaster:
    """Read by Pillow what it neither rounds nor inverts: one page, and one band or eight bits.

    The package is missing that reads all.
    """
    simple, missing = False, None
    try:
        with pillow().open(io.BytesIO(content), formats=("TIFF",)) as image:
            tags = image.tag_v2
            bits = tags.get(_BITS, (1,))
            simple = image.n_frames == 1 and tags.get(_PHOTOMETRIC) in (1, 2, 3)
            simple = simple and (len(bits) == 1 or set(bits) == {8})
            simple = simple and tags.get(_COMPRESSION) not in (6, 7)  # JPEG
            # Pillow knows a palette only where the photometric interpretation is one, 3.
            simple = simple and (_COLOUR_MAP not in tags or tags.get(_PHOTOMETRIC) == 3)
            missing = tags.get(_NO_DATA)
    except (OSError, ValueError, SyntaxError, AttributeError):
        pass
    if not simple:
        raise MissingExtraError("images", package, f"{path}: reading this kind of TIFF file")
    stored = _read_pillow(path, content, indices, ("TIFF",))
    return stored if missing is None else replace(stored, no_data=equal_to(stored.values, missing))


def _read_pillow(
    path: PathLike, content: bytes, indices: bool, formats: tuple[str, ...]
) -> StoredRaster:
    module = pillow()
    with (
        decoding(path, "image"),
        warnings.catch_warnings(),
        module.open(io.BytesIO(content), formats=formats) as image,
    ):
        warnings.simplefilter("ignore", module.DecompressionBombWarning)
        if image.format in ("JPEG", "MPO") and indices:
            raise FormatError(
                f"{path} is a JPEG file, which is lossy: its numbers are not those that were "
                "drawn; give labels and masks as PNG, TIFF or .npy"
            )
        return _decoded(image, indices, content)


def _decoded(image: Any, indices: bool, content: bytes) -> StoredRaster:
    """Decode an image that Pillow has opened."""
    transparent = image.info.get("transparency")
    if image.mode in ("CMYK", "YCbCr"):
        image = image.convert("RGB")
    array = np.array(image)
    if image.mode in ("P", "PA"):
        palette = None if indices else _palette(image)
        if image.mode == "PA":
            return replace(_without_alpha(array), palette=palette)
        clear = _transparent_indices(array, transparent)
        return StoredRaster(array, False, clear, palette=palette)
    if image.mode in ("LA", "RGBA"):
        return _without_alpha(array)
    if transparent is None:
        return StoredRaster(array, array.ndim == 3)
    colour = np.array(transparent).astype(array.dtype)
    if image.mode == "L":  # Pillow stretches grey values to eight bits, but not this one
        colour *= 255 // (2 ** content[_PNG_DEPTH] - 1)
    same = array == colour
    return StoredRaster(array, array.ndim == 3, same.all(-1) if array.ndim == 3 else same)


def _palette(image: Any) -> UInt8[np.ndarray, "256 3"]:
    """Return the colours of all indices, black where the palette is shorter, as Pillow has it."""
    colours = np.zeros((256, 3), np.uint8)
    stored = np.array(image.getpalette("RGB"), np.uint8)
    colours.reshape(-1)[: stored.size] = stored
    return colours


def _transparent_indices(
    numbers: np.ndarray, transparent: bytes | int | None
) -> Bool[np.ndarray, "*shape"] | None:
    """Where a palette's colour is wholly transparent: one index, or the alpha of the first ones."""
    if transparent is None:
        return None
    if isinstance(transparent, int):
        return np.asarray(numbers == transparent)
    clear = [index for index, alpha in enumerate(transparent) if alpha == 0]
    return np.isin(numbers, clear)


def _without_alpha(array: np.ndarray) -> StoredRaster:
    """Return colours whose last band is alpha: those with an alpha of zero are transparent."""
    values, transparent = array[..., :-1], array[..., -1] == 0
    single = values.shape[-1] == 1
    return StoredRaster(values[..., 0] if single else values, not single, transparent)


def _is_deep_colour(content: bytes) -> bool:
    """Whether a PNG file has bands of 16 bits other than one of grey, which Pillow rounds.

    The header, which comes first, holds the depth and the type of colour in these two bytes (PNG
    specification, section 11.2.1).
    """
    is_png = content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR"
    return is_png and len(content) > 25 and content[_PNG_DEPTH] == 16 and content[25] != 0


def _read_deep_colour(path: PathLike, content: bytes) -> StoredRaster:
    with needs("images", "imagecodecs", f"{path}: reading PNG files of several bands of 16 bits"):
        from imagecodecs import png_decode
    width, height = struct.unpack(">II", content[16:24])
    if width * height * 8 > SIZE_LIMIT:
        raise FormatError(f"{path} unpacks to more than the limit of {SIZE_LIMIT:,} bytes")
    with decoding(path, "PNG file"):
        array = png_decode(content)
    return _without_alpha(array) if array.shape[-1] in (2, 4) else StoredRaster(array, True)
