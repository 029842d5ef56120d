"""Conditional random fields in the package's own format: a directory of JSON and numbers."""

from __future__ import annotations

import json
import os

from mmgraph.data.whole_files import checked_path
from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.native.interactions import (
    interaction_parameters,
    interaction_settings,
    restored_interaction,
    restored_offsets,
)
from mmgraph.formats.native.native import (
    CONDITIONAL_RANDOM_FIELD,
    FORMAT,
    PARAMETERS,
    VERSION,
    check_replaceable,
    read_document,
    read_tensors,
    write_document,
)
from mmgraph.formats.variables import described, restored_variable
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.variable import Variable
from mmgraph.networks.random_fields.conditional_random_field import ConditionalRandomField


def write_conditional_random_field(
    field: ConditionalRandomField, path: str | os.PathLike[str]
) -> None:
    """Write a field to a directory, replacing one that an earlier call has written.

    Raises
    ------
    FormatError
        If the directory holds something else, or the interaction is of a class of the user's own.
    """
    path = checked_path(path)
    check_replaceable(path)
    neighbours = field.neighbours
    if neighbours is not None and not isinstance(neighbours, int):
        neighbours = [list(offset) for offset in neighbours]  # type: ignore[misc]
    try:
        document = {
            "format": FORMAT,
            "version": VERSION,
            "kind": CONDITIONAL_RANDOM_FIELD,
            "variables": [described(Variable(field.name, field.states))],
            "sensors": list(field.sensors),
            "interaction": interaction_settings(field.interaction),
            "neighbours": neighbours,
            "edge_weight": field.edge_weight,
            "score_weights": field.score_weights,
            "contrast_weights": field.contrast_weights,
            "contrast_scales": field.contrast_scales,
        }
        text = json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False)
    except (GraphError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: {error}") from None
    write_document(path, text, interaction_parameters(field.interaction))


def read_conditional_random_field(
    path: str | os.PathLike[str], *, size_limit: int = SIZE_LIMIT
) -> ConditionalRandomField:
    """Read a field from a directory.

    Raises
    ------
    FormatError
        If a file is missing or damaged, holds another kind of model, or says what no field can be.
    """
    path = checked_path(path)
    document = read_document(path, size_limit)
    kind = document.get("kind", str)
    if kind != CONDITIONAL_RANDOM_FIELD:
        raise FormatError(f"{path} holds no conditional random field but a {shown(kind)}")
    entries = document.items("variables")
    if len(entries) != 1:
        raise FormatError(f"{document.where}: expected one variable, found {len(entries)}")
    neighbours = document.members.get("neighbours")
    tensors = read_tensors(path / PARAMETERS, size_limit)
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
