"""Where the pixels of an image lie: their size, and the place in the world that the file gives."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.raster import size_text

GEOTIFF_TAGS = {
    "scale": 33550,
    "tie points": 33922,
    "matrix": 34264,
    "keys": 34735,
    "numbers": 34736,
    "texts": 34737,
    "rational polynomials": 50844,
}
"""The tags that georeference a TIFF file (OGC GeoTIFF 1.1, section 7; the last by GDAL)."""

_MODEL_TYPE, _GEOGRAPHIC, _ANGULAR_UNIT, _DEGREE = 1024, 2, 2054, 9102
"""Keys and values that say that coordinates are degrees (annex B of the same standard)."""

Tag = tuple[int, int, int, Any]
"""Code, type and count of a TIFF tag, and its value."""


@dataclass(frozen=True)
class Georeference:
    """Where the pixels of a file lie, to be carried to what is written of them.

    Attributes
    ----------
    size : tuple of int
        Of the image or volume, as it is read.
    spacing : tuple of float or None
        The distance of neighbours along each axis, in the unit of the file; ``None`` where the
        file does not say it. Of pixels in degrees it is that in the middle of the image, in
        degrees of latitude: a degree of longitude is shorter by the latitude's cosine.
    matrix : tuple of tuple of float, or None
        4 x 4: makes coordinates of the numbers of column, row and slice (and one); ``None`` where
        the file does not say it.
    tags : tuple
        Of a TIFF file: the tags that say it, as code, type, count and value.
    header : mapping of str to value, or None
        Of a NIfTI file: the fields of its header that say it.
    slice_axis : int or None
        Of a NIfTI file read as an image: which of slices, rows and columns it has one of.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...] | None
    matrix: tuple[tuple[float, ...], ...] | None = None
    tags: tuple[Tag, ...] = ()
    header: dict[str, Any] | None = None
    slice_axis: int | None = None

    def check_size(self, path: object, size: tuple[int, ...]) -> None:
        """Raise FormatError unless a map to be written has this size."""
        if size != self.size:
            raise FormatError(
                f"{path}: a map of {size_text(size)} pixels cannot lie where an image of "
                f"{size_text(self.size)} does"
            )

    def lies_apart(self, other: Georeference) -> bool:
        """Whether a corner lies farther than half a pixel from where the other file has it.

        Files of different formats, or that do not say it, cannot be compared.
        """
        if self.matrix is None or other.matrix is None or self.spacing is None:
            return False
        if (self.header is None) != (other.header is None):
            return False
        lengths = list(self.size)
        if len(lengths) == 2:
            lengths.insert(self.slice_axis or 0, 1)
        ends = [(0, length - 1) for length in reversed(lengths)]
        corners = np.array([(*corner, 1) for corner in itertools.product(*ends)])
        apart = corners @ (np.array(self.matrix) - np.array(other.matrix)).T
        return bool((np.linalg.norm(apart, axis=1) > min(self.spacing) / 2).any())


def geotiff_georeference(tags: tuple[Tag, ...], size: tuple[int, ...]) -> Georeference:
    """Return what the tags of a TIFF file say of an image of a size."""
    values = {code: value for code, _, _, value in tags}
    matrix = _model_matrix(values)
    if matrix is None:
        return Georeference(size, None, tags=tags)
    steps = matrix[:3, :3]
    latitude = float((matrix @ (size[-1] / 2, size[-2] / 2, 0, 1))[1])
    if abs(latitude) < 90 and _in_degrees(values.get(GEOTIFF_TAGS["keys"], ())):
        steps = steps * [[math.cos(math.radians(latitude))], [1], [1]]
    spacing = checked_spacing(np.linalg.norm(steps, axis=0)[: len(size)][::-1])
    return Georeference(size, spacing, as_tuples(matrix), tags)


def as_tuples(matrix: Float[np.ndarray, "rows columns"]) -> tuple[tuple[float, ...], ...]:
    """Return a matrix as the tuple of its rows."""
    return tuple(tuple(row) for row in matrix.tolist())


def _model_matrix(values: Mapping[int, Any]) -> Float[np.ndarray, "4 4"] | None:
    """Return what makes coordinates of columns, rows and slices (GeoTIFF 1.1, section 7.3)."""
    matrix = values.get(GEOTIFF_TAGS["matrix"], ())
    if len(matrix) == 16:
        return np.reshape(matrix, (4, 4))
    scale = values.get(GEOTIFF_TAGS["scale"], ())
    tie = values.get(GEOTIFF_TAGS["tie points"], ())
    if len(scale) != 3 or len(tie) < 6:
        return None
    made = np.diag([scale[0], -scale[1], scale[2], 1.0])
    made[:3, 3] = np.array(tie[3:6]) - made[:3, :3] @ tie[:3]
    return made


def checked_spacing(steps: Iterable[float]) -> tuple[float, ...] | None:
    """Return distances as a tuple, or ``None`` where they are no positive numbers."""
    numbers = tuple(float(step) for step in steps)
    return numbers if all(0 < number < math.inf for number in numbers) else None


def _in_degrees(keys: tuple[int, ...]) -> bool:
    """Whether the coordinates are geographic; a key has an identifier, where, how many, a value."""
    entries = {keys[i]: keys[i + 3] for i in range(4, len(keys) - 3, 4) if keys[i + 1] == 0}
    return (
        entries.get(_MODEL_TYPE) == _GEOGRAPHIC and entries.get(_ANGULAR_UNIT, _DEGREE) == _DEGREE
    )
