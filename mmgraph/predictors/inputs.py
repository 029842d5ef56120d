"""What users give a predictor, as rows of several modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmgraph.data.blocks.block import finite_numbers
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.groups import coded_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.reading import Outcome
from mmgraph.data.schema.columns import Column
from mmgraph.data.schema.kinds import is_column_of_texts, kind_of_column
from mmgraph.data.schema.schema import Schema
from mmgraph.data.tables import open_table
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import LearningError, SchemaError, suggestion, warn_caller
from mmgraph.graph.state_labels import is_missing
from mmgraph.graph.variable import Variable

Modalities = Mapping[str, Sequence[str]]
ALONE = "features"
"""The modality of a table whose modalities nobody names."""


class UnusedColumnsWarning(UserWarning):
    """Columns of a table that are in no modality."""


def schema_of(table: Any, modalities: Modalities | None, texts: bool = False) -> Schema:
    """Return what the columns of training rows are.

    Parameters
    ----------
    table : data frame or array
        Columns that hold no numbers are categorical, see
        :func:`~mmgraph.data.schema.kinds.kind_of_column`.
    modalities : mapping of str to sequence of str, optional
        The columns of each; of an array without names these are ``x0``, ``x1``, …. By default all
        columns are one modality.
    texts : bool
        Whether a column of texts (of more than three words on average) that is a modality alone is
        of the kind ``text``.

    Raises
    ------
    SchemaError
        If a column stands in two modalities, or the table lacks one.
    EvidenceError, LearningError
        If a column of numbers holds texts too (in which rows), or one holds dates.

    Warns
    -----
    UnusedColumnsWarning
        If a column is in no modality.
    """
    names = column_names(table)
    modalities = {ALONE: names} if modalities is None else columns_by_modality(modalities)
    used = dict.fromkeys(name for columns in modalities.values() for name in columns)
    for name in used:
        if name not in names:
            raise SchemaError(f"the table has no column '{name}'{suggestion(name, names)}")
    unused = [name for name in names if name not in used]
    if unused:
        shown = ", ".join(f"'{name}'" for name in unused[:5]) + (", …" if len(unused) > 5 else "")
        warn_caller(f"in no modality, and not looked at: {shown}", UnusedColumnsWarning)
    kinds = {}
    if is_frame(table):
        cells = {name: table.iloc[:, names.index(name)] for name in used}
        alone = {columns[0] for columns in modalities.values() if texts and len(columns) == 1}
        of_texts = {name for name in alone if is_column_of_texts(cells[name])}
        kinds = {n: "text" if n in of_texts else kind_of_column(n, c) for n, c in cells.items()}
    return Schema.of_modalities(modalities, kinds)


def columns_by_modality(modalities: Any) -> dict[str, list[str]]:
    """Return lists of columns by modality; names that are numbers, as a frame's may be, as texts.

    Raises
    ------
    SchemaError
        If it is no dictionary.
    """
    if not isinstance(modalities, Mapping):
        raise SchemaError(
            f"modalities are a dictionary, of each its columns, not {type(modalities).__name__}"
        )
    return {
        str(modality): list(map(str, [columns] if isinstance(columns, str) else columns))
        for modality, columns in modalities.items()
    }


def seed_of(random_state: Any) -> int:
    """Return a seed: a number as it is, else one that scikit-learn's ``random_state`` draws."""
    from sklearn.utils import check_random_state

    if not isinstance(random_state, int | np.integer):
        random_state = check_random_state(random_state).randint(2**31 - 1)
    return int(random_state)


def column_names(table: Any) -> list[str]:
    """Return the names of a table's columns, ``x0``, ``x1``, … of an array.

    Raises
    ------
    LearningError
        If it has not two axes.
    SchemaError
        If two columns of a frame have one name.
    """
    if is_frame(table):
        names = [str(name) for name in table.columns]
        if len(set(names)) < len(names):
            twice = next(name for place, name in enumerate(names) if name in names[:place])
            raise SchemaError(f"two columns of the table are called '{twice}'")
        return names
    shape = np.shape(table)
    if len(shape) != 2:
        raise LearningError(
            f"rows are a data frame, MultimodalData, or an array of two axes, not of shape {shape}"
        )
    return [f"x{i}" for i in range(shape[1])]


def rows_of(table: Any, schema: Schema, partial: bool) -> MultimodalData:
    """Return the rows of a frame or an array of numbers, by the schema of training rows.

    Parameters
    ----------
    table : data frame or array
    schema : Schema
        As of :func:`schema_of`, or that of the rows read first, in which states are named.
    partial : bool
        Whether columns may be lacking.
    """
    if is_frame(table):
        names = column_names(table)
        unused = [name for name in names if name not in schema.columns]
        if partial:
            _warn_of_renamed([name for name in schema.columns if name not in names], unused)
        ignored = [Column(name, role="ignored") for name in unused]
        whole = Schema([*schema.columns.values(), *ignored])
        return MultimodalData.read(open_table(table), whole, partial=partial)
    names = column_names(table)
    learned = [name for columns in schema.modalities.values() for name in columns]
    if not set(learned) <= {*names}:  # learned from a frame: its columns, in their order
        order = [name for name in schema.columns if name in learned]
        if len(names) != len(order):
            raise SchemaError(
                f"an array of {len(names)} columns does not say which of the {len(order)} learned "
                "from they are: give a data frame"
            )
        names = order
    blocks = {
        modality: Columns.of_numbers(
            modality, table[:, [names.index(name) for name in columns]], columns
        )
        for modality, columns in schema.modalities.items()
    }
    return MultimodalData(blocks, schema=schema)


