"""Images and volumes read from files, whatever their format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mmgraph.formats.files import read_bytes
from mmgraph.graph.errors import FormatError
from mmgraph.spatial.arrays import reversal_hint
from mmgraph.spatial.images.georeference import Georeference
from mmgraph.spatial.images.nifti import read_nifti, read_nifti_georeference
from mmgraph.spatial.images.numpy_files import read_numpy
from mmgraph.spatial.images.png_and_jpeg import read_png_or_jpeg
from mmgraph.spatial.images.raster import Image, PathLike, Raster, image_suffix, size_text
from mmgraph.spatial.images.sidecars import with_sidecars
from mmgraph.spatial.images.tiff import read_tiff, read_tiff_georeference

_READERS = {".npy": read_numpy, ".npz": read_numpy, ".nii": read_nifti}
"""By the first letters of an ending: formats in which nothing beside the file hides a value."""

_PLACES: dict[str, Callable[[PathLike, bytes, int], Georeference | None]]
_PLACES = {".nii": read_nifti_georeference, ".tif": read_tiff_georeference}


def read_image(path: PathLike, dimensions: int = 2) -> Image:
    """Return the channels of an image or a volume.

    Parameters
    ----------
    path : path
        Its ending is one of :data:`~mmgraph.spatial.images.raster.SUFFIXES`; a ``.npz`` file holds
        one array.
    dimensions : {2, 3}
        Two read an image and three a volume: they say whether the pages of a TIFF file, or the
        last axis of an array of three axes, are bands or places, and whether a NIfTI file of one
        slice is an image (whichever of its axes has length one) or a volume.

    Returns
    -------
    ndarray of float64, shape (height, width, bands) or (depth, height, width, bands)
        NaN where a value is missing: where the file says NaN, infinity or its own number for no
        data, or is wholly transparent (by an alpha band, which is none of the bands, or a
        transparent colour), and outside its mask, in the file or beside it (``NAME.msk``). A
        palette is read as its colours.

    Raises
    ------
    FormatError
        If the file is missing, damaged, of another kind, or has another number of axes.
    MissingExtraError
        If the package that reads this kind of file is not installed.
    """
    raster = read_raster(path, dimensions)
    array = raster.array()
    if array.ndim == dimensions and not raster.has_bands:
        array = array[..., None]
    if array.ndim != dimensions + 1 or not array.size:
        expected = "(height, width)" if dimensions == 2 else "(depth, height, width)"
        raise FormatError(
            f"{path}: an array of shape {array.shape}; {expected} was expected, with or without "
            "a last axis of bands"
        )
    image = array.astype(np.float64)
    image[~np.isfinite(image)] = np.nan
    return image


def read_sensors(paths: Mapping[str, PathLike], dimensions: int = 2) -> dict[str, Image]:
    """Return the channels of several sensors that see the same places.

    Raises
    ------
    FormatError
        As for :func:`read_image`; and if the sizes differ, with the files and their sizes.
    """
    sensors = {name: read_image(path, dimensions) for name, path in paths.items()}
    check_sizes({str(paths[name]): image.shape[:-1] for name, image in sensors.items()})
    return sensors


def check_sizes(sizes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise FormatError unless all files have the same size."""
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size_text(shape)}" for name, shape in sizes.items())
        raise FormatError(f"the images differ in size: {listed}{reversal_hint(sizes)}")


def read_array(path: PathLike, dimensions: int | None = None, *, indices: bool = False) -> Any:
    """Return what a file holds: numbers as they are stored, and NaN where they are hidden.

    The array, of shape ``(*places)`` or ``(*places, bands)``, is contiguous and in the order of
    bytes of the machine. Parameters and errors are those of :func:`read_raster`.
    """
    return np.ascontiguousarray(read_raster(path, dimensions, indices=indices).array())


def read_raster(path: PathLike, dimensions: int | None = None, *, indices: bool = False) -> Raster:
    """Return what a file holds, whether its last axis is bands, and which values are hidden.

    Parameters
    ----------
    path, dimensions
        As for :func:`read_image`; without ``dimensions`` pages are slices of a volume, and a NIfTI
        file of one slice is an image.
    indices : bool, default False
        Whether labels are meant: indices are read rather than the colours of a palette, and JPEG,
        which does not keep them, is refused. Errors are those of :func:`read_image`.
    """
    kind, content = image_suffix(path)[:4], read_bytes(path)
    if kind in _READERS:
        raster = _READERS[kind](path, content, dimensions)
    elif kind == ".tif":
        raster = with_sidecars(path, read_tiff(path, content, dimensions, indices))
    else:
        raster = with_sidecars(path, read_png_or_jpeg(path, content, indices))
    return replace(raster, values=_native(path, raster.values))


def _native(path: PathLike, values: np.ndarray) -> np.ndarray:
    """Return real numbers in the order of bytes of the machine, of at most double precision."""
    if values.dtype.kind not in "biuf":
        raise FormatError(f"{path} holds {values.dtype}, and not real numbers")
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # beyond double precision is infinite, as if missing
            return values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def read_georeference(path: PathLike, dimensions: int = 2) -> Georeference | None:
    """Return where the pixels of a GeoTIFF or NIfTI file lie, and how far apart they are.

    It is ``None`` for other formats, and where a TIFF file does not say it. Parameters and errors
    are those of :func:`read_image`.
    """
    read = _PLACES.get(image_suffix(path)[:4])
    return None if read is None else read(path, read_bytes(path), dimensions)
