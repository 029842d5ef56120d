"""Boltzmann machines in the package's own format: how layers are put together, and their factors.

What is written of a machine beside its variables and factors are the names of its layers, the
sweeps of mean field that it answers with, and the precision that it was made for where its numbers
are kept in another; sizes and families stand with the variables. Options of training are not kept:
a machine that is read has their defaults.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch

from mmgraph.formats.json_object import JsonObject
from mmgraph.formats.variables import named_variables
from mmgraph.graph.errors import GraphError
from mmgraph.graph.exponential_family import statistics_shape
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.bilinear import bilinear_factors
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.deep import DeepBoltzmannMachine
from mmgraph.networks.boltzmann.layers import Pathway, check_family, check_label_links
from mmgraph.networks.boltzmann.machine import BoltzmannMachine
from mmgraph.networks.boltzmann.multimodal import MultimodalDeepBoltzmannMachine
from mmgraph.networks.boltzmann.restricted import RestrictedBoltzmannMachine

BOLTZMANN_MACHINES: dict[str, type[BoltzmannMachine]] = {
    "restricted Boltzmann machine": RestrictedBoltzmannMachine,
    "deep Boltzmann machine": DeepBoltzmannMachine,
    "multimodal deep Boltzmann machine": MultimodalDeepBoltzmannMachine,
}
"""The kinds of machines by the names that files give them."""


_PRECISIONS = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
}


def machine_settings(machine: BoltzmannMachine) -> dict[str, Any]:
    """Return which layers a machine is made of, by name; they must be known."""
    if not machine.variables:
        machine.check_fitted()
    names = iter([v.name for v in machine.hidden])
    settings: dict[str, Any] = {
        "pathways": [
            {
                "name": p.title,
                "visible": [v.name for v in p.variables],
                "hidden": list(itertools.islice(names, len(p.sizes))),
            }
            for p in machine.pathways
        ],
        "joint": machine.joint.name,
    }
    if machine.labels is not None:
        settings["labels"] = machine.labels.name
        settings["label_links"] = machine.layers.label_links
    if machine.sweeps is not None:
        settings["sweeps"] = machine.sweeps
    if (columns := getattr(machine, "feature_names_in_", None)) is not None:
        settings["columns"] = columns.tolist()
    if machine.asked_dtype != machine.dtype:
        settings["dtype"] = str(machine.asked_dtype).removeprefix("torch.")
    return settings


def restore_machine(
    kind: type[BoltzmannMachine],
    variables: Sequence[Variable],
    factors: Sequence[Factor],
    settings: JsonObject,
) -> BoltzmannMachine:
    """Put a machine together."""
    named = {v.name: v for v in variables}
    pathways = []
    for entry in settings.items("pathways"):
        hidden = named_variables(entry, entry.names("hidden"), named)
        visible = named_variables(entry, entry.names("visible"), named)
        families: Any = {v.family for v in hidden} or {None}
        if len(families) != 1:
            raise GraphError(f"the hidden layers of '{entry.get('name', str)}' are of two families")
        sizes = tuple(v.size for v in hidden)
        pathways.append(Pathway(visible, sizes, entry.get("name", str), families.pop()))
    (joint,) = named_variables(settings, [settings.get("joint", str)], named)
    labels, links = None, "joint"
    if "labels" in settings:
        (labels,) = named_variables(settings, [settings.get("labels", str)], named)
        links = settings.get("label_links", str, "joint")
        check_label_links(links)
    if not all(factor.compact for factor in factors):
        raise GraphError("a Boltzmann machine is made of biases and bilinear factors alone")
    _check_weights(pathways, joint.size, labels, links, factors)
    machine = _made(kind, pathways, joint, labels, links)
    machine.adopt(factors)
    for variable in variables:
        if variable.name not in machine.variables:
            raise GraphError(f"'{variable.name}' is no layer of the machine")
    precision = settings.choice("dtype", _PRECISIONS) if "dtype" in settings else machine.dtype
    machine.trained_as(precision, settings.names("columns") if "columns" in settings else None)
    if "sweeps" in settings:
        machine.sweeps = settings.get("sweeps", int)
        if machine.sweeps < 1:
            raise GraphError(f"a machine cannot answer with {machine.sweeps} sweeps of mean field")
    return machine


def _check_weights(
    pathways: Sequence[Pathway],
    joint: int,
    labels: Variable | None,
    links: str,
    factors: Sequence[Factor],
) -> None:
    """Refuse layers whose weights the file does not hold, before there is memory for them."""
    needed = 0 if labels is None else labels.cardinality * joint
    if labels is not None and links == "all":
        needed += labels.cardinality * sum(p.sizes[-1] for p in pathways if p.sizes)
    for pathway in pathways:
        below = sum(math.prod(statistics_shape(v)) for v in pathway.variables)
        needed += sum(a * b for a, b in itertools.pairwise((below, *pathway.sizes, joint)))
    count = sum(f.weights.numel() for f in bilinear_factors(factors))
    if needed != count:
        raise GraphError(f"the layers are joined by {needed:,} weights, but there are {count:,}")


def _made(
    kind: type[BoltzmannMachine],
    pathways: Sequence[Pathway],
    joint: Variable,
    labels: Variable | None,
    links: Any,
) -> BoltzmannMachine:
    """A machine of these layers, with any numbers."""
    family: Any = joint.family
    check_family(family)
    if kind is MultimodalDeepBoltzmannMachine:
        return MultimodalDeepBoltzmannMachine(
            pathways, joint.size, labels, family, label_links=links
        )
    if links != "joint":
        raise GraphError(f"the labels of such a machine are joined to its top, not to {links!r}")
    if len(pathways) != 1:
        raise GraphError(f"such a machine has one pathway, not {len(pathways)}")
    visible, sizes = pathways[0].variables, (*pathways[0].sizes, joint.size)
    bottom: Any = visible[0] if len(visible) == 1 else visible
    if kind is DeepBoltzmannMachine:
        return DeepBoltzmannMachine(bottom, sizes, labels, family)
    if len(sizes) != 1:
        raise GraphError(f"a restricted machine has one hidden layer, not {len(sizes)}")
    return RestrictedBoltzmannMachine(bottom, joint.size, labels, family)
