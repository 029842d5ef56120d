"""Columns of frames, mappings, arrays and multimodal rows: read, and exchanged for others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.blocks.columns import Columns, labelled
from mmgraph.data.discretisation.column_numbers import column_numbers
from mmgraph.data.discretisation.intervals import Intervals
from mmgraph.data.inferred_states import measured_columns
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.reading import coded_outcome
from mmgraph.data.schema.schema import Schema
from mmgraph.data.tables import open_table
from mmgraph.graph.column_reader import codes, is_frame
from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.variable import Variable

Codes = Int64[np.ndarray, " rows"]
Numbers = Float64[np.ndarray, " rows"]


def named_columns(data: Any, names: Sequence[str] | None = None) -> Any:
    """Return data as it is, or an array with two axes as a mapping of columns ``x0``, ``x1``, ….

    Raises
    ------
    LearningError
        If an array has another number of axes, or of columns than there are names.
    """
    if is_frame(data) or isinstance(data, Mapping | MultimodalData):
        return data
    array = np.asarray(data)
    if array.ndim != 2:
        raise LearningError(f"an array of columns has two axes, not the shape {array.shape}")
    names = names or [f"x{i}" for i in range(array.shape[1])]
    if len(names) != array.shape[1]:
        raise LearningError(f"an array of {array.shape[1]} columns for {len(names)} names")
    return dict(zip(names, array.T, strict=True))


def column_names(data: Any) -> list[str]:
    """Return the names of columns; of multimodal rows those that are columns of a table."""
    if isinstance(data, MultimodalData):
        blocks = (b for b in data.blocks.values() if isinstance(b, Columns))
        return [name for block in blocks for name in block.names]
    return list(open_table(data).columns)


def measurements(data: Any) -> list[str]:
    """Return the columns that hold measurements, and no states."""
    if isinstance(data, MultimodalData):
        blocks = (b for b in data.blocks.values() if isinstance(b, Columns))
        return [v.name for block in blocks for v in block.variables if not v.is_discrete]
    table = open_table(data)
    return measured_columns(table, table.columns)


def numbers_of(data: Any, names: Collection[str]) -> dict[str, Numbers]:
    """Return some columns as numbers, NaN where missing.

    Raises
    ------
    UnknownVariableError, EvidenceError
        If one is not there, or a cell is no finite number (column and row).
    """
    if not isinstance(data, MultimodalData):
        return column_numbers(open_table(data), names)
    columns = _columns(data, names)
    for name, (variable, _) in columns.items():
        if variable.is_discrete:
            raise LearningError(f"'{name}' of {data.origin} has states, and is no measurement")
    return {name: values for name, (_, values) in columns.items()}


def codes_of(data: Any, intervals: Mapping[str, Intervals], as_codes: bool) -> dict[str, Codes]:
    """Return the interval that each cell of some columns names: by its label, or by its index.

    Raises
    ------
    UnknownVariableError, UnknownStateError
        If a column is not there, or a cell is no interval (column and row).
    """
    if isinstance(data, MultimodalData):
        columns = _columns(data, intervals)
        return {
            name: np.where(np.isnan(values), MISSING, values).astype(np.int64)
            for name, (_, values) in columns.items()
        }
    table = open_table(data).select(list(intervals))
    read: dict[str, Codes] = {}
    for chunk in table.chunks(1 << 62):
        for name, record in intervals.items():
            variable = Variable(name, len(record) if as_codes else record.labels)
            read[name] = codes(variable, chunk[name], table.place)
    return read


def _columns(data: MultimodalData, names: Collection[str]) -> dict[str, tuple[Variable, Numbers]]:
    blocks = [b for b in data.blocks.values() if isinstance(b, Columns)]
    there = {v.name: (v, c) for b in blocks for v, c in zip(b.variables, b.values.T, strict=True)}
    for name in names:
        if name not in there:
            hint = suggestion(name, there)
            raise UnknownVariableError(f"{data.origin} has no column '{name}'{hint}")
    return {name: there[name] for name in names}


def target_codes(data: Any, target: str | None, y: object) -> tuple[Codes, str]:
    """Return the class of each row, ``MISSING`` where it has none, and what the target is called.

    It is ``y``, or else a column by its name, or the target of multimodal rows.

    Raises
    ------
    LearningError
        If there is none, or it holds real numbers.
    """
    if y is not None:
        outcome = coded_outcome(target or "target", y)
    elif target is not None and not isinstance(data, MultimodalData):
        empty: dict[str, Any] = {target: []}
        chunk = next(iter(open_table(data).select([target]).chunks(1 << 62)), empty)
        outcome = coded_outcome(target, chunk[target])
    elif isinstance(data, MultimodalData) and data.outcome is not None:
        outcome = data.outcome
    else:
        raise LearningError("to cut by entropy takes a target: name its column, or give it as y")
    if not outcome.variable.is_discrete:
        raise LearningError(f"the target '{outcome.variable.name}' holds real numbers, not classes")
    return outcome.labels, outcome.variable.name


def units_of(data: Any) -> dict[str, str]:
    """Return the units that the schema of multimodal rows names."""
    schema = data.schema if isinstance(data, MultimodalData) else None
    columns = schema.columns.values() if schema is not None else ()
    return {column.name: column.unit for column in columns if column.unit is not None}


def with_states(
    data: Any, states: Mapping[str, tuple[Variable, Codes]], as_codes: bool = False
) -> Any:
    """Return data, a copy, in which columns are states: by their labels, or by their indices."""
    if isinstance(data, MultimodalData):
        coded = {
            n: (v, np.where(c == MISSING, np.nan, c.astype(float))) for n, (v, c) in states.items()
        }
        return _with_blocks(data, coded, "ordinal")
    if as_codes:
        return _with_columns(data, {name: column for name, (_, column) in states.items()})
    if not is_frame(data):
        words = {name: labelled(variable, column) for name, (variable, column) in states.items()}
        return _with_columns(data, {n: np.array(column, object) for n, column in words.items()})
    import pandas

    made = {}
    for name, (variable, column) in states.items():
        kind = pandas.CategoricalDtype(list(variable.labels), ordered=True)
        made[name] = pandas.Categorical.from_codes(column, dtype=kind)
    return _with_columns(data, made)


def with_numbers(data: Any, numbers: Mapping[str, Numbers]) -> Any:
    """Return data, a copy, in which columns are numbers."""
    if isinstance(data, MultimodalData):
        made = {n: (Variable(n, family="gaussian"), column) for n, column in numbers.items()}
        return _with_blocks(data, made, "continuous")
    return _with_columns(data, numbers)


def _with_columns(data: Any, columns: Mapping[str, Any]) -> Any:
    if is_frame(data):
        exchanged = data.copy()
        for label in data.columns:
            if str(label) in columns:
                exchanged[label] = columns[str(label)]
        return exchanged
    return {name: columns.get(name, column) for name, column in data.items()}


def _with_blocks(
    data: MultimodalData, columns: Mapping[str, tuple[Variable, Numbers]], kind: str
) -> MultimodalData:
    blocks = dict(data.blocks)
    for modality, block in blocks.items():
        if not isinstance(block, Columns):
            continue
        made = [columns.get(name, (None, None)) for name in block.names]
        variables = tuple(
            old if new is None else replace(new, modality=old.modality)
            for old, (new, _) in zip(block.variables, made, strict=True)
        )
        kinds = tuple(
            old if new is None else kind for old, (new, _) in zip(block.kinds, made, strict=True)
        )
        values = block.values.copy()
        for i, (_, column) in enumerate(made):
            if column is not None:
                values[:, i] = column
        blocks[modality] = Columns(variables, kinds, values)
    schema = data.schema
    if schema is not None:
        described = (
            replace(c, kind=kind, states=columns[c.name][0].labels if kind == "ordinal" else None)
            if c.name in columns
            else c
            for c in schema.columns.values()
        )
        schema = Schema(described, schema.reading)
    return replace(data, blocks=blocks, schema=schema)
