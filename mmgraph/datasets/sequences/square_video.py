"""A video of people who cross a square, seen from above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mmgraph.datasets.entries import read_member
from mmgraph.datasets.readers.unpacked import unpacked
from mmgraph.sequences.tracking.video import video_frames

_FILE = "vtest.avi"


@dataclass(frozen=True)
class SquareVideo:
    """795 frames of 768 x 576 pixels, 10 a second. Where people are, nobody has noted.

    Attributes
    ----------
    path : Path
        The AVI file in the cache.
    """

    path: Path

    def frames(self) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        """Yield red, green and blue of each frame; see :func:`video_frames`."""
        return (picture for _, picture in video_frames(self.path))


def load() -> SquareVideo:
    """Unpack the video if need be."""
    return SquareVideo(unpacked("square_video", _unpack) / _FILE)


def _unpack(folder: Path) -> None:
    (folder / _FILE).write_bytes(read_member("square_video", _FILE))
