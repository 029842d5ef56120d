"""Images and volumes: channels and labels from files, evidence for every pixel, and its labels.

The names below are imported at first use.
"""

# ruff: noqa: F401 -- the names are handed on
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmgraph.spatial.annotations.annotations import Annotations, read_annotations
    from mmgraph.spatial.classifiers import ClassifierUnary
    from mmgraph.spatial.edges import contrast_weights
    from mmgraph.spatial.images.georeference import Georeference
    from mmgraph.spatial.images.reading import read_georeference, read_image, read_sensors
    from mmgraph.spatial.images.writing import write_array, write_labels
    from mmgraph.spatial.labelling import (
        FullyLabelledWarning,
        Labelling,
        LabellingWarning,
        label_image,
    )
    from mmgraph.spatial.patches import image_patches, principal_bands
    from mmgraph.spatial.unaries import ArrayUnary, GaussianMixtureUnary, ModuleUnary, Unary

_NAMES = {
    "annotations.annotations": "Annotations read_annotations",
    "classifiers": "ClassifierUnary",
    "edges": "contrast_weights",
    "images.georeference": "Georeference",
    "images.reading": "read_georeference read_image read_sensors",
    "images.writing": "write_array write_labels",
    "labelling": "FullyLabelledWarning Labelling LabellingWarning label_image",
    "patches": "image_patches principal_bands",
    "unaries": "ArrayUnary GaussianMixtureUnary ModuleUnary Unary",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
