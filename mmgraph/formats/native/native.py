"""The package's own format, which loses nothing: a directory for a network of any factors.

``network.json`` says what the network is made of and ``parameters.safetensors`` holds the numbers,
in their precision and to the last bit; neither can carry code. The directory is written whole or
not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgraph.data.whole_files import checked_path, write_directory
from mmgraph.formats.files import SIZE_LIMIT, read_bytes
from mmgraph.formats.json_object import JsonObject, read_json, shown
from mmgraph.formats.native.interactions import (
    grid_parameters,
    grid_settings,
    pairwise_parameters,
    pairwise_settings,
    restore_grid,
    restore_pairwise,
)
from mmgraph.formats.native.machines import (
    BOLTZMANN_MACHINES,
    bias_parameters,
    bias_settings,
    machine_settings,
    restore_bias,
    restore_bilinear,
    restore_machine,
)
from mmgraph.formats.text import nearest
from mmgraph.formats.variables import check_free_states, described, restored_variable
from mmgraph.graph.conditionals.deterministic_and_softmax import Deterministic, Softmax
from mmgraph.graph.conditionals.noisy_max import NoisyMax
from mmgraph.graph.conditionals.noisy_or import NoisyOr
from mmgraph.graph.errors import FormatError, GraphError, LearningError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.graph.factors.bilinear import BilinearFactor
from mmgraph.graph.factors.edges import PairwiseFactor
from mmgraph.graph.factors.grid import GridFactor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.factors.unary import UnaryFactor
from mmgraph.graph.leaves.gaussian import GaussianLeaf
from mmgraph.graph.leaves.gaussian_mixture import GaussianMixtureLeaf
from mmgraph.graph.leaves.score_leaf import ScoreLeaf
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.networks.random_fields.markov_random_field import MarkovRandomField

FORMAT, VERSION = "mmgraph network", 1
NETWORK, PARAMETERS = "network.json", "parameters.safetensors"
CONDITIONAL_RANDOM_FIELD = "conditional random field"
"""The kind of model that is no graph; a module of its own reads and writes it."""

Restore = Callable[[Sequence[Variable], Variable | None, Mapping[str, Tensor], Any], Factor]


@dataclass(frozen=True)
class FactorKind:
    """How factors of a class are taken apart and put together.

    Attributes
    ----------
    type : type
        The class itself; its subclasses are other kinds.
    parameters : callable
        ``(factor) -> dict of str to Tensor``.
    settings : callable
        ``(factor) -> dict`` of JSON values.
    restore : callable
        ``(scope, child, parameters, settings) -> factor``.
    """

    type: type[Factor]
    parameters: Callable[[Any], dict[str, Tensor]]
    settings: Callable[[Any], dict[str, Any]]
    restore: Restore


def _table_parameters(factor: TableFactor) -> dict[str, Tensor]:
    return {"log_values": factor.log_values} if factor.is_log else {"values": factor.values}


def _restore_table(
    scope: Sequence[Variable],
    child: Variable | None,
    parameters: Mapping[str, Tensor],
    settings: Any,
) -> Factor:
    return TableFactor(scope, **_only(parameters, "values", "log_values"), child=child)


def _restore_unary(
    scope: Sequence[Variable],
    child: Variable | None,
    parameters: Mapping[str, Tensor],
    settings: Any,
) -> Factor:
    if len(scope) != 1 or child is not None:
        raise GraphError("a unary factor has one variable and no child")
    return UnaryFactor(scope[0], **_only(parameters, "log_values"))


def _only(parameters: Mapping[str, Tensor], *names: str) -> dict[str, Any]:
    if len(parameters) != 1 or not set(parameters) <= set(names):
        found = ", ".join(parameters) or "nothing"
        raise GraphError(f"expected the parameter {' or '.join(names)}, found {found}")
    return dict(parameters)


def _described_by_itself(factor_class: Any) -> FactorKind:
    """Return the kind of a class that has the three methods itself."""

    def restore(
        scope: Sequence[Variable],
        child: Variable | None,
        parameters: Mapping[str, Tensor],
        settings: Any,
    ) -> Factor:
        if child is None:
            raise GraphError("expected a child, found none")
        factor: Factor = factor_class.restore(scope, child, parameters, settings)
        return factor

    return FactorKind(factor_class, lambda f: f.parameters(), lambda f: f.settings(), restore)


FACTOR_KINDS: dict[str, FactorKind] = {
    "table": FactorKind(TableFactor, _table_parameters, lambda _: {}, _restore_table),
    "unary": FactorKind(
        UnaryFactor, lambda f: {"log_values": f.log_values}, lambda _: {}, _restore_unary
    ),
    "grid": FactorKind(GridFactor, grid_parameters, grid_settings, restore_grid),
    "pairwise": FactorKind(
        PairwiseFactor, pairwise_parameters, pairwise_settings, restore_pairwise
    ),
    "deterministic": _described_by_itself(Deterministic),
    "softmax": _described_by_itself(Softmax),
    "noisy-or": _described_by_itself(NoisyOr),
    "noisy-max": _described_by_itself(NoisyMax),
    "Gaussian": _described_by_itself(GaussianLeaf),
    "Gaussian mixture": _described_by_itself(GaussianMixtureLeaf),
    "encoder scores": _described_by_itself(ScoreLeaf),
    "bias": FactorKind(BiasFactor, bias_parameters, bias_settings, restore_bias),
    "bilinear": FactorKind(
        BilinearFactor, lambda f: {"weights": f.weights}, lambda _: {}, restore_bilinear
    ),
}
"""The kinds of factors by name; the name is what ``network.json`` says."""


@dataclass(frozen=True)
class GraphKind:
    """How graphs of a class are put together from their variables and factors.

    Attributes
    ----------
    type : type
        The class itself; its subclasses are other kinds.
    settings : callable
        ``(graph) -> dict`` of JSON values.
    restore : callable
        ``(variables, factors, settings) -> graph``.
    """

    type: type[FactorGraph]
    settings: Callable[[Any], dict[str, Any]]
    restore: Callable[[Sequence[Variable], Sequence[Factor], JsonObject], FactorGraph]


def _of_factors(graph_class: type[FactorGraph]) -> GraphKind:
    """The kind of a class that variables and factors say all of."""
    return GraphKind(graph_class, lambda _: {}, lambda v, f, _: graph_class(v, f))


GRAPH_KINDS: dict[str, GraphKind] = {
    "factor graph": _of_factors(FactorGraph),
    "Bayesian network": _of_factors(BayesianNetwork),
    "Markov random field": _of_factors(MarkovRandomField),
    **{
        name: GraphKind(machine, machine_settings, partial(restore_machine, machine))
        for name, machine in BOLTZMANN_MACHINES.items()
    },
}
"""The kinds of graphs by name."""


def write_native(graph: FactorGraph, path: str | os.PathLike[str]) -> None:
    """Write a graph to a directory, replacing one that an earlier call has written.

    Raises
    ------
    FormatError
        If the graph or a factor is of a kind without an entry above, or the directory holds
        something else.
    """
    path = checked_path(path)
    check_replaceable(path)
    kind = _kind_of(graph, {n: k.type for n, k in GRAPH_KINDS.items()}, "graph")
    tensors: dict[str, Tensor] = {}
    factors = []
    for i, factor in enumerate(graph.factors):
        name = _kind_of(factor, {n: k.type for n, k in FACTOR_KINDS.items()}, "factor")
        parameters = FACTOR_KINDS[name].parameters(factor)
        for key, tensor in parameters.items():
            tensors[f"{i}.{key}"] = tensor
        entry: dict[str, Any] = {"kind": name, "scope": [v.name for v in factor.scope]}
        if factor.child is not None:
            entry["child"] = factor.child.name
        if parameters:
            entry["parameters"] = list(parameters)
        try:
            settings = FACTOR_KINDS[name].settings(factor)
        except GraphError as error:
            raise FormatError(f"{path}: {factor!r}: {error}") from None
        if settings:
            entry["settings"] = settings
        factors.append(entry)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "variables": [described(v) for v in graph.variables.values()],
        "factors": factors,
    }
    if settings := GRAPH_KINDS[kind].settings(graph):
        document["settings"] = settings
    try:
        text = json.dumps(document, indent=1, ensure_ascii=True)
    except TypeError as error:
        raise FormatError(f"{path}: a state or a setting has no place in JSON ({error})") from None

    write_document(path, text, tensors)


def write_document(path: Path, text: str, tensors: Mapping[str, Tensor]) -> None:
    """Write the directory of JSON and numbers that a model is kept in.

    Raises
    ------
    FormatError
        If the place cannot be written.
    """
    # Copies of their own: the file format refuses tensors that share their memory.
    copies = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}

    def fill(directory: Path) -> None:
        from safetensors.torch import save

        (directory / NETWORK).write_text(text + "\n", encoding="ascii")
        (directory / PARAMETERS).write_bytes(save(copies))

    write_directory(path, fill)


def _kind_of(thing: object, kinds: Mapping[str, type], what: str) -> str:
    for name, known in kinds.items():
        if type(thing) is known:
            return name
    raise FormatError(
        f"the {what} {thing!r} is of a kind that cannot be written: {', '.join(kinds)}"
    )


def check_replaceable(path: Path) -> None:
    """Raise FormatError if something stands there that this package has not written."""
    if path.exists() and not is_native(path) and not (path.is_dir() and not any(path.iterdir())):
        raise FormatError(f"{path} stands there already and is no network; it is left as it is")


def is_native(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a directory that holds a network of this format."""
    return (checked_path(path) / NETWORK).is_file()


