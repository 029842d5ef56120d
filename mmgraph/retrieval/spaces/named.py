"""The spaces by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.retrieval.spaces.canonical import CanonicalSpace, FittedCanonicalSpace
from mmgraph.retrieval.spaces.machine import FittedMachineSpace, MachineSpace
from mmgraph.retrieval.spaces.nets import FittedNetSpace, NetSpace
from mmgraph.retrieval.spaces.space import FittedSpace, Space
from mmgraph.retrieval.spaces.tag_network import FittedTagNetworkSpace, TagNetworkSpace

SPACES: Mapping[str, Space] = {
    "cca": CanonicalSpace(),
    "kernel_cca": CanonicalSpace(600, picture_ridge=0.7, text_ridge=1.5, steepness=1.0),
    "contrastive": NetSpace("contrastive"),
    "cosine": NetSpace("cosine"),
    "deep_cca": NetSpace("deep_cca"),
    "joint": MachineSpace(),
    "network": TagNetworkSpace(),
}
FITTED: Mapping[str, type[FittedSpace]] = {
    kind.name: kind
    for kind in (FittedCanonicalSpace, FittedNetSpace, FittedMachineSpace, FittedTagNetworkSpace)
}
"""The kinds of fitted spaces, by their names in files."""
_SETTINGS: Mapping[str, type[Space]] = {
    kind.__name__: kind for kind in dict.fromkeys(map(type, SPACES.values()))
}


def chosen_space(space: str | Space) -> Space:
    """Return a space by its name, or as it is.

    Raises
    ------
    LearningError
        If there is none of that name (with the nearest).
    """
    if isinstance(space, Space):
        return space
    check_choice("representation", space, list(SPACES), LearningError)
    return SPACES[space]


def space_settings(space: Space) -> dict[str, Any]:
    """Return what JSON says of the settings of a space."""
    settings = {
        f.name: type(getattr(type(space)(), f.name))(getattr(space, f.name)) for f in fields(space)
    }
    return {"kind": type(space).__name__, **settings}


def restored_settings(entry: JsonObject) -> Space:
    """Return the settings of :func:`space_settings`.

    Raises
    ------
    FormatError
        If they are not what they must be.
    """
    kind = entry.choice("kind", _SETTINGS)
    settings: dict[str, Any] = {}
    for field in fields(kind):
        if isinstance(field.default, tuple):
            settings[field.name] = tuple(entry.names(field.name))
        else:
            settings[field.name] = entry.get(field.name, type(field.default))
    return kind(**settings)
