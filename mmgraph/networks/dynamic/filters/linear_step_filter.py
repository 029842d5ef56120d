"""Kalman filtering a step at a time, with a state that can be saved and read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.inference.gaussian.state_space.kernels import backward
from mmgraph.inference.gaussian.state_space.parameters import SystemParameters
from mmgraph.inference.gaussian.state_space.passes import run_forward
from mmgraph.inference.gaussian.state_space.root_kernels import Recursion
from mmgraph.learning.dynamic.sequences import read_row
from mmgraph.networks.dynamic.filters.saved_filter import SavedFilter


class GaussianState(NamedTuple):
    """A normal distribution of a state."""

    mean: Float64[np.ndarray, " states"]
    covariance: Float64[np.ndarray, "states states"]


class LinearStepFilter(SavedFilter):
    """The state of a linear Gaussian system given the rows so far, a row at a time.

    Parameters
    ----------
    parameters : SystemParameters
    lag : int
        As of :class:`SavedFilter`, whose attributes it has.
    """

    def __init__(self, parameters: SystemParameters, lag: int = 0) -> None:
        super().__init__(lag, parameters._asdict())
        self._system, mean, root = parameters.compiled()
        self._states, self._features = parameters.states, parameters.features
        empty = np.zeros((0, *root.shape))
        self._arrays = {
            "mean": mean,
            "root": root,
            "means": empty[:, 0],
            "filtered": empty,
            "gains": empty,
            "rests": empty,
        }

    def step(self, row: object) -> GaussianState:
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
            If the row contradicts what is certain; the filter is then as it was.
        """
        cells = read_row(row, self._features)
        memory = self._arrays
        start = self._system, memory["mean"], memory["root"]
        taken = run_forward(start, cells[None, None], np.zeros(1, np.int64), 1, int(self.lag > 0))
        added = taken.recursion._asdict() | {"means": taken.means[0]}
        for name in ("means", "filtered", "gains", "rests"):
            memory[name] = np.concatenate([memory[name], added[name]])[-self.lag - 1 :]
        memory["mean"], memory["root"] = taken.next_means[0], taken.next_root
        self.steps += 1
        self.log_likelihood += float(taken.log_likelihoods[0])
        mean, covariance = memory["means"][-1], memory["filtered"][-1]
        if self.lag:
            mean, covariance = self._smoothed()
        return GaussianState(
            mean[: self._states].copy(), covariance[: self._states, : self._states].copy()
        )

    def _smoothed(self) -> tuple[np.ndarray, np.ndarray]:
        """The first remembered step given the others."""
        memory = self._arrays
        count = len(memory["means"])
        place = np.arange(count)
        recursion = Recursion(place, memory["filtered"], memory["gains"], memory["rests"])
        means, covariances = (
            np.empty((1, *memory["means"].shape)),
            np.empty_like(recursion.filtered),
        )
        last = recursion.filtered[-1].copy()
        backward(self._system, memory["means"][None], recursion, last, means, place, covariances)
        return means[0, 0], covariances[place[0]]

    def _remembered(self) -> dict[str, np.ndarray]:
        return self._arrays

    def _recall(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, array in self._arrays.items():
            if arrays[name].shape[1:] != array.shape[1:]:
                raise ValueError(f"its {name} are not of this model")
        self._arrays = {name: arrays[name] for name in self._arrays}
