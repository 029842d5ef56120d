"""Fitted classifiers in the package's own format: a directory, without pickle.

``network.json`` says what the classifier is made of, ``parameters.safetensors`` holds its numbers,
and what scikit-learn has fitted lies in a file of skops for each leaf, which holds trusted types
alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.native.directory import (
    DIGESTS,
    PARAMETERS,
    checked_bytes,
    tensors_of,
    write_document,
)
from mmgraph.formats.variables import described, restored_variable
from mmgraph.graph.errors import FormatError, GraphError, LearningError, SchemaError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.predictors.inputs import columns_by_modality
from mmgraph.predictors.leaves.leaf import Leaf
from mmgraph.predictors.multimodal_classifier import MultimodalClassifier
from mmgraph.predictors.pooling.pooled_leaves import FittedPlace, PlacedLeaf, PooledLeaves
from mmgraph.predictors.pooling.powers import HeldOut
from mmgraph.predictors.stored.leaves import (
    fitted_parts,
    leaf_parts,
    restored_fitted,
    restored_leaf,
)
from mmgraph.predictors.stored.parts import Parts
from mmgraph.predictors.stored.row_classifiers import check_writable, face_entries, restore_face
from mmgraph.predictors.stored.trusted_objects import packed, unpacked

_SETTINGS = "settings.skops"


def write_model(classifier: MultimodalClassifier, path: str | os.PathLike[str]) -> None:
    """Write a fitted classifier to a directory, replacing one that an earlier call has written.

    Raises
    ------
    FormatError
        If it is not fitted, a leaf is of a kind of its own or holds types that are not trusted
        (which), or the place cannot be written.
    MissingExtraError
        If skops is not installed.
    """
    path = checked_path(path)
    check_writable(classifier, MultimodalClassifier, path)
    files: dict[str, bytes] = {}
    tensors: dict[str, Tensor] = {}
    try:
        document = classifier_entries(classifier, tensors, files)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    write_document(path, {"kind": classifier.file_kind, **document}, tensors, files)


def classifier_entries(
    classifier: MultimodalClassifier, tensors: dict[str, Tensor], files: dict[str, bytes]
) -> dict[str, Any]:
    """Return what JSON says of a classifier; its numbers and objects are added to the others."""
    model = classifier.model_
    for name in ("log_likelihoods", "codes", "log_prior", "weights"):
        tensors[f"held_out.{name}"] = torch.as_tensor(getattr(model.held_out, name))
    leaves = [_leaf_entry(leaf, number, tensors, files) for number, leaf in enumerate(model.leaves)]
    return {
        "parameters": parameter_entries(classifier, files),
        **face_entries(classifier),
        "variables": [described(model.target)],
        "leaves": leaves,
        "independent_rows": float(model.held_out.independent_rows),
        "groups": float(model.held_out.groups),
        "plain": sorted(model.held_out.plain),
    }


def _leaf_entry(
    leaf: FittedPlace, number: int, tensors: dict[str, Tensor], files: dict[str, bytes]
) -> dict[str, Any]:
    """What JSON says of a leaf; its numbers and objects are added to the others."""
    untrained, fitted = leaf_parts(leaf.place.leaf), fitted_parts(leaf.fitted)
    tensors |= {f"{number}.{name}": tensor for name, tensor in fitted.numbers.items()}
    objects = untrained.objects | fitted.objects
    files[_leaf_file(number)] = packed(objects, f"the leaf '{leaf.place.name}'")
    return {
        "kind": leaf.place.kind,
        "modalities": list(leaf.place.modalities),
        "leaf": untrained.settings,
        "fitted": fitted.settings,
    }


def _leaf_file(number: int) -> str:
    return f"leaf_{number}.skops"


def parameter_entries(classifier: Any, files: dict[str, bytes]) -> dict[str, Any]:
    """What JSON says of the constructor's parameters; leaves with objects go to a file."""
    objects: dict[str, Any] = {}

    def entries(leaves: Any) -> Any:
        if isinstance(leaves, Mapping):
            return {str(modality): entries(kinds) for modality, kinds in leaves.items()}
        if isinstance(leaves, str):
            return leaves
        several = [leaves] if isinstance(leaves, Leaf) else leaves
        return [kind if isinstance(kind, str) else entry(kind) for kind in several]

    def entry(leaf: Leaf) -> dict[str, Any]:
        parts = leaf_parts(leaf)
        if parts.objects:
            parts.settings["object"] = str(len(objects))
            objects[str(len(objects))] = parts.objects["untrained"]
        return parts.settings

    modalities, seed = classifier.modalities, classifier.random_state
    if modalities is not None:
        modalities = columns_by_modality(modalities)
    parameters = {
        "modalities": modalities,
        "leaves": entries(classifier.leaves),
        "joint": entries(classifier.joint),
        "folds": int(classifier.folds),
        "budget": float(classifier.budget) if np.isfinite(classifier.budget) else None,
        "random_state": int(seed) if isinstance(seed, int | np.integer) else None,
    }
    if objects:
        files[_SETTINGS] = packed(objects, "the parameters 'leaves' and 'joint'")
    return parameters


