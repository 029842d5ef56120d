"""Missing cells of a table, filled in by what a graph says of them given the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from mmgraph.data.table import CHUNK_ROWS
from mmgraph.graph.column_reader import is_frame
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
        return [_completed(graph, data, _joined([part[i] for part in each])) for i in range(draws)]
    filled = _joined([_expected(graph, part, None) for part in evidence])
    mean = _completed(graph, data, filled)
    if level is None:
        return mean
    ends = []
    for quantile in ((1 - level) / 2, (1 + level) / 2):
        parts = [_expected(graph, part, quantile) for part in evidence]
        ends.append(_completed(graph, data, _joined(parts)))
    return Intervals(mean, *ends)


def _chunks(evidence: Evidence) -> Iterator[Evidence]:
    for first in range(0, evidence.batch, CHUNK_ROWS):
        yield evidence.rows(slice(first, first + CHUNK_ROWS))


def _expected(graph: FactorGraph, evidence: Evidence, quantile: float | None) -> dict[str, _Filled]:
    """Means (or quantiles) of real variables and the likeliest states of others, where missing."""
    parts = []
    for rows in _chunks(evidence):
        known = {name: _observed(rows, v) for name, v in graph.variables.items()}
        names = [name for name, (_, missing) in known.items() if missing.any()]
        if names:
            posterior = query(graph, rows, names)
        for name in names:
            v = graph.variables[name]
            if v.is_discrete:
                guess = label_array(v)[posterior.mode(name).cpu().numpy()]
            elif quantile is None:
                guess = posterior.mean(name).detach().cpu().numpy()
            else:
                guess = posterior.quantile(name, quantile).detach().cpu().numpy()
            cells, missing = known[name]
            known[name] = _Filled(np.where(missing, guess, cells), missing)
        parts.append(known)
    return _joined(parts)


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


def _completed(graph: FactorGraph, data: object, filled: Mapping[str, _Filled]) -> Any:
    """The data with its missing cells filled in: a frame, or arrays by variable for a mapping."""
    if isinstance(data, Mapping):
        return {name: part.cells for name, part in filled.items()}
    with needs("data", "pandas", "a completed data frame"):
        import pandas
    frame: Any = data.copy() if is_frame(data) else pandas.DataFrame()  # type: ignore[attr-defined]
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
                kept = column if part.cells.dtype.kind != "f" else column.astype(np.float64)
                frame[labels[element]] = kept.where(~missing, cells)
    return frame
