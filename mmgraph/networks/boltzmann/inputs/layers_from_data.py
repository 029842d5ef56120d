"""The layers of a machine that takes them, or the labels, from the data that it is fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmgraph.graph.errors import LearningError
from mmgraph.networks.boltzmann.inputs.labels import labels_from
from mmgraph.networks.boltzmann.inputs.variables_from_data import variables_by_modality
from mmgraph.networks.boltzmann.layers import Pathway


def arguments_from_data(
    arguments: Mapping[str, Any], data: object, y: object, classes: object, joint: int, model: str
) -> dict[str, Any]:
    """Return the arguments of a machine that it leaves to the data, found there.

    ``data``, ``y`` and ``classes`` are those of ``partial_fit``, ``joint`` the units of the joint
    layer; the ``model`` is named in messages.
    """
    of_data = _units(arguments, data, joint) if leaves_units_to_data(arguments) else {}
    labels = arguments.get("labels")
    if isinstance(labels, str):
        of_data["labels"] = labels_from(labels, y, classes, model)
    return of_data


def leaves_units_to_data(arguments: Mapping[str, Any]) -> bool:
    """Whether some visible units of a machine made from these arguments are those of the data."""
    if "pathways" not in arguments:
        return arguments["visible"] is None
    pathways = arguments["pathways"]
    if isinstance(pathways, Mapping):
        return not all(isinstance(p, Pathway) for p in pathways.values())
    return pathways is None


def _units(arguments: Mapping[str, Any], data: object, joint: int) -> dict[str, Any]:
    """The arguments with visible variables of the data."""
    if "pathways" not in arguments:
        groups = variables_by_modality(data).values()
        visible = [variable for group in groups for variable in group]
        return {"visible": visible[0] if len(visible) == 1 else visible}
    pathways = arguments["pathways"]
    if pathways is None:
        modalities = variables_by_modality(data)
        return {"pathways": {name: Pathway(units, joint) for name, units in modalities.items()}}
    if not isinstance(data, Mapping):
        raise LearningError(
            f"the pathways {', '.join(map(repr, pathways))} take their units from a mapping of "
            f"arrays by modality, not from {type(data).__name__}"
        )
    made = {}
    for name, pathway in pathways.items():
        if isinstance(pathway, Pathway):
            made[name] = pathway
        elif name not in data:
            raise LearningError(f"the data lacks '{name}', whose units it is to give")
        else:
            made[name] = Pathway(variables_by_modality({name: data[name]})[name], pathway)
    return {"pathways": made}
