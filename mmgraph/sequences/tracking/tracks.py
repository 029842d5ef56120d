"""Tracks: who is where in each frame, and how probably there is anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

COLUMNS = ("ids", "frames", "boxes", "existence", "detections")
"""The arrays of tracks."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """Boxes with identities, sorted by frame and identity.

    Attributes
    ----------
    ids : (rows,) array of int
        Positive; one is never used for two tracks.
    frames : (rows,) array of int
    boxes : (rows, 4) array
        Left, top, width and height, in pixels.
    existence : (rows,) array
        The probability that the track is there, as far as the tracker can tell.
    detections : (rows,) array of int
        The row of the detection that the box stems from, -1 where it is inferred from others.
    cost, bound : float or None
        Of an association over a window: the cost (the negative log-probability but for a constant)
        of what was found, and a certified lower bound on the cost of any association.
    """

    ids: Int64[np.ndarray, " rows"]
    frames: Int64[np.ndarray, " rows"]
    boxes: Float64[np.ndarray, "rows 4"]
    existence: Float64[np.ndarray, " rows"]
    detections: Int64[np.ndarray, " rows"]
    cost: float | None = None
    bound: float | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Tracks({len(np.unique(self.ids))} tracks, {len(self)} boxes)"

    @classmethod
    def joined(cls, parts: Sequence[Tracks]) -> Tracks:
        """Return tracks of several frames or people together, sorted."""
        none = np.zeros(0, np.int64)
        parts = [cls(none, none, np.zeros((0, 4)), np.zeros(0), none), *parts]
        columns: list[Any] = [
            np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS
        ]
        order = np.lexsort((columns[0], columns[1]))
        return cls(*(column[order] for column in columns))

    def of_rows(self, rows: Int64[np.ndarray, " boxes"]) -> Tracks:
        """Return the same tracks, with ``detections`` as places in another array of rows."""
        there = self.detections >= 0
        source = self.detections.copy()
        source[there] = rows[source[there]]
        return replace(self, detections=source)

    @property
    def gap(self) -> float | None:
        """How much cheaper another association could be at most; 0 where this is the best."""
        return None if self.cost is None or self.bound is None else self.cost - self.bound