def restored_model(document: JsonObject, path: Path, size_limit: int) -> MultimodalClassifier:
    """Return the classifier of a directory whose ``network.json`` is read already.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or not what the others say, or holds a type that is not
        trusted.
    MissingExtraError
        If skops is not installed.
    """
    file = path / PARAMETERS
    tensors = tensors_of(checked_bytes(document, file, size_limit), file)
    try:
        return restored_classifier(document, tensors, path, size_limit)
    except (GraphError, LearningError, SchemaError) as error:
        raise FormatError(f"{document.where}: {error}") from None


def restored_classifier(
    document: JsonObject, tensors: dict[str, Tensor], path: Path, size_limit: int
) -> MultimodalClassifier:
    """Return the classifier of :func:`classifier_entries`, which takes all numbers out.

    Raises
    ------
    FormatError, GraphError, LearningError, SchemaError
        As :func:`restored_model`.
    """
    variables = document.items("variables")
    if len(variables) != 1:
        raise FormatError(f"{document.where}: expected one variable, found {len(variables)}")
    target = restored_variable(variables[0])
    states = target.cardinality
    if isinstance(target.states, int) or states < 2 or target.shape:
        raise FormatError(f"{document.where}: the target '{target.name}' has no labels")

    def objects(name: str) -> dict[str, Any]:
        file = path / name
        return unpacked(checked_bytes(document, file, size_limit), str(file), size_limit)

    leaves = tuple(
        _restored_place(entry, number, states, tensors, objects(_leaf_file(number)))
        for number, entry in enumerate(document.items("leaves"))
    )
    if not leaves:
        raise FormatError(f"{document.where}: the classifier has no leaves")
    held_out = _restored_held_out(document, leaves, states, (tensors, path))
    if tensors:  # each part has taken out its own
        raise FormatError(
            f"{path / PARAMETERS}: the numbers '{min(tensors)[:60]}' belong to no part"
        )
    classifier = restored_parameters(document, path, size_limit)
    classifier.model_ = PooledLeaves(target, leaves, held_out)
    restore_face(classifier, document, states, classifier.model_.modalities)
    return classifier


def _restored_place(
    entry: JsonObject,
    number: int,
    states: int,
    tensors: dict[str, Tensor],
    objects: dict[str, Any],
) -> FittedPlace:
    """A leaf in its place; its numbers are taken out of the tensors."""
    kind, modalities = entry.get("kind", str), tuple(entry.names("modalities"))
    if not modalities:
        raise FormatError(f"{entry.where}: the leaf '{kind}' sees no modality")
    leaf = restored_leaf(Parts(entry.get("leaf", dict), objects=objects, where=entry.where))
    prefix = f"{number}."
    keys = [key for key in tensors if key.startswith(prefix)]
    numbers = {key.removeprefix(prefix): tensors.pop(key) for key in keys}
    parts = Parts(entry.get("fitted", dict), numbers, objects, entry.where)
    fitted = restored_fitted(leaf.kind, parts, states)
    if numbers:
        raise FormatError(
            f"{entry.where}: the numbers '{prefix}{min(numbers)[:60]}' belong to no part"
        )
    return FittedPlace(PlacedLeaf(kind, modalities, leaf), fitted, states)


