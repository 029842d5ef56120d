"""The files of images and labels that the command line names, read together."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from mmgraph.graph.errors import FormatError, MmgraphError, suggestion

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.spatial.annotations.annotations import Annotations
    from mmgraph.spatial.images.georeference import Georeference


class Images(NamedTuple):
    """What the files hold: sensors ``(*shape, channels)``, labels, and where a sensor sees nothing.

    ``like`` is the first sensor's file that says where its pixels lie (else the first), which is
    the ``place``.
    """

    sensors: dict[str, np.ndarray]
    annotations: Annotations
    missing: dict[str, np.ndarray]
    like: str
    place: Georeference | None


@dataclass(frozen=True)
class ImageFiles:
    """Options of the command that name files."""

    sensor: Annotated[
        list[str],
        typer.Option(
            "--sensor", help="NAME=FILE (.png, .jpg, .tif, .npy, .nii), once for each sensor."
        ),
    ]
    labels: Annotated[
        Path,
        typer.Option(
            help="Labels of some pixels: an image of numbers or of strokes in colours, a class "
            "each, or a CSV of row,column,label."
        ),
    ]
    classes: Annotated[
        Path | None,
        typer.Option(help="Names of the classes, one a line; of colours '#FF0000 roof'."),
    ] = None
    unlabelled: Annotated[
        str | None,
        typer.Option(
            help="The number (0 by default) or colour (#RRGGBB, white, black) of pixels without a "
            "label."
        ),
    ] = None
    missing: Annotated[
        list[str] | None,
        typer.Option("--missing", help="NAME=FILE: not zero where the sensor does not see."),
    ] = None

    @property
    def sensors(self) -> dict[str, str]:
        """The file of each sensor."""
        return name_value_pairs(self.sensor, "--sensor")

    def read(self) -> Images:
        """Read all files; the labels say whether they are images or volumes."""
        from mmgraph.spatial.annotations.annotations import is_table, read_annotations, read_classes
        from mmgraph.spatial.annotations.tables import table_dimensions
        from mmgraph.spatial.images.reading import check_sizes, read_array, read_sensors

        paths, labels = self.sensors, self.labels
        masks = name_value_pairs(self.missing, "--missing", paths)
        names = None if self.classes is None else read_classes(self.classes)
        unlabelled = _unlabelled(self.unlabelled)
        if is_table(labels):
            sensors = read_sensors(paths, table_dimensions(labels))
            shape = next(iter(sensors.values())).shape[:-1]
            annotations = read_annotations(labels, names, unlabelled=unlabelled, shape=shape)
        else:
            annotations = read_annotations(labels, names, unlabelled=unlabelled)
            try:
                sensors = read_sensors(paths, annotations.codes.ndim)
            except FormatError:
                _check_axes(paths, labels, annotations.codes.shape)
                raise
        sizes = {paths[name]: image.shape[:-1] for name, image in sensors.items()}
        axes = annotations.codes.ndim
        hidden = {name: read_array(path, axes, indices=True) for name, path in masks.items()}
        sizes |= {masks[name]: mask.shape for name, mask in hidden.items()}
        check_sizes(sizes | {str(labels): annotations.codes.shape})
        missing = {name: mask != 0 for name, mask in hidden.items()}
        return Images(sensors, annotations, missing, *self._place(axes))

    def _place(self, dimensions: int) -> tuple[str, Georeference | None]:
        """The first sensor's file that says where its pixels lie, else the first, and its place."""
        from mmgraph.spatial.annotations.annotations import is_table
        from mmgraph.spatial.images.reading import read_georeference
        from mmgraph.spatial.labelling import LabellingWarning

        paths = [*self.sensors.values(), *([] if is_table(self.labels) else [str(self.labels)])]
        places = {path: read_georeference(path, dimensions) for path in paths}
        like = next((path for path in self.sensors.values() if places[path]), paths[0])
        place = places[like]
        for path, other in places.items():
            if place is not None and other is not None and place.lies_apart(other):
                note = f"the pixels of {path} lie elsewhere than those of {like}"
                warnings.warn(note, LabellingWarning, stacklevel=2)
        return like, place


def name_value_pairs(
    pairs: Iterable[str] | None, option: str, known: Mapping[str, object] | None = None
) -> dict[str, str]:
    """Read ``NAME=VALUE`` pairs; with ``known``, the names must be among those."""
    values: dict[str, str] = {}
    for text in pairs or ():
        name, equals, value = text.partition("=")
        if not name or not equals or not value:
            raise MmgraphError(f"{option}: expected NAME=VALUE, found {text!r}")
        if name in values:
            raise MmgraphError(f"{option}: '{name}' is given twice")
        if known is not None and name not in known:
            raise MmgraphError(f"{option}: there is no sensor '{name}'{suggestion(name, known)}")
        values[name] = value
    return values


def _unlabelled(text: str | None) -> int | str | None:
    """Read a number or a colour; six digits are a number."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        return text


def _check_axes(paths: Mapping[str, str], labels: Path, shape: tuple[int, ...]) -> None:
    """Raise FormatError, with both sizes, if labels are an image and a sensor a volume, or so."""
    from mmgraph.spatial.images.reading import read_raster

    kinds = {2: "an image", 3: "a volume"}
    for path in paths.values():
        places = read_raster(path).places
        if len(places) != len(shape):
            sizes = [" x ".join(map(str, size)) for size in (shape, places)]
            raise FormatError(
                f"{labels} is {kinds[len(shape)]} of {sizes[0]}, and {path} "
                f"{kinds.get(len(places), 'an array')} of {sizes[1]}: labels and sensors must have "
                "the same size"
            ) from None
