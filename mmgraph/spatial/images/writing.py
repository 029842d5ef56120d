"""Maps written to files, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from mmgraph.graph.arrays import as_array, refuse_mask
from mmgraph.graph.errors import FormatError
from mmgraph.graph.storage.whole_files import write_bytes
from mmgraph.spatial.images.georeference import Georeference
from mmgraph.spatial.images.nifti import nifti_bytes
from mmgraph.spatial.images.png_and_jpeg import pillow
from mmgraph.spatial.images.raster import PathLike, image_suffix
from mmgraph.spatial.images.reading import read_georeference
from mmgraph.spatial.images.tiff import tiff_bytes


def write_array(
    path: PathLike,
    array: object,
    *,
    bands: bool = False,
    like: PathLike | Georeference | None = None,
) -> None:
    """Write a map of one or several numbers a pixel, whole or not at all.

    Parameters
    ----------
    path : path
        The ending says the format. PNG takes one whole number from 0 to 65,535 a pixel; NIfTI and
        TIFF hold real numbers in single precision (in double where one is too large for that), and
        NaN for no data. JPEG is not written, since it does not keep numbers, nor ``.npz``.
    array : array-like, shape (*places) or (*places, bands)
        Places are (height, width) or (depth, height, width); a PNG file takes no volume, and a
        ``.npy`` file any shape. What a mask hides is written as NaN; of whole numbers and truth
        values, which have none, nothing may be hidden.
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
        If the format cannot hold the array, a mask hides whole numbers, the sizes differ, or the
        place cannot be written.
    MissingExtraError
        If the package that writes this kind of file is not installed.
    """
    suffix = image_suffix(path)
    numbers = _read_map(path, array, bands)
    size = numbers.shape[:-1] if bands else numbers.shape
    if like is not None and not isinstance(like, Georeference):
        like = read_georeference(like, len(size))
    if like is not None:
        like.check_size(path, size)
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.lib.format.write_array(buffer, numbers, allow_pickle=False)
    elif suffix == ".png":
        pillow().fromarray(_png_numbers(path, numbers)).save(buffer, format="PNG")
    elif suffix.startswith(".nii"):
        buffer.write(nifti_bytes(_compact(path, numbers), bands, like))
    elif suffix.startswith(".tif"):
        buffer.write(tiff_bytes(_compact(path, numbers), bands, like))
    else:
        raise FormatError(
            f"{path}: maps are not written as {suffix}; use .npy, .png, .tif or .nii.gz"
        )
    write_bytes(path, buffer.getvalue())


def write_labels(
    path: PathLike,
    labels: object,
    colours: Sequence[str] | None = None,
    *,
    like: PathLike | Georeference | None = None,
) -> None:
    """Write a map of labels, whole or not at all.

    Parameters
    ----------
    path, like
        As for :func:`write_array`.
    labels : array-like of int, shape (height, width) or (depth, height, width)
        Not negative, and none hidden by a mask.
    colours : sequence of str, optional
        ``#RRGGBB`` for each number from 0 on: a PNG file of up to 256 labels gets them as its
        palette, so that it shows colours and holds numbers.

    Errors are those of :func:`write_array`.
    """
    suffix = image_suffix(path)
    refuse_mask(as_array(labels, str(path), FormatError), str(path), FormatError)
    numbers = _read_map(path, labels, False)
    if suffix != ".png" or colours is None or numbers.max() > 255:
        write_array(path, numbers, like=like)
        return
    image = pillow().fromarray(_png_numbers(path, numbers).astype(np.uint8))
    image.putpalette(b"".join(bytes.fromhex(colour[1:]) for colour in colours[:256]))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def _read_map(path: PathLike, values: object, bands: bool) -> np.ndarray:
    """Return real numbers, NaN where a mask hides floats, of axes that the format may hold."""
    array = as_array(values, str(path), FormatError)
    if array.dtype.kind not in "biuf":
        raise FormatError(f"{path}: {array.dtype} cannot be written; real numbers can")
    in_numpy = image_suffix(path) == ".npy"  # which holds any axes, and does not say what they are
    if not in_numpy and (array.ndim - bands not in (2, 3) or not array.size):
        more = ", and a last axis of bands" if bands else ""
        raise FormatError(
            f"{path}: an array of shape {array.shape}; (height, width) or (depth, height, width) "
            f"was expected{more}"
        )
    if array.dtype.kind == "f":
        return np.asarray(np.ma.filled(array, np.nan))
    refuse_mask(array, str(path), FormatError)
    numbers = np.ma.getdata(array)
    return np.asarray(numbers.astype(np.uint8) if numbers.dtype.kind == "b" else numbers)


def _png_numbers(path: PathLike, array: np.ndarray) -> np.ndarray:
    whole = array.dtype.kind in "iu"
    if array.ndim != 2 or not whole or array.min() < 0 or array.max() > 65535:
        raise FormatError(
            f"{path}: a PNG file holds (height, width) whole numbers from 0 to 65,535, "
            f"not {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.uint8 if array.max() < 256 else np.uint16)


def _compact(path: PathLike, array: np.ndarray) -> np.ndarray:
    """Real numbers in single precision if it holds them, whole ones in the bits they need."""
    if array.dtype.kind == "f":
        return _finite(path, array)
    low, high = int(array.min()), int(array.max())
    for kind in (np.uint8, np.int16, np.uint16, np.int32, np.int64):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    raise FormatError(f"{path}: the number {high} is too large to be written")


def _finite(path: PathLike, array: np.ndarray) -> np.ndarray:
    """Return floats in single precision, or in double where one would become infinite."""
    for kind in (np.float32, np.float64):
        with np.errstate(over="ignore"):
            compact = array.astype(kind)
        if not (np.isinf(compact) & np.isfinite(array)).any():
            return compact
    raise FormatError(f"{path}: a number is too large to be written in double precision")
