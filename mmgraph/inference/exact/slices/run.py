"""Passes along slices: log-likelihoods, beliefs and counts, best paths, draws."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.inference.exact.slices.kernels import (
    LEAST_SCORE,
    Piece,
    backward,
    forward,
    log_backward,
    log_forward,
    trace_back,
)
from mmgraph.inference.exact.slices.tables import SliceTables

Visit = Callable[[slice, Float64[np.ndarray, "steps columns"]], None]
"""Called with some steps and what is believed of their tables of rows."""

_NEGLIGIBLE = 1e-13
"""The probability of what passes through raised cells that is let go."""

_PIECE_CELLS = 65_536
_LEAST_PRODUCT = -138.0
"""What the least cells of a step's static tables may multiply to, in nats: with the least cells of
messages and of tables of rows, doubles hold no less."""

_STORED_BYTES = 128 << 20
"""What passes may keep of all steps; beyond, only messages between pieces, which are run again."""


class SliceRun:
    """The passes of a call.

    Parameters
    ----------
    tables : SliceTables
    """

    def __init__(self, tables: SliceTables) -> None:
        self.tables, self.program = tables, tables.program
        self.steps = tables.given.steps
        self.which = tables.which()
        self.message_size = int(max(self.program.outgoing.max(), self.program.incoming.max(), 1))
        size = max(_PIECE_CELLS // max(self.message_size, tables.width), 64)
        total = self.steps.total
        self.pieces = [slice(i, min(i + size, total)) for i in range(0, total, size)]
        self._before: list[np.ndarray] = []
        doubles = total * (self.message_size + 2 * tables.width)
        self._stores = 8 * doubles <= _STORED_BYTES
        self._stored: list[tuple[Piece, np.ndarray, np.ndarray]] = []
        self._row_count = max(len(tables.row_sources), 1)
        self._in_logs = tables.least_product() < _LEAST_PRODUCT

    def _logs(self, part: slice) -> Piece:
        """A piece with the logarithms of its tables."""
        offsets, logs = self.tables.of_piece(part, self.which)
        tables = self.tables
        return Piece(
            self.which[part],
            self.steps.begins[part],
            tables.log_static,
            tables.base,
            offsets,
            logs,
            tables.column,
        )

    def _scaled(self, part: slice) -> tuple[Piece, np.ndarray, np.ndarray]:
        """The same with exponentials; the maxima that rows lost, and which cells were raised."""
        piece = self._logs(part)
        logs = piece.row_tables
        maxima, raised = np.zeros(len(logs)), np.zeros(logs.shape, bool)
        least = LEAST_SCORE / self._row_count
        for begin, end in itertools.pairwise(self.tables.column):
            table = logs[:, begin:end]
            largest = table.max(1)
            largest[largest == -np.inf] = 0.0
            table -= largest[:, None]
            maxima += largest
            low = (table < least) & (table > -np.inf)
            if low.any():
                table[low] = least
                raised[:, begin:end] = low
        np.exp(logs, out=logs)
        return piece._replace(static=self.tables.static), maxima, raised

    def filtered(self) -> Float64[np.ndarray, " sequences"]:
        """Run forward; return the log-likelihoods, ``-inf`` of impossible sequences."""
        message = np.zeros(self.message_size)
        totals = np.zeros(self.steps.total)
        self.impossible: dict[int, int] = {}
        self._any_raised = False
        for part in self.pieces:
            self._before.append(message.copy())
            piece, maxima, raised = self._scaled(part)
            messages = np.zeros((part.stop - part.start, self.message_size))
            increments, start = np.zeros(len(maxima)), 0
            while True:
                rest = piece.part(start)
                count, bad = forward(
                    self.program, rest, message, messages[start:], increments[start:]
                )
                self._any_raised |= count > 0
                if bad < 0:
                    break
                start = self._skip(part, start + bad)
                if start < 0:
                    message[:] = 1.0  # of a sequence that is impossible, until the next begins
                    break
            self._any_raised |= bool(raised.any())
            totals[part] = increments + maxima
            if self._stores:
                self._stored.append((piece, raised, messages))
        sums = self.steps.summed(totals)
        sums[list(self.impossible)] = -np.inf
        return sums

    def _skip(self, part: slice, bad: int) -> int:
        """Note an impossible step; return where the next sequence begins in the piece, or -1."""
        sequence, step = self.steps.place(part.start + bad)
        self.impossible.setdefault(sequence, step)
        after = int(self.steps.ends[sequence]) - part.start
        return after if after < part.stop - part.start else -1

    def check_possible(self) -> None:
        """Raise ZeroProbabilityError if a sequence is impossible: which, and from which step on."""
        if self.impossible:
            sequence, step = min(self.impossible.items())
            raise ZeroProbabilityError(
                f"the evidence of sequence {sequence} is impossible from step {step} on",
                tuple(sorted(self.impossible)),
                (),
            )

    def _backward(
        self, visit: Callable[[slice, np.ndarray, np.ndarray], None]
    ) -> Float64[np.ndarray, " cells"]:
        """Run backward; ``visit`` takes a piece, its beliefs and doubts; returns counts."""
        later = np.ones(self.message_size)
        counts = np.zeros(len(self.tables.static))
        for number in range(len(self.pieces) - 1, -1, -1):
            part, before = self.pieces[number], self._before[number]
            if self._stores:
                piece, raised, messages = self._stored[number]
            else:
                piece, _, raised = self._scaled(part)
                messages = np.zeros((part.stop - part.start, self.message_size))
                forward(self.program, piece, before.copy(), messages, np.empty(len(messages)))
            beliefs = np.zeros(piece.row_tables.shape)
            suspect = np.zeros(len(messages))
            backward(self.program, piece, before, messages, later, beliefs, counts, suspect)
            visit(part, beliefs, suspect + (beliefs * raised).sum(1))
        return counts

    def smooth(
        self, visit: Visit
    ) -> tuple[Float64[np.ndarray, " sequences"], Float64[np.ndarray, " cells"]]:
        """Return log-likelihoods and the counts of all cells of static tables.

        Raises
        ------
        ZeroProbabilityError
            If a sequence is impossible.
        """
        if self._in_logs:
            return self._smooth_logs(visit)
        totals = self.filtered()
        self.check_possible()
        doubts = np.zeros(self.steps.total)
        if self._any_raised:

            def look(part: slice, beliefs: np.ndarray, doubt: np.ndarray) -> None:
                doubts[part] = doubt

            self._backward(look)
            if (self.steps.summed(doubts) > _NEGLIGIBLE).any():
                return self._smooth_logs(visit)
        return totals, self._backward(lambda part, beliefs, doubt: visit(part, beliefs))

    def log_likelihoods(self) -> Float64[np.ndarray, " sequences"]:
        """Return the log-likelihoods, ``-inf`` of impossible sequences."""
        totals = np.empty(0) if self._in_logs else self.filtered()
        if self._in_logs or self._any_raised:
            return self._log_sums(self._log_filtered(best=False))
        return totals

    def _log_filtered(self, best: bool) -> Float64[np.ndarray, "sequences cells"]:
        """Run forward in logarithms; return the last messages of sequences, not normalised."""
        self.impossible, self._before, self._log_stored = {}, [], []
        message = np.zeros(self.message_size)
        last = np.full((len(self.steps.lengths), self.message_size), -np.inf)
        for part in self.pieces:
            self._before.append(message.copy())
            piece, start = self._logs(part), 0
            messages = np.full((part.stop - part.start, self.message_size), -np.inf)
            while True:
                rest = piece.part(start)
                bad = log_forward(self.program, rest, message, messages[start:], best)
                if bad < 0:
                    break
                start = self._skip(part, start + bad)
                if start < 0:
                    message[:] = 0.0
                    break
            ending = np.flatnonzero((self.steps.ends > part.start) & (self.steps.ends <= part.stop))
            last[ending] = messages[self.steps.ends[ending] - 1 - part.start]
            if self._stores:
                self._log_stored.append(messages)
        last[list(self.impossible)] = -np.inf
        return last

    def _log_messages(self, number: int, piece: Piece, best: bool) -> np.ndarray:
        """The logarithms of messages after the steps of a piece, of possible sequences."""
        if self._stores:
            return self._log_stored[number]
        messages = np.full((len(piece.which), self.message_size), -np.inf)
        log_forward(self.program, piece, self._before[number].copy(), messages, best)
        return messages

    def _log_sums(self, last: np.ndarray) -> Float64[np.ndarray, " sequences"]:
        largest = last.max(1)
        safe = np.where(largest == -np.inf, 0.0, largest)
        with np.errstate(divide="ignore"):
            sums: np.ndarray = np.log(np.exp(last - safe[:, None]).sum(1)) + safe
        return sums

    def _smooth_logs(self, visit: Visit) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`smooth`, in the log domain."""
        totals = self._log_sums(self._log_filtered(best=False))
        self.check_possible()
        counts, later = np.zeros(len(self.tables.static)), np.zeros(self.message_size)
        first, ends = self.steps.first, self.steps.ends
        for number in range(len(self.pieces) - 1, -1, -1):
            part = self.pieces[number]
            piece = self._logs(part)
            messages = self._log_messages(number, piece, best=False)
            beliefs = np.zeros(piece.row_tables.shape)
            here = np.flatnonzero((first < part.stop) & (ends > part.start))
            for sequence in here[::-1].tolist():
                begin = max(int(first[sequence]) - part.start, 0)
                end = min(int(ends[sequence]), part.stop) - part.start
                if part.start + end == ends[sequence]:
                    later[:] = 0.0
                log_backward(
                    self.program,
                    piece.part(begin, end),
                    messages[begin - 1] if begin else self._before[number],
                    messages[begin:end],
                    later,
                    totals[sequence],
                    beliefs[begin:end],
                    counts,
                )
            visit(part, beliefs)
        return totals, counts

    def best(self) -> tuple[dict[str, Int64[np.ndarray, " steps"]], np.ndarray]:
        """Return the best states of the hidden variables, and the paths' log-probabilities."""
        last = self._log_filtered(best=True)
        self.check_possible()
        return self._traced([None])[0], last.max(1)

    def draw(
        self, draws: int, generator: np.random.Generator
    ) -> list[dict[str, Int64[np.ndarray, " steps"]]]:
        """Return independent draws of the hidden variables of all steps, given the evidence."""
        self._log_filtered(best=False)
        self.check_possible()
        return self._traced([generator] * draws)

    def _traced(
        self, generators: Sequence[np.random.Generator | None]
    ) -> list[dict[str, Int64[np.ndarray, " steps"]]]:
        """Trace paths back, best or drawn, and read the states off the cells passed through."""
        most = max(len(plan.operations) for plan in self.tables.plans)
        paths = [
            {name: np.empty(self.steps.total, np.int64) for name in self.tables.hidden}
            for _ in generators
        ]
        last = [-1] * len(paths)
        for number in range(len(self.pieces) - 1, -1, -1):
            part = self.pieces[number]
            length = part.stop - part.start
            piece, before = self._logs(part), self._before[number]
            messages = self._log_messages(number, piece, best=generators[0] is None)
            for i, generator in enumerate(generators):
                chosen = np.zeros((length, most), np.int64)
                levels = np.empty((0, 0))
                if generator is not None:
                    levels = generator.random((length, most + 1))
                last[i] = trace_back(self.program, piece, before, messages, levels, last[i], chosen)
                self._read(part, chosen, paths[i])
        return paths

    def _read(
        self, part: slice, chosen: Int64[np.ndarray, "steps operations"], states: dict[str, Any]
    ) -> None:
        for number, plan in enumerate(self.tables.plans):
            places = np.flatnonzero(self.which[part] == number)
            if not len(places):
                continue
            unread = set(self.tables.hidden)
            for place, operation in enumerate(plan.operations):
                shape = [self.tables.sizes[a] for a in operation.layout]
                if not unread & set(operation.layout):
                    continue
                codes = np.unravel_index(operation.order[chosen[places, place]], shape)
                for axis, code in zip(operation.layout, codes, strict=True):
                    if axis in unread:
                        states[axis][part.start + places] = code
                        unread.discard(axis)


def beliefs_of(
    tables: SliceTables, names: Iterable[str], beliefs: Float64[np.ndarray, "steps columns"]
) -> dict[str, Float64[np.ndarray, "steps states"]]:
    """Return the marginals of some hidden variables out of what is believed of tables of rows."""
    found: dict[str, np.ndarray] = {}
    for name in names:
        total: np.ndarray | None = None
        for number, source in enumerate(tables.row_sources):
            if source.is_evidence and source.child == name:
                here = beliefs[:, tables.column[number] : tables.column[number + 1]]
                total = here if total is None else total + here
        if total is not None:
            sums = total.sum(1, keepdims=True)
            found[name] = total / sums
    return found
