"""Channels and maps in files: PNG, JPEG, TIFF, NumPy and NIfTI, read whole and written whole.

However a format says that a value is missing (a number for no data, NaN, an alpha band, a mask, a
transparent colour), it reads as NaN; where its pixels lie is a :class:`Georeference`.
"""

from mmgraph.spatial.images.georeference import Georeference
from mmgraph.spatial.images.raster import (
    SUFFIXES,
    Image,
    PathLike,
    Raster,
    image_suffix,
    size_text,
)
from mmgraph.spatial.images.reading import (
    check_sizes,
    read_array,
    read_georeference,
    read_image,
    read_raster,
    read_sensors,
)
from mmgraph.spatial.images.writing import write_array, write_labels

__all__ = [
    "SUFFIXES",
    "Georeference",
    "Image",
    "PathLike",
    "Raster",
    "check_sizes",
    "image_suffix",
    "read_array",
    "read_georeference",
    "read_image",
    "read_raster",
    "read_sensors",
    "size_text",
    "write_array",
    "write_labels",
]
