"""Filtering of switching linear systems a step at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.inference.gaussian.state_space.regimes import Normals
from mmgraph.inference.gaussian.state_space.switching import Merged, smoothed_merged
from mmgraph.learning.dynamic.sequences import read_row
from mmgraph.learning.dynamic.switching_linear import SwitchingParameters
from mmgraph.networks.dynamic.filters.saved_filter import SavedFilter

_NAMES = ("likely", "means", "covariances")


class SwitchingState(NamedTuple):
    """The regime of a step, and its state whatever the regime."""

    probabilities: Float64[np.ndarray, " regimes"]
    mean: Float64[np.ndarray, " states"]
    covariance: Float64[np.ndarray, "states states"]


class SwitchingStepFilter(SavedFilter):
    """Regime and state given the rows so far, a row at a time, by merged densities.

    Parameters
    ----------
    parameters : SwitchingParameters
    interacting : bool
        Whether densities are merged before a step (IMM) or after it (GPB2).
    lag : int
        How many rows after a step its distribution is told; so many steps are remembered.

    Attributes
    ----------
    steps : int
        How many rows it has taken.
    log_likelihood : float
        Of those rows, approximately.
    """

    exact = False

    def __init__(self, parameters: SwitchingParameters, interacting: bool, lag: int = 0) -> None:
        self.method = "imm" if interacting else "gpb2"
        super().__init__(lag, {self.method: np.zeros(0), **parameters.arrays()})
        self._chain, self._features = parameters.chain, parameters.systems[0].features
        self._kept: deque[Merged] = deque(maxlen=self.lag + 1)

    def step(self, row: object) -> SwitchingState:
        """Take a row, and return the distribution of the step at the lag before it.

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
            If no regime is possible; the filter is then as it was.
        """
        cells = read_row(row, self._features)
        if self.steps:
            merged, gain = self._kept[-1].then(self._chain, cells, self.method == "imm")
        else:
            merged, gain = Merged.first(self._chain, cells)
        if not gain > -np.inf:
            raise ZeroProbabilityError(f"no regime is possible at step {self.steps}", (0,), ())
        self._kept.append(merged)
        self.steps += 1
        self.log_likelihood += gain
        return SwitchingState(*smoothed_merged(self._chain, self._kept)[0])

    def _remembered(self) -> dict[str, np.ndarray]:
        means, covariances = ([m.states[i] for m in self._kept] for i in range(2))
        likely = [m.likely for m in self._kept]
        return {
            name: np.array(a) for name, a in zip(_NAMES, (likely, means, covariances), strict=True)
        }

    def _recall(self, arrays: Mapping[str, np.ndarray]) -> None:
        kept = [
            Merged(likely, Normals(*states))
            for likely, *states in zip(*(arrays[name] for name in _NAMES), strict=True)
        ]
        self._kept.clear()
        self._kept.extend(kept)
