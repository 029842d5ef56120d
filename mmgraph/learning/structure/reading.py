"""Reading what a graph is learned from: a table's variables, experiments, groups and weights."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.beyond_memory.distinct_rows import distinct_rows
from mmgraph.data.column_codes import real_values
from mmgraph.data.encoding import checked_weights, encode
from mmgraph.data.groups import coded_groups
from mmgraph.data.inferred_states import ManyStatesWarning, states_in
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.table import CHUNK_ROWS, Table
from mmgraph.data.tables import open_table
from mmgraph.graph.column_reader import plain_array, spelling, spellings
from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.state_labels import is_missing
from mmgraph.graph.variable import Variable
from mmgraph.learning.conditionals.skeleton import skeleton
from mmgraph.learning.counts import IncompleteDataError
from mmgraph.learning.structure.problem import StructureData

_SEPARATORS = re.compile(r"\s*[,;+]\s*")

MISSING_CELLS = ("raise", "available", "em")
"""What becomes of missing cells."""


def structure_data(
    data: object,
    interventions: str | None = None,
    groups: str | None = None,
    weights: object = None,
    reading: Mapping[str, Any] | None = None,
    merge: bool = True,
    **kinds: Any,
) -> StructureData:
    """Return the rows of a table as a graph is learned from them.

    Parameters
    ----------
    data : pandas or Dask DataFrame, mapping of str to array, path, or MultimodalData
    interventions, groups : str, optional
        Columns that are no variables: what the row's experiment set (a variable, or several with
        ``,``, ``;`` or ``+`` between them; empty where none), and which rows belong together.
    weights : str or array-like, optional
        A column, or how often each row counts.
    reading : mapping, optional
        How to read the table, as for ``mm.open_table``.
    merge : bool, optional
        Whether equal rows of states become one that counts as often; rows of groups, with
        measurements, or whose weights are not whole numbers stay apart.
    **kinds
        ``states``, ``modalities``, ``variables``, ``bins`` and ``continuous``, as for
        ``BayesianNetwork.from_data``.

    Raises
    ------
    UnknownVariableError
        If a column is named that is not there, or a variable that an experiment set.
    LearningError
        If there are no rows, or a column is constant or cannot be read.
    """
    if isinstance(data, MultimodalData):
        modalities = _modalities(data)
        kinds = {**kinds, "modalities": {**modalities, **(kinds.get("modalities") or {})}}
        weights = data.weights if weights is None else weights
        groups = data.groups.name if groups is None and data.groups is not None else groups
        target = None if data.outcome is None else data.target.name
        kept = {*modalities, target, groups}  # and no times and weights
        data = {n: c for n, c in data.columns().items() if n in kept}
    table = open_table(data, **(reading or {}))
    roles = {"interventions": interventions, "groups": groups}
    roles["weights"] = weights if isinstance(weights, str) else None
    for role, column in roles.items():
        if column is not None and column not in table.columns:
            hint = suggestion(column, table.columns)
            raise UnknownVariableError(
                f"{role} names '{column}', which is no column of {table.origin}{hint}"
            )
    asked = kinds.pop("variables", None) or table.columns
    names = [n for n in ([asked] if isinstance(asked, str) else asked) if n not in roles.values()]
    if len(names) < 2:
        raise LearningError(f"{table.origin} has {len(names)} variables; a graph needs two")
    variables, _, modelled = skeleton(table.select(names), (), variables=names, **kinds)
    if isinstance(weights, str):
        weights = weights_column(table, weights)
    experiment, is_set = _experiments(table, interventions, modelled.columns)
    columns = table.select([*names, *(v.name for v in experiment)])
    by_name = {v.name: v for v in (*variables, *experiment)}
    values, group_of_row = np.zeros((0, 0)), None
    merge = merge and groups is None and all(v.is_discrete for v in variables)
    if merge and (weights is None or StructureData.has_whole(checked_weights(weights))):
        codes, each = distinct_rows(columns, by_name, weights=weights)
    else:
        rows = encode(columns, by_name)
        discrete = [rows.columns.index(n) for n, v in by_name.items() if v.is_discrete]
        codes, each = rows.codes[:, discrete], _row_weights(weights, len(rows))
        values = np.array([rows.values[v.name].numpy() for v in variables if not v.is_discrete])
        if groups is not None:
            group_of_row = coded_groups(groups, _column(table, groups), table).codes
    of_experiment = codes[:, -1] if experiment else np.full(len(each), -1)
    return StructureData(
        tuple(variables),
        np.ascontiguousarray(codes[:, : codes.shape[1] - len(experiment)].T),
        values.reshape(-1, len(each)),
        each,
        of_experiment.astype(np.int64),
        is_set,
        group_of_row,
    )


def _modalities(data: MultimodalData) -> dict[str, str]:
    """The modality of each column of rows of several modalities."""
    return {
        column: modality
        for modality, block in data.blocks.items()
        for column in block.labelled(modality)
    }


def _column(table: Table, name: str) -> np.ndarray:
    """All cells of a column."""
    chunks = table.select([name]).chunks(CHUNK_ROWS)
    return np.concatenate([np.asarray(plain_array(chunk[name])) for chunk in chunks])


def weights_column(table: Table, name: str) -> Float64[np.ndarray, " rows"]:
    """The weights in a column."""
    weight, first = Variable(name, family="gaussian"), 0
    read: list[np.ndarray] = []
    for chunk in table.select([name]).chunks(CHUNK_ROWS):
        read.append(real_values(weight, [chunk[name]], table, first).numpy())
        first += len(read[-1])
    return np.concatenate(read)


def _row_weights(weights: object, rows: int) -> Float64[np.ndarray, " rows"]:
    """Weights that are checked, one each by default."""
    if weights is None:
        return np.ones(rows)
    checked = checked_weights(weights)
    if len(checked) != rows:
        raise LearningError(f"{len(checked)} weights for {rows} rows")
    return checked


def _experiments(
    table: Table, column: str | None, names: tuple[str, ...]
) -> tuple[list[Variable], Bool[np.ndarray, "experiments variables"]]:
    """The column of experiments as a variable, and which variables each of its labels set."""
    if column is None:
        return [], np.zeros((0, len(names)), bool)
    if not _has_cells(table, column):
        return [], np.zeros((0, len(names)), bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ManyStatesWarning)
        labels = states_in(table.select([column]), [column], constant=True)[column]
    is_set = np.zeros((len(labels), len(names)), bool)
    for experiment, label in enumerate(str(label).strip() for label in labels):
        targets = [label] if label in names else [t for t in _SEPARATORS.split(label) if t]
        for target in targets:
            if target not in names:
                raise UnknownVariableError(
                    f"the interventions in '{column}' name '{target}', which is no variable"
                    f"{suggestion(target, names)}"
                )
            is_set[experiment, names.index(target)] = True
    return [Variable(column, labels)], is_set


def _has_cells(table: Table, column: str) -> bool:
    """Whether a column has a cell that is not missing."""
    hidden = spellings(table.missing_cells())
    return any(
        not is_missing(cell) and spelling(cell) not in hidden
        for chunk in table.select([column]).chunks(CHUNK_ROWS)
        for cell in set(np.asarray(plain_array(chunk[column]), object).tolist())
    )


def check_cells(data: StructureData, missing: str) -> None:
    """Refuse constant measurements, and missing cells where nothing is said of them (by column).

    Raises
    ------
    IncompleteDataError
        If cells are missing, and ``missing`` says to raise, or is "available" and a variable is
        continuous.
    LearningError
        If a measurement is constant, a weight is not positive anywhere, or a variable is set in
        every row.
    """
    lacking: dict[str, float] = {}
    discrete = [v.name for v in data.variables if v.is_discrete]
    continuous = [v.name for v in data.variables if not v.is_discrete]
    for name, codes in zip(discrete, data.codes, strict=True):
        lacking[name] = float(data.weights[codes < 0].sum())
    for name, values in zip(continuous, data.values, strict=True):
        lacking[name] = float(data.weights[np.isnan(values)].sum())
        known = values[~np.isnan(values)]
        if not len(known) or known.min() == known.max():
            raise LearningError(
                f"the column '{name}' is constant: it can have no edges; leave it out (variables=)"
            )
    total = float(data.weights.sum())
    if total < 2:
        raise LearningError(
            f"the weights of all rows are zero or sum to {total:g}: a weight says how often a row "
            "counts, so that they sum to the number of rows"
        )
    for name in lacking:
        if lacking[name] and (missing == "raise" or (missing == "available" and continuous)):
            cure = "missing='em' learns from incomplete rows"
            if not continuous:
                cure += ", missing='available' from those that a score needs"
            raise IncompleteDataError(
                f"'{name}' is missing in {lacking[name]:g} of {data.weights.sum():g} rows; {cure}"
            )
    for name, is_set in zip(data.names, data.always_set, strict=True):
        if is_set:
            raise LearningError(
                f"'{name}' is set by the experiment in every row, so that nothing says what it "
                "depends on; make it a root (roots=[...]) and leave it out of the interventions"
            )
