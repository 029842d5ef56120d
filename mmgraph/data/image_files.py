"""Images in files as arrays, one for each row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from mmgraph.graph.errors import FormatError, LearningError, needs


def read_images(
    paths: Sequence[Path | None],
) -> Float32[np.ndarray, "rows height width channels"]:
    """Return images in [0, 1], NaN where the path is None.

    Grey ones have one channel, others the three of RGB.

    Raises
    ------
    FormatError
        If a file is missing or is no image (which).
    LearningError
        If images differ in size (which two), or there is none.
    MissingExtraError
        If Pillow is not installed.
    """
    with needs("images", "pillow", "reading images"):
        from PIL import Image, UnidentifiedImageError
    arrays: dict[int, np.ndarray] = {}
    for row, path in enumerate(paths):
        if path is None:
            continue
        try:
            with Image.open(path) as image:
                grey = image.mode in ("1", "L", "I", "I;16", "F")
                pixels = np.asarray(image if grey else image.convert("RGB"))
        except FileNotFoundError:
            raise FormatError(f"there is no image {path} (row {row})") from None
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise FormatError(f"{path} (row {row}) cannot be read as an image: {error}") from None
        largest = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
        arrays[row] = np.atleast_3d(pixels).astype(np.float32) / np.float32(largest)
    if not arrays:
        raise LearningError("not one image is there")
    first = next(iter(arrays))
    shape = arrays[first].shape
    for row, array in arrays.items():
        if array.shape != shape:
            raise LearningError(
                f"images are of one size; {paths[first]} has (height, width, channels) {shape}, "
                f"{paths[row]} has {array.shape}"
            )
    values = np.full((len(paths), *shape), np.nan, np.float32)
    for row, array in arrays.items():
        values[row] = array
    return values
