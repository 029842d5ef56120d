"""Filtering a step at a time, with a state that can be saved and read again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, ZeroProbabilityError
from mmgraph.inference.exact.chain.filter_kernels import filter_step, lagged_marginal
from mmgraph.inference.exact.chain.pieces import check_remembered
from mmgraph.learning.dynamic.emissions.modalities import row_of
from mmgraph.learning.dynamic.hidden_chain import HiddenChain
from mmgraph.networks.dynamic.filters.saved_filter import SavedFilter


class StepFilter(SavedFilter):
    """The states of a hidden Markov model given the rows so far, a row at a time.

    Parameters
    ----------
    parameters : HiddenChain
    lag : int
        As of :class:`SavedFilter`, whose attributes it has.
    """

    def __init__(self, parameters: HiddenChain, lag: int = 0) -> None:
        super().__init__(lag, parameters.arrays())
        self._parameters = parameters
        with np.errstate(divide="ignore"):
            self._start = np.log(parameters.start)
            self._transition = np.log(parameters.transition)
        self._impartial = np.full_like(self._transition, -np.inf)
        np.fill_diagonal(self._impartial, 0.0)
        self._filtered: deque[np.ndarray] = deque(maxlen=self.lag + 1)
        self._densities: deque[np.ndarray] = deque(maxlen=self.lag + 1)
        self._rows: deque[np.ndarray] = deque(maxlen=parameters.emission.memory)

    def step(self, row: object) -> Float64[np.ndarray, " states"]:
        """Take a row, and return the distribution of the state at the lag before it.

        While fewer rows than the lag have come, that is the distribution of the first step.

        Parameters
        ----------
        row : array-like of shape (features,), or mapping of modality to array-like
            NaN is missing, and so is a modality that is None or not there.

        Raises
        ------
        EvidenceError
            If it has other features, or one is infinite.
        ZeroProbabilityError
            If the row is impossible after those before; the state is then as it was.
        """
        emission = self._parameters.emission
        cells = row_of(emission, row)
        rows = cells[None]
        if emission.memory:
            rows = emission.prepared(np.array([*self._rows, cells]))[-1:]
        densities = emission.log_densities(rows)[0]
        after = np.empty(len(densities))
        if self.steps:
            gain = filter_step(self._transition, self._filtered[-1], densities, after)
        else:
            gain = filter_step(self._impartial, self._start, densities, after)
        if gain == -np.inf:
            raise ZeroProbabilityError(
                f"the row of step {self.steps} is impossible after those before it", (0,), ()
            )
        self.steps += 1
        self.log_likelihood += gain
        self._filtered.append(after)
        self._densities.append(densities)
        self._rows.append(cells)
        return np.exp(after) if not self.lag else self.lagged(self.lag)

    def lagged(self, lag: int) -> Float64[np.ndarray, " states"]:
        """Return the distribution of the state ``lag`` steps ago, or of the first remembered one.

        Raises
        ------
        EvidenceError
            If no row has come yet, or so many are not remembered.
        """
        check_remembered(lag, self.steps, self.lag)
        back = min(lag, len(self._filtered) - 1)
        later = [
            self._densities[i] for i in range(len(self._densities) - back, len(self._densities))
        ]
        out = np.empty(len(self._start))
        stacked = np.array(later).reshape(back, len(out))
        lagged_marginal(self._transition, self._filtered[-1 - back], stacked, out)
        return out

    def predict(self, steps: int = 1) -> Float64[np.ndarray, " states"]:
        """Return the distribution of the state so many steps ahead of the last row.

        Raises
        ------
        EvidenceError
            If ``steps`` is negative.
        """
        if steps < 0:
            raise EvidenceError(f"a prediction is some steps ahead, not {steps}")
        chances = np.exp(self._filtered[-1]) if self.steps else self._parameters.start
        for _ in range(steps if self.steps else steps - 1):
            chances = chances @ self._parameters.transition
        return np.array(chances)

    def _remembered(self) -> dict[str, np.ndarray]:
        features, states = self._parameters.emission.features, len(self._start)
        return {
            "filtered": np.array(self._filtered).reshape(-1, states),
            "densities": np.array(self._densities).reshape(-1, states),
            "rows": np.array(self._rows).reshape(-1, features),
        }

    def _recall(self, arrays: Mapping[str, np.ndarray]) -> None:
        states, features = len(self._start), self._parameters.emission.features
        widths = {"filtered": states, "densities": states, "rows": features}
        for name, width in widths.items():
            if arrays[name].ndim != 2 or arrays[name].shape[1] != width:
                raise ValueError(f"its {name} are not of this model")
        if any(np.isnan(arrays[name]).any() for name in ("filtered", "densities")):
            raise ValueError("it holds what is no number")
        remembered = self._filtered, self._densities, self._rows
        for queue, name in zip(remembered, widths, strict=True):
            queue.clear()
            queue.extend(arrays[name])