def _restored_held_out(
    document: JsonObject,
    leaves: tuple[FittedPlace, ...],
    states: int,
    source: tuple[dict[str, Tensor], Path],
) -> HeldOut:
    tensors, path = source
    prefix = "held_out."
    keys = [key for key in tensors if key.startswith(prefix)]
    numbers = {key.removeprefix(prefix): tensors.pop(key) for key in keys}
    parts = Parts(document.members, numbers, where=str(path / PARAMETERS))
    said = parts.take("log_likelihoods", len(leaves), None, states)
    codes = parts.take("codes", said.shape[1], dtype=torch.int64)
    weights = parts.take("weights", said.shape[1])
    if not len(codes) or not 0 <= codes.min() <= codes.max() < states or weights.min() < 0:
        raise FormatError(f"{parts.where}: expected states and weights of rows")
    log_prior, worth = parts.take("log_prior", states), parts.setting("independent_rows")
    groups = parts.setting("groups")
    if numbers:
        raise FormatError(
            f"{parts.where}: the numbers '{prefix}{min(numbers)[:60]}' belong to no part"
        )
    places = tuple(leaf.place.modalities for leaf in leaves)
    plain = document.get("plain", list)
    if not all(type(place) is int and 0 <= place < len(leaves) for place in plain):
        raise FormatError(f"{document.where}: expected places of leaves in 'plain', found {plain}")
    return HeldOut(
        places, said, codes, log_prior, weights, float(worth), float(groups), frozenset(plain)
    )


def restored_parameters(document: JsonObject, path: Path, size_limit: int) -> MultimodalClassifier:
    """Return a classifier, not fitted, with the parameters of :func:`parameter_entries`.

    Raises
    ------
    FormatError
        If they are anything else.
    """
    objects: dict[str, Any] = {}
    if _SETTINGS in document.get(DIGESTS, dict):
        file = path / _SETTINGS
        objects = unpacked(checked_bytes(document, file, size_limit), str(file), size_limit)
    where = f"{document.where}, parameters"
    entry = JsonObject(where, document.get("parameters", dict))

    def leaves(value: object, key: str) -> Any:
        if isinstance(value, dict):
            return {modality: leaves(kinds, key) for modality, kinds in value.items()}
        if isinstance(value, str):
            return value
        if not isinstance(value, list):
            raise FormatError(f"{where}: expected leaves in '{key}', found {shown(value)}")
        return tuple(kind if isinstance(kind, str) else leaf(kind) for kind in value)

    def leaf(value: object) -> Leaf:
        settings = dict(JsonObject(where, value).members)
        name = settings.pop("object", None)
        at = {"untrained": objects[name]} if isinstance(name, str) and name in objects else {}
        return restored_leaf(Parts(settings, objects=at, where=where))

    modalities = None
    if entry.members.get("modalities") is not None:
        columns = JsonObject(where, entry.get("modalities", dict))
        modalities = {modality: columns.names(modality) for modality in columns.members}
    seed = entry.members.get("random_state")
    return MultimodalClassifier(
        modalities,
        leaves=leaves(entry.get("leaves", object), "leaves"),
        joint=leaves(entry.get("joint", object), "joint"),
        folds=entry.get("folds", int),
        budget=np.inf if entry.members.get("budget") is None else entry.get("budget", float),
        random_state=None if seed is None else entry.get("random_state", int),
    )
