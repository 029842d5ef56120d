"""Filtering several chains a step at a time, as if they were independent given the rows so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from mmgraph.inference.exact.chain.factorial_chain import FactorialChain
from mmgraph.inference.mean_field.factorial_chains import factorial_mean_field
from mmgraph.learning.dynamic.emissions.additive_gaussian import AdditiveGaussianEmission
from mmgraph.learning.dynamic.parallel_chains import ParallelChains
from mmgraph.learning.dynamic.sequences import read_row
from mmgraph.networks.dynamic.filters.saved_filter import SavedFilter


class FactoredFilter(SavedFilter):
    """The states of independent chains whose contributions to a normal row add up.

    After each row the joint distribution is replaced by the nearest product of the chains' own that
    mean field finds (Boyen and Koller 1998, "Tractable inference for complex stochastic
    processes").

    Parameters
    ----------
    parameters : ParallelChains
    names : sequence of str
        Of the chains.

    Attributes
    ----------
    steps : int
        How many rows it has taken.
    log_likelihood : float
        Of those rows, approximately.
    """

    method = "structured mean field"
    exact = False

    def __init__(self, parameters: ParallelChains, names: Sequence[str]) -> None:
        super().__init__(0, parameters.arrays())
        self._parameters, self._names = parameters, list(names)
        self._marginals: list[np.ndarray] = []

    def step(self, row: object) -> dict[str, Float64[np.ndarray, " states"]]:
        """Take a row of features, NaN missing, and return each chain's distribution.

        Raises
        ------
        EvidenceError
            If it has other features, or one is infinite.
        """
        emission = self._parameters.emission
        assert isinstance(emission, AdditiveGaussianEmission)
        cells = read_row(row, emission.features)[None]
        starts = [self.predict()[name] for name in self._names]
        tables = self._parameters.transitions
        chains = [FactorialChain(s, [t]) for s, t in zip(starts, tables, strict=True)]
        found = factorial_mean_field(chains, emission.additive_rows(cells))
        self._marginals = [marginals[0] for marginals in found.marginals]
        self.steps += 1
        self.log_likelihood += found.bounds[-1]
        return dict(zip(self._names, self._marginals, strict=True))

    def predict(self, steps: int = 1) -> dict[str, Float64[np.ndarray, " states"]]:
        """Return each chain's distribution so many steps ahead of the last row."""
        ahead = {}
        for m, name in enumerate(self._names):
            chances = self._marginals[m] if self.steps else self._parameters.starts[m]
            for _ in range(steps if self.steps else steps - 1):
                chances = chances @ self._parameters.transitions[m]
            ahead[name] = chances
        return ahead

    def _remembered(self) -> dict[str, np.ndarray]:
        return {f"chain/{m}": marginals for m, marginals in enumerate(self._marginals)}

    def _recall(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._marginals = [arrays[f"chain/{m}"] for m in range(len(arrays))]
