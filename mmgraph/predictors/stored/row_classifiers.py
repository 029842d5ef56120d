"""What the files of every classifier of rows say: classes, schema, names, modalities."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.data.schema.columns import Column
from mmgraph.data.schema.schema import Schema
from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.graph.errors import FormatError
from mmgraph.predictors.row_classifier import RowClassifier
from mmgraph.predictors.row_predictor import RowPredictor
from mmgraph.predictors.stored.rows import block_entry, restored_block

_LONGEST_LABEL = 10_000
"""The letters for which an array of labels may set memory aside."""


def check_writable(predictor: RowPredictor, kind: type[RowPredictor], path: Path) -> None:
    """Refuse a predictor of another kind, and one that is not fitted."""
    if type(predictor) is not kind:
        raise FormatError(f"{path}: {type(predictor).__name__} is a kind of its own")
    what = "classifier" if isinstance(predictor, RowClassifier) else "regressor"
    if not hasattr(predictor, "classes_" if what == "classifier" else "model_"):
        raise FormatError(f"{path}: the {what} is not fitted; there is nothing to write")


def face_entries(classifier: RowClassifier) -> dict[str, Any]:
    """Return what JSON says of the rows that a classifier learned from, and of its classes."""
    return {"classes": classes_entry(classifier.classes_), **rows_entries(classifier)}


def rows_entries(predictor: RowPredictor) -> dict[str, Any]:
    """Return what JSON says of the rows that a predictor learned from."""
    schema = predictor.schema_
    entries: dict[str, Any] = {
        "schema": None if schema is None else _schema_entry(schema),
        "modalities": {m: block_entry(block) for m, block in predictor._columns.items()},
    }
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(predictor, name):
            value = getattr(predictor, name)
            entries[name] = value.tolist() if isinstance(value, np.ndarray) else int(value)
    return entries


def restore_face(
    classifier: RowClassifier, document: JsonObject, states: int, modalities: tuple[str, ...]
) -> None:
    """Give a classifier what :func:`face_entries` has said of it.

    Parameters
    ----------
    classifier : RowClassifier
    document : JsonObject
    states : int
        How many classes there are.
    modalities : tuple of str
        Those that the model looks at.

    Raises
    ------
    FormatError
        If the document says something else.
    """
    classifier.classes_ = restored_classes(document, states)
    restore_rows(classifier, document, modalities)


def restore_rows(
    predictor: RowPredictor, document: JsonObject, modalities: tuple[str, ...]
) -> None:
    """Give a predictor what :func:`rows_entries` has said of it; as :func:`restore_face`."""
    predictor.schema_ = _restored_schema(document, modalities)
    entry = JsonObject(f"{document.where}, modalities", document.get("modalities", dict))
    predictor._columns = {
        modality: restored_block(JsonObject(f"{entry.where}, {modality}", block))
        for modality, block in entry.members.items()
    }
    for modality in modalities:
        if modality not in predictor._columns:
            raise FormatError(f"{entry.where}: there is no '{modality}'")
    if "n_features_in_" in document:
        predictor.n_features_in_ = document.get("n_features_in_", int)
    if "feature_names_in_" in document:
        predictor.feature_names_in_ = np.array(document.names("feature_names_in_"), object)


def classes_entry(classes: np.ndarray) -> dict[str, Any]:
    """Return what JSON says of labels; FormatError if it has no place for them."""
    if classes.dtype.kind not in "biufUO":
        raise FormatError(f"labels of the type {classes.dtype} cannot be written")
    for label in classes.tolist():
        if not isinstance(label, str | int | float):
            raise FormatError(f"the label {shown(label)} cannot be written")
    return {"type": classes.dtype.str, "labels": classes.tolist()}


def _schema_entry(schema: Schema) -> dict[str, Any]:
    names = [entry.name for entry in fields(Column) if entry.name not in ("name", "note")]
    return {
        name: {
            entry: getattr(column, entry) for entry in names if getattr(column, entry) is not None
        }
        for name, column in schema.columns.items()
    }


def restored_classes(document: JsonObject, states: int) -> np.ndarray:
    """Return the labels of :func:`classes_entry`; FormatError if there are not so many."""
    entry = JsonObject(f"{document.where}, classes", document.get("classes", dict))
    name, labels = entry.get("type", str), entry.get("labels", list)
    try:
        dtype = np.dtype(name)
        if dtype.kind not in "biufUO" or dtype.itemsize > 4 * _LONGEST_LABEL:
            raise ValueError(f"no labels are of the type {dtype}")
        if not all(isinstance(label, str | int | float) for label in labels):
            raise ValueError("a label is a text or a number")
        classes = np.array(labels, dtype)
        if classes.tolist() != labels:
            raise ValueError(f"they do not fit the type {dtype}")
    except (TypeError, ValueError, OverflowError, SyntaxError) as error:
        raise FormatError(f"{entry.where}: expected labels ({error})") from None
    if classes.shape != (states,):
        raise FormatError(f"{entry.where}: expected {states} labels, found {len(labels)}")
    return classes


def _restored_schema(document: JsonObject, modalities: tuple[str, ...]) -> Schema | None:
    if document.members.get("schema") is None:
        return None
    try:
        schema = Schema.of(document.get("schema", dict))
    except TypeError as error:  # what cannot be a label
        raise FormatError(f"{document.where}: expected a schema ({error})") from None
    for modality in modalities:
        if modality not in schema.modalities:
            raise FormatError(f"{document.where}: the schema has no modality '{modality}'")
    return schema
