"""Channels and maps in files: PNG, TIFF, NumPy and NIfTI, read whole and written whole."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mmgraph.formats.files import read_bytes, write_bytes
from mmgraph.graph.errors import FormatError, MissingExtraError, suggestion

SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".nii", ".nii.gz")
"""The endings of files that hold images."""

PathLike = str | os.PathLike[str]
Image = Float[np.ndarray, "*shape bands"]

_NO_DATA = 42113
"""The TIFF tag in which GDAL says which number stands for a missing value."""


def read_image(path: PathLike, dimensions: int = 2) -> Image:
    """Return the channels of an image or a volume.

    Parameters
    ----------
    path : path
        ``.png``, ``.tif``, ``.tiff``, ``.npy``, ``.nii`` or ``.nii.gz``.
    dimensions : {2, 3}
        Two read an image and three a volume: they say whether the pages of a TIFF file, or the
        last axis of an array of three axes, are bands or places.

    Returns
    -------
    ndarray of float64, shape (height, width, bands) or (depth, height, width, bands)
        NaN where a value is missing: where the file says NaN, infinity or its own value for
        missing data, or is wholly transparent.

    Raises
    ------
    FormatError
        If the file is missing, damaged, of another kind, or has another number of axes.
    MissingExtraError
        If the package that reads this kind of file is not installed.
    """
    array = read_array(path, dimensions)
    if array.ndim == dimensions:
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
        listed = ", ".join(f"{name} {_size(shape)}" for name, shape in sizes.items())
        raise FormatError(f"the images differ in size: {listed}")


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def read_array(path: PathLike, dimensions: int | None = None, *, indices: bool = False) -> Any:
    """Return what a file holds, as it is stored.

    Parameters
    ----------
    path, dimensions
        As for :func:`read_image`; without ``dimensions`` pages are slices of a volume.
    indices : bool, default False
        Whether the indices of a PNG file with a palette are meant rather than its colours.

    Raises
    ------
    FormatError, MissingExtraError
        As for :func:`read_image`.
    """
    suffix = image_suffix(path)
    content = read_bytes(path)
    if suffix == ".npy":
        array = _read_numpy(path, content)
    elif suffix == ".png":
        array = _read_pillow(path, content, indices)
    elif suffix.startswith(".nii"):
        array = _read_nifti(path, content)
    else:
        array = _read_tiff(path, content, dimensions, indices)
    if array.dtype.kind not in "biuf":
        raise FormatError(f"{path} holds {array.dtype}, and not real numbers")
    return array


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


def _read_numpy(path: PathLike, content: bytes) -> np.ndarray:
    try:
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as error:
        raise FormatError(f"{path} is no readable NumPy array ({error})") from None


def _pillow() -> Any:
    try:
        from PIL import Image as pillow
    except ImportError:
        raise MissingExtraError("images", "pillow", "reading and writing PNG and TIFF") from None
    return pillow


def _read_pillow(path: PathLike, content: bytes, indices: bool) -> np.ndarray:
    pillow = _pillow()
    if _is_deep_colour(content):
        raise FormatError(
            f"{path} is a PNG file with 16 bits in each of several bands, which would be rounded "
            "to 8; give it as TIFF or .npy, or one grey PNG file for each band"
        )
    try:
        with warnings.catch_warnings(), pillow.open(io.BytesIO(content)) as image:
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)
            if image.mode == "P" and not indices:
                image = image.convert("RGBA" if "transparency" in image.info else "RGB")
            mode, array = image.mode, np.array(image)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise FormatError(f"{path} is no readable image ({error})") from None
    if mode in ("LA", "RGBA"):  # the last band says what can be seen
        hidden = array[..., -1] == 0
        array = array[..., :-1]
        if hidden.any():
            array = np.where(hidden[..., None], np.nan, array)
        array = array[..., 0] if mode == "LA" else array
    return array


def _is_deep_colour(content: bytes) -> bool:
    """Whether a PNG file has bands of 16 bits other than one of grey, which Pillow rounds.

    The header, which comes first, holds the depth and the type of colour in these two bytes (PNG
    specification, section 11.2.1).
    """
    is_png = content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR"
    return is_png and len(content) > 25 and content[24] == 16 and content[25] != 0


def _read_tiff(path: PathLike, content: bytes, dimensions: int | None, indices: bool) -> np.ndarray:
    try:
        import tifffile
    except ImportError:
        return _read_simple_tiff(path, content, indices)
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            series, page = file.series[0], file.pages[0]
            array, axes = series.asarray(), series.axes
            tag = page.tags.get(_NO_DATA)  # type: ignore[union-attr]
    except Exception as error:  # damaged files end in errors of many kinds
        if "imagecodecs" in str(error):  # a compression that it does not know alone
            return _read_simple_tiff(path, content, indices)
        raise FormatError(f"{path} is no readable TIFF file ({error})") from None
    bands = [i for i, axis in enumerate(axes) if axis in "SC"]
    if not bands and dimensions is not None and array.ndim == dimensions + 1:
        bands = [0]  # one page a band
    if len(bands) == 1:
        array = np.moveaxis(array, bands[0], -1)
    if tag is not None:
        array = _without(array, tag.value)
    return np.asarray(array)


def _read_simple_tiff(path: PathLike, content: bytes, indices: bool) -> np.ndarray:
    """Read by Pillow what it does not round: one page, and one band or eight bits."""
    pillow = _pillow()
    try:
        with pillow.open(io.BytesIO(content)) as image:
            bits, pages = image.tag_v2.get(258, (1,)), image.n_frames
    except (OSError, ValueError, SyntaxError, AttributeError):
        bits, pages = (), 0
    if pages != 1 or (len(bits) > 1 and set(bits) != {8}):
        raise MissingExtraError(
            "images", "tifffile and imagecodecs", f"{path}: reading this kind of TIFF file"
        )
    return _read_pillow(path, content, indices)


def _without(array: np.ndarray, missing: object) -> np.ndarray:
    """Put NaN where a file has its number for missing values."""
    try:
        number = float(str(missing).strip().strip("\x00"))
    except ValueError:
        return array
    hidden = array == number
    return np.where(hidden, np.nan, array) if hidden.any() else array


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError:
        raise MissingExtraError("images", "nibabel", "reading and writing NIfTI") from None
    return nibabel


def _load_nifti(path: PathLike, content: bytes) -> Any:
    nibabel = _nibabel()
    try:
        # The first four bytes hold the size of the header, which tells the versions apart.
        second = content[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
        kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
        return kind.from_bytes(content)
    except Exception as error:  # damaged files end in errors of many kinds
        raise FormatError(f"{path} is no readable NIfTI file ({error})") from None


def _read_nifti(path: PathLike, content: bytes) -> np.ndarray:
    """Return slices, rows and columns: the file's axes k, j and i; one slice is an image."""
    image = _load_nifti(path, content)
    try:
        array = np.asanyarray(image.dataobj)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path} is no readable NIfTI file ({error})") from None
    places = min(array.ndim, 3)
    array = array.transpose(*range(places)[::-1], *range(places, array.ndim))
    return array[0] if places == 3 and array.shape[0] == 1 else array


