"""Fitted regressors in the package's own format; see :mod:`mmgraph.predictors.stored.classifiers`.

Of bins there is the classifier of them; of normal densities each regression, whose scale of
features lies in a file of skops.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.formats.json_object import JsonObject
from mmgraph.formats.native.directory import (
    DIGESTS,
    PARAMETERS,
    checked_bytes,
    tensors_of,
    write_document,
)
from mmgraph.graph.errors import FormatError, GraphError, LearningError, SchemaError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.predictors.multimodal_classifier import MultimodalClassifier
from mmgraph.predictors.multimodal_regressor import MultimodalRegressor
from mmgraph.predictors.regression.normal_pool import NormalPool, Ridge
from mmgraph.predictors.regression.target_bins import TargetBins
from mmgraph.predictors.stored.classifiers import (
    classifier_entries,
    parameter_entries,
    restored_classifier,
    restored_parameters,
)
from mmgraph.predictors.stored.leaves import restored_preparation, take_apart
from mmgraph.predictors.stored.parts import Parts
from mmgraph.predictors.stored.row_classifiers import check_writable, restore_rows, rows_entries
from mmgraph.predictors.stored.trusted_objects import packed, unpacked

_BINS, _POOL = "bins.", "pool."


def write_model(regressor: MultimodalRegressor, path: str | os.PathLike[str]) -> None:
    """Write a fitted regressor to a directory, replacing one that an earlier call has written.

    Raises
    ------
    FormatError, MissingExtraError
        As for classifiers.
    """
    path = checked_path(path)
    check_writable(regressor, MultimodalRegressor, path)
    files: dict[str, bytes] = {}
    tensors: dict[str, Tensor] = {}
    model = regressor.model_
    bins = regressor.bins_
    try:
        document: dict[str, Any] = {
            "kind": regressor.file_kind,
            "parameters": parameter_entries(regressor, files),
            "method": regressor.method,
            "bins": None if regressor.bins is None else int(regressor.bins),
            **rows_entries(regressor),
        }
        if isinstance(model, MultimodalClassifier):
            document["classifier"] = classifier_entries(model, tensors, files)
        else:
            document["ridges"] = _pool_entries(model, tensors, files)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    tensors[f"{_BINS}ends"] = torch.as_tensor(bins.ends)
    tensors[f"{_BINS}scales"] = torch.as_tensor(bins.scales)
    write_document(path, document, tensors, files)


def _pool_entries(
    pool: NormalPool, tensors: dict[str, Tensor], files: dict[str, bytes]
) -> list[dict[str, Any]]:
    """What JSON says of each regression; their numbers and scales are added to the others."""
    there = ~np.isnan(pool.held_out)
    arrays = {"held_out": np.where(there, pool.held_out, 0.0), "there": there}
    for name, array in (arrays | {"values": pool.values, "counts": pool.counts}).items():
        tensors[_POOL + name] = torch.as_tensor(array)
    entries = []
    for number, ridge in enumerate(pool.ridges):
        parts = Parts({"modalities": list(ridge.modalities), "intercept": ridge.intercept})
        take_apart(ridge.preparation, parts)
        parts.add("weights", ridge.weights)
        tensors |= {f"{number}.{name}": tensor for name, tensor in parts.numbers.items()}
        files[_ridge_file(number)] = packed(parts.objects, "a scale of features")
        entries.append(parts.settings)
    return entries


def _ridge_file(number: int) -> str:
    return f"ridge_{number}.skops"


def restored_model(document: JsonObject, path: Path, size_limit: int) -> MultimodalRegressor:
    """Return the regressor of a directory whose ``network.json`` is read already.

    Raises
    ------
    FormatError, MissingExtraError
        As for classifiers.
    """
    file = path / PARAMETERS
    tensors = tensors_of(checked_bytes(document, file, size_limit), file)
    try:
        return _restored(document, tensors, path, size_limit)
    except (GraphError, LearningError, SchemaError) as error:
        raise FormatError(f"{document.where}: {error}") from None


def _restored(
    document: JsonObject, tensors: dict[str, Tensor], path: Path, size_limit: int
) -> MultimodalRegressor:
    parameters = restored_parameters(document, path, size_limit).get_params(deep=False)
    names = MultimodalRegressor().get_params(deep=False)
    regressor = MultimodalRegressor(
        **{name: value for name, value in parameters.items() if name in names}
    )
    regressor.method = document.choice("method", {"bins": "bins", "gaussian": "gaussian"})
    regressor.bins = None if document.members.get("bins") is None else document.get("bins", int)
    regressor.bins_ = _restored_bins(_numbers(tensors, _BINS, path))
    if regressor.method == "gaussian":
        regressor.model_ = _restored_pool(document, tensors, path, size_limit)
        if tensors:  # each part has taken out its own
            raise FormatError(f"{path / PARAMETERS}: '{min(tensors)[:60]}' belongs to no part")
    else:
        members = document.get("classifier", dict) | {DIGESTS: document.get(DIGESTS, dict)}
        inner = JsonObject(f"{document.where}, classifier", members)
        regressor.model_ = restored_classifier(inner, tensors, path, size_limit)
        if len(regressor.model_.classes_) != len(regressor.bins_.ends) + 1:
            raise FormatError(f"{inner.where}: its classes are not the bins")
    restore_rows(regressor, document, tuple(_modalities(regressor)))
    return regressor


def _modalities(regressor: MultimodalRegressor) -> tuple[str, ...]:
    model: Any = regressor.model_
    return (model.model_ if isinstance(model, MultimodalClassifier) else model).modalities


def _numbers(tensors: dict[str, Tensor], prefix: str, path: Path) -> Parts:
    """The tensors whose names begin so; they are taken out of the others."""
    keys = [key for key in tensors if key.startswith(prefix)]
    numbers = {key.removeprefix(prefix): tensors.pop(key) for key in keys}
    return Parts(numbers=numbers, where=f"{path / PARAMETERS}, {prefix[:-1]}")


def _check_taken(parts: Parts) -> None:
    if parts.numbers:
        raise FormatError(f"{parts.where}: '{min(parts.numbers)[:60]}' belongs to no part")


def _restored_bins(parts: Parts) -> TargetBins:
    ends, scales = parts.take("ends", None), parts.take("scales", 2)
    _check_taken(parts)
    if not len(ends) or (np.diff(ends) <= 0).any() or (scales <= 0).any():
        raise FormatError(f"{parts.where}: expected ends of bins, and scales beyond them")
    return TargetBins(ends, scales)


def _restored_pool(
    document: JsonObject, tensors: dict[str, Tensor], path: Path, size_limit: int
) -> NormalPool:
    ridges = []
    for number, entry in enumerate(document.items("ridges")):
        file = path / _ridge_file(number)
        parts = _numbers(tensors, f"{number}.", path)
        parts.settings = entry.members
        content = checked_bytes(document, file, size_limit)
        parts.objects = unpacked(content, str(file), size_limit)
        modalities = tuple(entry.names("modalities"))
        if not modalities:
            raise FormatError(f"{entry.where}: a regression of no modality")
        preparation = restored_preparation(parts)
        weights = parts.take("weights", len(preparation.mean))
        ridges.append(Ridge(modalities, preparation, weights, parts.setting("intercept")))
        _check_taken(parts)
    if not ridges:
        raise FormatError(f"{document.where}: there are no regressions")
    parts = _numbers(tensors, _POOL, path)
    held_out = parts.take("held_out", len(ridges), None)
    there = parts.take("there", *held_out.shape, dtype=torch.bool)
    values = parts.take("values", held_out.shape[1])
    counts = parts.take("counts", held_out.shape[1])
    _check_taken(parts)
    if not counts.any() or counts.min() < 0 or np.ptp(values[counts > 0]) <= 0:
        raise FormatError(f"{parts.where}: expected numbers of rows, not all alike")
    return NormalPool(tuple(ridges), np.where(there, held_out, np.nan), values, counts)
