"""Filtering networks that repeat, a step at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.state_labels import MISSING
from mmgraph.inference.exact.chain.pieces import Steps, check_remembered
from mmgraph.inference.exact.slices.dynamic_graph import DynamicGraph
from mmgraph.inference.exact.slices.kernels import Piece, log_backward, log_forward
from mmgraph.inference.exact.slices.run import beliefs_of
from mmgraph.inference.exact.slices.sequences import SequenceEvidence
from mmgraph.inference.exact.slices.tables import SliceTables
from mmgraph.networks.dynamic.filters.saved_filter import SavedFilter


class _Step(NamedTuple):
    """A step that is remembered: what was observed, its tables, and the message after it."""

    codes: dict[str, int]
    values: dict[str, np.ndarray]
    soft: dict[str, np.ndarray]
    plan: int
    offsets: np.ndarray
    row_tables: np.ndarray
    message: np.ndarray
    increment: float


class SliceFilter(SavedFilter):
    """The variables of a slice given the cells so far, a step at a time, in the log domain.

    Parameters
    ----------
    model : DynamicGraph
    lag : int
        How many steps after a step its marginals are told (fixed-lag smoothing).

    Attributes
    ----------
    steps : int
        How many steps it has taken.
    log_likelihood : float
        Of what was observed in them.
    """

    def __init__(self, model: DynamicGraph, lag: int = 0) -> None:
        super().__init__(lag, model.arrays())
        self.model = model
        self.names = [n for n, v in model.variables.items() if v.is_discrete]
        nothing = SequenceEvidence(Steps([1]), Evidence(model.variables, 1))
        self._tables = SliceTables(model, nothing, self.names, any_evidence=True)
        program = self._tables.program
        self._size = int(max(program.outgoing.max(), program.incoming.max(), 1))
        self._window: deque[_Step] = deque(maxlen=max(self.lag + 2, model.order + 1))

    def step(self, cells: Mapping[str, object] | None = None) -> dict[str, np.ndarray]:
        """Take the cells of a step, and return the marginals of the step at the lag before it.

        While fewer steps than the lag have come, those are of the first step.

        Parameters
        ----------
        cells : mapping of str to cell, optional
            As evidence of one row; what is not named is missing.

        Returns
        -------
        dict of str to ndarray, shape (states,)
            Of every discrete variable that is not an input.

        Raises
        ------
        EvidenceError, UnknownVariableError, UnknownStateError
            If the cells do not fit the model.
        ZeroProbabilityError
            If they are impossible after those before; the filter is then as it was.
        """
        if cells is not None and not isinstance(cells, Mapping):
            names = ", ".join(self.model.variables)
            raise EvidenceError(f"a step is a mapping of {names} to cells, not {cells!r:.40}")
        taken = self._taken(Evidence.of(dict(cells or {}), self.model.variables))
        self._window.append(taken)
        self.steps += 1
        self.log_likelihood += taken.increment
        return self.lagged(self.lag)

    def _taken(self, row: Evidence) -> _Step:
        """The step that a row makes, not yet remembered."""
        if row.batch != 1:
            raise EvidenceError(f"a step is one row of cells, not {row.batch}")
        codes = dict(zip(row.columns, row.codes[0].tolist(), strict=True))
        values = {n: t[0].double().numpy() for n, t in row.values.items()}
        soft = {n: t[0].double().numpy() for n, t in row.soft.items()}
        before = list(self._window)[len(self._window) - min(self.model.order, self.steps) :]
        given = self._evidence(
            [*((s.codes, s.values, s.soft) for s in before), (codes, values, soft)]
        )
        tables = self._tables
        tables.take(given)
        plan = min(self.steps, len(tables.plans) - 1)
        which = np.full(len(before) + 1, plan)
        offsets, logs = tables.of_piece(slice(len(before), len(before) + 1), which)
        message = np.zeros(self._size) if not self.steps else self._window[-1].message.copy()
        messages = np.full((1, self._size), -np.inf)
        piece = self._piece([plan], [not self.steps], offsets, logs)
        if log_forward(tables.program, piece, message, messages, False) >= 0:
            raise ZeroProbabilityError(
                f"the cells of step {self.steps} are impossible after those before", (0,), ()
            )
        outside = np.arange(self._size) >= tables.program.outgoing[plan]
        message[outside] = -np.inf
        gain = float(np.logaddexp.reduce(message))
        return _Step(codes, values, soft, plan, offsets[0], logs[0], message - gain, gain)

    def _piece(self, plans: Any, begins: Any, offsets: np.ndarray, logs: np.ndarray) -> Piece:
        tables = self._tables
        return Piece(
            np.array(plans, np.int64),
            np.array(begins, bool),
            tables.log_static,
            tables.base,
            offsets,
            logs,
            tables.column,
        )

    def _evidence(
        self, rows: list[tuple[dict[str, int], dict[str, Any], dict[str, Any]]]
    ) -> SequenceEvidence:
        """The evidence of the last steps."""
        variables = self.model.variables
        names = [n for n in variables if any(n in codes for codes, _, _ in rows)]
        codes = np.array([[c.get(n, MISSING) for n in names] for c, _, _ in rows], np.int64)
        values, soft = {}, {}
        for name, variable in variables.items():
            if any(name in v for _, v, _ in rows):
                gone = np.full(variable.shape, np.nan)
                values[name] = torch.from_numpy(np.stack([v.get(name, gone) for _, v, _ in rows]))
            if any(name in s for _, _, s in rows):
                flat = np.zeros(variable.cardinality)
                soft[name] = torch.from_numpy(np.stack([s.get(name, flat) for _, _, s in rows]))
        shaped = codes.reshape(len(rows), len(names))
        cells = Evidence(variables, len(rows), tuple(names), shaped, {}, soft, values)
        return SequenceEvidence(Steps([len(rows)]), cells)

    def lagged(self, lag: int) -> dict[str, Float64[np.ndarray, " states"]]:
        """Return the marginals of the step ``lag`` steps ago, or of the first remembered one.

        Raises
        ------
        EvidenceError
            If no step has come yet, or so many are not remembered.
        """
        check_remembered(lag, self.steps, self.lag)
        steps = list(self._window)
        back = min(lag, self.steps - 1)
        window, before = steps[len(steps) - back - 1 :], steps[: len(steps) - back - 1]
        first = self.steps - len(window)
        piece = self._piece(
            [s.plan for s in window],
            [first + i == 0 for i in range(len(window))],
            np.stack([s.offsets for s in window]),
            np.stack([s.row_tables for s in window]),
        )
        sums = np.cumsum([s.increment for s in window])
        messages = np.stack([s.message for s in window]) + sums[:, None]
        start = before[-1].message if before else np.zeros(self._size)
        beliefs = np.zeros(piece.row_tables.shape)
        counts = np.zeros(len(self._tables.static))
        later = np.zeros(self._size)
        log_backward(
            self._tables.program, piece, start, messages, later, float(sums[-1]), beliefs, counts
        )
        found = beliefs_of(self._tables, self.names, beliefs[:1])
        return {name: marginal[0] for name, marginal in found.items()}

    def predict(self, steps: int = 1) -> dict[str, Float64[np.ndarray, " states"]]:
        """Return the marginals so many steps ahead of the last one, of which nothing is known.

        Raises
        ------
        EvidenceError
            If ``steps`` is not positive, or there are inputs, which would have to be known.
        """
        if steps < 1:
            raise EvidenceError(f"a prediction is some steps ahead, not {steps}")
        if self.model.inputs:
            raise EvidenceError("inputs of the steps ahead are not known: take them by step")
        kept = deque(self._window, self._window.maxlen), self.steps, self.log_likelihood
        lag, self.lag = self.lag, 0
        try:
            for _ in range(steps):
                found = self.step()
        finally:
            self.lag = lag
            self._window, self.steps, self.log_likelihood = kept
        return found

    def _remembered(self) -> dict[str, np.ndarray]:
        arrays = {"window": np.array(len(self._window))}
        for i, one in enumerate(self._window):
            for name, array in one._asdict().items():
                parts = array if isinstance(array, dict) else {"": array}
                arrays |= {f"{i}/{name}/{n}": np.array(a) for n, a in parts.items()}
        return arrays

    def _recall(self, arrays: Mapping[str, np.ndarray]) -> None:
        window = [_read_step(arrays, i) for i in range(int(arrays["window"]))]
        self._window.clear()
        self._window.extend(window)


def _read_step(tensors: Mapping[str, np.ndarray], number: int) -> _Step:
    parts: dict[str, dict[str, Any]] = {name: {} for name in _Step._fields}
    for key, array in tensors.items():
        place, _, rest = key.partition("/")
        if place == str(number):
            field, _, name = rest.partition("/")
            parts[field][name] = array
    codes = {n: int(a) for n, a in parts["codes"].items()}
    alone = {n: parts[n][""] for n in ("plan", "offsets", "row_tables", "message", "increment")}
    return _Step(
        codes,
        parts["values"],
        parts["soft"],
        int(alone["plan"]),
        alone["offsets"],
        alone["row_tables"],
        alone["message"],
        float(alone["increment"]),
    )