def _warn_of_renamed(lacking: Sequence[str], unused: Sequence[str]) -> None:
    """Name columns that rows lack, where they have others that are called nearly so."""
    hints = {name: suggestion(name, unused) for name in lacking}
    renamed = [f"'{name}'{hint}" for name, hint in hints.items() if hint]
    if renamed:
        shown = ", ".join(renamed[:5]) + (", …" if len(renamed) > 5 else "")
        warn_caller(
            f"of these columns nothing is there, and others are not looked at: {shown}",
            UnusedColumnsWarning,
        )


def series_name(labels: Any, data: MultimodalData) -> str | None:
    """Return what a pandas Series of labels is called, None where a column is called so, too."""
    name = getattr(labels, "name", None)
    columns = {n for b in data.blocks.values() if isinstance(b, Columns) for n in b.names}
    is_name = isinstance(name, str) and name and name not in columns | {*data.blocks}
    return name if is_name else None


def with_target(schema: Schema, target: Variable) -> Schema:
    """Return a schema whose target is a variable that labels beside the table are called by."""
    if schema.target is not None or target.name in schema.columns:
        return schema
    kind = "categorical" if target.is_discrete else "continuous"
    return Schema([*schema.columns.values(), Column(target.name, kind=kind, role="target")])


def labelled_rows(
    data: MultimodalData, labels: Any, groups: Any, weights: Any, name: str = "target"
) -> tuple[MultimodalData, np.ndarray]:
    """Return rows with their labels, groups and weights, and the classes in sorted order.

    Where groups or weights are None, those that the data have stay.

    Raises
    ------
    LearningError
        If a label is missing, all are the same, or they are real numbers; or they are not as many
        as rows.
    """
    from sklearn.utils.multiclass import check_classification_targets, type_of_target

    flat = _one_a_row(labels, groups, weights)
    missing = np.array([is_missing(x) for x in flat.tolist()], bool)
    if missing.any():
        first, count = int(missing.argmax()), int(missing.sum())
        raise LearningError(
            (
                f"row {first} has no label: leave it out"
                if count == 1
                else f"{count} rows have no label, the first is row {first}: leave them out"
            )
            + ", e.g. frame[y.notna()]"
        )
    if type_of_target(flat).startswith("continuous"):
        raise continuous_labels("the target")
    check_classification_targets(flat)
    classes, codes = np.unique(flat, return_inverse=True)
    if len(classes) < 2:
        raise LearningError(f"the labels are one class only, {classes.tolist()}: nothing to tell")
    target = Variable(name, tuple(map(str, classes.tolist())))
    outcome = Outcome(target, codes.astype(np.int64))
    return _with_outcome(data, outcome, groups, weights), classes


def numbered_rows(
    data: MultimodalData, numbers: Any, groups: Any, weights: Any, name: str = "target"
) -> MultimodalData:
    """Return rows with a number each as their target; as :func:`labelled_rows`.

    Raises
    ------
    LearningError
        If a target is no number; or they are not as many as rows.
    """
    flat = _one_a_row(numbers, groups, weights)
    try:
        values = np.array([np.nan if is_missing(x) else float(x) for x in flat.tolist()])
    except (TypeError, ValueError):
        raise LearningError(
            "the target is no number in every row: classes have classifiers"
        ) from None
    outcome = Outcome(Variable(name, family="gaussian"), values)
    return _with_outcome(data, outcome, groups, weights)


def _one_a_row(targets: Any, groups: Any, weights: Any) -> np.ndarray:
    """Targets as an array of one axis; a name in the place of any of these is refused."""
    from sklearn.utils import column_or_1d

    for what, value in (("y", targets), ("groups", groups), ("sample_weight", weights)):
        if isinstance(value, str):
            raise LearningError(f"{what} has a value for each row, and is no name: {value!r}")
    return column_or_1d(targets, warn=True)


def _with_outcome(
    data: MultimodalData, outcome: Outcome, groups: Any, weights: Any
) -> MultimodalData:
    counts = data.weights if weights is None else finite_numbers("sample_weight", weights)
    if counts is not None and counts.ndim != 1:
        raise LearningError(f"sample_weight is one number a row, not of shape {counts.shape}")
    return replace(
        data,
        outcome=outcome,
        groups=data.groups if groups is None else coded_groups("group", groups),
        weights=counts,
    )


def continuous_labels(what: str) -> LearningError:
    """Return the error of real numbers where labels of classes are expected."""
    return LearningError(
        f"{what} is continuous, real numbers and no classes: mm.MultimodalRegressor tells such"
    )
