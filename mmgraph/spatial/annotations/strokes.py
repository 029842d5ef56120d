"""Labelled pixels that hang together: strokes of a brush, patches, or single pixels."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Bool, Int64
from scipy import ndimage

_BEYOND_CHANCE = 0.15
"""A line one pixel wide has a quarter of its pixels' neighbours, pixels at random as many as the
share of the image that is labelled."""


def pieces(
    places: Int64[np.ndarray, "pixels axes"], codes: Int64[np.ndarray, " pixels"]
) -> Int64[np.ndarray, " pixels"]:
    """Return the number of the connected piece that each labelled pixel belongs to.

    Pixels of one class that touch, be it at a corner, are one piece.
    """
    number = np.zeros(len(codes), np.int64)
    count = 0
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        corner = places[members].min(0)
        mask = np.zeros(places[members].max(0) - corner + 1, bool)
        at = tuple((places[members] - corner).T)
        mask[at] = True
        labelled, parts = ndimage.label(mask, np.ones((3,) * mask.ndim))
        number[members] = labelled[at] - 1 + count
        count += parts
    return number


def are_strokes(labelled: Bool[np.ndarray, "*shape"]) -> bool:
    """Return whether labels were drawn, rather than asked for at places taken at random.

    A labelled pixel's neighbours are then labelled far more often than any pixel is.
    """
    if not labelled.any():
        return False
    most = labelled.mean() + _BEYOND_CHANCE
    planes = itertools.combinations(range(labelled.ndim), 2)  # a volume is drawn on slice by slice
    return any(_labelled_neighbours(labelled, plane) > most for plane in planes)


def _labelled_neighbours(labelled: Bool[np.ndarray, "*shape"], plane: tuple[int, ...]) -> float:
    """Return the share of labelled pixels among the neighbours of labelled pixels in a plane."""
    around = np.ones([3 if axis in plane else 1 for axis in range(labelled.ndim)])
    around[tuple(size // 2 for size in around.shape)] = 0.0
    both = ndimage.convolve(labelled.astype(np.float64), around, mode="constant")[labelled]
    everyone = ndimage.convolve(np.ones(labelled.shape), around, mode="constant")[labelled]
    return float(both.sum() / max(everyone.sum(), 1.0))
