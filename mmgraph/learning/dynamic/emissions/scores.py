"""Scores as emissions: log-likelihoods of the states that something else has computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics


class ScoreEmission(Emission):
    """Rows that are the log-likelihoods of the states themselves, ``(steps, states)``.

    Of a classifier that is log P(state | row) - log P(state): what it says beyond the frequencies
    that it was trained with (Bourlard & Morgan 1994, "Connectionist speech recognition"). NaN says
    nothing of a state, ``-inf`` excludes it. There is nothing to learn.

    Parameters
    ----------
    states : int
    """

    kind: ClassVar[str] = "scores"
    excludes = True

    def __init__(self, states: int) -> None:
        self.states = self.features = int(states)

    @classmethod
    def initial(
        cls,
        rows: Float64[np.ndarray, "steps states"],
        states: int,
        generator: np.random.Generator,
        **settings: Any,
    ) -> Self:
        """As :meth:`Emission.initial`."""
        if rows.shape[1] != states:
            raise LearningError(
                f"scores have a column for each of the {states} states, not {rows.shape[1]}"
            )
        return cls(states)

    def log_densities(
        self, rows: Float64[np.ndarray, "steps states"]
    ) -> Float64[np.ndarray, "steps states"]:
        """Return the scores; 0 where one is missing."""
        scores = np.array(rows)
        scores[np.isnan(scores)] = 0.0
        return scores

    def statistics(
        self,
        rows: Float64[np.ndarray, "steps states"],
        weights: Float64[np.ndarray, "steps states"],
    ) -> Statistics:
        """Return nothing: there is nothing to learn."""
        return {}

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """Return the emission itself."""
        return self

    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps states"]:
        """Refuse: scores have no distribution.

        Raises
        ------
        LearningError
            Always.
        """
        raise LearningError("scores have no distribution that rows could be drawn from")

    def parameters(self) -> dict[str, np.ndarray]:
        """Return nothing."""
        return {}

    def settings(self) -> dict[str, Any]:
        """As :meth:`Emission.settings`."""
        return {"states": self.states}
