"""Fitted deep classifiers in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from mmgraph.deep.inputs.modality_input import ChannelsInput, ColumnsInput, ModalityInput
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.net import Net, NetDesign
from mmgraph.deep.training.options import NetTraining
from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.predictors.deep.deep_classifier import DeepClassifier
from mmgraph.predictors.stored.leaves import restored_preparation, take_apart
from mmgraph.predictors.stored.parts import Parts, read_parts, write_parts
from mmgraph.predictors.stored.row_classifiers import check_writable
from mmgraph.predictors.stored.tempered import (
    modalities_entry,
    restore_tempered,
    restored_modalities,
    tempered_parts,
    whole,
)

_MOST_NUMBERS = 10**9
"""The parameters for which a file may set memory aside."""


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
    training = classifier.training
    parts.settings["parameters"] = {
        "modalities": modalities_entry(classifier),
        "encoders": classifier.encoders,
        "fusion": classifier.fusion,
        "members": int(classifier.members),
        "width": int(classifier.width),
        "training": training.as_dict() if isinstance(training, NetTraining) else training,
        "is_record": isinstance(training, NetTraining),
        "folds": int(classifier.folds),
        "random_state": whole(classifier.random_state),
    }
    write_parts(path, classifier.file_kind, parts)


def net_parts(learned: LearnedNet) -> Parts:
    """Return what a net and its inputs are made of."""
    parts = Parts({"design": learned.net.design.as_dict()})
    for name, tensor in learned.net.state_dict().items():
        parts.add(f"net:{name}", tensor.cpu())
    parts.put("inputs", *map(_input_parts, learned.inputs.values()), several=True)
    return parts


def _input_parts(made: ModalityInput) -> Parts:
    if isinstance(made, ColumnsInput):
        parts = Parts({"kind": "columns"})
        take_apart(made.preparation, parts)
    else:
        parts = Parts({"kind": "channels", "size": list(made.size)})
        parts.add("mean", made.mean)
        parts.add("deviation", made.deviation)
    return parts


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
            fusion=entry.get("fusion", str),
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


def restored_net(parts: Parts) -> LearnedNet:
    """Return the net of :func:`net_parts`.

    Raises
    ------
    FormatError
        If the parts are not those of one.
    """
    document = JsonObject(parts.where, parts.settings)
    entry = JsonObject(f"{parts.where}, design", document.get("design", dict))
    shapes = {m: tuple(s) for m, s in entry.get("shapes", dict).items()}
    made = [_restored_input(part) for part in parts.parts("inputs")]
    if [one.shape for one in made] != list(shapes.values()):
        raise FormatError(f"{parts.where}: the inputs are not of the shapes that the net takes")
    encoders = {m: (name, dict(o)) for m, (name, o) in entry.get("encoders", dict).items()}
    design = NetDesign(
        shapes,
        encoders,
        entry.get("fusion", str),
        entry.get("outputs", int),
        entry.get("members", int),
        entry.get("width", int),
        entry.get("dropout", float),
        entry.get("options", dict),
    )
    numbers = {k: parts.numbers[k] for k in list(parts.numbers) if k.startswith("net:")}
    if sum(tensor.numel() for tensor in numbers.values()) > _MOST_NUMBERS:
        raise FormatError(f"{parts.where}: the net has more than {_MOST_NUMBERS} parameters")
    # On no device first: a file that lies about its sizes sets no memory aside.
    with torch.device("meta"):
        net = Net(design, torch.Generator())
    tensors = {}
    for name, tensor in net.state_dict().items():
        table = parts.take(f"net:{name}", *tensor.shape, dtype=tensor.dtype)
        tensors[name] = torch.as_tensor(table)
    parts.finish()
    net.load_state_dict(tensors, assign=True)
    return LearnedNet(net.eval().requires_grad_(False), dict(zip(shapes, made, strict=True)))


def _restored_input(parts: Parts) -> ModalityInput:
    document = JsonObject(parts.where, parts.settings)
    if document.choice("kind", {"columns": True, "channels": False}):
        made: ModalityInput = ColumnsInput(restored_preparation(parts))
    else:
        size = tuple(document.get("size", list))
        if not all(isinstance(length, int) and length >= 0 for length in size):
            raise FormatError(f"{parts.where}: expected the shape of a row's cells")
        mean = parts.take("mean", None)
        made = ChannelsInput(size, mean, parts.take("deviation", len(mean)))
        if len(mean) not in (1, size[-1]) or made.deviation.min() < 0:
            raise FormatError(f"{parts.where}: the scale is not that of rows of shape {size}")
    parts.finish()
    return made


def restored_training(entry: JsonObject) -> Any:
    """The parameter of that name, as it was: a record, a mapping or nothing."""
    if entry.members.get("training") is None:
        return None
    options = entry.get("training", dict)
    record = NetTraining.of(options)
    return record if entry.get("is_record", bool) else options


def restored_encoders(entry: JsonObject) -> Any:
    """The parameter of that name: lists of JSON are pairs."""
    names = entry.get("encoders", object)
    if isinstance(names, list):
        return tuple(names)
    if isinstance(names, dict):
        return {m: tuple(one) if isinstance(one, list) else one for m, one in names.items()}
    return names
