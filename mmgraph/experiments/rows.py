"""Rows of a data set as a declaration names them: modalities, target and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmgraph.data.multimodal_data import GroupsDeclaration, MultimodalData, groups_of
from mmgraph.graph.errors import DatasetError, LearningError, suggestion
from mmgraph.graph.variable import Variable


def load_rows(
    dataset: str,
    modalities: tuple[str, ...],
    target: str,
    label_column: str,
    groups: GroupsDeclaration | None,
) -> MultimodalData:
    """Load a data set of rows: a table, or aligned views with labels.

    Parameters
    ----------
    dataset : str
        The entry of the catalogue.
    modalities : tuple of str
        Those to take.
    target : str
        The name of the target's variable.
    label_column : str
        The column that holds the target, where the data set is a table.
    groups : str, tuple of int or None
        As :func:`~mmgraph.data.multimodal_data.groups_of` takes them.
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(dataset)
    tables: Mapping[str, Any] = getattr(loaded, "views", None) or getattr(loaded, "features", {})
    for modality in modalities:
        if modality not in tables:
            hint = suggestion(modality, tables)
            raise DatasetError(f"'{dataset}' has no modality {modality!r}{hint}")
    if hasattr(loaded, "views"):
        labels, codes = np.unique(loaded.labels, return_inverse=True)
    else:
        if label_column not in loaded.frame:
            hint = suggestion(label_column, loaded.frame.columns)
            raise DatasetError(f"'{dataset}' has no column {label_column!r}{hint}")
        codes, labels = loaded.frame[label_column].factorize(sort=True)
        tables = {m: loaded.frame[list(tables[m])].to_numpy() for m in modalities}
    return MultimodalData(
        {m: np.asarray(tables[m], np.float64) for m in modalities},
        np.asarray(codes, np.int64),
        Variable(target, tuple(str(label) for label in labels)),
        groups_of(loaded, groups, dataset, len(codes)),
    )


def refuse_not_finite(features: np.ndarray, modality: str) -> None:
    """Raise LearningError if a feature of a training row is not finite, naming the first."""
    if not np.isfinite(features).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(features))[0])
        raise LearningError(f"feature {column} of '{modality}' is not finite in training row {row}")
