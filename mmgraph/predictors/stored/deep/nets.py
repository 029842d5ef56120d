"""Nets and their inputs as parts of files, and the parameters of what learns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from mmgraph.deep.inputs.modality_input import ChannelsInput, ColumnsInput, ModalityInput
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.net import Net, NetDesign
from mmgraph.deep.training.options import NetTraining
from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError
from mmgraph.predictors.stored.leaves import restored_preparation, take_apart
from mmgraph.predictors.stored.parts import Parts

_MOST_NUMBERS = 10**9
"""The parameters for which a file may set memory aside."""


def training_entries(training: NetTraining | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what JSON says of a parameter ``training``: a record, a mapping or nothing."""
    if isinstance(training, NetTraining):
        return {"training": training.as_dict(), "is_record": True}
    return {"training": training, "is_record": False}


def net_parts(learned: LearnedNet) -> Parts:
    """Return what a net and its inputs are made of."""
    parts = Parts({"design": learned.net.design.as_dict()})
    for name, tensor in learned.net.state_dict().items():
        parts.add(f"net:{name}", tensor.cpu())
    parts.put("inputs", *map(input_parts, learned.inputs.values()), several=True)
    return parts


def input_parts(made: ModalityInput) -> Parts:
    """Return what the scale of a modality is made of."""
    if isinstance(made, ColumnsInput):
        parts = Parts({"kind": "columns"})
        take_apart(made.preparation, parts)
    else:
        parts = Parts({"kind": "channels", "size": list(made.size)})
        parts.add("mean", made.mean)
        parts.add("deviation", made.deviation)
    return parts


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
    made = [restored_input(part) for part in parts.parts("inputs")]
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
    try:
        with torch.device("meta"):
            net = Net(design, torch.Generator())
    except (KeyError, RuntimeError) as error:  # no encoder of a modality, sizes below zero
        raise FormatError(f"{parts.where}: the net's design is none ({error})") from None
    tensors = {}
    for name, tensor in net.state_dict().items():
        table = parts.take(f"net:{name}", *tensor.shape, dtype=tensor.dtype)
        tensors[name] = torch.as_tensor(table)
    parts.finish()
    net.load_state_dict(tensors, assign=True)
    return LearnedNet(net.eval().requires_grad_(False), dict(zip(shapes, made, strict=True)))


def restored_input(parts: Parts) -> ModalityInput:
    """Return the scale of :func:`input_parts`.

    Raises
    ------
    FormatError
        If the parts are not those of one.
    """
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
    """Return the parameter of :func:`training_entries`, as it was."""
    if entry.members.get("training") is None:
        return None
    options = entry.get("training", dict)
    record = NetTraining.of(options)
    return record if entry.get("is_record", bool) else options


def restored_fusion(entry: JsonObject) -> Any:
    """The parameter of that name, with its options where it has some."""
    name = entry.get("fusion", object)
    return tuple(name) if isinstance(name, list) else entry.get("fusion", str)


def restored_encoders(entry: JsonObject) -> Any:
    """Return the parameter ``encoders``: lists of JSON are pairs."""
    names = entry.get("encoders", object)
    if isinstance(names, list):
        return tuple(names)
    if isinstance(names, dict):
        return {m: tuple(one) if isinstance(one, list) else one for m, one in names.items()}
    return names