def read_native(path: str | os.PathLike[str], *, size_limit: int = SIZE_LIMIT) -> FactorGraph:
    """Read a graph from a directory.

    Parameters
    ----------
    path : path
        The directory.
    size_limit : int
        The most bytes that each of its two files may hold.

    Raises
    ------
    FormatError
        If a file is missing or damaged, was written by another version, lacks a parameter, or says
        what no graph can be.
    """
    path = checked_path(path)
    file = path / NETWORK
    document = read_document(path, size_limit)
    if document.get("kind", str) == CONDITIONAL_RANDOM_FIELD:
        raise FormatError(
            f"{path} holds a conditional random field; ConditionalRandomField.read reads it"
        )
    graph_kind = document.choice("kind", GRAPH_KINDS)
    tensors = read_tensors(path / PARAMETERS, size_limit)
    entries = document.items("variables")
    check_free_states(str(file), entries, tensors)
    variables: dict[str, Variable] = {}
    try:
        for entry in entries:
            variable = restored_variable(entry)
            if variable.name in variables:
                raise FormatError(f"{entry.where}: '{variable.name}' is declared twice")
            variables[variable.name] = variable
        factors = [
            _factor(entry, i, variables, tensors, path)
            for i, entry in enumerate(document.items("factors"))
        ]
        if tensors:  # each factor has taken out its own
            raise FormatError(f"{path / PARAMETERS}: '{min(tensors)}' belongs to no factor")
        settings = JsonObject(f"{file}, settings", document.get("settings", dict, {}))
        return graph_kind.restore(list(variables.values()), factors, settings)
    except (GraphError, LearningError) as error:
        raise FormatError(f"{file}: {error}") from None


