"""Filtering several chains a step at a time, on their joint states."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, suggestion
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

    def __init__(
        self, hidden: HiddenChain, chains: Mapping[str, int], widths: Mapping[str, int], lag: int
    ) -> None:
        self._joint = StepFilter(hidden, lag)
        self._chains, self._widths = dict(chains), dict(widths)

    @property
    def steps(self) -> int:
        """How many rows it has taken."""
        return self._joint.steps

    @property
    def log_likelihood(self) -> float:
        """Of those rows."""
        return self._joint.log_likelihood

    def step(self, row: object) -> dict[str, Float64[np.ndarray, " states"]]:
        """As :meth:`StepFilter.step`, by chain.

        Of several modalities a row is a mapping of modality to its cells; one that is not there, or
        None, is missing.
        """
        if self._widths:
            if not isinstance(row, Mapping):
                raise EvidenceError(f"a row is a mapping of {', '.join(self._widths)} to cells")
            for name in row:
                if name not in self._widths:
                    hint = suggestion(name, self._widths)
                    raise EvidenceError(f"no modality is called {name!r}{hint}")
            cells = [_cells(row.get(name), name, width) for name, width in self._widths.items()]
            row = np.concatenate(cells)
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


def _cells(given: object, name: str, width: int) -> np.ndarray:
    if given is None:
        return np.full(width, np.nan)
    cells = np.asarray(given, np.float64).reshape(-1)
    if len(cells) != width:
        raise EvidenceError(f"modality '{name}' has {width} cells, not {len(cells)}")
    return cells
