"""The package's own format, which loses nothing: a directory for a model of any factors.

Every factor class says itself what it is made of, see :meth:`Factor.parameters
<mmgraph.graph.factor.Factor.parameters>`; what is written of it are its name, those numbers and its
settings.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.native.directory import (
    CONDITIONAL_RANDOM_FIELD,
    PARAMETERS,
    read_document,
    read_tensors,
    write_document,
)
from mmgraph.formats.native.machines import BOLTZMANN_MACHINES, machine_settings, restore_machine
from mmgraph.formats.variables import (
    check_free_states,
    described,
    named_variables,
    restored_variable,
)
from mmgraph.graph.errors import FormatError, GraphError, LearningError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factor_kinds import factor_kinds
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.networks.boltzmann.machine import BoltzmannMachine
from mmgraph.networks.random_fields.markov_random_field import MarkovRandomField

GRAPH_KINDS: dict[str, type[FactorGraph]] = {
    "factor graph": FactorGraph,
    "Bayesian network": BayesianNetwork,
    "Markov random field": MarkovRandomField,
    **BOLTZMANN_MACHINES,
}
"""The kinds of graphs by name; their subclasses are other kinds."""

PREDICTORS = {
    "Bayesian network classifier": "mmgraph.predictors.stored.network_classifiers",
    "command recogniser": "mmgraph.sequences.commands.stored",
    "deep classifier": "mmgraph.predictors.stored.deep.deep_classifiers",
    "hybrid classifier": "mmgraph.predictors.stored.deep.hybrid_classifiers",
    "machine classifier": "mmgraph.predictors.stored.machine_classifiers",
    "missing modality classifier": "mmgraph.predictors.stored.missing_modality_classifiers",
    "multimodal classifier": "mmgraph.predictors.stored.classifiers",
    "multimodal representation": "mmgraph.predictors.stored.deep.representations",
    "multimodal regressor": "mmgraph.predictors.stored.regressors",
    "retriever": "mmgraph.retrieval.stored",
    "sequence labeller": "mmgraph.predictors.stored.sequence_labellers",
    "sequence model": "mmgraph.formats.native.sequence_models",
}
"""The module of each kind of model from above this package, which has the functions ``write_model``
and ``restored_model``; such a model names its kind as ``file_kind``."""


def write_native(graph: FactorGraph, path: str | os.PathLike[str]) -> None:
    """Write a graph to a directory, replacing one that an earlier call has written."""
    path = checked_path(path)
    try:
        document, tensors = graph_document(graph)
    except GraphError as error:
        raise FormatError(f"{path}: {error}") from None
    write_document(path, document, tensors)


def graph_document(graph: FactorGraph) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what JSON says of a graph, and its numbers.

    Raises
    ------
    FormatError
        If it, or a factor, is of a kind that cannot be written.
    GraphError
        If a factor has settings that cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    document: dict[str, Any] = {
        "kind": _kind_of(graph, GRAPH_KINDS, "graph"),
        "variables": [described(v) for v in graph.variables.values()],
        "factors": [],
    }
    for i, factor in enumerate(graph.factors):
        parameters = factor.parameters()
        tensors |= {f"{i}.{name}": tensor for name, tensor in parameters.items()}
        entry: dict[str, Any] = {"kind": _kind_of(factor, factor_kinds(), "factor")}
        entry["scope"] = [v.name for v in factor.scope]
        if factor.child is not None:
            entry["child"] = factor.child.name
        if parameters:
            entry["parameters"] = list(parameters)
        try:
            settings = factor.settings()
        except GraphError as error:
            raise GraphError(f"{factor!r}: {error}") from None
        if settings:
            entry["settings"] = settings
        document["factors"].append(entry)
    if isinstance(graph, BoltzmannMachine):
        document["settings"] = machine_settings(graph)
    return document, tensors


def _kind_of(thing: object, kinds: Mapping[str, type], what: str) -> str:
    for name, kind in kinds.items():
        if type(thing) is kind:
            return name
    raise FormatError(
        f"the {what} {thing!r} is of a kind that cannot be written: {', '.join(kinds)}"
    )


def read_native(path: str | os.PathLike[str], *, size_limit: int = SIZE_LIMIT) -> Any:
    """Read a model from a directory, each of whose files may hold ``size_limit`` bytes."""
    path = checked_path(path)
    document = read_document(path, size_limit)
    if document.get("kind", str) == CONDITIONAL_RANDOM_FIELD:  # whose module loads learning
        from mmgraph.formats.native.random_fields import restored_field

        return restored_field(document, read_tensors(path / PARAMETERS, size_limit))
    module = document.choice("kind", {**dict.fromkeys(GRAPH_KINDS), **PREDICTORS})
    if module is not None:
        return importlib.import_module(module).restored_model(document, path, size_limit)
    return restored_graph(document, read_tensors(path / PARAMETERS, size_limit), path / PARAMETERS)


def restored_graph(
    document: JsonObject, tensors: dict[str, Tensor], numbers: Path | str
) -> FactorGraph:
    """Return the graph of :func:`graph_document`.

    Parameters
    ----------
    document : JsonObject
    tensors : dict of str to Tensor
        Those of this graph alone; they are taken out.
    numbers : path or str
        Where they come from, for messages.

    Raises
    ------
    FormatError
        If the document and the numbers are not those of a graph.
    """
    file = document.where
    graph_kind: type[FactorGraph] = document.choice("kind", GRAPH_KINDS)
    entries = document.items("variables")
    check_free_states(file, entries, tensors)
    variables: dict[str, Variable] = {}
    try:
        for entry in entries:
            variable = restored_variable(entry)
            if variable.name in variables:
                raise FormatError(f"{entry.where}: '{variable.name}' is declared twice")
            variables[variable.name] = variable
        factors = [
            _factor(entry, i, variables, tensors, numbers)
            for i, entry in enumerate(document.items("factors"))
        ]
        if tensors:  # each factor has taken out its own
            raise FormatError(f"{numbers}: '{min(tensors)}' belongs to no factor")
        if issubclass(graph_kind, BoltzmannMachine):
            settings = JsonObject(f"{file}, settings", document.get("settings", dict, {}))
            return restore_machine(graph_kind, list(variables.values()), factors, settings)
        return graph_kind(variables.values(), factors)
    except (GraphError, LearningError) as error:
        raise FormatError(f"{file}: {error}") from None


def _factor(
    entry: JsonObject,
    number: int,
    variables: Mapping[str, Variable],
    tensors: dict[str, Tensor],
    numbers: Path | str,
) -> Factor:
    """Rebuild a factor, and take its parameters out of ``tensors``."""
    kind: type[Factor] = entry.choice("kind", factor_kinds())
    scope = named_variables(entry, entry.names("scope"), variables)
    child = None
    if "child" in entry:
        name = entry.get("child", str)
        child = next((v for v in scope if v.name == name), None)
        if child is None:
            raise FormatError(f"{entry.where}: the child {shown(name)} is not in the scope")
    parameters = {}
    for name in entry.names("parameters"):
        key = f"{number}.{name}"
        if key not in tensors:
            raise FormatError(f"{numbers}: the parameter '{key[:60]}' is missing")
        parameters[name] = tensors.pop(key)
    settings = entry.get("settings", dict, {})
    # Which error a kind raises for settings that it has not written itself is its own affair.
    try:
        return kind.restore(scope, child, parameters, settings)
    except Exception as error:
        raise FormatError(f"{entry.where}: {error}") from error