def write_array(path: PathLike, array: np.ndarray, *, like: PathLike | None = None) -> None:
    """Write a map of one number a pixel, whole or not at all.

    Parameters
    ----------
    path : path
        The ending says the format. PNG takes whole numbers from 0 to 65,535; NIfTI and TIFF hold
        real numbers in single precision.
    array : ndarray, shape (height, width) or (depth, height, width)
        A PNG file takes no volume.
    like : path, optional
        A NIfTI file whose orientation a new NIfTI file takes over.

    Raises
    ------
    FormatError
        If the format cannot hold the array, or the place cannot be written.
    MissingExtraError
        If the package that writes this kind of file is not installed.
    """
    suffix = image_suffix(path)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
    elif suffix == ".png":
        _pillow().fromarray(_png_numbers(path, array)).save(buffer, format="PNG")
    elif suffix.startswith(".nii"):
        buffer.write(_nifti_bytes(array, like))
    else:
        _write_tiff(path, _compact(array), buffer)
    write_bytes(path, buffer.getvalue())


def write_labels(
    path: PathLike,
    labels: np.ndarray,
    colours: Sequence[str] | None = None,
    *,
    like: PathLike | None = None,
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
    image = _pillow().fromarray(numbers)
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


def _compact(array: np.ndarray) -> np.ndarray:
    """Real numbers in single precision, whole ones in no more bits than they need up to 32."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for kind in (np.uint8, np.int16, np.uint16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    return array.astype(np.int32)


def _write_tiff(path: PathLike, array: np.ndarray, buffer: io.BytesIO) -> None:
    try:
        import tifffile
    except ImportError:
        if array.ndim != 2 or array.dtype == np.int16:
            raise MissingExtraError("images", "tifffile", f"{path}: writing a volume") from None
        _pillow().fromarray(array).save(buffer, format="TIFF")
        return
    tifffile.imwrite(buffer, array, photometric="minisblack")


def _nifti_bytes(array: np.ndarray, like: PathLike | None) -> bytes:
    nibabel = _nibabel()
    affine = np.eye(4)
    if like is not None and image_suffix(like).startswith(".nii"):
        affine = _load_nifti(like, read_bytes(like)).affine
    volume = array if array.ndim == 3 else array[None]
    content: bytes = nibabel.Nifti1Image(_compact(volume.T), affine).to_bytes()
    return content
