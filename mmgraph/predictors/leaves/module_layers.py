"""Modules of torch that are layers one after another, as lists that files can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mmgraph.graph.errors import FormatError

LAYERS: Mapping[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "Linear": (nn.Linear, ("in_features", "out_features", "bias")),
    "ReLU": (nn.ReLU, ()),
    "GELU": (nn.GELU, ("approximate",)),
    "Tanh": (nn.Tanh, ()),
    "Sigmoid": (nn.Sigmoid, ()),
    "Dropout": (nn.Dropout, ("p",)),
    "LayerNorm": (nn.LayerNorm, ("normalized_shape", "eps", "elementwise_affine", "bias")),
    "BatchNorm1d": (
        nn.BatchNorm1d,
        ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    ),
}
"""The layers that can be written, and what they are made with."""

_PLACES = ("features", "states")
_ASKED = ((1009, 1013), (1019, 1021))
"""Numbers of features and states that no layer has by chance."""

Layers = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class LayerRecipe:
    """Layers one after another, made for any number of features and states.

    Attributes
    ----------
    layers : tuple of mapping
        Of each its name in :data:`LAYERS` as ``"layer"``, and what it is made with, of which
        ``"features"`` and ``"states"`` stand for their numbers.
    """

    layers: Layers

    def __call__(self, features: int, states: int) -> nn.Sequential:
        """Return the module with new parameters."""
        numbers = dict(zip(_PLACES, (features, states), strict=True))
        made = []
        for entry in self.layers:
            kind, names = LAYERS[entry["layer"]]
            options = {
                name: numbers.get(entry[name], entry[name])
                if isinstance(entry[name], str)
                else entry[name]
                for name in names
            }
            made.append(kind(**options))
        return nn.Sequential(*made)


def layers_of(module: nn.Module) -> Layers:
    """Return the layers of a module.

    Raises
    ------
    FormatError
        If it is no ``Sequential``, or has a layer that is none of :data:`LAYERS` (which).
    """
    if type(module) is not nn.Sequential:
        raise FormatError(
            f"a module of the class {type(module).__name__} is code, which is not written; "
            f"nn.Sequential of {', '.join(LAYERS)} is"
        )
    layers = []
    for layer in module:
        name = type(layer).__name__
        kind, options = LAYERS.get(name, (None, ()))
        if type(layer) is not kind:
            raise FormatError(
                f"a layer of the class {name} is code, which is not written; "
                f"{', '.join(LAYERS)} are"
            )
        entry: dict[str, Any] = {option: getattr(layer, option) for option in options}
        if "bias" in entry:
            entry["bias"] = entry["bias"] is not None
        if "normalized_shape" in entry:
            if len(entry["normalized_shape"]) != 1:
                raise FormatError(f"{layer} is not of one axis of features")
            entry["normalized_shape"] = entry["normalized_shape"][0]
        layers.append({"layer": name} | entry)
    return tuple(layers)


def recipe_of(build: Callable[[int, int], nn.Module]) -> LayerRecipe:
    """Return how the layers that a function makes depend on its arguments.

    Raises
    ------
    FormatError
        As :func:`layers_of`; or if they depend on the numbers of features and states by more than
        being as many.
    """
    if isinstance(build, LayerRecipe):
        return build
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        first, second = (layers_of(build(*numbers)) for numbers in _ASKED)
    if [e["layer"] for e in first] != [e["layer"] for e in second]:
        raise FormatError("layers that depend on the number of features or states are not written")
    recipe = []
    for one, other in zip(first, second, strict=True):
        entry = dict(one)
        for name, value in one.items():
            if value != other[name]:
                pairs = dict(zip(zip(*_ASKED, strict=True), _PLACES, strict=True))
                if (value, other[name]) not in pairs:
                    raise FormatError(
                        f"'{name}' of a layer {one['layer']} depends on the numbers of features "
                        "and states by more than being one of them, which is not written"
                    )
                entry[name] = pairs[value, other[name]]
        recipe.append(entry)
    return LayerRecipe(tuple(recipe))
