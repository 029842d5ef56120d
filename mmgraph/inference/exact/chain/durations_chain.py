"""Answers along hidden semi-Markov chains: likelihoods, marginals, counts and paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.inference.exact.chain.durations_passes import (
    Counts,
    DurationPasses,
    ImpossibleStep,
    Rows,
    shares_of,
)
from mmgraph.inference.exact.chain.pieces import LogDensities, Visit, check_draws, check_lag


class DurationChain(DurationPasses):
    """A chain of segments, with answers about sequences that lie one behind the other."""

    def log_likelihoods(
        self, densities: LogDensities, lengths: Sequence[int]
    ) -> Float64[np.ndarray, " sequences"]:
        """Return log P of each sequence; ``-inf`` of impossible ones.

        Parameters
        ----------
        densities : callable
            See :data:`~mmgraph.inference.exact.chain.pieces.LogDensities`.
        lengths : sequence of int
            Of sequences that lie one behind the other.
        """

        def ask(rows: Rows) -> float:
            try:
                return self.run_forward(rows).log_likelihood
            except ImpossibleStep:
                return -np.inf

        return np.array(self._each(ask, densities, lengths), dtype=float)

    def smooth(
        self, densities: LogDensities, lengths: Sequence[int], visit: Visit, pairs: bool = True
    ) -> tuple[Float64[np.ndarray, " sequences"], Float64[np.ndarray, " states"], Counts]:
        """Return log-likelihoods and expected counts of first states and segments.

        Parameters
        ----------
        densities, lengths
            As for :meth:`log_likelihoods`.
        visit : callable
            Called with the steps of a sequence and their marginals. These are accurate to about
            1e-10; what is below 1e-11 is zero.
        pairs : bool
            Whether segments are counted.

        Raises
        ------
        ZeroProbabilityError
            If a sequence is impossible: which, and from which step on.
        """
        counts, start = self.counts(), np.zeros(self.states)
        parts = iter(_slices(lengths))

        def ask(rows: Rows) -> float:
            run = self.run_forward(rows)
            begun, marginals, _ = run.passes
            self.run_back(
                run.rows, begun, marginals, run.last, run.total, counts if pairs else None
            )
            start[:] += marginals[0]
            visit(next(parts), marginals)
            return run.log_likelihood

        return np.array(self._each(ask, densities, lengths), dtype=float), start, counts

    def marginals(
        self, densities: LogDensities, lengths: Sequence[int]
    ) -> tuple[Rows, Float64[np.ndarray, " sequences"]]:
        """Return the marginals of all steps, and the log-likelihoods; as :meth:`smooth`."""
        out = np.empty((int(np.sum(lengths)), self.states))

        def write(part: slice, marginals: Rows) -> None:
            out[part] = marginals

        return out, self.smooth(densities, lengths, write, pairs=False)[0]

    def filtered(self, densities: LogDensities, lengths: Sequence[int]) -> list[Rows]:
        """Return the distributions of the states at each step given rows up to it."""
        return self._each(
            lambda rows: shares_of(self.run_forward(rows, filtered=True).filtered),
            densities,
            lengths,
        )

    def lagged(
        self, densities: LogDensities, lengths: Sequence[int], lag: int
    ) -> Float64[np.ndarray, "steps states"]:
        """Return the distribution of each step given rows up to ``lag`` steps later.

        Raises
        ------
        EvidenceError
            If the lag is negative.
        """
        check_lag(lag)
        if not lag:
            return np.concatenate(self.filtered(densities, lengths))
        answers = []
        for part in _slices(lengths):
            recent = RecentSteps(self, min(lag, part.stop - part.start - 1))
            shares = [recent.step(row) for row in densities(part)]
            before = np.reshape(shares[recent.lag : -1], (-1, self.states))
            answers += [before, recent.smoothed(lag)]
        return np.concatenate(answers)

    def forecasts(
        self, densities: LogDensities, lengths: Sequence[int], steps: int
    ) -> list[Float64[np.ndarray, "ahead states"]]:
        """Return the distributions of the states at so many steps behind each sequence."""

        def ask(rows: Rows) -> Rows:
            run = self.run_forward(rows)
            return self.ahead(run.window, run.begins, steps)

        return self._each(ask, densities, lengths)

    def best_paths(
        self, densities: LogDensities, lengths: Sequence[int]
    ) -> tuple[Int64[np.ndarray, " steps"], Float64[np.ndarray, " sequences"]]:
        """Return the states of the most probable segments, and the log-probability of each path.

        A path is its segments, with their lengths (Viterbi).
        """
        unused = np.random.default_rng(0)

        def ask(rows: Rows) -> tuple[np.ndarray, float]:
            run = self.run_forward(rows, maximise=True, tails=True)
            return self.path(run, unused), run.log_likelihood

        paths, scores = zip(*self._each(ask, densities, lengths), strict=True)
        return np.concatenate(paths), np.array(scores)

    def sample_paths(
        self,
        densities: LogDensities,
        lengths: Sequence[int],
        count: int,
        generator: np.random.Generator,
    ) -> list[Int64[np.ndarray, "count steps"]]:
        """Return paths of each sequence drawn from their distribution given the rows."""
        check_draws(count)

        def ask(rows: Rows) -> np.ndarray:
            run = self.run_forward(rows, tails=True)
            paths = [self.path(run, generator) for _ in range(count)]
            return np.array(paths, np.int64).reshape(count, len(rows))

        return self._each(ask, densities, lengths)

    def _each(
        self, ask: Callable[[Rows], Any], densities: LogDensities, lengths: Sequence[int]
    ) -> list[Any]:
        """Return an answer about each sequence."""
        answers = []
        for number, part in enumerate(_slices(lengths)):
            try:
                answers.append(ask(densities(part)))
            except ImpossibleStep as error:
                raise ZeroProbabilityError(
                    f"sequence {number} is impossible from step {error.step} on: no segment that "
                    "can be there has a density above zero",
                    (number,),
                    (),
                ) from None
        return answers


def _slices(lengths: Sequence[int]) -> Iterator[slice]:
    ends = np.cumsum(lengths).tolist()
    return (slice(end - length, end) for end, length in zip(ends, lengths, strict=True))


class RecentSteps:
    """The chain after some rows of log-densities, and the last ``lag`` + 1 of them."""

    def __init__(self, chain: DurationChain, lag: int) -> None:
        self.chain, self.lag = chain, lag
        self.window, self.begins = chain.begin()
        self.passes = np.zeros((3, lag + 1, chain.states))  # rows, what began, what ended
        self.masses = np.zeros(chain.states)
        self.numbers = np.zeros(3)  # steps, scales, the log-mass of all

    @property
    def steps(self) -> int:
        """How many rows it has taken."""
        return int(self.numbers[0])

    def step(self, densities: Float64[np.ndarray, " states"]) -> Float64[np.ndarray, " states"]:
        """Take in a row; return the distribution ``lag`` steps before, or of the first step."""
        if self.lag:
            self.passes[:, :-1] = self.passes[:, 1:]
        rows, begun, ended = self.passes
        rows[-1], begun[-1] = densities, self.begins
        self.masses, total, scale = self.chain.step(self.window, self.begins, rows[-1], ended[-1])
        if total == -np.inf:
            raise ZeroProbabilityError(
                f"the row of step {self.steps} is impossible after those before it", (0,), ()
            )
        self.numbers[:] = self.numbers[0] + 1, self.numbers[1] + scale, total
        if self.lag:
            return self.smoothed(self.lag)[0]
        shares: np.ndarray = np.exp(self.masses - total)
        return shares

    def smoothed(self, lag: int) -> Float64[np.ndarray, "steps states"]:
        """Return the distributions of the last ``lag`` + 1 steps, or as many as there are."""
        rows, begun, ended = self.passes[:, -min(self.steps, lag + 1) :].copy()
        self.chain.run_back(rows, begun, ended, self.masses, float(self.numbers[2]), cut=True)
        return ended

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that is remembered, by name."""
        own = {name: getattr(self, name) for name in ("begins", "passes", "masses", "numbers")}
        return {**self.window._asdict(), **own}
