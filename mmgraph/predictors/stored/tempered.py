"""What the files of classifiers have in common whose answers held-out rows temper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mmgraph.formats.json_object import JsonObject
from mmgraph.formats.native.native import graph_document, restored_graph
from mmgraph.graph.errors import FormatError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.predictors.inputs import columns_by_modality
from mmgraph.predictors.stored.parts import Parts
from mmgraph.predictors.stored.row_classifiers import face_entries, restore_face
from mmgraph.predictors.stored.rows import restored_rows, rows_parts
from mmgraph.predictors.tempered_classifier import TemperedClassifier


def graph_parts(graph: FactorGraph) -> Parts:
    """Return what a graph is made of."""
    return Parts(*graph_document(graph))


def restored_graph_of(parts: Parts, kind: type[FactorGraph]) -> Any:
    """Return the graph of :func:`graph_parts`, which must be of a kind."""
    graph = restored_graph(JsonObject(parts.where, parts.settings), parts.numbers, parts.where)
    if not isinstance(graph, kind):
        raise FormatError(f"{parts.where}: expected a {kind.__name__}, found {graph!r}")
    return graph


def tempered_parts(classifier: TemperedClassifier, model_parts: Callable[[Any], Parts]) -> Parts:
    """Return what a fitted classifier is made of but for its parameters.

    Parameters
    ----------
    classifier : TemperedClassifier
    model_parts : callable
        Takes a model apart.

    Raises
    ------
    FormatError
        If something of it cannot be written.
    """
    parts = Parts(face_entries(classifier))
    parts.settings |= {
        "told": list(classifier.told_),
        "independent": [list(together) for together in classifier.independent_],
    }
    parts.add("prior", classifier.prior_)
    parts.put("model", model_parts(classifier._model))
    if classifier.temper:
        models, rows = zip(*classifier._held_out, strict=True)
        own = [model is classifier._model for model in models]
        parts.settings["held_out_model"] = all(own)
        parts.put("held_out", *([] if all(own) else map(model_parts, models)), several=True)
        parts.put("held_out_rows", *map(rows_parts, rows), several=True)
        parts.add("codes", classifier._codes)
    return parts


def restore_tempered(
    classifier: TemperedClassifier, parts: Parts, restored: Callable[[Parts], Any]
) -> Any:
    """Give a classifier what :func:`tempered_parts` has said of it, and return its model.

    Raises
    ------
    FormatError
        If the parts are anything else.
    """
    document = JsonObject(parts.where, parts.settings)
    told, sets = tuple(document.names("told")), document.get("independent", list)
    independent = tuple(
        tuple(JsonObject(document.where, {"independent": names}).names("independent"))
        for names in sets
    )
    if not told or sorted(m for names in independent for m in names) != sorted(told):
        raise FormatError(f"{parts.where}: expected sets of the modalities {', '.join(told)}")
    prior = parts.take("prior", None)
    if len(prior) < 2 or prior.min() < 0 or abs(prior.sum() - 1) > 1e-6:
        raise FormatError(f"{parts.where}: expected the shares of classes")
    restore_face(classifier, document, len(prior), told)
    classifier.told_, classifier.independent_, classifier.prior_ = told, independent, prior
    model = restored(parts.part("model"))
    if classifier.temper:
        rows = [restored_rows(part) for part in parts.parts("held_out_rows")]
        own = document.get("held_out_model", bool)
        others = [restored(part) for part in parts.parts("held_out")]
        models = [model] * len(rows) if own else others
        if not rows or len(models) != len(rows):
            raise FormatError(f"{parts.where}: expected held-out rows of each model")
        for data in rows:
            for modality in told:
                data.block(modality)
        codes = parts.take("codes", sum(map(len, rows)), dtype=torch.int64)
        if not 0 <= codes.min() <= codes.max() < len(prior):
            raise FormatError(f"{parts.where}: a held-out row is of no class")
        classifier._held_out, classifier._codes, classifier._powers = (
            list(zip(models, rows, strict=True)), codes, {}
        )  # fmt: skip
    parts.finish()
    return model


def modalities_entry(classifier: Any) -> dict[str, list[str]] | None:
    """Return what JSON says of the parameter ``modalities``."""
    given = classifier.modalities
    return None if given is None else columns_by_modality(given)


def restored_modalities(entry: JsonObject) -> dict[str, list[str]] | None:
    """Return the parameter of :func:`modalities_entry`."""
    if entry.members.get("modalities") is None:
        return None
    columns = JsonObject(entry.where, entry.get("modalities", dict))
    return {modality: columns.names(modality) for modality in columns.members}


def whole(value: object) -> int | None:
    """Return a whole number for JSON, None of a generator of random numbers."""
    return int(value) if isinstance(value, int | np.integer) else None
