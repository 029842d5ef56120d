"""Images and volumes: channels and labels from files, evidence for every pixel, and its labels.

The names below are imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmgraph.spatial.annotations.annotations import Annotations, read_annotations
    from mmgraph.spatial.classifiers import ClassifierUnary
    from mmgraph.spatial.edges import contrast_weights
    from mmgraph.spatial.images import (
        Georeference,
        read_georeference,
        read_image,
        read_sensors,
        write_array,
        write_labels,
    )
    from mmgraph.spatial.labelling import (
        FullyLabelledWarning,
        Labelling,
        LabellingWarning,
        label_image,
    )
    from mmgraph.spatial.unaries import ArrayUnary, GaussianMixtureUnary, ModuleUnary, Unary

_HOMES = {
    "Annotations": "annotations.annotations",
    "ArrayUnary": "unaries",
    "ClassifierUnary": "classifiers",
    "FullyLabelledWarning": "labelling",
    "GaussianMixtureUnary": "unaries",
    "Georeference": "images",
    "Labelling": "labelling",
    "LabellingWarning": "labelling",
    "ModuleUnary": "unaries",
    "Unary": "unaries",
    "contrast_weights": "edges",
    "label_image": "labelling",
    "read_annotations": "annotations.annotations",
    "read_georeference": "images",
    "read_image": "images",
    "read_sensors": "images",
    "write_array": "images",
    "write_labels": "images",
}

__all__ = [
    "Annotations",
    "ArrayUnary",
    "ClassifierUnary",
    "FullyLabelledWarning",
    "GaussianMixtureUnary",
    "Georeference",
    "Labelling",
    "LabellingWarning",
    "ModuleUnary",
    "Unary",
    "contrast_weights",
    "label_image",
    "read_annotations",
    "read_georeference",
    "read_image",
    "read_sensors",
    "write_array",
    "write_labels",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
