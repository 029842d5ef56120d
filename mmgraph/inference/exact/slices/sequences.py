"""Evidence of sequences: cells with an axis of time, read by the one reader of cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.element_evidence import element_of, scalar_like
from mmgraph.graph.errors import EvidenceError, UnknownStateError, UnknownVariableError, suggestion
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.soft_evidence import Soft, soft, soft_tensor
from mmgraph.graph.state_labels import MISSING, Index, index
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact.chain.pieces import Steps
from mmgraph.inference.exact.slices.dynamic_graph import DynamicGraph, present

_ROW = re.compile(r"\brow (\d+)")


class SequenceEvidence(NamedTuple):
    """What is observed of sequences, one behind the other.

    Attributes
    ----------
    steps : Steps
    cells : Evidence
        A row for each step of all sequences.
    """

    steps: Steps
    cells: Evidence

    def arrays(self) -> list[np.ndarray]:
        """Return all numbers of the cells, in the order of the variables."""
        tensors = [*self.cells.soft.values(), *self.cells.values.values()]
        return [self.cells.codes, *(t.detach().cpu().numpy() for t in tensors)]

    def of_slice(self, graph: FactorGraph, places: np.ndarray) -> Evidence:
        """Return the evidence of some steps as that of a slice's graph, slices before included."""
        columns, codes = [], []
        soft_cells, values = {}, {}
        for name in graph.variables:
            plain, lag = present(name)
            at, picks = _places(places, lag)
            if plain in self.cells.columns:
                columns.append(name)
                codes.append(self.cells.codes[at, self.cells.columns.index(plain)])
            if plain in self.cells.soft and not lag:
                soft_cells[name] = self.cells.soft[plain][picks]
            if plain in self.cells.values:
                values[name] = self.cells.values[plain][picks]
        stacked = np.stack(codes, 1) if codes else np.empty((len(places), 0), np.int64)
        return Evidence(
            graph.variables, len(places), tuple(columns), stacked, {}, soft_cells, values
        )


def _places(places: np.ndarray, lag: int) -> tuple[Any, Any]:
    """Where steps so far back stand, for arrays and for tensors: as a slice where they adjoin."""
    first, last = int(places[0]) - lag, int(places[-1]) - lag
    if first >= 0 and last - first == len(places) - 1:
        return slice(first, last + 1), slice(first, last + 1)
    at = np.maximum(places - lag, 0)
    return at, torch.from_numpy(at)


def sequence_evidence(
    model: DynamicGraph, data: object, length: int | None = None
) -> SequenceEvidence:
    """Read the evidence of one sequence or of several.

    Parameters
    ----------
    data : mapping of str to cells, data frame, or None
        Of each variable an array of its cells, ``(length, *shape)``; of several sequences ``(rows,
        length, *shape)``, or a list of arrays of any lengths, None where a sequence says nothing of
        it. A cell is what :meth:`Evidence.of` reads, or missing (None, NaN).
    length : int, optional
        Of a sequence of which nothing is known.

    Raises
    ------
    EvidenceError
        If lengths do not match: which variables and sequence; or there is a step to none.
    UnknownVariableError
        If a name is no variable of the slice.
    """
    if isinstance(data, Evidence):
        raise EvidenceError(
            "the evidence of sequences is a mapping of variables to arrays of cells"
        )
    if is_frame(data):
        frame: Any = data
        data = {name: frame[name].to_numpy() for name in frame.columns}
    if data is not None and not isinstance(data, Mapping):
        raise EvidenceError(f"evidence is a mapping or a data frame, not {type(data).__name__}")
    parts: dict[str, list[Any]] = {}
    variables = dict(model.variables)
    for name, cells in (data or {}).items():
        if name not in variables:
            variables[name] = _element(model, name)
        if not _is_nothing(cells):
            parts[name] = _by_sequence(variables[name], cells)
    lengths = _lengths(parts, length)
    steps = Steps(lengths)
    columns = {name: _joined(variables[name], cells, lengths) for name, cells in parts.items()}
    try:
        cells = Evidence.of(columns, model.variables)
    except (EvidenceError, UnknownStateError) as error:
        raise type(error)(_ROW.sub(lambda row: _step(steps, int(row[1])), str(error))) from None
    if cells.batch != steps.total:  # no columns, or none that says anything
        cells = replace(cells, batch=steps.total, codes=np.empty((steps.total, 0), np.int64))
    for name in model.inputs:
        if model.variables[name].is_discrete:
            codes = cells.hard(name)
            gone = codes is None or bool((codes == MISSING).any())
        else:
            values = cells.values.get(name)
            gone = values is None or bool(values.isnan().any())
        if gone:
            raise EvidenceError(f"the input '{name}' is to be observed at every step")
    return SequenceEvidence(steps, cells)


def _step(steps: Steps, row: int) -> str:
    """What a row of all sequences one behind the other is called."""
    return "sequence {}, step {}".format(*steps.place(row))


def _element(model: DynamicGraph, name: str) -> Variable:
    """The element of an array that a key names, such as ``x[0]``."""
    place = element_of(name, model.variables)
    if place is None:
        hint = suggestion(name, model.variables)
        raise UnknownVariableError(f"no variable is called {name!r}{hint}")
    return scalar_like(model.variables[place[0]], name)


def _is_nothing(cells: Any) -> bool:
    """Whether cells are None, or a list of it: as many steps, or sequences, as others say."""
    return cells is None or (isinstance(cells, list | tuple) and all(c is None for c in cells))


