"""Filtering of hidden semi-Markov models, with a state that can be saved and read again."""

from __future__ import annotations

import os
from typing import Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, FormatError
from mmgraph.inference.exact.chain.durations_chain import RecentSteps
from mmgraph.inference.exact.chain.durations_steps import Window
from mmgraph.inference.exact.chain.pieces import check_lag, check_remembered
from mmgraph.learning.dynamic.emissions.modalities import row_of
from mmgraph.learning.dynamic.segment_chain import SegmentChain
from mmgraph.networks.dynamic.filters.state_files import owner, read_state, write_state


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
        self._emission, self.lag = parameters.emission, check_lag(lag)
        self._recent = RecentSteps(parameters.chain, self.lag)
        self._whose = owner(self.lag, parameters.arrays())
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
        cells = row_of(emission, row)[None]
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
        check_remembered(lag, self.steps, self.lag)
        return self._recent.smoothed(lag)[0]

    def predict(self, steps: int = 1) -> Float64[np.ndarray, " states"]:
        """Return the distribution of the state so many steps ahead of the last row.

        Raises
        ------
        EvidenceError
            If ``steps`` is negative.
        """
        if steps < 0:
            raise EvidenceError(f"a prediction is some steps ahead, not {steps}")
        if not steps and self.steps:
            return self.lagged(0)
        window = Window(*(array.copy() for array in self._recent.window))
        return self._recent.chain.ahead(window, self._recent.begins.copy(), max(steps, 1))[-1]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what is remembered to a file; :meth:`load` goes on from it."""
        write_state(path, self._whose, {**self._recent.arrays(), "rows": self._rows})

    def load(self, path: str | os.PathLike[str]) -> Self:
        """Go on from a file that a filter of the same model and lag wrote; returns itself.

        Raises
        ------
        FormatError
            If it is no such file, or was written by another filter.
        """
        arrays = self._recent.arrays()
        found = read_state(path, self._whose, (*arrays, "rows"))
        longest, place = self._recent.chain.longest, int(found["counters"][0])
        # Compiled code does not look whether a place is in the buffer.
        inside = longest <= place < arrays["logs"].shape[1] and not (found["newest"] > place).any()
        if not inside or any(found[n].shape != array.shape for n, array in arrays.items()):
            raise FormatError(f"{path} is no state of a filter: a place lies outside of its buffer")
        for name, array in arrays.items():
            array[...] = found[name]
        self._rows = found["rows"]
        return self
