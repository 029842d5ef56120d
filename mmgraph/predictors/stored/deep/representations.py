"""Fitted representations of several modalities in the package's own format."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmgraph.deep.inputs.modality_input import ModalityInput
from mmgraph.deep.losses.loss import Loss
from mmgraph.deep.losses.named import LossNames
from mmgraph.deep.representations.canonical import CanonicalMaps
from mmgraph.deep.representations.representation import TIES, MultimodalRepresentation
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.predictors.stored.deep.nets import (
    input_parts,
    net_parts,
    restored_encoders,
    restored_input,
    restored_net,
    restored_training,
    training_entries,
)
from mmgraph.predictors.stored.parts import Parts, read_parts, write_parts


def write_model(representation: MultimodalRepresentation, path: str | os.PathLike[str]) -> None:
    """Write a fitted representation to a directory, replacing one that an earlier call has written.

    Raises
    ------
    FormatError
        If it is not fitted, has losses that are no names, or the place cannot be written.
    MissingExtraError
        If skops is not installed.
    """
    path = checked_path(path)
    if type(representation) is not MultimodalRepresentation:
        raise FormatError(f"{path}: {type(representation).__name__} is a kind of its own")
    if not representation.is_fitted:
        raise FormatError(f"{path}: the representation is not fitted; there is nothing to write")
    try:
        parts = representation_parts(representation)
    except MmgraphError as error:
        raise FormatError(f"{path}: {error}") from error
    write_parts(path, representation.file_kind, parts)


def representation_parts(representation: MultimodalRepresentation) -> Parts:
    """Return what a file holds of a fitted representation."""
    names = representation.modalities
    parts = Parts()
    parts.settings["parameters"] = {
        "kind": representation.kind,
        "tie": representation.tie,
        "modalities": None if names is None else list(names),
        "encoders": representation.encoders,
        "width": int(representation.width),
        "members": int(representation.members),
        "losses": _loss_names(representation.losses),
        **training_entries(representation.training),
        "random_state": int(representation.random_state),
    }
    if representation.net_ is None:
        inputs = representation.inputs_
        parts.settings["linear_modalities"] = list(inputs)
        parts.put("inputs", *map(input_parts, inputs.values()), several=True)
    else:
        parts.put("net", net_parts(representation.net_))
    if (maps := representation.maps_) is not None:
        for modality in representation.inputs_:
            parts.add(f"mean:{modality}", maps.means[modality])
            parts.add(f"weights:{modality}", maps.weights[modality])
    return parts


def _loss_names(losses: LossNames) -> list[str] | dict[str, float]:
    if isinstance(losses, Mapping):
        return {name: float(factor) for name, factor in losses.items()}
    for loss in [losses] if isinstance(losses, Loss) else losses:
        if not isinstance(loss, str):
            raise FormatError(f"the loss {shown(loss)} cannot be written: name it instead")
    return list(losses)  # type: ignore[arg-type]


def restored_model(document: JsonObject, path: Path, size_limit: int) -> MultimodalRepresentation:
    """Return the representation of a directory whose ``network.json`` is read already.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or not what the others say, or holds a type that is not
        trusted.
    MissingExtraError
        If skops is not installed.
    """
    return restored_representation(read_parts(document, path, size_limit))


def restored_representation(parts: Parts) -> MultimodalRepresentation:
    """Return the representation of :func:`representation_parts`.

    Raises
    ------
    FormatError
        If they are not what they must be.
    """
    try:
        parameters = JsonObject(parts.where, parts.settings).get("parameters", dict)
        representation = _restored_parameters(JsonObject(f"{parts.where}, parameters", parameters))
        net = None if representation.is_linear else restored_net(parts.part("net"))
        inputs = _restored_inputs(parts) if net is None else dict(net.inputs)
        if net is not None:
            _check_net(net, representation, parts.where)
        maps = _restored_maps(parts, representation, inputs, net)
        parts.finish()
    except FormatError:
        raise
    except (MmgraphError, TypeError, ValueError) as error:
        raise FormatError(f"{parts.where}: {error}") from None
    representation.inputs_, representation.net_, representation.maps_ = inputs, net, maps
    return representation


def _restored_parameters(entry: JsonObject) -> MultimodalRepresentation:
    names = entry.members.get("modalities")
    losses: Any = entry.get("losses", object)
    if not isinstance(losses, dict):
        losses = tuple(entry.names("losses"))
    return MultimodalRepresentation(
        entry.choice("kind", {"joint": "joint", "coordinated": "coordinated"}),
        tie=entry.choice("tie", {name: name for name in TIES}),
        modalities=None if names is None else entry.names("modalities"),
        encoders=restored_encoders(entry),
        width=entry.get("width", int),
        members=entry.get("members", int),
        losses=losses,
        training=restored_training(entry),
        random_state=entry.get("random_state", int),
    )


def _restored_inputs(parts: Parts) -> dict[str, ModalityInput]:
    """The scales of modalities of which there is no net."""
    names = JsonObject(parts.where, parts.settings).names("linear_modalities")
    made = [restored_input(part) for part in parts.parts("inputs")]
    if len(set(names)) != len(made) or len(names) != len(made) or len(made) < 2:
        raise FormatError(f"{parts.where}: expected the scales of two modalities or more")
    for name, one in zip(names, made, strict=True):
        if 0 in one.shape:
            raise FormatError(f"{parts.where}: there are no linear maps of '{name}'")
    return dict(zip(names, made, strict=True))


def _check_net(net: LearnedNet, representation: MultimodalRepresentation, where: str) -> None:
    """Refuse a net that the parameters do not describe."""
    design = net.net.design
    fusion = "joint" if representation.kind == "joint" else "late"
    sizes = (representation.members, representation.width)
    if (design.fusion, design.members, design.width) != (fusion, *sizes):
        raise FormatError(f"{where}: the net is not that of a {representation.kind} space")


def _restored_maps(
    parts: Parts,
    representation: MultimodalRepresentation,
    inputs: Mapping[str, ModalityInput],
    net: LearnedNet | None,
) -> CanonicalMaps | None:
    """The linear maps of modalities, or of their codes."""
    if not representation.is_mapped:
        return None
    means, weights = {}, {}
    width = None
    for modality, made in inputs.items():
        columns = math.prod(made.shape)
        if net is not None:
            columns = net.net.widths[modality] * net.net.design.members
        means[modality] = parts.take(f"mean:{modality}", columns)
        weights[modality] = parts.take(f"weights:{modality}", columns, width)
        width = weights[modality].shape[1]
        if not 1 <= width <= representation.width * representation.members:
            raise FormatError(f"{parts.where}: the maps are not those of the width that is said")
    return CanonicalMaps(means, weights)
