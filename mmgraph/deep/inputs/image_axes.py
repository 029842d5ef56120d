"""Which axis of an image holds its channels."""

from __future__ import annotations

from collections.abc import Sequence

MOST_COLOURS = 4


def has_channels_first(shape: Sequence[int]) -> bool:
    """Return whether the first of three axes is that of channels, rather than the last.

    An axis with at most 4 places is (grey, RGB, with transparency), if the other one has more.
    Otherwise it is the one that differs most from the axis in the middle, as images are about as
    high as wide; the last one where both differ alike.
    """
    if len(shape) != 3:
        return False
    first, middle, last = shape
    if (first <= MOST_COLOURS) != (last <= MOST_COLOURS):
        return first <= MOST_COLOURS
    return abs(first - middle) > abs(last - middle)
