"""Arrays in NumPy's own files, never unpickled."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.raster import PathLike, Raster, decoding


def read_numpy(path: PathLike, content: bytes, dimensions: int | None) -> Raster:
    """Read a ``.npy`` file, or the one array of a ``.npz`` file.

    An array of one axis more than ``dimensions`` has bands in the last.
    """
    with decoding(path, "NumPy array"):
        if content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            content = _only_member(path, content)
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return Raster(array, array.ndim - 1 == dimensions)


def _only_member(path: PathLike, content: bytes) -> bytes:
    """Unpack the one array of a ``.npz`` file, within the limit on the size of files."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = packed.infolist()
        if len(members) != 1:
            names = ", ".join(member.filename.removesuffix(".npy") for member in members)
            raise FormatError(
                f"{path} holds {len(members)} arrays ({names or 'none'}); save one as .npy"
            )
        if members[0].file_size > SIZE_LIMIT:
            raise FormatError(f"{path} unpacks to more than the limit of {SIZE_LIMIT:,} bytes")
        return packed.read(members[0])
