"""What an image file holds: values, and which of them are hidden."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from mmgraph.graph.errors import FormatError, MissingExtraError, suggestion

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".npz", ".nii", ".nii.gz")
"""The endings of files that hold images."""

PathLike = str | os.PathLike[str]
Image = Float[np.ndarray, "*shape bands"]


@dataclass(frozen=True, eq=False)
class Raster:
    """What an image file holds: values as they are stored, without an alpha band.

    The last axis may be bands (colours, channels, moments) rather than places. What the file says
    to be missing is hidden: ``(*places)`` or ``(*places, bands)``.
    """

    values: np.ndarray
    has_bands: bool
    hidden: Bool[np.ndarray, "..."] | None = None

    @property
    def places(self) -> tuple[int, ...]:
        """The size without bands."""
        return self.values.shape[: self.values.ndim - self.has_bands]

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

    :func:`~mmgraph.spatial.images.sidecars.with_sidecars` decides that, from what is transparent
    (by alpha or a transparent colour), masked in the file, and its number for no data; these arrays
    have the shape of ``values``, or lack its last axis, of bands. Where colours are meant, the
    values are indices of the palette.
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


@contextmanager
def decoding(path: PathLike, kind: str) -> Iterator[None]:
    """Turn any error of a library, of which damaged files cause many kinds, into a FormatError."""
    try:
        yield
    except (FormatError, MissingExtraError):
        raise
    except Exception as error:
        raise FormatError(f"{path} is no readable {kind} ({error})") from None


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
