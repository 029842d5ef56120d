"""The layers of a machine that takes them, or the labels, from the data that it is fitted on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import LearningError
from mmgraph.networks.boltzmann.inputs.features import feature_names
from mmgraph.networks.boltzmann.inputs.labels import check_classes, labels_from
from mmgraph.networks.boltzmann.inputs.units_of_data import variables_by_modality
from mmgraph.networks.boltzmann.layers import Pathway

if TYPE_CHECKING:
    from mmgraph.networks.boltzmann.machine import BoltzmannMachine


def lay_out(
    machine: BoltzmannMachine, data: object, y: object, classes: object = None, again: bool = True
) -> None:
    """Give a machine the layers that its arguments leave to the data.

    Parameters
    ----------
    machine : BoltzmannMachine
        One that has all of them stays as it is.
    data, y
        As given to ``fit``.
    classes : array-like, optional
        All labels that will come.
    again : bool
        Whether layers that came from earlier data are made anew.

    Raises
    ------
    LearningError
        If the data does not say of what kind its columns are, or ``classes`` are not the labels.
    GraphError
        If two variables would have the same name.
    """
    arguments, training = machine._arguments, machine._training
    labels = arguments.get("labels")
    found: dict[str, Any] = {}
    if leaves_units_to_data(arguments) and (again or not machine.visible):
        found = _units(arguments, data, machine.joint.size)
    if isinstance(labels, str) and (again or not machine.visible):
        found["labels"] = labels_from(labels, y, classes, type(machine).__name__)
    if found:
        place = machine.device
        type(machine).__init__(machine, **arguments | found, **training)
        machine.place_on(place)
        machine._made_from, machine._arguments = machine._arguments, arguments
    if machine.labels is not None:
        check_classes(machine.labels, classes)


@contextlib.contextmanager
def unchanged_on_error(machine: BoltzmannMachine) -> Iterator[None]:
    """Leave a machine as it was where its data cannot be read."""
    before = dict(machine.__dict__)
    try:
        yield
    except BaseException:
        machine.__dict__.clear()
        machine.__dict__.update(before)
        raise


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
    given = arguments["pathways"]
    if given is None:
        found = variables_by_modality(data)
        return {"pathways": {name: Pathway(units, joint) for name, units in found.items()}}
    if not isinstance(data, Mapping):
        raise LearningError(
            f"the pathways {', '.join(map(repr, given))} take their units from a mapping of arrays "
            f"by modality, not from {type(data).__name__}"
        )
    made = {}
    for name, pathway in given.items():
        if isinstance(pathway, Pathway):
            made[name] = pathway
        elif name not in data:
            raise LearningError(f"the data lacks '{name}', whose units it is to give")
        else:
            made[name] = Pathway(variables_by_modality({name: data[name]})[name], pathway)
    return {"pathways": made}


def names_of_columns(machine: BoltzmannMachine, data: object) -> np.ndarray | None:
    """Return the names of columns that were taken side by side; None where variables name them."""
    names = feature_names(data)
    if names is None or not is_frame(data):
        return None
    stems = {name.partition("[")[0] for name in names}
    return None if stems & set(machine.variables) else names
