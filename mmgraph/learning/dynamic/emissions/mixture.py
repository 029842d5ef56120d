"""Mixtures of normal densities as emissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission


class MixtureEmission(Emission):
    """A mixture of normal densities a state.

    Parameters
    ----------
    weights : array-like, shape (states, components)
    components : GaussianEmission
        Of ``states * components`` densities, those of a state side by side.

    Raises
    ------
    LearningError
        If the weights are no distribution a state, or do not fit the components.
    """

    kind: ClassVar[str] = "mixture"

    def __init__(self, weights: object, components: GaussianEmission) -> None:
        self.weights = np.array(weights, np.float64)
        if self.weights.ndim != 2 or self.weights.size != components.states:
            raise LearningError(
                f"weights are (states, components), of {components.states} components in all, "
                f"not of shape {self.weights.shape}"
            )
        if not (self.weights >= 0).all() or not np.allclose(self.weights.sum(1), 1, atol=1e-6):
            raise LearningError("the weights of a mixture do not sum to one in each state")
        self.components = components
        self.states, self.features = len(self.weights), components.features

    @classmethod
    def initial(
        cls,
        rows: Float64[np.ndarray, "steps features"],
        states: int,
        generator: np.random.Generator,
        components: int = 2,
        **settings: Any,
    ) -> Self:
        """Return the states of k-means, each cut in components about its centre."""
        if components < 1:
            raise LearningError(f"a mixture has at least one component, not {components}")
        single = GaussianEmission.initial(rows, states, generator, **settings)
        covariances = single.covariances
        if single.covariance != "tied":
            covariances = np.repeat(covariances, components, 0)
        spread = np.sqrt(np.nanvar(rows, 0))
        shift = generator.standard_normal((states * components, rows.shape[1])) * spread * 0.3
        means = np.repeat(single.means, components, 0) + shift
        parts = GaussianEmission(means, covariances, single.covariance, single.floor)
        return cls(np.full((states, components), 1 / components), parts)

    def _by_component(
        self, rows: Float64[np.ndarray, "steps features"]
    ) -> tuple[
        Float64[np.ndarray, "steps states components"], Float64[np.ndarray, "steps states 1"]
    ]:
        """The logarithms of the joint densities, and the largest of each state, which is finite."""
        logs = self.components.log_densities(rows).reshape(len(rows), *self.weights.shape)
        with np.errstate(divide="ignore"):
            joint: np.ndarray = logs + np.log(self.weights)
        return joint, np.maximum(joint.max(2, keepdims=True), np.finfo(float).min)

    def log_densities(
        self, rows: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps states"]:
        """As :meth:`Emission.log_densities`."""
        joint, largest = self._by_component(rows)
        np.exp(joint - largest, out=joint)
        with np.errstate(divide="ignore"):
            return np.log(joint.sum(2)) + largest[:, :, 0]

    def statistics(
        self,
        rows: Float64[np.ndarray, "steps features"],
        weights: Float64[np.ndarray, "steps states"],
    ) -> Statistics:
        """Return the statistics of the components, and their weights."""
        joint = np.exp(np.subtract(*self._by_component(rows)))
        joint *= (weights / np.maximum(joint.sum(2), np.finfo(float).tiny))[:, :, None]
        flat = joint.reshape(len(rows), -1)
        return {**self.components.statistics(rows, flat), "weights": joint.sum(0)}

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """As :meth:`Emission.updated`."""
        counts = statistics["weights"]
        total = counts.sum(1, keepdims=True)
        weights = np.where(total > 1e-8, counts / np.where(total > 0, total, 1), self.weights)
        return type(self)(weights, self.components.updated(statistics))

    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps features"]:
        """As :meth:`Emission.sample`."""
        reached = generator.random(len(states))[:, None] > self.weights.cumsum(1)[states]
        component = np.minimum(reached.sum(1), self.weights.shape[1] - 1)
        return self.components.sample(states * self.weights.shape[1] + component, generator)

    def floored_states(self) -> list[int]:
        """As :meth:`Emission.floored_states`."""
        count = self.weights.shape[1]
        return sorted({k // count for k in self.components.floored_states()})

    def parameters(self) -> dict[str, np.ndarray]:
        """As :meth:`Emission.parameters`."""
        return {"weights": self.weights, **self.components.parameters()}

    def settings(self) -> dict[str, Any]:
        """As :meth:`Emission.settings`."""
        return self.components.settings()

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """As :meth:`Emission.restored`."""
        rest: dict[str, Any] = {name: array for name, array in arrays.items() if name != "weights"}
        return cls(arrays["weights"], GaussianEmission(**rest, **settings))