def _by_sequence(variable: Variable, cells: Any) -> list[Any]:
    """Cells of each sequence."""
    inner = len(variable.shape)
    if isinstance(cells, Soft):
        return _soft_by_sequence(variable, cells)
    if isinstance(cells, Index):
        codes = np.asarray(cells.codes)
        return [index(row) for row in (codes[None] if codes.ndim == inner + 1 else codes)]
    if hasattr(cells, "detach"):
        cells = cells.detach().cpu().numpy()
    if isinstance(cells, np.ndarray):
        return [cells] if cells.ndim <= inner + 1 else list(cells)
    listed: list[Any] = list(cells) if isinstance(cells, list | tuple) else [np.asarray(cells)]
    there = [c for c in listed if c is not None]
    if any(isinstance(c, Soft) for c in there):
        if not all(isinstance(c, Soft) for c in there):
            raise EvidenceError(
                f"'{variable.name}' has soft evidence in some sequences and cells in others"
            )
        return [s if s is None else _soft_by_sequence(variable, s)[0] for s in listed]
    if any(isinstance(c, Index) for c in there):
        return listed
    if there and all(np.ndim(c) == inner for c in there):
        return [listed]
    return listed


def _soft_by_sequence(variable: Variable, cells: Soft) -> list[Soft]:
    """Soft evidence of each sequence, as log-likelihoods in the order of the states."""
    numbers = cells.probabilities if cells.log_likelihood is None else cells.log_likelihood
    shape = np.shape(next(iter(numbers.values())) if isinstance(numbers, Mapping) else numbers)
    several = len(shape) + isinstance(numbers, Mapping) > 2
    logs = soft_tensor(replace(variable, shape=shape[1:2]) if several else variable, cells)
    array = logs.detach().cpu().double().numpy()
    return [soft(log_likelihood=rows) for rows in (array if several else [array])]


def _length_of(cells: Any) -> int:
    if isinstance(cells, Soft):
        return len(cells.log_likelihood)
    return len(cells.codes) if isinstance(cells, Index) else len(cells)


def _lengths(parts: Mapping[str, list[Any]], length: int | None) -> list[int]:
    counts = {name: len(sequences) for name, sequences in parts.items()}
    if len(set(counts.values())) > 1:
        raise EvidenceError(f"variables are given for different numbers of sequences: {counts}")
    if not counts:
        if length is None:
            raise EvidenceError("nothing is observed: say how many steps there are by length=…")
        if length < 1:
            raise EvidenceError(f"a sequence has at least one step, not {length}")
        return [int(length)]
    found = []
    for number in range(next(iter(counts.values()))):
        here = {n: _length_of(s[number]) for n, s in parts.items() if s[number] is not None}
        if len(set(here.values())) > 1:
            raise EvidenceError(f"sequence {number}: its variables differ in length: {here}")
        steps = next(iter(here.values()), length)
        if not steps:
            raise EvidenceError(f"sequence {number} has no steps")
        if length is not None and steps != length:
            raise EvidenceError(f"sequence {number} has {steps} steps, and length={length}")
        found.append(steps)
    return found


def _joined(variable: Variable, sequences: list[Any], lengths: list[int]) -> Any:
    """The cells of all sequences, one behind the other."""
    pairs = list(zip(sequences, lengths, strict=True))
    first = next(s for s in sequences if s is not None)
    if isinstance(first, Soft):
        nothing = [np.zeros((n, variable.cardinality)) for n in lengths]
        rows = [
            e if s is None else s.log_likelihood for s, e in zip(sequences, nothing, strict=True)
        ]
        return soft(log_likelihood=np.concatenate(rows))
    if isinstance(first, Index):
        return index(np.concatenate([np.full(n, -1) if s is None else s.codes for s, n in pairs]))
    if not variable.is_discrete:
        empty = [np.full((n, *variable.shape), np.nan) for n in lengths]
        return np.concatenate(
            [
                e if s is None else _numbers(variable, i, s)
                for i, (s, e) in enumerate(zip(sequences, empty, strict=True))
            ]
        )
    plain = [np.asarray(s) for s in sequences if s is not None]
    if len(plain) == len(sequences) and all(s.dtype.kind in "iub" for s in plain):
        return np.concatenate(plain)
    return np.array(list(_cells(pairs)), object)


def _numbers(variable: Variable, sequence: int, cells: Any) -> np.ndarray:
    try:
        array = np.array(cells, np.float64)
    except (TypeError, ValueError):  # perhaps steps that are None, and no step of another shape
        array = np.array([_step_numbers(variable, sequence, *pair) for pair in enumerate(cells)])
    if array.shape[1:] != variable.shape:
        raise EvidenceError(
            f"sequence {sequence}: a step of '{variable.name}' has the shape {variable.shape}, "
            f"not {array.shape[1:]}"
        )
    return array


def _step_numbers(variable: Variable, sequence: int, step: int, cell: Any) -> np.ndarray:
    try:
        numbers = np.array(np.full(variable.shape, np.nan) if cell is None else cell, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != variable.shape:
        raise EvidenceError(
            f"sequence {sequence}, step {step}: '{variable.name}' has numbers of shape "
            f"{variable.shape}, not {cell!r:.60}"
        )
    return numbers


def _cells(pairs: list[tuple[Any, int]]) -> Iterator[Any]:
    for sequence, length in pairs:
        yield from [None] * length if sequence is None else np.asarray(sequence, object).tolist()
