"""A video of people who cross a square, seen from above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mmgraph.datasets.entries import read_member
from mmgraph.datasets.readers.unpacked import unpacked
from mmgraph.graph.errors import needs

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
        """Yield red, green and blue of each frame.

        Raises
        ------
        MissingExtraError
            If PyAV is not installed.
        """
        with needs("tracking", "av", "reading videos"):
            import av
        with av.open(self.path) as video:
            for frame in video.decode(video=0):
                yield frame.to_ndarray(format="rgb24")


def load() -> SquareVideo:
    """Unpack the video if need be."""
    return SquareVideo(unpacked("square_video", _unpack) / _FILE)


def _unpack(folder: Path) -> None:
    (folder / _FILE).write_bytes(read_member("square_video", _FILE))
