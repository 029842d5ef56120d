"""Models of sequences in the package's own format."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.formats.json_object import JsonObject
from mmgraph.formats.native.directory import (
    PARAMETERS,
    checked_bytes,
    tensors_of,
    write_document,
)
from mmgraph.formats.native.native import graph_document, restored_graph
from mmgraph.graph.errors import FormatError, GraphError, MmgraphError
from mmgraph.graph.state_labels import plain_cell
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.networks.dynamic.dynamic_bayesian_network import DynamicBayesianNetwork

_FACES = "mmgraph.networks.dynamic"
MODELS = {
    "coupled hidden Markov model": ("coupled_hidden_markov_model", "CoupledHiddenMarkovModel"),
    "factorial hidden Markov model": (
        "factorial_hidden_markov_model",
        "FactorialHiddenMarkovModel",
    ),
    "hidden Markov model": ("hidden_markov_model", "HiddenMarkovModel"),
    "hidden semi-Markov model": ("hidden_semi_markov_model", "HiddenSemiMarkovModel"),
    "linear Gaussian system": ("linear_gaussian_system", "LinearGaussianSystem"),
    "switching linear system": ("switching_linear_system", "SwitchingLinearSystem"),
}
"""Module and class of each model below ``networks/dynamic``. They have a method ``stored``, which
returns JSON values and arrays, and a class method ``restored``, which takes both."""

_DYNAMIC = "dynamic Bayesian network"


def write_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model of sequences to a directory.

    Raises
    ------
    FormatError
        If it is of a kind that cannot be written, or the place cannot be.
    NotFittedError
        If it has no parameters yet.
    """
    if isinstance(model, DynamicBayesianNetwork):
        document, tensors = _slices(model, path)
        write_document(path, document, tensors, {})
        return
    name = next((n for n, (_, cls) in MODELS.items() if type(model).__name__ == cls), None)
    if name is None:
        raise FormatError(f"{path}: {model!r:.60} is no model of sequences that can be written")
    content, arrays = model.stored()
    tensors = {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in arrays.items()}
    document = {"kind": model.file_kind, "model": name, "content": _plain(content)}
    write_document(path, document, tensors, {})


def _plain(value: Any) -> Any:
    """JSON values in which numbers of numpy are those of Python."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else plain_cell(value)


def _slices(
    model: DynamicBayesianNetwork, path: str | os.PathLike[str]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    documents: list[dict[str, Any]] = []
    tensors: dict[str, Tensor] = {}
    for number, graph in enumerate(model.slices):
        try:
            document, own = graph_document(graph)
        except GraphError as error:
            raise FormatError(f"{path}: {error}") from None
        documents.append(document)
        tensors |= {f"{number}/{name}": tensor for name, tensor in own.items()}
    return {
        "kind": model.file_kind,
        "model": _DYNAMIC,
        "inputs": list(model.inputs),
        "slices": documents,
    }, tensors


def restored_model(document: JsonObject, path: Path, size_limit: int) -> Any:
    """Return the model of a directory.

    Raises
    ------
    FormatError
        If it is not what was written.
    """
    file = path / PARAMETERS
    tensors = tensors_of(checked_bytes(document, file, size_limit), file)
    name = document.get("model", str)
    try:
        if name == _DYNAMIC:
            return _dynamic(document, tensors, file)
        module, cls = document.choice("model", MODELS)
        arrays = {n: t.numpy() for n, t in tensors.items()}
        face = getattr(importlib.import_module(f"{_FACES}.{module}"), cls)
        return face.restored(document.get("content", dict), arrays)
    except FormatError:
        raise
    except (MmgraphError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise FormatError(f"{path}: this is no {name} ({error!r})") from None


def _dynamic(
    document: JsonObject, tensors: dict[str, Tensor], file: Path
) -> DynamicBayesianNetwork:
    nets = []
    for number, inner in enumerate(document.get("slices", list)):
        prefix = f"{number}/"
        own = {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
        net = restored_graph(JsonObject(f"{document.where}, slice {number}", inner), own, file)
        if not isinstance(net, BayesianNetwork):
            raise FormatError(f"{document.where}: slice {number} is no Bayesian network")
        nets.append(net)
    inputs = document.get("inputs", list)
    middle = nets[1] if len(nets) == 3 else None
    return DynamicBayesianNetwork(nets[0], nets[-1], middle, inputs)
