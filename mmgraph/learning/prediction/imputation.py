"""Missing cells of a table, filled in by what a graph says of them given the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from mmgraph.data.encoding import columns_of
from mmgraph.data.table import CHUNK_ROWS, Table
from mmgraph.data.tables import open_table
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.element_evidence import elements_in
from mmgraph.graph.errors import EvidenceError, needs
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable, element_names
from mmgraph.inference.options import check_type
from mmgraph.inference.query import query, sample
from mmgraph.inference.samples import label_array
from mmgraph.learning.prediction.prediction import evidence_chunks
from mmgraph.learning.prediction.sampled_answers import Intervals


class _Filled(NamedTuple):
    """A variable in all rows: labels or numbers ``(rows, *shape)``, and which were missing."""

    cells: np.ndarray
    missing: np.ndarray


def impute(
    graph: FactorGraph,
    data: object,
    draws: int = 0,
    level: float | None = None,
    generator: torch.Generator | None = None,
    **reading: Any,
) -> Any:
    """Return completed data as ``BayesianNetwork.impute``."""
    check_type("draws", draws, "int")
    check_type("level", level, "float | None")
    check_type("generator", generator, "torch.Generator | None")
    if draws < 0:
        raise EvidenceError(f"the number of draws is at least 0, not {draws}")
    if level is not None and (draws or not 0 < level < 1):
        raise EvidenceError(
            f"level lies between 0 and 1, and goes without draws: {level}, draws={draws}"
        )
    evidence = list(evidence_chunks(graph, data, (), reading))
    if draws:
        each = [list(_drawn(graph, part, draws, generator)) for part in evidence]
        joined = (_joined([part[i] for part in each]) for i in range(draws))
        return [_completed(graph, data, filled, reading) for filled in joined]
    parts = [_expected(graph, rows, level) for part in evidence for rows in _chunks(part)]
    answers = [_completed(graph, data, _joined(same), reading) for same in zip(*parts, strict=True)]
    return answers[0] if level is None else Intervals(*answers)


def _chunks(evidence: Evidence) -> Iterator[Evidence]:
    for first in range(0, evidence.batch, CHUNK_ROWS):
        yield evidence.rows(slice(first, first + CHUNK_ROWS))


def _expected(
    graph: FactorGraph, evidence: Evidence, level: float | None
) -> list[dict[str, _Filled]]:
    """Means of real variables, or means and ends of intervals, and the likeliest states of others.

    They stand where cells are missing.
    """
    observed = {name: _observed(evidence, v) for name, v in graph.variables.items()}
    names = [name for name, (_, missing) in observed.items() if missing.any()]
    answers = [dict(observed) for _ in range(1 if level is None else 3)]
    if not names:
        return answers
    posterior = query(graph, evidence, names)
    for name in names:
        v, (cells, missing) = graph.variables[name], observed[name]
        guesses: list[Any]
        if v.is_discrete:
            guesses = [label_array(v)[posterior.mode(name).cpu().numpy()]] * len(answers)
        else:
            guesses = [posterior.mean(name).detach().cpu().numpy()]
            if level is not None:
                ends = posterior.quantile(name, [(1 - level) / 2, (1 + level) / 2])
                guesses += list(ends.detach().movedim(-1, 0).cpu().numpy())
        for answer, guess in zip(answers, guesses, strict=True):
            answer[name] = _Filled(np.where(missing, guess, cells), missing)
    return answers


def _drawn(
    graph: FactorGraph, evidence: Evidence, draws: int, generator: torch.Generator | None
) -> Iterator[dict[str, _Filled]]:
    """Draws of all missing cells together, given those that are there."""
    codes = sample(graph, draws, evidence, generator).codes
    for i in range(draws):
        made = {}
        for name, v in graph.variables.items():
            drawn = codes[name] if evidence.batch > 1 else codes[name].unsqueeze(0)
            values = drawn[:, i].numpy()
            cells = label_array(v)[values] if v.is_discrete else values
            made[name] = _Filled(cells, _observed(evidence, v).missing)
        yield made


def _observed(evidence: Evidence, variable: Variable) -> _Filled:
    """The cells of a variable; what stands in missing ones does not count."""
    shape = (evidence.batch, *variable.shape)
    if not variable.is_discrete:
        values = evidence.values.get(variable.name)
        cells = np.full(shape, np.nan) if values is None else values.detach().cpu().numpy()
        return _Filled(cells, np.isnan(cells))
    codes = evidence.hard(variable.name)
    states = np.full(shape, MISSING) if codes is None else codes.cpu().numpy()
    return _Filled(label_array(variable)[states], states == MISSING)


def _joined(parts: list[dict[str, _Filled]]) -> dict[str, _Filled]:
    if len(parts) == 1:
        return parts[0]
    return {
        name: _Filled(
            np.concatenate([part[name].cells for part in parts]),
            np.concatenate([part[name].missing for part in parts]),
        )
        for name in parts[0]
    }


def _completed(
    graph: FactorGraph, data: object, filled: Mapping[str, _Filled], reading: Mapping[str, Any]
) -> Any:
    """The data with its missing cells filled in: a frame, or arrays by variable for a mapping.

    Columns that are no variables stay as they are.
    """
    if isinstance(data, Mapping):
        elements = elements_in(data, graph.variables)
        others = {name: cells for name, cells in data.items() if name not in elements}
        return {**others, **{name: part.cells for name, part in filled.items()}}
    with needs("data", "pandas", "a completed data frame"):
        import pandas
    if is_frame(data):
        frame: Any = data.copy()  # type: ignore[attr-defined]
    elif isinstance(data, str | os.PathLike | Table):
        frame = pandas.DataFrame(_other_columns(graph, open_table(data, **reading)))
    else:
        frame = pandas.DataFrame()
    labels = {str(label): label for label in frame.columns}
    for name, part in filled.items():
        rows = len(part.cells)
        columns = part.cells.reshape(rows, -1).T, part.missing.reshape(rows, -1).T
        for element, cells, missing in zip(
            element_names(graph.variables[name]), *columns, strict=True
        ):
            if element not in labels:
                frame[element] = cells
            elif missing.any():
                column = frame[labels[element]]
                column = column if part.cells.dtype.kind != "f" else column.astype(np.float64)
                frame[labels[element]] = column.where(~missing, cells)
    return frame


def _other_columns(graph: FactorGraph, table: Table) -> dict[str, list[Any]]:
    """The cells of a table's columns that are no variables, as they are."""
    places = columns_of(table, graph.variables)
    others = table.select([c for c in table.columns if c not in places])
    cells: dict[str, list[Any]] = {name: [] for name in others.columns}
    for chunk in others.chunks(CHUNK_ROWS) if cells else ():
        for name, column in chunk.items():
            cells[name] += list(column)
    return cells
