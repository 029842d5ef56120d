"""Passes over one sequence of a hidden semi-Markov chain, given log-densities of its rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.inference.exact.chain.durations_forward_backward import (
    backward,
    forward,
    forward_step,
    living,
)
from mmgraph.inference.exact.chain.durations_paths import walk_back
from mmgraph.inference.exact.chain.durations_steps import SegmentModel, Window, new_window

Rows = Float64[np.ndarray, "steps states"]


class ImpossibleStep(Exception):
    """A step at which no segment is possible any more."""

    def __init__(self, step: int) -> None:
        self.step = step


class Counts(NamedTuple):
    """Expected counts of segments.

    Attributes
    ----------
    transitions : (states, states) array
    lengths : (states, D) array
        Of whole segments, longest first (the last column is of length 1).
    tails : (states, 3) array
        Segments longer than the table, their steps beyond it, and such steps of what is cut off.
    cut : (states, D + 1) array
        Segments that are cut off at each length; the column behind the table's is of all longer.
    """

    transitions: np.ndarray
    lengths: np.ndarray
    tails: np.ndarray
    cut: np.ndarray


class DurationPasses:
    """The recursions over one sequence.

    Parameters
    ----------
    start : (states,) array
        Probabilities of the state at the first step.
    transition : (states, states) array
        Probabilities of the state after a segment; its diagonal may be zero.
    table : (states, D) array
        Probability of each duration 1, …, D; zero beyond a state's ``longest``.
    tail, stay : (states,) arrays
        Probability of a longer duration, and of each further step beyond the first such one.
    longest : (states,) array of int
        How long the table of a state is.
    left_censored, right_censored : bool
        Whether the first segment may have begun before the first step (of its age it is known then
        that the process has run for long), and the last one may go on behind the last.
    """

    def __init__(
        self,
        start: Float64[np.ndarray, " states"],
        transition: Float64[np.ndarray, "states states"],
        table: Float64[np.ndarray, "states D"],
        tail: Float64[np.ndarray, " states"],
        stay: Float64[np.ndarray, " states"],
        longest: Int64[np.ndarray, " states"],
        *,
        left_censored: bool = False,
        right_censored: bool = True,
    ) -> None:
        self.states, self.longest = table.shape
        self.left_censored, self.right_censored = left_censored, right_censored
        lengths, last = np.arange(1, self.longest + 2), longest[:, None]
        past = np.maximum(lengths - last - 1, 0)
        inside = np.pad(np.cumsum(table[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))
        # Of at least each length 1, …, D + 1: geometric beyond a state's table.
        survivors = np.where(lengths <= last, inside, 0) + tail[:, None] * stay[:, None] ** past
        # What is left of a segment that is met at random: P(rest = d) = P(length >= d) / mean.
        summed = np.append(survivors[:, :-1], survivors[:, -1:] / (1 - stay[:, None]), axis=1)
        rests = np.cumsum(summed[:, ::-1], axis=1)[:, ::-1]
        with np.errstate(divide="ignore"):
            self._log_start, log_tail = np.log(start), np.log(tail)
            log_table, log_survivors, log_rests = np.log(table), np.log(survivors), np.log(rests)
            log_stay, log_leave = np.log(stay), np.log1p(-stay)
            log_mean = log_rests[:, :1]
            log_transition = np.log(transition)
        # Of forward time; what is under way at the first step has an age that is not known.
        self.model = SegmentModel(
            np.array(transition, order="C"),
            _backwards(table),
            _backwards(survivors[:, :-1]),
            longest,
            log_transition,
            _backwards(log_table),
            _backwards(log_survivors[:, :-1]),
            log_tail + log_leave,
            log_stay,
            log_leave,
            log_survivors - log_mean,
            log_rests - log_mean,
        )
        # Of reversed time; what is under way is cut off, and was at least as long.
        self._reversed = self.model._replace(
            transition=np.array(transition.T, order="C"),
            log_transition=np.array(log_transition.T, order="C"),
            edge_ends=log_survivors,
        )

    def begin(self) -> tuple[Window, Float64[np.ndarray, " states"]]:
        """Return the window before the first step, and the log-masses of what begins at it."""
        nothing = np.full(self.states, -np.inf)
        if self.left_censored:
            return new_window(self.states, self.longest, self._log_start), nothing
        return new_window(self.states, self.longest), self._log_start.copy()

    def step(
        self, window: Window, begins: np.ndarray, row: np.ndarray, ends: np.ndarray
    ) -> tuple[np.ndarray, float, float]:
        """Take in one row, scaled in place, and write what begins after it, and what ends.

        Returns the log-masses of the states, of all of them (-inf if the row is impossible), and
        the scale that they are relative to.
        """
        scale = forward_step(self.model, window, begins, row, ends, False)
        masses = np.full(self.states, -np.inf)
        total = living(self.model, window, masses, False) if scale > -np.inf else -np.inf
        return masses, total, scale

    def rests(self) -> Float64[np.ndarray, "states D+1"]:
        """Return the probability of each number of steps that are left of a segment met at random.

        The last column is of all beyond a state's table.
        """
        ends = np.exp(self.model.edge_ends)
        for s, longest in enumerate(self.model.longest):
            ends[s, -1] = np.exp(self.model.edge_survivors[s, longest])
            ends[s, longest:-1] = 0
        return ends

    def ahead(self, window: Window, begins: np.ndarray, steps: int) -> Rows:
        """Return the distributions at the next steps, of which nothing is seen; changes both."""
        masses = [
            self.step(window, begins, np.zeros(self.states), np.empty(self.states))[0]
            for _ in range(steps)
        ]
        return shares_of(np.reshape(masses, (steps, self.states)))

    def run_back(
        self,
        rows: Rows,
        begun: Rows,
        ended: Rows,
        last: Float64[np.ndarray, " states"],
        total: float,
        counts: Counts | None = None,
        *,
        cut: bool = False,
    ) -> None:
        """Run the backward pass over what the forward pass has left; ``ended`` turns posterior.

        Where the rows are ``cut``, the last segment may go on even if a sequence is not censored.
        """
        censored = self.right_censored or cut
        zeros, nothing = np.zeros(self.states), np.full(self.states, -np.inf)
        window = new_window(self.states, self.longest, zeros if censored else None)
        follows = nothing if censored else zeros
        backward(
            self._reversed,
            window,
            follows,
            rows,
            begun,
            ended,
            total,
            np.exp(last - total),
            self.counts() if counts is None else counts,
            counts is not None,
        )

    def counts(self) -> Counts:
        """Return counts of nothing."""
        states, longest = self.states, self.longest
        shapes = (states, states), (states, longest), (states, 3), (states, longest + 1)
        return Counts(*map(np.zeros, shapes))

    def path(self, run: Run, generator: np.random.Generator) -> Int64[np.ndarray, " steps"]:
        """Return the likeliest path of a run of maxima, or a draw of another."""
        path = np.empty(len(run.rows), dtype=np.int64)
        edge = self._log_start if self.left_censored else np.full(self.states, -np.inf)
        walk_back(
            self.model,
            edge,
            run.rows,
            run.passes,
            run.last,
            self.right_censored,
            path,
            generator,
            run.maximise,
        )
        return path

    def run_forward(
        self,
        rows: Rows,
        *,
        maximise: bool = False,
        tails: bool = False,
        filtered: bool = False,
    ) -> Run:
        """Run the forward pass over log-densities, which are scaled in place.

        Of ``tails`` paths are made; ``filtered`` looks at the states of each step, too.

        Raises
        ------
        ImpossibleStep
            If the rows are impossible.
        MemoryBudgetError
            If the pass would take more memory than there is to be taken.
        """
        steps, states = rows.shape
        arrays = 3 + tails + filtered
        window_bytes = 2 * states * (2 * self.longest + 64) * 8
        check_required(
            f"a pass over {steps} steps of {states} states",
            arrays * steps * (states + 1) * 8 + 2 * window_bytes,
            default_memory_budget(),
            "Cut the sequence into several, or filter it a step at a time.",
        )
        begun, ended = np.empty_like(rows), np.empty_like(rows)
        in_tail = np.empty((steps if tails else 0, states))
        masses = np.empty((steps if filtered else 0, states))
        window, begins = self.begin()
        passes, scales = (begun, ended, in_tail), np.empty(steps)
        reached = forward(self.model, window, begins, rows, passes, scales, masses, maximise)
        if reached < steps:
            raise ImpossibleStep(reached)
        last = np.empty(states)
        total = living(self.model, window, last, maximise)
        if not self.right_censored:
            last = ended[-1].copy()
            total = last.max() if maximise else np.logaddexp.reduce(last)
        if total == -np.inf:
            if not filtered:  # the run that looks at each step says at which it is
                rows += scales[:, None]
                self.run_forward(rows, filtered=True)
            raise ImpossibleStep(steps - 1)
        return Run(rows, passes, scales, masses, last, float(total), maximise, window, begins)


class Run(NamedTuple):
    """What a forward pass leaves."""

    rows: np.ndarray
    passes: tuple[np.ndarray, np.ndarray, np.ndarray]
    scales: np.ndarray
    filtered: np.ndarray
    last: np.ndarray
    total: float
    maximise: bool
    window: Window
    begins: np.ndarray

    @property
    def log_likelihood(self) -> float:
        """The log-density of the rows; of maxima the log-probability of the best path."""
        return float(self.scales.sum() + self.total)


def _backwards(table: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(table[:, ::-1])


def shares_of(masses: Rows) -> Rows:
    """Log-masses as distributions."""
    shares: Rows = np.exp(masses - masses.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)
