"""Conditional random fields in the package's own format: what JSON says of them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from torch import Tensor

from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.native.directory import CONDITIONAL_RANDOM_FIELD, write_document
from mmgraph.formats.variables import described, restored_variable
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factors.grid import restored_offsets
from mmgraph.graph.interaction import restored_interaction
from mmgraph.graph.variable import Variable
from mmgraph.networks.random_fields.conditional_random_field import ConditionalRandomField


def write_field(field: ConditionalRandomField, path: str | os.PathLike[str]) -> None:
    """Write a field to a directory, replacing one that an earlier call has written."""
    neighbours = field.neighbours
    if neighbours is not None and not isinstance(neighbours, int):
        neighbours = [list(offset) for offset in neighbours]  # type: ignore[misc]
    try:
        interaction = field.interaction.settings()
    except GraphError as error:
        raise FormatError(f"{path}: {error}") from None
    document = {
        "kind": CONDITIONAL_RANDOM_FIELD,
        "variables": [described(Variable(field.name, field.states))],
        "sensors": list(field.sensors),
        "interaction": interaction,
        "neighbours": neighbours,
        "edge_weight": field.edge_weight,
        "score_weights": field.score_weights,
        "contrast_weights": field.contrast_weights,
        "contrast_scales": field.contrast_scales,
    }
    write_document(path, document, field.interaction.parameters())


def restored_field(document: JsonObject, tensors: Mapping[str, Tensor]) -> ConditionalRandomField:
    """Return the field that the two files of a directory describe."""
    entries = document.items("variables")
    if len(entries) != 1:
        raise FormatError(f"{document.where}: expected one variable, found {len(entries)}")
    neighbours = document.members.get("neighbours")
    try:
        variable = restored_variable(entries[0])
        if neighbours is not None and not isinstance(neighbours, int):
            neighbours = restored_offsets(neighbours)
        interaction = restored_interaction(document.get("interaction", dict), tensors)
        return ConditionalRandomField(
            variable.cardinality if isinstance(variable.states, int) else variable.labels,
            document.names("sensors"),
            interaction,
            neighbours,
            variable.name,
            _numbers(document, "score_weights"),
            _number(document, "edge_weight", document.get("edge_weight", object)),
            _numbers(document, "contrast_weights"),
            _numbers(document, "contrast_scales"),
        )
    except GraphError as error:
        raise FormatError(f"{document.where}: {error}") from None


def _numbers(document: JsonObject, key: str) -> dict[str, float]:
    members = document.get(key, dict)
    return {name: _number(document, key, value) for name, value in members.items()}


def _number(document: JsonObject, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormatError(f"{document.where}: expected a number in '{key}', found {shown(value)}")
    return float(value)
