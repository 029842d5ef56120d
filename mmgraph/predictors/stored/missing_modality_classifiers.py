"""Fitted wrappers of a classifier of scikit-learn in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.predictors.leaves.conditional_means import ConditionalMeans
from mmgraph.predictors.missing_modality_classifier import (
    WAYS,
    FittedModel,
    MissingModalityClassifier,
)
from mmgraph.predictors.stored.leaves import (
    restored_fitted_classifier,
    restored_preparation,
    take_apart,
)
from mmgraph.predictors.stored.parts import Parts, read_parts, write_parts
from mmgraph.predictors.stored.row_classifiers import check_writable, face_entries, restore_face
from mmgraph.predictors.stored.rows import restored_rows, rows_parts
from mmgraph.predictors.stored.tempered import modalities_entry, restored_modalities


def write_model(classifier: MissingModalityClassifier, path: str | os.PathLike[str]) -> None:
    """Write a fitted classifier, with the training rows that it holds, to a directory.

    Raises
    ------
    FormatError
        If it is not fitted, holds types that are not trusted, or the place cannot be written.
    MissingExtraError
        If skops is not installed.
    """
    path = checked_path(path)
    check_writable(classifier, MissingModalityClassifier, path)
    sets, rows = classifier.sets, classifier.training_rows_
    try:
        parts = Parts(face_entries(classifier))
        parts.settings |= {
            "there": list(classifier.there_),
            "parameters": {
                "modalities": modalities_entry(classifier),
                "missing": classifier.missing,
                "sets": None if sets is None else [_names(one) for one in sets],
            },
            "holds_rows": rows is not None,
        }
        parts.objects["estimator"] = classifier.estimator
        parts.add("prior", classifier.prior_)
        parts.put("models", *map(_model_parts, classifier.models_.values()), several=True)
        if rows is not None:
            parts.put("rows", rows_parts(rows))
        write_parts(path, classifier.file_kind, parts)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


def _names(modalities: Any) -> list[str]:
    return [modalities] if isinstance(modalities, str) else list(map(str, modalities))


def _model_parts(model: FittedModel) -> Parts:
    parts = Parts({"modalities": list(model.modalities), "fitted": model.estimator is not None})
    take_apart(model.means.preparation, parts)
    parts.add("constants", model.means.constants)
    parts.add("prior", model.prior)
    if model.estimator is not None:
        parts.objects["classifier"] = model.estimator
    return parts


def restored_model(document: JsonObject, path: Path, size_limit: int) -> MissingModalityClassifier:
    """Return the classifier of a directory whose ``network.json`` is read already.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or not what the others say, or holds a type that is not
        trusted.
    MissingExtraError
        If skops is not installed.
    """
    parts = read_parts(document, path, size_limit)
    try:
        return _restored(document, parts)
    except FormatError:
        raise
    except MmgraphError as error:
        raise FormatError(f"{document.where}: {error}") from None


def _restored(document: JsonObject, parts: Parts) -> MissingModalityClassifier:
    entry = JsonObject(f"{document.where}, parameters", document.get("parameters", dict))
    entry.choice("missing", dict.fromkeys(WAYS))
    sets = None
    if entry.members.get("sets") is not None:
        listed = entry.get("sets", list)
        sets = [JsonObject(entry.where, {"sets": one}).names("sets") for one in listed]
    classifier = MissingModalityClassifier(
        parts.made("estimator"),
        restored_modalities(entry),
        missing=entry.get("missing", str),
        sets=sets,
    )
    prior, there = parts.take("prior", None), tuple(document.names("there"))
    if len(prior) < 2 or prior.min() < 0 or not there:
        raise FormatError(f"{document.where}: expected modalities and the shares of classes")
    restore_face(classifier, document, len(prior), there)
    models = [_restored_fit(part, len(prior)) for part in parts.parts("models")]
    for model in models:
        if not {*model.modalities} <= {*there}:
            raise FormatError(f"{document.where}: a model of other modalities")
    classifier.prior_, classifier.there_ = prior, there
    classifier.models_ = {model.modalities: model for model in models}
    if classifier.missing == "imputation" and there not in classifier.models_:
        raise FormatError(f"{document.where}: there is no model of {', '.join(there)}")
    classifier.training_rows_ = None
    if document.get("holds_rows", bool):
        classifier.training_rows_ = restored_rows(parts.part("rows"))
        for modality in there:
            classifier.training_rows_.block(modality)
    parts.finish()
    return classifier


def _restored_fit(parts: Parts, states: int) -> FittedModel:
    """The fitted model of some modalities."""
    entry = JsonObject(parts.where, parts.settings)
    preparation = restored_preparation(parts)
    features = len(preparation.varying)
    means = ConditionalMeans(preparation, parts.take("constants", features))
    estimator = None
    if entry.get("fitted", bool):
        estimator = restored_fitted_classifier(parts, states, features)
        if not hasattr(estimator, "predict_proba"):
            raise FormatError(f"{parts.where}: {estimator!r} has no probabilities")
    prior = parts.take("prior", states)
    parts.finish()
    return FittedModel(tuple(entry.names("modalities")), means, estimator, prior)
