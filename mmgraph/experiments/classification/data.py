"""The rows of a classification: of a data set, or of a file that a schema describes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.schema.schema import Schema
from mmgraph.data.table import Table
from mmgraph.data.tables import open_table
from mmgraph.experiments.classification.declaration import ClassificationDeclaration
from mmgraph.experiments.reader import Names
from mmgraph.experiments.rows import load_rows
from mmgraph.graph.errors import LearningError, SchemaError, warn_caller
from mmgraph.graph.state_labels import MISSING
from mmgraph.networks.boltzmann.answers import PriorWarning

_NAMED = 8
"""How many rows are named at most."""


class GuessedSchemaWarning(UserWarning):
    """A file is read by what the names and cells of its columns suggest."""


def load_data(declaration: ClassificationDeclaration, folder: Path) -> MultimodalData:
    """Load the rows that a declaration in a folder names, in which classes can be told.

    Raises
    ------
    DatasetError
        If the data set cannot be had, or lacks what is declared.
    FormatError, SchemaError, LearningError, EvidenceError
        As by :meth:`MultimodalData.read` and :func:`check_rows`.

    Warns
    -----
    GuessedSchemaWarning
        If there is no schema.
    """
    if declaration.dataset:
        data = load_rows(declaration)
    else:
        path, reading = folder / declaration.file, declaration.reading or {}
        if declaration.schema is None:
            schema = _guessed(open_table(path, **reading), declaration.label_column or None)
        elif isinstance(declaration.schema, Mapping):
            schema = _of_entries(declaration)
        else:
            schema = Schema.read(folder / declaration.schema)
        table = schema.open(path, **reading)
        data = MultimodalData.read(table, schema)
        check_labels(data, table)
    check_rows(data)
    return data


def check_labels(data: MultimodalData, table: Table) -> None:
    """Refuse rows without a label of the target, with the place of the first in their table."""
    if data.outcome is None or not data.target.is_discrete:
        return
    lacking = np.flatnonzero(data.outcome.labels == MISSING)
    if len(lacking):
        others = f" ({len(lacking)} rows lack it)" if len(lacking) > 1 else ""
        raise LearningError(
            f"{table.place(int(lacking[0]))}: there is no '{data.target.name}', which is to be "
            f"told{others}: leave such rows out; `mmgraph predict` tells it of them"
        )


def _guessed(table: Any, target: str | None) -> Schema:
    schema = Schema.guess(table, target)
    modalities = ", ".join(f"{m} ({len(c)})" for m, c in schema.modalities.items())
    unsure = [c.name for c in schema.columns.values() if c.note]
    warnings.warn(
        f"{table.origin} has no schema, and is read by the names and cells of its columns: "
        f"modalities {modalities}, target {schema.target}, group {schema.group}; "
        f"{len(unsure)} columns are uncertain. `mmgraph schema {table.origin}` writes it down",
        GuessedSchemaWarning,
        stacklevel=3,
    )
    return schema


def _of_entries(declaration: ClassificationDeclaration) -> Schema:
    try:
        return Schema.of(declaration.schema)
    except SchemaError as error:
        raise SchemaError(f"{declaration.name}.toml, [data.schema]: {error}") from None


def check_rows(data: MultimodalData) -> None:
    """Refuse rows whose target is lacking, has no states, or is the same everywhere.

    Raises
    ------
    LearningError
        With the target; where rows lack it, with the first.
    """
    if data.outcome is None:
        raise LearningError(
            f"nothing is to be told of {data.origin}: give a column the role 'target' in the schema"
        )
    target = data.target
    if not target.is_discrete:
        raise LearningError(
            f"the target '{target.name}' of {data.origin} is continuous; of a classification it is "
            'categorical or ordinal: the schema says it, kind = "categorical"'
        )
    states = np.unique(data.codes)
    if len(states) < 2:
        raise LearningError(
            f"all {len(data)} rows of {data.origin} have the label {target.labels[states[0]]!r} of "
            f"'{target.name}': there is nothing to tell"
        )


def warn_of_empty(data: MultimodalData, given: Names) -> None:
    """Say which rows have nothing of some situations, in which their answer is the prior.

    Warns
    -----
    PriorWarning
        With the rows, counted from 1 as in their file, and the modalities.
    """
    parts = []
    for modalities in given:
        empty = np.all([data.block(modality).missing for modality in modalities], axis=0)
        rows = np.flatnonzero(empty) + 1
        if len(rows):
            which = ", ".join(map(str, rows[:_NAMED]))
            which += f", … ({len(rows)} rows)" if len(rows) > _NAMED else ""
            parts.append(f"{' and '.join(modalities)}: row{'s'[: len(rows) - 1]} {which}")
    if parts:
        warn_caller(
            f"rows of {data.origin} (counted from 1) in which a modality is missing, and the "
            f"answer given it alone is the shares of the classes: {'; '.join(parts)}",
            PriorWarning,
        )
