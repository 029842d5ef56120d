"""Fitted classifiers by a Bayesian network in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.predictors.bayesian_network_classifier import BayesianNetworkClassifier
from mmgraph.predictors.stored.parts import Parts, number_in, read_parts, write_parts
from mmgraph.predictors.stored.row_classifiers import check_writable
from mmgraph.predictors.stored.tempered import (
    graph_parts,
    modalities_entry,
    restore_tempered,
    restored_graph_of,
    restored_modalities,
    tempered_parts,
)


def write_model(classifier: BayesianNetworkClassifier, path: str | os.PathLike[str]) -> None:
    """Write a fitted classifier, with the rows that it learned powers from, to a directory.

    Raises
    ------
    FormatError
        If it is not fitted, or the place cannot be written.
    """
    path = checked_path(path)
    check_writable(classifier, BayesianNetworkClassifier, path)
    try:
        parts = tempered_parts(classifier, graph_parts)
    except MmgraphError as error:
        raise FormatError(f"{path}: {error}") from error
    edges = classifier.edges
    parts.settings["parameters"] = {
        "modalities": modalities_entry(classifier),
        "network": classifier.network is not None,
        "target": classifier.target,
        "edges": None if edges is None else [list(map(str, edge)) for edge in edges],
        "equivalent_sample_size": float(classifier.equivalent_sample_size),
        "shrinkage": float(classifier.shrinkage),
        "temper": bool(classifier.temper),
        "folds": int(classifier.folds),
        "random_state": int(classifier.random_state),
    }
    parts.settings["target"] = classifier.target_
    parts.add("places", torch.as_tensor(classifier._places))
    write_parts(path, classifier.file_kind, parts)


def restored_model(document: JsonObject, path: Path, size_limit: int) -> BayesianNetworkClassifier:
    """Return the classifier of a directory whose ``network.json`` is read already.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or not what the others say.
    """
    parts = read_parts(document, path, size_limit)
    try:
        return _restored(document, parts)
    except FormatError:
        raise
    except MmgraphError as error:
        raise FormatError(f"{document.where}: {error}") from None


def _restored(document: JsonObject, parts: Parts) -> BayesianNetworkClassifier:
    entry = JsonObject(f"{document.where}, parameters", document.get("parameters", dict))

    def number(name: str) -> float:
        return float(number_in(entry.where, name, entry.members.get(name)))

    classifier = BayesianNetworkClassifier(
        restored_modalities(entry),
        target=entry.get("target", str),
        edges=_edges(entry),
        temper=entry.get("temper", bool),
        folds=entry.get("folds", int),
        random_state=entry.get("random_state", int),
        equivalent_sample_size=number("equivalent_sample_size"),
        shrinkage=number("shrinkage"),
    )
    places = parts.take("places", None, dtype=torch.int64)
    target = document.get("target", str)

    def network(part: Parts) -> BayesianNetwork:
        made: BayesianNetwork = restored_graph_of(part, BayesianNetwork)
        labels = made.variable(target)
        if labels.shape or sorted(places.tolist()) != list(range(labels.cardinality)):
            raise FormatError(f"{part.where}: '{target}' has not the states that were learned")
        return made

    classifier.network_ = restore_tempered(classifier, parts, network)
    if len(places) != len(classifier.prior_):
        raise FormatError(f"{document.where}: {len(places)} states, of other classes")
    classifier.target_, classifier._places = target, places
    if entry.get("network", bool):
        classifier.network = classifier.network_
    return classifier


def _edges(entry: JsonObject) -> list[tuple[Any, ...]] | None:
    if entry.members.get("edges") is None:
        return None
    edges = entry.get("edges", list)
    for edge in edges:
        pair = isinstance(edge, list) and len(edge) == 2
        if not pair or not all(isinstance(name, str) for name in edge):
            raise FormatError(f"{entry.where}: expected edges between two names")
    return [tuple(edge) for edge in edges]
