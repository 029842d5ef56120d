"""Filtering of hidden semi-Markov models, with a state that can be saved and read again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, FormatError, ZeroProbabilityError
from mmgraph.graph.storage.whole_files import write_bytes
from mmgraph.inference.exact.chain.durations_chain import DurationChain
from mmgraph.inference.exact.chain.durations_steps import Window
from mmgraph.inference.exact.chain.pieces import LogDensities
from mmgraph.learning.dynamic.segment_chain import SegmentChain
from mmgraph.learning.dynamic.sequences import read_row


class _Recent:
    """The chain after some rows of log-densities, and the last ``lag`` + 1 of them."""

    def __init__(self, chain: DurationChain, lag: int) -> None:
        self.chain, self.lag = chain, lag
        self.window, self.begins = chain.begin()
        self.passes = np.zeros((3, lag + 1, chain.states))  # rows, what began, what ended
        self.masses = np.zeros(chain.states)
        self.numbers = np.zeros(3)  # steps, scales, the log-mass of all

    @property
    def steps(self) -> int:
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


class DurationFilter:
    """The states of a hidden semi-Markov model given the rows so far, a row at a time.

    It remembers as many rows as the lag, and segments that began within the longest duration.

    Parameters
    ----------
    parameters : SegmentChain
    lag : int
        How many rows after a step its distribution is returned (fixed-lag smoothing).

    Attributes
    ----------
    steps : int
        How many rows it has taken.
    log_likelihood : float
        Of those rows.
    """

    def __init__(self, parameters: SegmentChain, lag: int = 0) -> None:
        if lag < 0:
            raise EvidenceError(f"a lag is a number of steps, not {lag}")
        self._emission, self.lag = parameters.emission, int(lag)
        self._recent = _Recent(parameters.chain, self.lag)
        self._rows = np.empty((0, self._emission.features))

    @property
    def steps(self) -> int:
        """How many rows it has taken."""
        return self._recent.steps

    @property
    def log_likelihood(self) -> float:
        """Of those rows."""
        return float(self._recent.numbers[1:].sum())

    def step(self, row: object) -> Float64[np.ndarray, " states"]:
        """Take a row, and return the distribution of the state at the lag before it.

        While fewer rows than the lag have come, that is the distribution of the first step.

        Parameters
        ----------
        row : array-like, shape (features,)
            NaN is missing.

        Raises
        ------
        EvidenceError
            If it has other features, or one is infinite.
        ZeroProbabilityError
            If the row is impossible after those before; the filter is of no use then.
        """
        emission = self._emission
        cells = read_row(row, emission.features, emission.excludes)[None]
        rows = cells
        if emission.memory:
            self._rows = np.concatenate([self._rows[-emission.memory :], cells])
            rows = emission.prepared(self._rows)[-1:]
        return self._recent.step(emission.log_densities(rows)[0])

    def lagged(self, lag: int) -> Float64[np.ndarray, " states"]:
        """Return the distribution of the state ``lag`` steps ago, or of the first remembered one.

        Raises
        ------
        EvidenceError
            If no row has come yet, or so many are not remembered.
        """
        if not self.steps or not 0 <= lag <= self.lag:
            raise EvidenceError(
                f"the last {min(self.lag + 1, self.steps)} steps are remembered, not one {lag} ago"
            )
        return self._recent.smoothed(lag)[0]

    def predict(self, steps: int = 1) -> Float64[np.ndarray, " states"]:
        """Return the distribution of the state so many steps, at least one, ahead of the last row.

        Raises
        ------
        EvidenceError
            If ``steps`` is not positive.
        """
        if steps < 1:
            raise EvidenceError(f"a prediction is some steps ahead, not {steps}")
        window = Window(*(array.copy() for array in self._recent.window))
        return self._recent.chain.ahead(window, self._recent.begins.copy(), steps)[-1]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what is remembered to a file; :meth:`load` goes on from it."""
        from safetensors.numpy import save

        write_bytes(path, save({**self._recent.arrays(), "rows": self._rows}))

    def load(self, path: str | os.PathLike[str]) -> Self:
        """Go on from a file that a filter of the same model and lag wrote; returns itself.

        Raises
        ------
        FormatError
            If it is no such file.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            found = load_file(path)
        except (OSError, SafetensorError) as error:
            raise FormatError(f"{path} is no state of a filter: {error!r}") from None
        for name, array in self._recent.arrays().items():
            if name not in found or found[name].shape != array.shape:
                raise FormatError(f"{path} is the state of another model, or of another lag")
            array[...] = found[name]
        window, longest = self._recent.window, self._recent.chain.longest
        place = window.counters[0]
        # Compiled code does not look whether a place is in the buffer.
        if not longest <= place < window.logs.shape[1] or (window.newest > place).any():
            raise FormatError(f"{path} is no state of a filter: a place lies outside of its buffer")
        self._rows = found["rows"]
        return self


def lagged(
    chain: DurationChain, densities: LogDensities, lengths: Sequence[int], lag: int
) -> list[Float64[np.ndarray, "steps states"]]:
    """Return the distributions at each step of sequences, given rows up to ``lag`` steps later."""
    answers, first = [], 0
    for length in lengths:
        recent = _Recent(chain, min(lag, length - 1))
        shares = [recent.step(row) for row in densities(slice(first, first + length))]
        before = np.reshape(shares[recent.lag : -1], (-1, chain.states))
        answers.append(np.concatenate([before, recent.smoothed(lag)]))
        first += length
    return answers
