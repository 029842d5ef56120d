"""Whether the target stands among the columns that it is to be told by."""

from __future__ import annotations

import numpy as np

from mmgraph.data.blocks.columns import Columns
from mmgraph.data.leak_alarm import LeakWarning
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import warn_caller
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.variable import Variable


def warn_of_target_copies(data: MultimodalData) -> None:
    """Warn, by modality and name, of columns whose cells are those of the target in every row."""
    assert data.outcome is not None
    target = _spelled(data.target, data.outcome.labels)
    for modality, block in data.blocks.items():
        if not isinstance(block, Columns):
            continue
        for variable, column in zip(block.variables, block.values.T, strict=True):
            if np.array_equal(target, _spelled(variable, column)):
                warn_caller(
                    f"the column '{variable.name}' of the modality '{modality}' is the target, "
                    "cell by cell: whoever has it needs no model; leave it out of the modalities",
                    LeakWarning,
                )


def _spelled(variable: Variable, values: np.ndarray) -> np.ndarray:
    """Cells as numbers, or as texts unless all labels of the column spell numbers."""
    if not variable.is_discrete:
        return np.asarray(values, np.float64)
    states = np.where(np.isnan(values), MISSING, values).astype(np.int64)  # the last one is none
    labels = [str(label) for label in variable.labels]
    try:
        return np.array([*map(float, labels), np.nan])[states]
    except ValueError:
        return np.array([*labels, None], object)[states]
