"""NIfTI files: volumes and slices, whose axes i, j and k are columns, rows and slices."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmgraph.graph.errors import FormatError, needs
from mmgraph.spatial.images.georeference import Georeference, as_tuples, checked_spacing
from mmgraph.spatial.images.raster import PathLike, Raster, decoding

_PLACE_FIELDS = (
    "pixdim",
    "qform_code",
    "sform_code",
    *("quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)
"""The fields of a header that say where voxels lie."""

_SPACE_UNITS = 7
"""The bits of the field of units that are those of space; the others are of time."""

_CIFTI = range(3000, 3100)
"""Intents of files whose axes are not those of an image."""


def read_nifti(path: PathLike, content: bytes, dimensions: int | None) -> Raster:
    """Read slices, rows and columns; further axes (time, components, colours) are bands."""
    image, opaque = _load(path, content), None
    size = _stored_size(image)
    with decoding(path, "NIfTI file"):
        array = np.asanyarray(image.dataobj)
        names = array.dtype.names or ()
        if names:  # colours, each a record of red, green and blue
            colours = [array[name] for name in names if name != "A"]
            if "A" in names:
                opaque = (array["A"] != 0).reshape(*size, -1).any(-1)
            array = np.stack(colours, -1)
        array = array.reshape(*size, -1).transpose(2, 1, 0, 3)
    hidden = None if opaque is None else ~opaque.T
    axis = _slice_axis(path, size[::-1], dimensions)
    if axis is not None:
        array = array.squeeze(axis)
        hidden = None if hidden is None else hidden.squeeze(axis)
    has_bands = array.shape[-1] > 1
    return Raster(array if has_bands else array[..., 0], has_bands, hidden)


def read_nifti_georeference(path: PathLike, content: bytes, dimensions: int) -> Georeference:
    """Return where the voxels of a NIfTI file lie."""
    image = _load(path, content)
    size: tuple[int, ...] = _stored_size(image)[::-1]
    axis = _slice_axis(path, size, dimensions)
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)[::-1]
    if axis is not None:
        size, spacing = (*size[:axis], *size[axis + 1 :]), np.delete(spacing, axis)
    header = {name: np.array(image.header[name]).tolist() for name in _PLACE_FIELDS}
    header["xyzt_units"] = int(image.header["xyzt_units"]) & _SPACE_UNITS
    matrix = as_tuples(image.affine)
    return Georeference(size, checked_spacing(spacing), matrix, header=header, slice_axis=axis)


def nifti_bytes(array: np.ndarray, bands: bool, georeference: Georeference | None) -> bytes:
    """Return a map as the content of a NIfTI file, an image as a volume of one slice."""
    nibabel = _nibabel()
    volume = array if bands else array[..., None]
    axis = None if georeference is None else georeference.slice_axis
    if volume.ndim == 3:
        volume = np.expand_dims(volume, axis or 0)
    volume = volume.transpose(2, 1, 0, 3)
    volume = volume if bands else volume[..., 0]
    kind = nibabel.Nifti1Image if max(volume.shape) < 2**15 else nibabel.Nifti2Image
    header = kind.header_class()
    header.set_data_dtype(volume.dtype)
    affine: np.ndarray | None = np.eye(4)
    if georeference is not None and georeference.header is not None:
        affine = None  # the header says it
        for name, value in georeference.header.items():
            header[name] = value
    content: bytes = kind(volume, affine, header).to_bytes()
    return content


def _nibabel() -> Any:
    with needs("images", "nibabel", "reading and writing NIfTI"):
        import nibabel
    return nibabel


def _load(path: PathLike, content: bytes) -> Any:
    nibabel = _nibabel()
    with decoding(path, "NIfTI file"):
        # The first four bytes hold the size of the header, which tells the versions apart.
        second = content[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
        kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
        image = kind.from_bytes(content)
    if int(image.header["intent_code"]) in _CIFTI:
        raise FormatError(f"{path} holds CIFTI data, of brain surfaces, and no image")
    return image


def _stored_size(image: Any) -> tuple[int, int, int]:
    """Return the lengths of the axes i, j and k."""
    columns, rows, slices = (*image.shape[:3], 1, 1, 1)[:3]
    return int(columns), int(rows), int(slices)


def _slice_axis(path: PathLike, size: tuple[int, ...], dimensions: int | None) -> int | None:
    """Return which axis an image lacks, of slices, rows and columns; the first of length one."""
    if dimensions == 3:
        return None
    if 1 in size:
        return size.index(1)
    if dimensions is None:
        return None
    slices, rows, columns = size
    raise FormatError(
        f"{path}: {slices} slices of {rows} x {columns} voxels; an image, which is one slice, was "
        "expected (a volume is read with dimensions=3)"
    )
