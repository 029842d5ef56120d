"""How alike neighbours look: the contrast term of random fields over images.

References
----------
Boykov and Jolly, "Interactive graph cuts" (ICCV 2001), section 2.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mmgraph.graph.factors.grid import Offset, offset_slices


class Contrast(NamedTuple):
    """The likeness of the ends of edges, one where they look alike and NaN where one is not known.

    Beside it the mean of the squared differences that are known, zero if none is, and their number.
    """

    likeness: Float[np.ndarray, "*edges"]
    mean_square: float
    known: int


def edge_contrast(squares: Float[np.ndarray, "*edges"], scale: float | None = None) -> Contrast:
    """Return ``exp(-square / (2 scale²))`` of each edge; squares are NaN where an end is not known.

    The scale is the difference that counts as one edge of the image; by default ``scale²`` is the
    mean of the squares that are known.
    """
    known = ~np.isnan(squares)
    count = int(known.sum())
    mean = float(squares[known].mean()) if count else 0.0
    variance = mean if scale is None else scale**2
    if variance > 0:
        return Contrast(np.exp(-squares / (2 * variance)), mean, count)
    return Contrast(np.where(known, squares == 0, np.nan), mean, count)


def differences(
    image: Float[np.ndarray, "*shape bands"],
    offsets: Sequence[Offset],
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Float[np.ndarray, "offsets *shape"]:
    """Return a distance of the two ends of every edge of a grid, NaN where one lies outside.

    It takes the bands of the first and of the second ends.
    """
    shape = image.shape[:-1]
    result = np.full((len(offsets), *shape), np.nan, image.dtype)
    for number, offset in enumerate(offsets):
        starts, stops = offset_slices(shape, offset)
        result[number][starts] = distance(image[starts], image[stops])
    return result
