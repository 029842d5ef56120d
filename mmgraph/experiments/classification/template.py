"""The text of a classification's declaration to start from, every entry with its default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmgraph.comparison.held_out import situations
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import check_states
from mmgraph.experiments.classification.declaration import (
    ClassificationDeclaration,
    classifier_defaults,
)

_SHOWN = 10
"""How many classes are listed at most."""


def most_folds(data: MultimodalData) -> int:
    """Return the default number of folds, or as many rows as the rarest class has.

    Raises
    ------
    MmgraphError
        If a class (which) has a single row.
    """
    check_states(data, 2)
    counts = np.bincount(data.codes)
    return min(ClassificationDeclaration.folds, int(counts[counts > 0].min()))


def declaration_text(
    data: MultimodalData, file: str, schema: str, reading: Mapping[str, Any], folds: int
) -> str:
    """Return the TOML of a classification of rows that have been read, with comments.

    Parameters
    ----------
    data : MultimodalData
        The rows.
    file, schema : str
        Where rows and schema lie, from the directory of the declaration.
    reading : mapping
        Options by which the file is read.
    folds : int
        Of the cross-validation.
    """
    from mmgraph.predictors.leaves.named import LEAVES

    target, defaults = data.target, classifier_defaults()
    title = f"{target.name} from {', '.join(data.modalities)}"
    counts = np.bincount(data.codes, minlength=target.cardinality)
    named = [f"{_value(x)} ({n} rows)" for x, n in zip(target.labels, counts, strict=True)]
    classes = ", ".join(named[:_SHOWN]) + (", …" if len(named) > _SHOWN else "")
    first, *others = data.modalities
    example = "{ " + ", ".join(f'{_value(m)} = ["trees"]' for m in (first, *others[:1])) + " }"
    groups = (
        "The schema names no group; whole ones would be left out, too"
        if data.groups is None
        else f"Whole groups ({_value(data.groups.name)}, as the schema says) are left out, too"
    )
    rare = " (the rarest class has no more rows)" if folds < ClassificationDeclaration.folds else ""
    read = _table(reading) if reading else '{ missing = ["NA"], separator = ";" }'
    return f"""\
# Which {_value(target.name)} a row has: {classes}.
# `mmgraph run` cross-validates this, reports, draws and saves the model; `mmgraph fit` saves
# the model alone, and `mmgraph predict` asks it. What stands here is the default, but for
# [data]: leave out what you do not change.
kind = "classification"
title = {_value(title)}

[data]
# Paths count from the directory of this file; `mmgraph new` without --output writes them as
# they were given to it, which is right where this file lies in the directory it was called in.
file = {_value(file)}
schema = {_value(schema)}
# How the file is read, beside what [read] of the schema says; there are encoding = "latin-1" and
# decimal = ",", too.
{"" if reading else "# "}read = {read}

[classifier]
# What hangs from the target in each modality: "auto" tries them and keeps what helps; or some of
# {", ".join(LEAVES)};
# or for each its own: leaves = {example}
leaves = {_value(defaults["leaves"])}
# What sees all modalities at once: "auto", some of the same, or [] for nothing.
joint = {_value(defaults["joint"])}
# How far each is trusted is learned on training rows that it has not seen, in so many folds.
folds = {_value(defaults["inner_folds"])}
# Seconds for that: of a table so long that it would take more, the later kinds are left out.
budget = {_value(defaults["budget"])}

[validation]
# Folds of random rows{rare}.
# {groups}.
folds = {folds}
seed = {ClassificationDeclaration.seed}

[report]
# The modalities that are there, in each situation that is reported.
given = {_value(situations(data.modalities))}
"""


def _value(value: Any) -> str:
    """TOML of a text, a number or lists of them: as JSON, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _table(entries: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in entries.items()) + " }"
