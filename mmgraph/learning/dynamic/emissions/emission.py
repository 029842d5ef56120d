"""What a hidden state emits: the densities of rows, and how they are learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError

Statistics = dict[str, np.ndarray]
"""Expected sufficient statistics by name; those of two sets of rows add up to those of both."""


def add_statistics(total: Statistics, statistics: Statistics) -> None:
    """Add statistics of further rows to a total, which is empty at first."""
    for name, array in statistics.items():
        total[name] = total[name] + array if name in total else array


class Emission(ABC):
    """The densities of a row given each hidden state, with their parameters.

    Rows are ``(steps, features)`` in double precision; of categorical emissions a feature is a
    state's index. NaN is a missing cell, which is summed out: a row that is missing altogether has
    log-density 0 in every state. An emission is never changed: learning gives another.

    Attributes
    ----------
    kind : str
        As settings and files name it.
    states : int
        The number of hidden states.
    features : int
        The number of cells of a row.
    memory : int
        How many rows before a row its density depends on.
    excludes : bool
        Whether a cell may be ``-inf``, which excludes a state.
    """

    kind: ClassVar[str]
    states: int
    features: int
    memory: int = 0
    excludes: bool = False

    @classmethod
    def initial(
        cls,
        rows: Float64[np.ndarray, "steps features"],
        states: int,
        generator: np.random.Generator,
        **settings: Any,
    ) -> Self:
        """Return first values for EM, of k-means of the rows.

        Raises
        ------
        LearningError
            If the rows do not fit the settings.
        """
        raise LearningError(f"a {cls.kind} emission is made of others, which start one by one")

    @abstractmethod
    def log_densities(
        self, rows: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps states"]:
        """Return the log-density of each row given each state."""

    @abstractmethod
    def statistics(
        self,
        rows: Float64[np.ndarray, "steps features"],
        weights: Float64[np.ndarray, "steps states"],
    ) -> Statistics:
        """Return expected statistics of rows whose states have these probabilities.

        What is missing in a row is expected under this emission, given what is there.
        """

    @abstractmethod
    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """Return the emission that maximises the expected log-density (with its prior, if any).

        A state without weight keeps its parameters.
        """

    @abstractmethod
    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps features"]:
        """Return a row for each of some states."""

    @abstractmethod
    def parameters(self) -> dict[str, np.ndarray]:
        """Return the arrays that the emission is made of, by name, as its class takes them."""

    def settings(self) -> dict[str, Any]:
        """Return what else the class takes, as JSON values."""
        return {}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """Return the emission that :meth:`parameters` and :meth:`settings` describe."""
        return cls(**arrays, **settings)

    def prepared(
        self, sequence: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps prepared"]:
        """Return the rows of one sequence as the other methods take them: here as they are."""
        return sequence

    def log_prior(self) -> float:
        """Return what a prior adds to the objective of EM, up to a constant."""
        return 0.0

    def floored_states(self) -> list[int]:
        """Return the states whose spread learning has stopped at its floor."""
        return []
