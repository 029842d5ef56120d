"""Filtering of hidden semi-Markov models, with a state that can be saved and read again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError
from mmgraph.inference.exact.chain.durations_chain import RecentSteps
from mmgraph.inference.exact.chain.durations_steps import Window
from mmgraph.inference.exact.chain.pieces import check_remembered
from mmgraph.learning.dynamic.emissions.modalities import row_of
from mmgraph.learning.dynamic.segment_chain import SegmentChain
from mmgraph.networks.dynamic.filters.saved_filter import SavedFilter


class DurationFilter(SavedFilter):
    """The states of a hidden semi-Markov model given the rows so far, a row at a time.

    It remembers as many rows as the lag, and segments that began within the longest duration.

    Parameters
    ----------
    parameters : SegmentChain
    lag : int
        As of :class:`SavedFilter`, whose attributes it has.
    """

    def __init__(self, parameters: SegmentChain, lag: int = 0) -> None:
        super().__init__(lag, parameters.arrays())
        self._emission = parameters.emission
        self._recent = RecentSteps(parameters.chain, self.lag)
        self._rows = np.empty((0, self._emission.features))

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
        found = self._recent.step(emission.log_densities(rows)[0])
        self.steps += 1
        self.log_likelihood = float(self._recent.numbers[1:].sum())
        return found

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

    def _remembered(self) -> dict[str, np.ndarray]:
        return {**self._recent.arrays(), "rows": self._rows}

    def _recall(self, arrays: Mapping[str, np.ndarray]) -> None:
        known, rows = self._recent.arrays(), arrays["rows"]
        longest, place = self._recent.chain.longest, int(arrays["counters"][0])
        # Compiled code does not look whether a place is in the buffer.
        inside = longest <= place < known["logs"].shape[1] and not (arrays["newest"] > place).any()
        if not inside or any(arrays[n].shape != array.shape for n, array in known.items()):
            raise ValueError("a place lies outside of its buffer")
        for name, array in known.items():
            array[...] = arrays[name]
        self._rows = rows
