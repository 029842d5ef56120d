"""One picture of any kind as an array of colours, and as a square of a given size."""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer, UInt8
from torch.nn.functional import interpolate

from mmgraph.data.images.files import opened_image
from mmgraph.graph.errors import FormatError

if TYPE_CHECKING:
    from PIL import Image

    Picture: TypeAlias = str | PathLike[str] | bytes | np.ndarray | Image.Image

_MOST_PIXELS = 100_000_000
_ENOUGH = (1024, 1024)
"""A larger JPEG is decoded at 1/2, 1/4 or 1/8 of its size, and at least at this one."""
_TOLERANCE = 16
"""How far a channel may lie from the background's, of 255: JPEG disturbs flat colours so."""
_MARGIN = 0.06
"""The share of a square that is left empty at each of its sides."""


def read_picture(
    source: Picture, where: str | None = None
) -> UInt8[np.ndarray, "height width channels=3"]:
    """Return the red, green and blue of a picture; what is transparent lies on white.

    Parameters
    ----------
    source : path, bytes of a file, array or PIL.Image.Image
        Files are of any format and mode that Pillow reads, turned as their EXIF says; of several
        frames the first is taken. Arrays are grey (height, width) or have one to four channels:
        grey, grey and alpha, RGB, RGBA; as truth values, floats from 0 to 1, integers from 0 to
        255, or ``uint16`` from 0 to 65,535.
    where : str, optional
        What the messages of errors call it, such as ``"image 3"``.

    Raises
    ------
    FormatError
        If it is missing, is no image or a damaged one, or has more than 100 million pixels; names
        it. JPEG files may be larger: they are decoded at a fraction of their size.
    MissingExtraError
        If Pillow is not installed, unless the picture is an array.
    """
    if isinstance(source, np.ndarray):
        return _colours_of_array(source, where or "the picture")
    if isinstance(source, str | PathLike):
        path = Path(source)
        return _colours_of_image(path, f"{path} ({where})" if where else str(path))
    if isinstance(source, bytes):
        return _colours_of_image(io.BytesIO(source), where or f"a picture of {len(source)} bytes")
    if hasattr(source, "convert"):
        return _colours_of_image(source, where or "the picture")
    raise FormatError(
        f"{where or 'a picture'} is a {type(source).__name__}; expected a path, the bytes of a "
        "file, an array or an image of Pillow"
    )


def squared(
    picture: UInt8[np.ndarray, "height width channels=3"], size: int
) -> UInt8[np.ndarray, "size size channels=3"]:
    """Return a picture without empty margins in the middle of a square of its background.

    The background is the most frequent colour of its edge. Sides keep their proportion; what
    shrinks is averaged (bicubic, antialiased).
    """
    background = _background(picture)
    distance = np.maximum(picture, background) - np.minimum(picture, background)
    differs = distance > _TOLERANCE
    if differs.any():
        picture = picture[_extent(differs.any((1, 2))), _extent(differs.any(0).any(1))]
    height, width = picture.shape[:2]
    scale = size * (1 - 2 * _MARGIN) / max(height, width)
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    # Tensors of bytes whose channels come last are resized by vector instructions.
    pixels = torch.tensor(picture).permute(2, 0, 1)[None]
    resized = interpolate(pixels, shape, mode="bicubic", antialias=True)[0].permute(1, 2, 0)
    square = np.empty((size, size, 3), np.uint8)
    square[:] = background
    top, left = (size - shape[0]) // 2, (size - shape[1]) // 2
    square[top : top + shape[0], left : left + shape[1]] = resized.numpy()
    return square


def _background(
    picture: UInt8[np.ndarray, "height width channels=3"],
) -> UInt8[np.ndarray, "channels=3"]:
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    codes = (edge >> 4).astype(np.int64) @ (1, 16, 256)
    most = edge[codes == np.bincount(codes).argmax()]
    return np.median(most, axis=0).astype(np.uint8)


def _extent(differs: Bool[np.ndarray, "side"]) -> slice:
    there = np.flatnonzero(differs)
    return slice(there[0], there[-1] + 1)


def _colours_of_image(
    source: Path | io.BytesIO | Image.Image, name: str
) -> UInt8[np.ndarray, "height width channels=3"]:
    with opened_image(source, name) as image:
        from PIL import ImageOps

        if hasattr(image, "draft") and image is not source:
            image.draft(None, _ENOUGH)
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(_too_large(image.height, image.width))
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "I":  # of 32 bits in Pillow, of 16 in the files that it reads so
            pixels = np.array(upright).clip(0, 65535).astype(np.uint16)
        elif upright.mode == "F" or upright.mode.startswith("I;"):
            pixels = np.array(upright)
        else:
            pixels = np.array(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
    return _colours_of_array(pixels, name)


def _too_large(height: int, width: int) -> str:
    return f"it has {height:,} × {width:,} pixels; at most {_MOST_PIXELS:,} are read"


def _colours_of_array(array: np.ndarray, name: str) -> UInt8[np.ndarray, "height width channels=3"]:
    values = array[..., None] if array.ndim == 2 else array
    if values.ndim != 3 or not values.size or values.shape[2] > 4:
        raise FormatError(
            f"{name} is an array of shape {array.shape}; expected (height, width), or "
            "(height, width, channels) with one to four channels"
        )
    if values.shape[0] * values.shape[1] > _MOST_PIXELS:
        raise FormatError(f"{name} cannot be read: {_too_large(*values.shape[:2])}")
    pixels = _bytes(values, name)
    if pixels.shape[2] in (2, 4):
        alpha = pixels[..., -1:].astype(np.uint16)
        on_white = (pixels[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255
        pixels = on_white.astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _bytes(
    values: Bool[np.ndarray, "..."] | Integer[np.ndarray, "..."] | Float[np.ndarray, "..."],
    name: str,
) -> UInt8[np.ndarray, "..."]:
    """Return values of any type as bytes from 0 to 255."""
    kind = values.dtype.kind
    if values.dtype == np.uint8:
        return values
    if kind not in "biuf":
        raise FormatError(f"{name} is an array of {values.dtype}; expected numbers")
    is_deep = kind == "u" and values.dtype.itemsize == 2
    largest = 65535 if is_deep else 255 if kind in "iu" else 1
    least, most = values.min(), values.max()
    if not (least >= 0 and most <= largest):  # NaN, too
        raise FormatError(
            f"{name} is an array of {values.dtype} from {least} to {most}; expected 0 to {largest}"
        )
    return np.rint(values.astype(np.float32) * (255 / largest)).astype(np.uint8)