def read_document(path: Path, size_limit: int) -> JsonObject:
    """Return what ``network.json`` of a directory says, in the version that is known here."""
    file = path / NETWORK
    document = JsonObject(f"{file}", read_json(file, size_limit))
    if document.get("format", str) != FORMAT:
        raise FormatError(
            f"{file}: expected the format '{FORMAT}', found {shown(document.members['format'])}"
        )
    if document.get("version", int) != VERSION:
        raise FormatError(
            f"{file}: expected the version {VERSION}, found {document.members['version']}; "
            "another version of mmgraph has written it"
        )
    return document


def read_tensors(file: Path, size_limit: int) -> dict[str, Tensor]:
    """Return the tensors of a file in the safetensors format."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = read_bytes(file, size_limit)
    try:
        return load(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError, OverflowError) as error:
        raise FormatError(f"{file}: expected tensors in the safetensors format ({error})") from None


def _factor(
    entry: JsonObject,
    number: int,
    variables: Mapping[str, Variable],
    tensors: dict[str, Tensor],
    path: Path,
) -> Factor:
    """Rebuild a factor, and take its parameters out of ``tensors``."""
    kind: FactorKind = entry.choice("kind", FACTOR_KINDS)
    scope: list[Variable] = []
    for name in entry.names("scope"):
        if name not in variables:
            hint = nearest(name, variables)
            raise FormatError(f"{entry.where}: there is no variable {shown(name)}{hint}")
        scope.append(variables[name])
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
            raise FormatError(f"{path / PARAMETERS}: the parameter '{key[:60]}' is missing")
        parameters[name] = tensors.pop(key)
    settings = entry.get("settings", dict, {})
    # Which error a kind raises for settings that it has not written itself is its own affair.
    try:
        return kind.restore(scope, child, parameters, settings)
    except Exception as error:
        raise FormatError(f"{entry.where}: {error}") from error
