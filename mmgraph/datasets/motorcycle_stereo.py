"""A rectified stereo pair with its true disparity."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmgraph.datasets.entries import read_member
from mmgraph.graph.errors import needs


@dataclass(frozen=True, eq=False)
class MotorcycleStereo:
    """The motorcycle scene.

    Attributes
    ----------
    left, right : array of uint8, shape (500, 741, 3)
        Red, green and blue of the two cameras.
    disparity : array of float32, shape (500, 741)
        Pixels by which a point of the left image lies further left in the right one; infinite where
        it is not known.
    """

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    disparity: NDArray[np.float32]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Pixels whose disparity is known, shape (500, 741)."""
        return np.isfinite(self.disparity)


def load() -> MotorcycleStereo:
    """Load the motorcycle scene."""
    archive = io.BytesIO(read_member("motorcycle_stereo", "motorcycle_disp.npz"))
    with np.load(archive, allow_pickle=False) as arrays:
        disparity = arrays["arr_0"]
    return MotorcycleStereo(
        _image("motorcycle_left.png"), _image("motorcycle_right.png"), disparity
    )


def _image(member: str) -> NDArray[np.uint8]:
    with needs("plots", "pillow", "reading the stereo images"):
        from PIL import Image
    with Image.open(io.BytesIO(read_member("motorcycle_stereo", member))) as image:
        return np.asarray(image.convert("RGB"))
