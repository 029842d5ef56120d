"""Labelled fields whose graphs are built, as ever, on the CPU, and then moved to a device."""

from __future__ import annotations

import torch

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.devices import check_device, is_elsewhere
from mmgraph.learning.random_fields.conditional_random_field import LabelledField, Parameters


def on_device(field: LabelledField, device: torch.device | str | None) -> LabelledField:
    """Return a labelled field whose objective is computed on a device; parameters stay.

    Raises
    ------
    MmgraphError
        If torch does not have the device.
    """
    if device is None or not is_elsewhere(check_device(device)):
        return field

    def build(parameters: Parameters, fold: int | None) -> FactorGraph:
        graph = field.build(parameters, fold)
        return FactorGraph(graph.variables.values(), (f.to(device) for f in graph.factors))

    return field._replace(build=build)
