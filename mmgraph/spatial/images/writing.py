"""Maps written to files, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from mmgraph.formats.files import write_bytes
from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.georeference import Georeference
from mmgraph.spatial.images.nifti import nifti_bytes
from mmgraph.spatial.images.png_and_jpeg import pillow
from mmgraph.spatial.images.raster import PathLike, image_suffix
from mmgraph.spatial.images.reading import read_georeference
from mmgraph.spatial.images.tiff import tiff_bytes


def write_array(
    path: PathLike,
    array: np.ndarray,
    *,
    bands: bool = False,
    like: PathLike | Georeference | None = None,
) -> None:
    """Write a map of one or several numbers a pixel, whole or not at all.

    Parameters
    ----------
    path : path
        The ending says the format. PNG takes one whole number from 0 to 65,535 a pixel; NIfTI and
        TIFF hold real numbers in single precision, and NaN for no data. JPEG is not written, since
        it does not keep numbers, nor ``.npz``.
    array : ndarray, shape (*places) or (*places, bands)
        Places are (height, width) or (depth, height, width); a PNG file takes no volume.
    bands : bool, default False
        Whether the last axis is bands, such as one probability a class, rather than places.
    like : path or Georeference, optional
        An image of the same size, or what
        :func:`~mmgraph.spatial.images.reading.read_georeference` says of it. A TIFF file gets the
        georeferencing of a GeoTIFF file; a NIfTI file gets the place, orientation and size of the
        voxels of another NIfTI file.

    Raises
    ------
    FormatError
        If the format cannot hold the array, the sizes differ, or the place cannot be written.
    MissingExtraError
        If the package that writes this kind of file is not installed.
    """
    suffix = image_suffix(path)
    if array.dtype.kind not in "biuf":
        raise FormatError(f"{path}: {array.dtype} cannot be written; real numbers can")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    size = array.shape[:-1] if bands else array.shape
    if like is not None and not isinstance(like, Georeference):
        like = read_georeference(like, len(size))
    if like is not None:
        like.check_size(path, size)
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
    elif suffix == ".png":
        pillow().fromarray(_png_numbers(path, array)).save(buffer, format="PNG")
    elif suffix.startswith(".nii"):
        buffer.write(nifti_bytes(_compact(path, array), bands, like))
    elif suffix.startswith(".tif"):
        buffer.write(tiff_bytes(_compact(path, array), bands, like))
    else:
        raise FormatError(
            f"{path}: maps are not written as {suffix}; use .npy, .png, .tif or .nii.gz"
        )
    write_bytes(path, buffer.getvalue())


def write_labels(
    path: PathLike,
    labels: np.ndarray,
    colours: Sequence[str] | None = None,
    *,
    like: PathLike | Georeference | None = None,
) -> None:
    """Write a map of labels, whole or not at all.

    Parameters
    ----------
    path, like
        As for :func:`write_array`.
    labels : ndarray of int, shape (height, width) or (depth, height, width)
        Not negative.
    colours : sequence of str, optional
        ``#RRGGBB`` for each number from 0 on: a PNG file of up to 256 labels gets them as its
        palette, so that it shows colours and holds numbers.

    Raises
    ------
    FormatError, MissingExtraError
        As for :func:`write_array`.
    """
    if image_suffix(path) != ".png" or colours is None or int(labels.max()) > 255:
        write_array(path, labels, like=like)
        return
    numbers = _png_numbers(path, labels).astype(np.uint8)
    image = pillow().fromarray(numbers)
    image.putpalette(b"".join(bytes.fromhex(colour[1:]) for colour in colours[:256]))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def _png_numbers(path: PathLike, array: np.ndarray) -> np.ndarray:
    whole = array.dtype.kind in "iu"
    if array.ndim != 2 or not whole or array.min() < 0 or array.max() > 65535:
        raise FormatError(
            f"{path}: a PNG file holds (height, width) whole numbers from 0 to 65,535, "
            f"not {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.uint8 if array.max() < 256 else np.uint16)


def _compact(path: PathLike, array: np.ndarray) -> np.ndarray:
    """Real numbers in single precision, whole ones in no more bits than they need."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for kind in (np.uint8, np.int16, np.uint16, np.int32, np.int64):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    raise FormatError(f"{path}: the number {high} is too large to be written")
