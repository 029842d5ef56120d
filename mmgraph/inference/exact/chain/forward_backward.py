"""Exact answers along chains of one hidden variable: likelihoods, marginals, counts, best paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.inference.exact.chain.dense_kernels import (
    LEAST,
    add_pairs,
    backward,
    best_path,
    best_scores,
    drawn_path,
    forward,
    log_forward,
    log_forward_backward,
)
from mmgraph.inference.exact.chain.filter_kernels import lagged_marginals
from mmgraph.inference.exact.chain.pieces import (
    LogDensities,
    Steps,
    Visit,
    check_draws,
    check_lag,
    moved,
)

_STORED_BYTES = 128 << 20
"""What passes may keep of all steps; beyond, only messages between pieces, which are run again."""

_NEGLIGIBLE = 1e-13
"""The probability of what passes through raised cells that is let go; see ``dense_kernels``."""


class Counts(NamedTuple):
    """What EM needs of a chain, expected over all sequences.

    Attributes
    ----------
    log_likelihoods : ndarray, shape (sequences,)
    start : ndarray, shape (states,)
        How often a sequence begins in each state.
    transitions : ndarray, shape (states, states)
        How often a state, by row, is followed by another.
    """

    log_likelihoods: Float64[np.ndarray, " sequences"]
    start: Float64[np.ndarray, " states"]
    transitions: Float64[np.ndarray, "states states"]


class Chain(NamedTuple):
    """A Markov chain of a hidden variable.

    Attributes
    ----------
    start : ndarray, shape (states,)
    transition : ndarray, shape (states, states)
        Probabilities of the next state, by row; zeros are allowed.
    """

    start: Float64[np.ndarray, " states"]
    transition: Float64[np.ndarray, "states states"]

    @property
    def states(self) -> int:
        """The number of states."""
        return len(self.start)

    def logarithms(self) -> Chain:
        """Return the logarithms of both."""
        with np.errstate(divide="ignore"):
            return Chain(np.log(self.start), np.log(self.transition))

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
        run = _Pass(self, densities, Steps(lengths), stored=False)
        totals = run.filtered(strict=False)
        for i in run.doubtful():
            totals[i] = run.in_log_domain(i)[0]
        return totals

    def smooth(
        self, densities: LogDensities, lengths: Sequence[int], visit: Visit, pairs: bool = True
    ) -> Counts:
        """Return expected counts, and hand the marginals of all steps to ``visit``, piece by piece.

        Parameters
        ----------
        densities, lengths
            As for :meth:`log_likelihoods`. Of many steps densities are asked for twice.
        visit : callable
            See :data:`Visit`; each step once, in any order.
        pairs : bool
            Whether transitions are counted; else they are zero.

        Raises
        ------
        ZeroProbabilityError
            If a sequence is impossible: which, and from which step on.

        Notes
        -----
        Beyond 128 MiB of all steps only the messages between pieces are kept (checkpoints), and the
        forward pass runs twice.

        References
        ----------
        Rabiner (1989), "A tutorial on hidden Markov models", section III; Zweig & Padmanabhan
        (2000), "Exact alpha-beta computation in logarithmic space", for what checkpoints save.
        """
        steps = Steps(lengths)
        run = _Pass(self, densities, steps, stored=steps.total * self.states * 16 <= _STORED_BYTES)
        try:
            totals = run.filtered()
        except _Impossible as error:
            raise error.named() from None
        doubtful = run.doubtful()
        if not doubtful:
            return run.smoothed(totals, visit, pairs)
        sure = [i for i in range(len(steps.lengths)) if i not in set(doubtful)]
        start, counted = np.zeros(self.states), np.zeros((self.states, self.states))
        if sure:
            part, theirs = steps.some(sure, densities)
            places = np.concatenate([np.arange(steps.first[i], steps.ends[i]) for i in sure])
            rest = _Pass(self, theirs, part, stored=False)
            some = rest.smoothed(rest.filtered(), moved(visit, places), pairs)
            start, counted = some.start, some.transitions
        for i in doubtful:
            totals[i], marginals, transitions = run.in_log_domain(i)
            visit(slice(int(steps.first[i]), int(steps.ends[i])), marginals)
            start, counted = start + marginals[0], counted + transitions
        return Counts(totals, start, counted)

    def marginals(
        self, densities: LogDensities, lengths: Sequence[int]
    ) -> tuple[Float64[np.ndarray, "steps states"], Float64[np.ndarray, " sequences"]]:
        """Return the marginals of all steps, and the log-likelihoods; errors as :meth:`smooth`."""
        out = np.empty((int(np.sum(lengths)), self.states))

        def write(part: slice, marginals: Float64[np.ndarray, "steps states"]) -> None:
            out[part] = marginals

        return out, self.smooth(densities, lengths, write, pairs=False).log_likelihoods

    def lagged(
        self, densities: LogDensities, lengths: Sequence[int], lag: int
    ) -> Float64[np.ndarray, "steps states"]:
        """Return the distribution of each step given rows up to ``lag`` steps later.

        Raises
        ------
        EvidenceError
            If the lag is negative.
        ZeroProbabilityError
            As :meth:`smooth`.
        """
        check_lag(lag)
        steps, logs = Steps(lengths), self.logarithms()
        out = np.empty((steps.total, self.states))
        for number, (first, end) in enumerate(zip(steps.first, steps.ends, strict=True)):
            part = slice(int(first), int(end))
            bad = lagged_marginals(*logs, densities(part), lag, out[part])
            if bad >= 0:
                raise _Impossible(number, bad).named()
        return out

    def best_paths(
        self, densities: LogDensities, lengths: Sequence[int]
    ) -> tuple[Int64[np.ndarray, " steps"], Float64[np.ndarray, " sequences"]]:
        """Return the most probable states of all steps, and the log-probability of each path.

        Raises
        ------
        ZeroProbabilityError
            As :meth:`smooth`.

        References
        ----------
        Viterbi (1967), "Error bounds for convolutional codes".
        """
        steps, logs = Steps(lengths), self.logarithms()
        pieces = steps.pieces(self.states)
        stored = steps.total * self.states * 8 <= _STORED_BYTES
        scores: list[np.ndarray] = []
        messages, message = [], np.empty(self.states)
        ends = np.empty(len(steps.lengths))
        for part in pieces:
            messages.append(message.copy())
            piece = densities(part)
            bad = best_scores(*logs, piece, steps.begins[part], message)
            if bad >= 0:
                raise _Impossible(*steps.place(part.start + bad)).named()
            inside = (steps.ends > part.start) & (steps.ends <= part.stop)
            ends[inside] = piece[steps.ends[inside] - 1 - part.start].max(1)
            if stored:
                scores.append(piece)
        path, last = np.empty(steps.total, np.int64), -1
        transposed = np.ascontiguousarray(logs.transition.T)
        for number in range(len(pieces) - 1, -1, -1):
            part = pieces[number]
            if stored:
                piece = scores.pop()
            else:
                piece = densities(part)
                best_scores(*logs, piece, steps.begins[part], messages[number])
            last = best_path(transposed, piece, steps.begins[part], last, path[part])
        return path, ends

    def sample_paths(
        self,
        densities: LogDensities,
        lengths: Sequence[int],
        count: int,
        generator: np.random.Generator,
    ) -> list[Int64[np.ndarray, "count length"]]:
        """Return independent draws of the states of each sequence, given all of it.

        Raises
        ------
        EvidenceError, ZeroProbabilityError
            If ``count`` is negative; as :meth:`smooth`.
        """
        check_draws(count)
        steps = Steps(lengths)
        run = _Pass(self, densities, steps, stored=steps.total * self.states * 16 <= _STORED_BYTES)
        try:
            run.filtered()
        except _Impossible as error:
            raise error.named() from None
        paths, last = np.empty((count, steps.total), np.int64), np.full(count, -1)
        for part, _, _, filtered in run.returned():
            # the last step first, so that draws do not depend on where pieces end
            uniform = generator.random((len(filtered), count))[::-1].T.copy()
            for i, path in enumerate(paths):
                last[i] = drawn_path(
                    self.transition, filtered, steps.begins[part], uniform[i], last[i], path[part]
                )
        for i in run.doubtful():
            part = slice(int(steps.first[i]), int(steps.ends[i]))
            paths[:, part] = run.drawn_in_log_domain(part, count, generator)
        return np.split(paths, steps.ends[:-1], axis=1)


class _Impossible(Exception):
    """A step at which no state is possible any more."""

    def __init__(self, sequence: int, step: int) -> None:
        self.sequence, self.step = sequence, step

    def named(self) -> ZeroProbabilityError:
        """The error that users see."""
        return ZeroProbabilityError(
            f"sequence {self.sequence} is impossible from step {self.step} on: no state that can "
            "be reached has a density above zero there",
            (self.sequence,),
            (),
        )


class _Pass:
    """A forward pass over all pieces, and the backward pass that goes with it."""

    def __init__(self, chain: Chain, densities: LogDensities, steps: Steps, stored: bool) -> None:
        self.exact, self.densities, self.steps, self.stored = chain, densities, steps, stored
        self.chain = Chain(*(np.where((p > 0) & (p < LEAST), LEAST, p) for p in chain))
        self.tiny = any((p != q).any() for p, q in zip(chain, self.chain, strict=True))
        self.possible = np.ones(len(steps.lengths), bool)
        self.pieces = steps.pieces(chain.states)
        self.messages: list[np.ndarray] = []
        self.arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self.raised: list[int] = []

    def _forward(self, part: slice, message: np.ndarray, increments: np.ndarray) -> tuple[int, int]:
        logs = self.densities(part)
        filtered = np.empty_like(logs)
        begins = self.steps.begins[part]
        raised, bad = forward(*self.chain, logs, begins, message, filtered, increments)
        self.arrays.append((logs, filtered))
        return raised, bad

    def filtered(self, strict: bool = True) -> Float64[np.ndarray, " sequences"]:
        """Run forward; return log-likelihoods, or raise _Impossible if they are strict."""
        message = np.zeros(self.chain.states)
        increments = np.empty(self.steps.total)
        for part in self.pieces:
            self.messages.append(message.copy())
            raised, bad = self._forward(part, message, increments[part])
            if bad >= 0 and strict:
                raise _Impossible(*self.steps.place(part.start + bad))
            self.raised.append(raised)
            if not self.stored:
                self.arrays.pop()
        totals = self.steps.summed(increments)
        self.possible = totals > -np.inf
        return totals

    def returned(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
        """Yield pieces from the last to the first, with what :meth:`filtered` made of them: the
        message before, ratios, filtered probabilities.
        """
        for number in range(len(self.pieces) - 1, -1, -1):
            part, before = self.pieces[number], self.messages[number]
            if not self.stored:
                self._forward(part, before.copy(), np.empty(part.stop - part.start))
            ratios, filtered = self.arrays.pop() if not self.stored else self.arrays[number]
            yield part, before, ratios, filtered

    def _backward(self, visit: Callable[..., None]) -> None:
        """Run backward; ``visit`` takes a piece, what came before it, its arrays and marginals."""
        transposed = np.ascontiguousarray(self.chain.transition.T)
        later = np.ones(self.chain.states)
        for part, before, ratios, filtered in self.returned():
            marginals, suspect = np.empty_like(filtered), np.empty(len(filtered))
            begins = self.steps.begins[part]
            backward(transposed, ratios, begins, filtered, later, marginals, suspect)
            visit(part, before, filtered, ratios, marginals, suspect)

    def doubtful(self) -> list[int]:
        """Return the sequences of which raised cells are not negligible."""
        if self.tiny:
            return [int(i) for i in np.flatnonzero(self.possible)]
        if not any(self.raised):
            return []
        doubts = np.zeros(self.steps.total)

        def look(part: slice, *arrays: np.ndarray) -> None:
            doubts[part] = arrays[-1]

        kept, self.arrays = self.arrays, [(r.copy(), f) for r, f in self.arrays]
        self._backward(look)
        self.arrays = kept
        return [int(i) for i in np.flatnonzero(self.steps.summed(doubts) > _NEGLIGIBLE)]

    def in_log_domain(self, sequence: int) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the log-likelihood, the marginals and the transitions of a sequence."""
        logs = self.densities(
            slice(int(self.steps.first[sequence]), int(self.steps.ends[sequence]))
        )
        marginals, pairs = np.empty_like(logs), np.zeros((self.chain.states,) * 2)
        total = log_forward_backward(*self.exact.logarithms(), logs, marginals, pairs)
        return total, marginals, pairs

    def drawn_in_log_domain(
        self, part: slice, count: int, generator: np.random.Generator
    ) -> Int64[np.ndarray, "count length"]:
        """Return paths through the sequence of these steps."""
        logs, chain = self.densities(part), self.exact.logarithms()
        filtered = np.empty_like(logs)
        log_forward(*chain, logs, filtered, np.empty(len(logs)))
        return drawn_in_log_domain(filtered, chain.transition, count, generator)

    def smoothed(
        self, totals: Float64[np.ndarray, " sequences"], visit: Visit, counting: bool
    ) -> Counts:
        """Run backward, handing on the marginals."""
        start, pairs = np.zeros(self.chain.states), np.zeros((self.chain.states,) * 2)

        def count(part: slice, before: np.ndarray, filtered: np.ndarray, *rest: np.ndarray) -> None:
            ahead, marginals, _ = rest
            begins = self.steps.begins[part]
            start[:] += marginals[begins].sum(0)
            if counting:
                add_pairs(before, filtered, ahead, begins, pairs)
            visit(part, marginals)

        self._backward(count)
        return Counts(totals, start, pairs * self.chain.transition)


def drawn_in_log_domain(
    filtered: Float64[np.ndarray, "length states"],
    transition: Float64[np.ndarray, "states states"],
    count: int,
    generator: np.random.Generator,
) -> Int64[np.ndarray, "count length"]:
    """Return paths drawn backwards by Gumbel maxima; what is given are logarithms."""
    paths = np.empty((count, len(filtered)), np.int64)
    weights = np.tile(filtered[-1], (count, 1))
    for t in range(len(filtered) - 1, -1, -1):
        paths[:, t] = (weights + generator.gumbel(size=weights.shape)).argmax(1)
        weights = filtered[t - 1] + transition.T[paths[:, t]]
    return paths
