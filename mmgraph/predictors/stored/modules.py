"""Modules of torch in files: a list of layers, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError
from mmgraph.predictors.leaves.module_layers import LAYERS, LayerRecipe
from mmgraph.predictors.stored.parts import Parts

_PREFIX = "module."


def layer_entries(layers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return layers as JSON holds them."""
    return [dict(layer) for layer in layers]


def restored_recipe(entry: JsonObject, key: str) -> LayerRecipe:
    """Return the layers of :func:`layer_entries`; what they are made with is still to be checked.

    Raises
    ------
    FormatError
        If a layer is not known, or not made with what such layers are.
    """
    layers = []
    for layer in entry.items(key):
        _, names = layer.choice("layer", LAYERS)
        if set(layer.members) != {"layer", *names}:
            raise FormatError(f"{layer.where}: expected the members {', '.join(names)}")
        for name in names:
            value = layer.members[name]
            if not isinstance(value, str | int | float | None):
                raise FormatError(f"{layer.where}: '{name}' is a number or a name")
        layers.append(layer.members)
    return LayerRecipe(tuple(layers))


def module_numbers(module: nn.Module) -> dict[str, Tensor]:
    """Return the numbers of a trained module."""
    return {f"{_PREFIX}{name}": tensor for name, tensor in module.state_dict().items()}


def restored_module(parts: Parts, features: int, states: int) -> nn.Module:
    """Return the trained module of layers and numbers; these are taken out.

    Raises
    ------
    FormatError
        If layers cannot be made, do not lead from the features to the states, or their numbers are
        others.
    """
    recipe = restored_recipe(JsonObject(parts.where, parts.settings), "layers")
    try:
        # Without memory, as sizes may be anything until the numbers are found to be of them.
        with torch.device("meta"), torch.no_grad():
            module = recipe(features, states).eval()
            shape = module(torch.empty(2, features)).shape
    except Exception as error:  # whatever layers raise when made with another writer's values
        raise FormatError(f"{parts.where}: layers that cannot be made ({error})") from error
    if shape != (2, states):
        raise FormatError(f"{parts.where}: the layers do not end in {states} states")
    numbers = {
        name: torch.as_tensor(parts.take(_PREFIX + name, *tensor.shape, dtype=tensor.dtype))
        for name, tensor in module.state_dict().items()
    }
    for name, tensor in numbers.items():
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise FormatError(f"{parts.where}: '{name}' is no variance")
    module.load_state_dict(numbers, assign=True)
    return module.requires_grad_(False)
