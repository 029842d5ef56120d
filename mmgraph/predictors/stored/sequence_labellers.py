"""Fitted labellers of sequences in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.data.blocks.columns import Columns
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.formats.json_object import JsonObject
from mmgraph.formats.native.directory import (
    DIGESTS,
    PARAMETERS,
    checked_bytes,
    tensors_of,
    write_document,
)
from mmgraph.graph.errors import FormatError, MmgraphError, check_choice
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.learning.dynamic.durations import KINDS
from mmgraph.networks.dynamic.hidden_semi_markov_model import HiddenSemiMarkovModel
from mmgraph.predictors.sequences.recording_cells import RecordingCells
from mmgraph.predictors.sequences.sequence_labeller import (
    UNLABELLED_WAYS,
    HeldOutCells,
    SequenceLabeller,
)
from mmgraph.predictors.sequences.window_features import WindowFeatures
from mmgraph.predictors.stored.classifiers import classifier_entries, restored_classifier
from mmgraph.predictors.stored.parts import Parts
from mmgraph.predictors.stored.row_classifiers import classes_entry, restored_classes

_CLASSIFIER, _DURATIONS, _HELD_OUT = "classifier.", "durations.", "cells."
_SETTINGS = ("rate", "features", "durations", "unlabelled", "folds", "n_jobs")


def write_model(labeller: SequenceLabeller, path: str | os.PathLike[str]) -> None:
    """Write a fitted labeller to a directory, replacing one that an earlier call has written.

    Of the cells learned from it holds which modalities they have and their labels, from which the
    powers of other sets of modalities are learned when they are asked for.

    Raises
    ------
    FormatError
        If it is not fitted, a leaf holds types that are not trusted, or the place cannot be
        written.
    MissingExtraError
        If skops is not installed.
    """
    path = checked_path(path)
    if not hasattr(labeller, "durations_"):
        raise FormatError(f"{path}: the labeller is not fitted; there is nothing to write")
    files: dict[str, bytes] = {}
    inner: dict[str, Tensor] = {}
    held = labeller._held_out
    there = [~held.cells.data.block(m).missing for m in labeller.learned_from_]
    seed = labeller.random_state
    try:
        classifier = classifier_entries(labeller.classifier_, inner, files)
        document: dict[str, Any] = {
            "kind": labeller.file_kind,
            "settings": {name: getattr(labeller, name) for name in _SETTINGS},
            "random_state": int(seed) if isinstance(seed, int | np.integer) else None,
            "classes": classes_entry(labeller.classes_),
            "channels": labeller.channels_,
            "columns": labeller.columns_,
            "learned_from": list(labeller.learned_from_),
            "powers": [[list(k[0]), k[1], power] for k, power in labeller._powers.items()],
            "classifier": classifier,
        }
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    document["durations"], lasting = labeller.durations_.stored()
    cells = {
        "there": np.stack(there, axis=1), "steps": held.cells.steps, "rows": held.rows,
        "codes": held.codes,
    }  # fmt: skip
    tensors = {_CLASSIFIER + name: tensor for name, tensor in inner.items()}
    for prefix, arrays in ((_DURATIONS, lasting), (_HELD_OUT, cells)):
        tensors |= {prefix + name: torch.from_numpy(a.copy()) for name, a in arrays.items()}
    write_document(path, document, tensors, files)


def restored_model(document: JsonObject, path: Path, size_limit: int) -> SequenceLabeller:
    """Return the labeller of a directory; errors as of other classifiers."""
    file = path / PARAMETERS
    tensors = tensors_of(checked_bytes(document, file, size_limit), file)

    def own(prefix: str) -> dict[str, Tensor]:
        keys = [key for key in tensors if key.startswith(prefix)]
        return {key.removeprefix(prefix): tensors.pop(key) for key in keys}

    try:
        inner = document.get("classifier", dict) | {DIGESTS: document.get(DIGESTS, dict)}
        entry = JsonObject(f"{document.where}, classifier", inner)
        classifier = restored_classifier(entry, own(_CLASSIFIER), path, size_limit)
        labeller = SequenceLabeller(
            leaves=classifier.leaves, joint=classifier.joint, **_settings(document)
        )
        labeller.classifier_ = classifier
        labeller.classes_ = restored_classes(document, len(document.get("classes", dict)["labels"]))
        lasting = {name: tensor.numpy() for name, tensor in own(_DURATIONS).items()}
        labeller.durations_ = HiddenSemiMarkovModel.restored(
            document.get("durations", dict), lasting
        )
        labeller.learned_from_ = tuple(document.names("learned_from"))
        channels = JsonObject(f"{document.where}, channels", document.get("channels", dict))
        labeller.channels_ = {m: channels.get(m, int) for m in labeller.learned_from_}
        columns = JsonObject(f"{document.where}, columns", document.get("columns", dict))
        labeller.columns_ = {modality: columns.names(modality) for modality in columns.members}
        if any(len(c) != labeller.channels_[m] for m, c in labeller.columns_.items()):
            raise ValueError("a modality has other columns than channels")
        labeller._powers = {
            (tuple(asked), later): float(power)
            for asked, later, power in document.get("powers", list)
        }
        if not all(0 <= power < np.inf for power in labeller._powers.values()):
            raise ValueError("a power is no number")
        features = WindowFeatures.of_settings(labeller.rate, labeller.features or {})
        labeller._held_out = _held_out(
            Parts(numbers=own(_HELD_OUT), where=str(file)), labeller, features
        )
    except FormatError:
        raise
    except (MmgraphError, AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise FormatError(f"{document.where}: no sequence labeller ({error})") from None
    states = classifier.model_.target.cardinality
    fits = states - len(labeller.classes_) in (0, 1) and states == len(labeller.durations_.labels)
    if not fits or tensors:
        raise FormatError(f"{document.where}: its parts are of different labellers")
    return labeller


def _settings(document: JsonObject) -> dict[str, Any]:
    """The settings of a labeller, each of its type."""
    members = document.get("settings", dict)
    given = JsonObject(f"{document.where}, settings", members)
    choices = {"durations": KINDS, "unlabelled": UNLABELLED_WAYS}
    for name, known in choices.items():
        check_choice(name, given.get(name, str), known, FormatError)
    if given.get("folds", int) < 2:
        raise FormatError(f"{given.where}: {given.get('folds', int)} folds are none")
    whole = {"n_jobs": members.get("n_jobs"), "random_state": document.members.get("random_state")}
    for name, value in whole.items():
        if not (value is None or type(value) is int):
            raise FormatError(f"{given.where}: '{name}' is a whole number or null, not {value!r}")
    features = (members.get("features") or {}).items()
    own = {n: tuple(v) if isinstance(v, list) else v for n, v in features}
    return {**members, **whole, "features": own or None}


def _held_out(parts: Parts, labeller: SequenceLabeller, features: WindowFeatures) -> HeldOutCells:
    """The cells learned from: of their features only whether they are there."""
    there = parts.take("there", None, len(labeller.learned_from_), dtype=torch.bool)
    blocks = {
        modality: Columns.of_numbers(modality, np.where(there[:, [place]], 0.0, np.nan))
        for place, modality in enumerate(labeller.learned_from_)
    }
    steps, rows = (parts.take(name, None, dtype=torch.int64) for name in ("steps", "rows"))
    codes = parts.take("codes", len(there), dtype=torch.int64)
    cells = RecordingCells(MultimodalData(blocks), steps, features, labeller.channels_)
    held = labeller.classifier_.model_.held_out
    states = labeller.classifier_.model_.target.cardinality
    fits = len(rows) == len(held.codes) and cells.counts.sum() == len(there)
    if not fits or rows.min() < 0 or rows.max() >= len(there) or not codes.max() < states:
        raise FormatError(f"{parts.where}: the cells are not those that the classifier has seen")
    return HeldOutCells(cells, rows, codes)
