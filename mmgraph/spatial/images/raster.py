"""What an image file holds: values, and which of them are hidden."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

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

    def hiding(self, more: Bool[np.ndarray, "..."] | None) -> Raster:
        """Return the same with further values hidden."""
        return Raster(self.values, self.has_bands, united(self.hidden, more))

    def array(self) -> np.ndarray:
        """Return the values with NaN where they are hidden; unchanged where none is."""
        if self.hidden is None or not self.hidden.any():
            return self.values
        hidden = self.hidden
        if self.has_bands and hidden.ndim < self.values.ndim:
            hidden = hidden[..., None]
        return np.where(hidden, np.nan, self.values)


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
