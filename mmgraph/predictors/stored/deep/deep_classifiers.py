"""Fitted deep classifiers in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.predictors.deep.deep_classifier import DeepClassifier
from mmgraph.predictors.stored.deep.nets import (
    net_parts,
    restored_encoders,
    restored_fusion,
    restored_net,
    restored_training,
    training_entries,
)
from mmgraph.predictors.stored.parts import read_parts, write_parts
from mmgraph.predictors.stored.row_classifiers import check_writable
from mmgraph.predictors.stored.tempered import (
    modalities_entry,
    restore_tempered,
    restored_modalities,
    tempered_parts,
    whole,
)


def write_model(classifier: DeepClassifier, path: str | os.PathLike[str]) -> None:
    """Write a fitted classifier, with the rows that it learned powers from, to a directory.

    Raises
    ------
    FormatError
        If it is not fitted, or the place cannot be written.
    MissingExtraError
        If skops is not installed.
    """
    path = checked_path(path)
    check_writable(classifier, DeepClassifier, path)
    try:
        parts = tempered_parts(classifier, net_parts)
    except MmgraphError as error:
        raise FormatError(f"{path}: {error}") from error
    parts.settings["parameters"] = {
        "modalities": modalities_entry(classifier),
        "encoders": classifier.encoders,
        "fusion": classifier.fusion,
        "members": int(classifier.members),
        "width": int(classifier.width),
        **training_entries(classifier.training),
        "folds": int(classifier.folds),
        "random_state": whole(classifier.random_state),
    }
    write_parts(path, classifier.file_kind, parts)


def restored_model(document: JsonObject, path: Path, size_limit: int) -> DeepClassifier:
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
    entry = JsonObject(f"{document.where}, parameters", document.get("parameters", dict))
    seed = entry.members.get("random_state")
    try:
        classifier = DeepClassifier(
            restored_modalities(entry),
            encoders=restored_encoders(entry),
            fusion=restored_fusion(entry),
            members=entry.get("members", int),
            width=entry.get("width", int),
            training=restored_training(entry),
            folds=entry.get("folds", int),
            random_state=None if seed is None else entry.get("random_state", int),
        )
        classifier.net_ = restore_tempered(classifier, parts, restored_net)
    except FormatError:
        raise
    except (MmgraphError, TypeError, ValueError) as error:
        raise FormatError(f"{document.where}: {error}") from None
    held_out = [model for model, _ in classifier._held_out] if classifier.temper else []
    for learned in (classifier.net_, *held_out):
        alike = learned.net.design.outputs == len(classifier.prior_)
        if not alike or tuple(learned.inputs) != classifier.told_:
            raise FormatError(
                f"{document.where}: a net has other classes or modalities than the classifier"
            )
    return classifier
