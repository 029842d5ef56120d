"""What an image file holds: values, and which of them are hidden."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from mmgraph.graph.errors import FormatError, suggestion

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".npz", ".nii", ".nii.gz")
"""The endings of files that hold images."""

PathLike = str | os.PathLike[str]
Image = Float[np.ndarray, "*shape bands"]


@dataclass(frozen=True, eq=False)
class Raster:
    """What an image file holds.

    Attributes
    ----------
    values : ndarray, shape (*places) or (*places, bands)
        As they are stored, without an alpha band.
    has_bands : bool
        Whether the last axis is bands (colours, channels, moments) rather than places.
    hidden : ndarray of bool, shape (*places) or (*places, bands), optional
        What the file says to be missing: by its number for no data, an alpha of zero, a mask or a
        transparent colour.
    """

    values: np.ndarray
    has_bands: bool
    hidden: Bool[np.ndarray, "..."] | None = None

    @property
    def places(self) -> tuple[int, ...]:
        """The size without bands."""
        return self.values.shape[:-1] if self.has_bands else self.values.shape

    def array(self) -> np.ndarray:
        """Return the values with NaN where they are hidden; unchanged where none is."""
        if self.hidden is None or not self.hidden.any():
            return self.values
        hidden = self.hidden
        if self.has_bands and hidden.ndim < self.values.ndim:
            hidden = hidden[..., None]
        return np.where(hidden, np.nan, self.values)


@dataclass(frozen=True, eq=False)
class StoredRaster:
    """What an image file holds before it is decided which values are hidden.

    :func:`~mmgraph.spatial.images.sidecars.with_sidecars` decides that, from the whole of what the
    file and those beside it say. Arrays of hidden values have the shape of ``values``, or lack its
    last axis, of bands.

    Attributes
    ----------
    values : ndarray, shape (*places) or (*places, bands)
        As they are stored, without an alpha band; the indices of a palette.
    has_bands : bool
        Whether the last axis is bands.
    transparent : ndarray of bool, optional
        Where alpha is zero, or the colour is the transparent one.
    masked : ndarray of bool, optional
        What the mask in the file hides; ``None`` where it has no mask.
    no_data : ndarray of bool, optional
        Where values are the file's number for no data.
    palette : ndarray of uint8, shape (colours, 3), optional
        Red, green and blue of each index, where colours are meant.
    """

    values: np.ndarray
    has_bands: bool
    transparent: Bool[np.ndarray, "..."] | None = None
    masked: Bool[np.ndarray, "..."] | None = None
    no_data: Bool[np.ndarray, "..."] | None = None
    palette: UInt8[np.ndarray, "colours 3"] | None = None

    def hiding(self, hidden: Bool[np.ndarray, "..."] | None) -> Raster:
        """Return the values, or the colours that they stand for, with some of them hidden."""
        if self.palette is None:
            return Raster(self.values, self.has_bands, hidden)
        return Raster(np.asarray(self.palette[self.values.astype(np.int64)]), True, hidden)


def size_text(shape: tuple[int, ...]) -> str:
    """Return a size for messages, such as ``20 x 30``."""
    return " x ".join(map(str, shape))


def image_suffix(path: PathLike) -> str:
    """Return the ending of an image's name, or raise FormatError if it is none that is known."""
    name = os.fspath(path).lower()
    suffix = ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix
    if suffix not in SUFFIXES:
        raise FormatError(
            f"{path}: expected a name that ends in {', '.join(SUFFIXES)}, found '{suffix}'"
            f"{suggestion(suffix, SUFFIXES)}"
        )
    return suffix


def united(
    some: Bool[np.ndarray, "..."] | None, others: Bool[np.ndarray, "..."] | None
) -> Bool[np.ndarray, "..."] | None:
    """Return what either hides; one may lack the other's last axis, of bands."""
    if some is None or others is None:
        return others if some is None else some
    if some.ndim < others.ndim:
        some = some[..., None]
    elif others.ndim < some.ndim:
        others = others[..., None]
    return np.asarray(some | others)
