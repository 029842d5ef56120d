"""Rows of a data set as a declaration names them: modalities, target and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmgraph.data.groups import GroupsDeclaration, groups_of
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.experiments.reader import Reader, ReadyModel, entry
from mmgraph.graph.errors import DatasetError, LearningError, suggestion
from mmgraph.graph.variable import Variable


@dataclass(frozen=True, kw_only=True)
class RowsModel(ReadyModel):
    """A ready model of rows of several modalities, with a target.

    ``label_column`` holds the target where the data set is a table. ``groups`` are rows that belong
    together, by a column or by the first row of each block: the model is then cross-validated over
    whole groups, too.
    """

    label_column: str = entry("", table="data", key="target")
    groups: GroupsDeclaration | None = entry(None, table="data", read=Reader.groups)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, in order."""
        raise NotImplementedError


def load_rows(declaration: RowsModel, target: str) -> MultimodalData:
    """Load a data set of rows: a table, or aligned views with labels; call its target so."""
    from mmgraph import datasets

    dataset, column = declaration.dataset, declaration.label_column
    loaded: Any = datasets.load(dataset)
    tables: Mapping[str, Any] = getattr(loaded, "views", None) or getattr(loaded, "features", {})
    for modality in declaration.modalities:
        if modality not in tables:
            hint = suggestion(modality, tables)
            raise DatasetError(f"'{dataset}' has no modality {modality!r}{hint}")
    if hasattr(loaded, "views"):
        labels, codes = np.unique(loaded.labels, return_inverse=True)
    else:
        if column not in loaded.frame:
            hint = suggestion(column, loaded.frame.columns)
            raise DatasetError(f"'{dataset}' has no column {column!r}{hint}")
        codes, labels = loaded.frame[column].factorize(sort=True)
        tables = {m: loaded.frame[list(tables[m])].to_numpy() for m in declaration.modalities}
    return MultimodalData.of_numbers(
        {m: np.asarray(tables[m], np.float64) for m in declaration.modalities},
        np.asarray(codes, np.int64),
        Variable(target, tuple(str(label) for label in labels)),
        groups_of(loaded, declaration.groups, dataset, len(codes)),
    )


def refuse_not_finite(features: np.ndarray, modality: str) -> None:
    """Raise LearningError if a feature of a training row is not finite, naming the first."""
    if not np.isfinite(features).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(features))[0])
        raise LearningError(f"feature {column} of '{modality}' is not finite in training row {row}")
