"""Squares cut out of an image around its pixels, and bands that stand for many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import LearningError
from mmgraph.spatial.arrays import real_array

Pixels = Int64[np.ndarray, " pixels"] | Sequence[int]


def image_patches(
    image: Any, pixels: Pixels, side: int
) -> Float64[np.ndarray, "pixels side side channels"]:
    """Return the square around each of some pixels, NaN beyond the image.

    Patches of neighbouring pixels overlap: those of test pixels hold places whose labels were
    trained on unless both lie ``side // 2`` apart, and hold the same image unless they lie ``side``
    apart.

    Parameters
    ----------
    image : array, shape (height, width) or (height, width, channels)
    pixels : array of int
        Places in the flattened image, row by row.
    side : int
        How many pixels a square is high and wide; odd.

    Raises
    ------
    LearningError
        If the image has other axes, the side is even or less than one, or there is no such pixel.
    """
    array = _image(image)
    if side < 1 or side % 2 == 0:
        raise LearningError(f"patches are an odd number of pixels wide, not {side}")
    rows, columns = np.divmod(_places(array, pixels), array.shape[1])
    beyond = side // 2
    padded = np.pad(array, ((beyond, beyond), (beyond, beyond), (0, 0)), constant_values=np.nan)
    offsets = np.arange(side)
    return padded[
        rows[:, None, None] + offsets[:, None], columns[:, None, None] + offsets[None, :]
    ]  # fmt: skip


def principal_bands(
    image: Any, pixels: Pixels, count: int
) -> Float64[np.ndarray, "height width count"]:
    """Return the principal components of an image's bands, found from some of its pixels.

    Bands have mean 0 and deviation 1 among these pixels first; components are in the order of their
    variance there.

    Parameters
    ----------
    image : array, shape (height, width, bands)
    pixels : array of int
        Places in the flattened image: those that are learned from.
    count : int
        How many components; not more than there are bands, or pixels.

    Raises
    ------
    LearningError
        If there are not so many components, a band is missing somewhere, or there is no such pixel.
    """
    array = _image(image)
    if np.isnan(array).any():
        raise LearningError("principal components need bands without missing cells")
    learned = array.reshape(-1, array.shape[2])[_places(array, pixels)]
    if not 1 <= count <= min(learned.shape):
        raise LearningError(
            f"there are 1 to {min(learned.shape)} components of {learned.shape[1]} bands at "
            f"{learned.shape[0]} pixels, not {count}"
        )
    mean, deviation = learned.mean(0), learned.std(0)
    scale = np.where(deviation > 0, deviation, 1.0)
    _, _, axes = np.linalg.svd((learned - mean) / scale, full_matrices=False)
    signs = np.sign(axes[np.arange(count), np.abs(axes[:count]).argmax(1)])
    return ((array - mean) / scale) @ (axes[:count] * signs[:, None]).T


def _image(image: Any) -> Float64[np.ndarray, "height width channels"]:
    """An image with an axis of channels."""
    array = real_array(image, "the image")
    if array.ndim not in (2, 3):
        raise LearningError(f"an image has two axes or three, not {array.ndim}")
    return array[:, :, None] if array.ndim == 2 else array


def _places(image: np.ndarray, pixels: Pixels) -> Int64[np.ndarray, " pixels"]:
    """Places in the flattened image, all of which it has."""
    places = np.asarray(pixels)
    size = image.shape[0] * image.shape[1]
    if places.ndim != 1 or not (places.size == 0 or np.issubdtype(places.dtype, np.integer)):
        raise LearningError("pixels are whole numbers: places in the flattened image")
    if places.size and not (places.min() >= 0 and places.max() < size):
        wrong = int(places.min() if places.min() < 0 else places.max())
        raise LearningError(f"there is no pixel {wrong}: the image has {size:,}")
    return places.astype(np.int64)
