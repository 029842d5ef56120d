"""Images of any number of bands as pictures: in their own colours where they have any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from mmgraph.graph.errors import MmgraphError

_STRETCH = (2.0, 98.0)
_DARK = 64.0
"""Bytes whose 98th percentile is lower are stretched: they are a dark image of more bits."""

_OPACITY = 0.5


def as_picture(image: object) -> Float[np.ndarray, "height width *colours"]:
    """Return an image of any number of bands as grey values or colours between 0 and 1.

    One or two bands give grey values of the first; more give red, green and blue: the first three
    of up to four bands, three spread over the spectrum of many. Three or four bands of bytes (whole
    numbers from 0 to 255), or of floats from 0 to 1, are shown as they are. All else is stretched
    between the 2nd and the 98th percentile, the three of up to four bands alike, so that hues stay.
    Missing values (NaN, or hidden by a mask) stay so.
    """
    if isinstance(image, np.ma.MaskedArray):
        image = np.ma.filled(image.astype(np.float64), np.nan)
    array = np.asarray(image)
    if array.ndim not in (2, 3) or not array.size:
        raise MmgraphError(
            f"a picture is drawn of (height, width) or (height, width, bands), not {array.shape}"
        )
    alike = array.ndim == 3 and array.shape[2] in (3, 4)
    if array.ndim == 3:
        bands = array.shape[2]
        # Of a whole spectrum, the long waves are red.
        chosen = (0, 1, 2) if bands <= 4 else (3 * bands // 4, bands // 2, bands // 4)
        array = array[..., 0] if bands < 3 else array[..., chosen]
    array = array.astype(np.float64)
    finite = np.where(np.isfinite(array), array, np.nan)
    if np.isnan(finite).all():
        return np.full(array.shape, np.nan)
    if alike and (scale := _white_of(finite[np.isfinite(finite)])):
        return np.asarray(finite / scale)
    axes = None if alike else (0, 1)
    low, high = np.nanpercentile(finite, _STRETCH, axis=axes)
    stretched = (array - low) / np.where(high > low, high - low, 1.0)
    return np.asarray(np.clip(stretched, 0.0, 1.0))


def _white_of(values: Float[np.ndarray, " values"]) -> float | None:
    """What stands for white in bytes, or in floats from 0 to 1; None where it is neither."""
    if values.min() < 0 or values.max() > 255:
        return None
    if values.max() <= 1:
        return 1.0
    bright = np.percentile(values, _STRETCH[1]) >= _DARK
    return 255.0 if bright and (values == np.floor(values)).all() else None


def blended(
    picture: Float[np.ndarray, "height width *colours"],
    paint: Float[np.ndarray, "height width 3"],
    painted: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "height width 3"]:
    """Return a picture that shines through a layer of colours; white where it is missing."""
    below = np.repeat(picture[..., None], 3, -1) if picture.ndim == 2 else picture
    below = np.where(np.isfinite(below), below, 1.0)
    mixed = _OPACITY * paint + (1 - _OPACITY) * below
    return np.where(painted[..., None], mixed, below)


def with_strokes(
    picture: Float[np.ndarray, "height width 3"],
    strokes: Int[np.ndarray, "height width"],
    colours: Sequence[tuple[float, ...]],
) -> Float[np.ndarray, "height width 3"]:
    """Return a picture with labelled pixels drawn on top in the colours of their classes."""
    drawn = strokes >= 0
    result = picture.copy()
    result[drawn] = np.array(colours)[strokes[drawn]]
    return result
