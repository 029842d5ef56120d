"""Rows of a data set as a declaration names them: modalities, target and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmgraph.data.groups import GroupsDeclaration, groups_of
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.reading import Outcome
from mmgraph.data.schema.schema import Schema
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


def load_rows(
    declaration: RowsModel, target: str = "", modalities: Sequence[str] = ()
) -> MultimodalData:
    """Load a data set of rows: a table, or aligned views with labels.

    The target is called so, by default as its column; its labels are texts then. The modalities are
    by default all. A schema says what a table of such rows looks like.
    """
    from mmgraph import datasets

    dataset = declaration.dataset
    loaded: Any = datasets.load(dataset)
    tables: Mapping[str, Any] = getattr(loaded, "views", None) or getattr(loaded, "features", {})
    for modality in modalities:
        if modality not in tables:
            hint = suggestion(modality, tables)
            raise DatasetError(f"'{dataset}' has no modality {modality!r}{hint}")
    if not tables:
        raise DatasetError(f"'{dataset}' is no data set of modalities with a target")
    tables = {m: tables[m] for m in modalities or tables}
    if hasattr(loaded, "views"):
        data = _rows_of_views(tables, loaded.labels, target or declaration.label_column or "label")
    else:
        data = _rows_of_table(loaded.frame, tables, declaration)
        if target:
            renamed = Variable(target, tuple(map(str, data.target.labels)))
            data = replace(data, outcome=Outcome(renamed, data.codes), schema=None)
    groups = groups_of(loaded, declaration.groups, dataset, len(data))
    return replace(data, groups=groups, origin=f"'{dataset}'")


def _rows_of_views(tables: Mapping[str, Any], labels: Any, name: str) -> MultimodalData:
    states, codes = np.unique(labels, return_inverse=True)
    target = Variable(name, tuple(map(str, states)))
    features = {m: np.asarray(table, np.float64) for m, table in tables.items()}
    data = MultimodalData.of_numbers(features, np.asarray(codes, np.int64), target)
    columns = {m: [f"{m}[{i}]" for i in range(x.shape[1])] for m, x in features.items()}
    schema = Schema.of_modalities(columns, target=name).with_column(name, states=target.labels)
    return replace(data, schema=schema)


def _rows_of_table(frame: Any, tables: Mapping[str, Any], declaration: RowsModel) -> MultimodalData:
    column = declaration.label_column
    if column not in frame:
        hint = suggestion(column, frame.columns)
        what = f"has no column {column!r}{hint}" if column else "needs [data] target, a column"
        raise DatasetError(f"'{declaration.dataset}' {what}")
    schema = Schema.of_modalities(tables, target=column)
    return MultimodalData.read(frame[list(schema.columns)], schema)


def refuse_not_finite(features: np.ndarray, modality: str) -> None:
    """Raise LearningError if a feature of a training row is not finite, naming the first."""
    if not np.isfinite(features).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(features))[0])
        raise LearningError(f"feature {column} of '{modality}' is not finite in training row {row}")
