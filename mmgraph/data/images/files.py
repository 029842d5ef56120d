"""Images in files as arrays, one for each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from mmgraph.graph.errors import FormatError, LearningError, needs
from mmgraph.graph.memory_budget import check_required, default_memory_budget

_GREY_MODES = ("1", "L", "I", "I;16", "F")


def read_images(
    paths: Sequence[Path | None],
    *,
    size: tuple[int, int] | None = None,
    colour: bool | None = None,
    advice: str = "",
) -> Float32[np.ndarray, "rows height width channels"]:
    """Return images in [0, 1], NaN where the path is None.

    Grey ones have one channel, others the three of RGB.

    Parameters
    ----------
    paths : sequence of path or None
    size : (height, width), optional
        What images are resized to, each in one step (bilinear, averaged where it shrinks). By
        default all are of one size.
    colour : bool, optional
        Whether all have three channels, or one (luminance). By default they stay as they are, and
        all are grey or none is.
    advice : str
        What an error of images that differ says at its end.

    Raises
    ------
    FormatError
        If a file is missing or is no image (which).
    LearningError
        If images differ in size or channels (which two), or there is none.
    MemoryBudgetError
        If they would take more than half of the memory; nothing has been allocated.
    MissingExtraError
        If Pillow is not installed.
    """
    there = {row: path for row, path in enumerate(paths) if path is not None}
    if not there:
        raise LearningError("not one image is there")
    shape = _common_shape(there, size, colour, advice)
    check_required(
        f"{len(paths):,} images of (height, width, channels) {shape}",
        4 * len(paths) * int(np.prod(shape)),
        default_memory_budget(),
        "Smaller images need less",
    )
    values = np.full((len(paths), *shape), np.nan, np.float32)
    for row, path in there.items():
        with opened_image(path, f"{path} (row {row})") as image:
            pixels = _pixels(image, colour)
        values[row] = pixels if pixels.shape == shape else _resized(pixels, shape[:2])
    return values


def _common_shape(
    paths: dict[int, Path],
    size: tuple[int, int] | None,
    colour: bool | None,
    advice: str,
) -> tuple[int, int, int]:
    """The height, width and channels of all images, by the beginnings of their files."""
    first, shape = None, (0, 0, 0)
    for row, path in paths.items():
        with opened_image(path, f"{path} (row {row})") as image:
            grey = image.mode in _GREY_MODES if colour is None else not colour
            this = (*(size or (image.height, image.width)), 1 if grey else 3)
        if first is None:
            first, shape = path, this
        elif this != shape:
            raise LearningError(
                f"images are of one size; {first} has (height, width, channels) {shape}, "
                f"{path} has {this}{advice}"
            )
    return shape


@contextmanager
def opened_image(source: Any, name: str) -> Iterator[Any]:
    """Open an image, as a context whose value is Pillow's, which is read when its pixels are asked.

    Parameters
    ----------
    source : path, binary file or PIL.Image.Image
    name : str
        What the message of an error calls it.

    Raises
    ------
    FormatError
        If it is missing or is no image, be it that its pixels cannot be read.
    MissingExtraError
        If Pillow is not installed.
    """
    with needs("images", "pillow", "reading images"):
        from PIL import Image
    try:
        is_open = isinstance(source, Image.Image)
        with nullcontext(source) if is_open else Image.open(source) as image:
            yield image
    except FileNotFoundError:
        raise FormatError(f"there is no image {name}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"{name} cannot be read as an image: {error}") from None


def _pixels(image: Any, colour: bool | None) -> Float32[np.ndarray, "height width channels"]:
    """The pixels of an image, one channel of grey ones, unless ``colour`` says otherwise."""
    grey = image.mode in _GREY_MODES
    pixels = np.asarray(image if grey else image.convert("L" if colour is False else "RGB"))
    largest = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
    scaled = np.atleast_3d(pixels).astype(np.float32) / np.float32(largest)
    return np.repeat(scaled, 3, axis=2) if grey and colour else scaled


def _resized(
    pixels: Float32[np.ndarray, "rows columns channels"], size: tuple[int, int]
) -> Float32[np.ndarray, "height width channels"]:
    from PIL import Image

    channels = [
        np.asarray(Image.fromarray(channel).resize(size[::-1], Image.Resampling.BILINEAR))
        for channel in np.moveaxis(pixels, 2, 0)
    ]
    return np.stack(channels, axis=2)
