"""The rows that a machine learns from: of a data set, or of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.machine.declaration import MachineDeclaration
from mmgraph.experiments.rows import load_rows
from mmgraph.graph.errors import DatasetError, needs, suggestion
from mmgraph.graph.variable import Variable


def check_images(declaration: MachineDeclaration, data: MultimodalData) -> None:
    """Raise DatasetError, naming the modality, unless an image has a pixel for each feature."""
    for view in declaration.views:
        count = data.features[view.modality].shape[1]
        if view.image and view.image[0] * view.image[1] != count:
            size = " x ".join(map(str, view.image))
            raise DatasetError(f"'{view.modality}' has {count} features, no image of {size}")


def load_data(declaration: MachineDeclaration) -> MultimodalData:
    """Load the data set that a declaration names; errors are those of :func:`load_rows`."""
    return load_rows(
        declaration.dataset,
        declaration.modalities,
        declaration.network.labels,
        declaration.label_column,
        declaration.groups,
    )


def read_rows(declaration: MachineDeclaration, path: Path) -> MultimodalData:
    """Read rows from a CSV or Parquet file.

    The features of a modality are the columns ``MODALITY[0]``, ``MODALITY[1]``, …, and the labels
    a column of the label units' name.
    """
    with needs("data", "pandas", "reading a table"):
        import pandas
    read = pandas.read_parquet if path.suffix == ".parquet" else pandas.read_csv
    try:
        frame = read(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: {error}") from None
    label = declaration.network.labels
    if label not in frame:
        raise DatasetError(f"{path}: no column '{label}'{suggestion(label, frame.columns)}")
    if frame[label].isna().any():
        raise DatasetError(f"{path}: row {int(frame[label].isna().argmax())} has no '{label}'")
    tables = {}
    for modality in declaration.modalities:
        count = sum(str(c).startswith(f"{modality}[") for c in frame.columns)
        names = [f"{modality}[{i}]" for i in range(max(count, 1))]
        missing = [n for n in names if n not in frame]
        if missing:
            raise DatasetError(f"{path}: no column '{missing[0]}'")
        tables[modality] = frame[names].to_numpy(np.float64)
    codes, labels = frame[label].factorize(sort=True)
    target = Variable(label, tuple(str(one) for one in labels))
    return MultimodalData(tables, codes.astype(np.int64), target)
