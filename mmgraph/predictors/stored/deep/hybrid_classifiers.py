"""Fitted hybrid classifiers in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from mmgraph.formats.json_object import JsonObject
from mmgraph.formats.native.directory import write_document
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.predictors.deep.hybrid_classifier import (
    FUSION_OF,
    HybridClassifier,
    HybridModel,
    without_device,
)
from mmgraph.predictors.pooling.pooled_leaves import FittedPlace, PlacedLeaf
from mmgraph.predictors.pooling.powers import HeldOut
from mmgraph.predictors.stored.classifiers import parameter_entries, restored_parameters
from mmgraph.predictors.stored.deep.nets import (
    net_parts,
    restored_encoders,
    restored_net,
    restored_training,
    training_entries,
)
from mmgraph.predictors.stored.leaves import (
    fitted_parts,
    leaf_parts,
    restored_fitted,
    restored_leaf,
)
from mmgraph.predictors.stored.parts import OBJECTS, Parts, read_parts
from mmgraph.predictors.stored.row_classifiers import check_writable, face_entries, restore_face
from mmgraph.predictors.stored.trusted_objects import packed

_NUMBERS = ("log_likelihoods", "codes", "log_prior", "weights")


def write_model(classifier: HybridClassifier, path: str | os.PathLike[str]) -> None:
    """Write a fitted classifier to a directory, replacing one that an earlier call has written.

    Raises
    ------
    FormatError
        If it is not fitted, a leaf is of a kind of its own or holds types that are not trusted, or
        the place cannot be written.
    MissingExtraError
        If skops is not installed.
    """
    path = checked_path(path)
    check_writable(classifier, HybridClassifier, path)
    files: dict[str, bytes] = {}
    try:
        parts = _parts(classifier)
        parts.settings["parameters"] = _parameters(classifier, files)
        if parts.objects:
            files[OBJECTS] = packed(parts.objects, "the leaves")
    except MmgraphError as error:
        raise FormatError(f"{path}: {error}") from error
    document = {"kind": classifier.file_kind, **parts.settings}
    write_document(path, document, parts.numbers, files)


def _parts(classifier: HybridClassifier) -> Parts:
    model = classifier.model_
    held_out = model.held_out
    parts = Parts(face_entries(classifier))
    parts.settings |= {
        "independent_rows": float(held_out.independent_rows),
        "groups": float(held_out.groups),
    }
    for name in _NUMBERS:
        parts.add(f"held_out.{name}", getattr(held_out, name))
    parts.put("net", net_parts(model.net))
    parts.put("leaves", *map(_leaf_parts, model.leaves), several=True)
    return parts


def _leaf_parts(leaf: FittedPlace) -> Parts:
    parts = Parts({"kind": leaf.place.kind, "modalities": list(leaf.place.modalities)})
    parts.put("leaf", leaf_parts(leaf.place.leaf))
    parts.put("fitted", fitted_parts(leaf.fitted))
    return parts


def _parameters(classifier: HybridClassifier, files: dict[str, bytes]) -> dict[str, Any]:
    return {
        **parameter_entries(classifier, files),
        "encoders": classifier.encoders,
        "learning": classifier.learning,
        "members": int(classifier.members),
        **training_entries(without_device(classifier.training)[0]),
    }


def restored_model(document: JsonObject, path: Path, size_limit: int) -> HybridClassifier:
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
    try:
        pooled = restored_parameters(document, path, size_limit)
        classifier = HybridClassifier(
            pooled.modalities,
            encoders=restored_encoders(entry),
            leaves=pooled.leaves,
            joint=pooled.joint,
            learning=entry.get("learning", str),
            members=entry.get("members", int),
            training=restored_training(entry),
            folds=pooled.folds,
            random_state=pooled.random_state,
        )
        model = _restored(parts, document)
    except FormatError:
        raise
    except (MmgraphError, TypeError, ValueError) as error:
        raise FormatError(f"{document.where}: {error}") from None
    if FUSION_OF.get(classifier.learning) != model.net.net.design.fusion:
        raise FormatError(f"{document.where}: the net is not that of {classifier.learning!r}")
    classifier.model_ = model
    states = len(model.held_out.log_prior)
    restore_face(classifier, document, states, model.modalities)
    return classifier


def _restored(parts: Parts, document: JsonObject) -> HybridModel:
    net = restored_net(parts.part("net"))
    states = net.net.design.outputs
    leaves = tuple(_restored_leaf(part, states) for part in parts.parts("leaves"))
    count = len(leaves) + len(net.inputs)
    said = parts.take("held_out.log_likelihoods", count, None, states)
    codes = parts.take("held_out.codes", said.shape[1], dtype=torch.int64)
    weights = parts.take("held_out.weights", said.shape[1])
    if not len(codes) or not 0 <= codes.min() <= codes.max() < states or weights.min() < 0:
        raise FormatError(f"{document.where}: expected states and weights of held-out rows")
    prior = parts.take("held_out.log_prior", states)
    parts.finish()
    sees = (*(leaf.place.modalities for leaf in leaves), *((m,) for m in net.inputs))
    worth = parts.setting("independent_rows"), parts.setting("groups")
    if min(worth) <= 0:
        raise FormatError(f"{document.where}: held-out rows are worth nothing")
    return HybridModel(leaves, net, HeldOut(sees, said, codes, prior, weights, *worth))


def _restored_leaf(parts: Parts, states: int) -> FittedPlace:
    entry = JsonObject(parts.where, parts.settings)
    modalities = tuple(entry.names("modalities"))
    if not modalities:
        raise FormatError(f"{parts.where}: a leaf sees no modality")
    leaf = restored_leaf(parts.part("leaf"))
    fitted = restored_fitted(leaf.kind, parts.part("fitted"), states)
    parts.finish()
    return FittedPlace(PlacedLeaf(entry.get("kind", str), modalities, leaf), fitted, states)
