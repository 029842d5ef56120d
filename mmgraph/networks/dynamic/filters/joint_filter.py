"""Filtering several chains a step at a time, on their joint states."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from mmgraph.learning.dynamic.hidden_chain import HiddenChain
from mmgraph.learning.dynamic.parallel_chains import summed_by_chain
from mmgraph.networks.dynamic.filters.step_filter import StepFilter


class JointFilter:
    """The states of several chains given the rows so far, a row at a time.

    Parameters
    ----------
    hidden : HiddenChain
        Of the joint states, the last chain's fastest.
    chains : mapping of str to int
        The states of each chain.
    widths : mapping of str to int
        The cells of each modality, of which a row is a mapping; none: a row is an array.
    lag : int
        As of :class:`StepFilter`.
    """

    method = "joint chain"
    exact = True

    def __init__(self, hidden: HiddenChain, chains: Mapping[str, int], lag: int) -> None:
        self._joint = StepFilter(hidden, lag)
        self._chains = dict(chains)

    @property
    def steps(self) -> int:
        """How many rows it has taken."""
        return self._joint.steps

    @property
    def log_likelihood(self) -> float:
        """Of those rows."""
        return self._joint.log_likelihood

    def step(self, row: object) -> dict[str, Float64[np.ndarray, " states"]]:
        """As :meth:`StepFilter.step`, by chain."""
        return self._by_chain(self._joint.step(row))

    def predict(self, steps: int = 1) -> dict[str, Float64[np.ndarray, " states"]]:
        """As :meth:`StepFilter.predict`, by chain."""
        return self._by_chain(self._joint.predict(steps))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what is remembered to a file; :meth:`load` goes on from it."""
        self._joint.save(path)

    def load(self, path: str | os.PathLike[str]) -> JointFilter:
        """Go on from a file that a filter of the same model and lag wrote; returns itself."""
        self._joint.load(path)
        return self

    def _by_chain(self, joint: np.ndarray) -> dict[str, np.ndarray]:
        parts = summed_by_chain(joint, tuple(self._chains.values()))
        return dict(zip(self._chains, parts, strict=True))
