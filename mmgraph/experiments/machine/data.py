"""The rows that a machine learns from: of a data set, or of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmgraph.data.encoding import encode
from mmgraph.data.inferred_states import states_in
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.tables import open_table
from mmgraph.experiments.machine.declaration import MachineDeclaration
from mmgraph.experiments.rows import load_rows
from mmgraph.graph.errors import DatasetError, MmgraphError
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
    return load_rows(declaration, declaration.network.labels, declaration.modalities)


def read_rows(declaration: MachineDeclaration, path: Path) -> MultimodalData:
    """Read rows from a CSV or Parquet file.

    The features of a modality are the columns ``MODALITY[0]``, ``MODALITY[1]``, …, and the labels
    a column of the label units' name.
    """
    label = declaration.network.labels
    try:
        table = open_table(path)
        counts = {
            modality: max(sum(c.startswith(f"{modality}[") for c in table.columns), 1)
            for modality in declaration.modalities
        }
        columns = [f"{modality}[{i}]" for modality, count in counts.items() for i in range(count)]
        table = table.select([*columns, label])
        variables = {m: Variable(m, shape=(n,), family="gaussian") for m, n in counts.items()}
        variables[label] = Variable(label, states_in(table, [label])[label])
        rows = encode(table, variables)
    except MmgraphError as error:
        raise DatasetError(str(error)) from None
    codes = rows.column(label).astype(np.int64)
    if (codes < 0).any():
        raise DatasetError(f"{path}: row {int((codes < 0).argmax())} has no '{label}'")
    target = Variable(label, tuple(map(str, variables[label].labels)))
    return MultimodalData.of_numbers({m: rows.values[m].numpy() for m in counts}, codes, target)
