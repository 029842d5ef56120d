"""How fast everybody moves: frame rates differ, and nobody need say them."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

_PRIOR, _LASTING = 40.0, 0.99
"""Velocities that the usual pace counts for, and how much of the past each frame leaves."""
_SLOWEST, _FASTEST = 0.4, 4.0


class Pace:
    """Learns the standard deviation of velocities as a multiple of what is usual."""

    def __init__(self) -> None:
        self._squares = self._count = _PRIOR

    @property
    def value(self) -> float:
        """The multiple."""
        return min(max(math.sqrt(self._squares / self._count), _SLOWEST), _FASTEST)

    def learn(self, paces: Float64[np.ndarray, "tracks 2"]) -> None:
        """Take in velocities of a frame, as multiples of the usual standard deviation."""
        squares = np.minimum(paces**2, _FASTEST**2)  # of one who is mistaken for another
        self._squares = _LASTING * self._squares + float(squares.sum())
        self._count = _LASTING * self._count + paces.size
