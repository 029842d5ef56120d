"""The rows of a comparison: of a table, of views, of recordings, with images as such."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.groups import groups_of
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.recordings.windows import windows
from mmgraph.experiments.classification.data import load_data
from mmgraph.experiments.comparison.declaration import ComparisonDeclaration
from mmgraph.graph.errors import DatasetError


def load_compared(declaration: ComparisonDeclaration, folder: Path) -> MultimodalData:
    """Load the rows that a declaration in a folder names.

    Raises
    ------
    DatasetError
        If the data set cannot be had, or lacks what is declared.
    UnknownVariableError
        If there is no such modality.
    FormatError, SchemaError, LearningError, EvidenceError
        As :func:`~mmgraph.experiments.classification.data.load_data`.
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset) if declaration.dataset else None
    if hasattr(loaded, "sequences"):
        data = _recordings(loaded, declaration)
    elif declaration.window:
        raise DatasetError(f"{_source(declaration)} has no recordings to be cut into windows")
    else:
        data = load_data(declaration, folder)
    if declaration.modalities:
        chosen = {m: data.block(m) for m in declaration.modalities}
        data = replace(data, blocks=chosen, schema=None)
    for modality, shape in (declaration.images or {}).items():
        images = _as_images(modality, shape, data)
        data = replace(data, blocks={**data.blocks, modality: images}, schema=None)
    return data


def _source(declaration: ComparisonDeclaration) -> str:
    return f"'{declaration.dataset or declaration.file}'"


def _recordings(loaded: Any, declaration: ComparisonDeclaration) -> MultimodalData:
    """Recordings, or windows of them that stay together at least by recording."""
    name = declaration.label_column or "label"
    data = MultimodalData.of(loaded.sequences, loaded.labels, name=name)
    groups = groups_of(loaded, declaration.groups, declaration.dataset, len(data))
    data = replace(data, groups=groups, origin=_source(declaration))
    if not declaration.window:
        return data
    length = _steps(loaded, declaration, "window")
    step = _steps(loaded, declaration, "window_step") if declaration.window_step else None
    return windows(data, length, step).data


def _steps(loaded: Any, declaration: ComparisonDeclaration, key: str) -> int:
    """How many measurements are taken in a declared time."""
    rate = getattr(loaded, "rate", None)
    if rate is None:
        raise DatasetError(
            f"{_source(declaration)} does not say how many steps a second has, in which '{key}' "
            "is declared"
        )
    seconds = getattr(declaration, key)
    steps = seconds * rate
    if round(steps) < 1 or abs(steps - round(steps)) > 1e-6 * steps:
        raise DatasetError(
            f"[data] {key} = {seconds:g} seconds are {steps:g} steps of {_source(declaration)} "
            f"({rate:g} a second), and no whole number of them"
        )
    return round(steps)


def _as_images(modality: str, shape: tuple[int, int], data: MultimodalData) -> Arrays:
    """The numbers of a modality as images, row by row of pixels."""
    values = data.numbers(modality)
    height, width = shape
    if values.shape[1] != height * width:
        raise DatasetError(
            f"'{modality}' has {values.shape[1]} numbers, not the {height * width} of images of "
            f"{height} x {width}"
        )
    return Arrays(values.reshape(len(values), height, width))
