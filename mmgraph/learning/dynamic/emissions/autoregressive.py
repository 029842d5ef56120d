"""Autoregressive emissions: normal densities about a linear function of the rows before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.learning.dynamic.emissions.k_means import clusters

_LEAST_WEIGHT = 1e-8


class AutoregressiveEmission(Emission):
    """Rows that depend on the rows before: ``x[t] ~ N(b + A [x[t-1], …, x[t-p]], covariance)``.

    The first ``p`` rows of a sequence are taken as given, so that a log-likelihood is that of the
    others given them (Hamilton 1990). A row with a cell missing, and those that follow from it, say
    nothing: their exact density would need the joint one of all rows between, which the states do
    not separate.

    Parameters
    ----------
    coefficients : array-like, shape (states, features, order * features + 1)
        Of the row before first, then of that before it; the last is the intercept.
    covariances : array-like, shape (states, features, features)
    order : int
    floor : array-like of shape (features,), optional
        As of :class:`GaussianEmission`.

    Raises
    ------
    LearningError
        If shapes do not fit each other, or a covariance is not positive definite.
    """

    kind: ClassVar[str] = "autoregressive"

    def __init__(
        self, coefficients: object, covariances: object, order: int = 1, floor: object = None
    ) -> None:
        self.coefficients = np.array(coefficients, np.float64)
        self.order = self.memory = int(order)
        shape = self.coefficients.shape
        if self.order < 1 or len(shape) != 3 or shape[2] != self.order * shape[1] + 1:
            raise LearningError(
                "coefficients are (states, features, order * features + 1), of order "
                f"{self.order}, not of shape {shape}"
            )
        self.states, self.features = shape[:2]
        zero = np.zeros((self.states, self.features))
        self.noise = GaussianEmission(zero, covariances, "full", floor)

    @classmethod
    def initial(
        cls,
        rows: Float64[np.ndarray, "steps lagged"],
        states: int,
        generator: np.random.Generator,
        order: int = 1,
        floor: float = 1e-3,
        **settings: Any,
    ) -> Self:
        """Return regressions in the clusters of changes and values together."""
        features = rows.shape[1] // (order + 1)
        whole = rows[~np.isnan(rows).any(1)]
        if len(whole) <= features * order + 1:
            raise LearningError(
                f"autoregression of order {order} needs more than {features * order + 1} complete "
                f"rows with their predecessors, and there are {len(whole)}"
            )
        now = whole[:, :features]
        change = np.concatenate([now, now - whole[:, features : 2 * features]], 1)
        _, label = clusters(change, states, generator)
        spread = np.maximum(change[:, features:].var(0), 1e-12)  # of what is to be predicted
        shape = (states, features, order * features + 1)
        wide = cls(np.zeros(shape), np.tile(np.diag(spread), (states, 1, 1)), order, floor * spread)
        weights = np.full((len(whole), states), 0.1 / states)
        weights[np.arange(len(whole)), label] += 0.9
        return wide.updated(wide.statistics(whole, weights))

    def prepared(
        self, sequence: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps lagged"]:
        """Return each row with the ``order`` rows before it, NaN where there are none."""
        return lagged(sequence, self.order)

    def _errors(
        self, rows: Float64[np.ndarray, "steps lagged"], state: int
    ) -> Float64[np.ndarray, "steps features"]:
        """What the state does not predict; 0 stands where something is missing."""
        slopes, intercept = self.coefficients[state, :, :-1], self.coefficients[state, :, -1]
        errors: np.ndarray = (
            rows[:, : self.features] - rows[:, self.features :] @ slopes.T - intercept
        )
        return errors

    def log_densities(
        self, rows: Float64[np.ndarray, "steps lagged"]
    ) -> Float64[np.ndarray, "steps states"]:
        """As :meth:`Emission.log_densities`, of prepared rows."""
        out = np.zeros((len(rows), self.states))
        whole = ~np.isnan(rows).any(1)
        for state in range(self.states):
            lower = np.linalg.cholesky(self.noise.covariances[state])
            white = np.linalg.solve(lower, self._errors(rows[whole], state).T)
            constant = np.log(np.diag(lower)).sum() + 0.5 * self.features * math.log(2 * math.pi)
            out[whole, state] = -0.5 * (white**2).sum(0) - constant
        return out

    def statistics(
        self,
        rows: Float64[np.ndarray, "steps lagged"],
        weights: Float64[np.ndarray, "steps states"],
    ) -> Statistics:
        """Return the weighted products of regressors and responses, a matrix a state."""
        whole = ~np.isnan(rows).any(1)
        rows, weights = rows[whole], weights[whole]
        regressors = np.concatenate([rows[:, self.features :], np.ones((len(rows), 1))], 1)
        both = np.concatenate([regressors, rows[:, : self.features]], 1)
        products = np.stack([(both * w[:, None]).T @ both for w in weights.T])
        return {"products": products, "counts": weights.sum(0)}

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """Return weighted least squares; regressors that do not vary get the least coefficients."""
        coefficients, covariances = self.coefficients.copy(), self.noise.covariances.copy()
        width = self.coefficients.shape[2]
        for state, count in enumerate(statistics["counts"]):
            if count <= _LEAST_WEIGHT:
                continue
            products = statistics["products"][state] / count
            inside, across = products[:width, :width], products[:width, width:]
            slopes = np.linalg.lstsq(inside, across, rcond=1e-12)[0]
            coefficients[state] = slopes.T
            left = products[width:, width:] - across.T @ slopes - slopes.T @ across
            left = left + slopes.T @ inside @ slopes
            zero = np.zeros((1, self.features))
            one = GaussianEmission(zero, covariances[state][None], "full", self.noise.floor)
            moments = {"counts": np.ones(1), "first": zero, "second": left[None]}
            covariances[state] = one.updated(moments).covariances[0]
        return type(self)(coefficients, covariances, self.order, self.noise.floor)

    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps features"]:
        """Return a row for each step of one sequence, which starts from zeros."""
        noise = self.noise.sample(states, generator)
        rows = np.zeros((len(states) + self.order, self.features))
        for t, state in enumerate(states):
            before = rows[t : t + self.order][::-1].ravel()
            regressors = np.append(before, 1.0)
            rows[t + self.order] = self.coefficients[state] @ regressors + noise[t]
        return rows[self.order :]

    def floored_states(self) -> list[int]:
        """As :meth:`Emission.floored_states`."""
        return self.noise.floored_states()

    def parameters(self) -> dict[str, np.ndarray]:
        """As :meth:`Emission.parameters`."""
        return {
            "coefficients": self.coefficients,
            "covariances": self.noise.covariances,
            "floor": self.noise.floor,
        }

    def settings(self) -> dict[str, Any]:
        """As :meth:`Emission.settings`."""
        return {"order": self.order}


def lagged(
    sequence: Float64[np.ndarray, "steps features"], order: int
) -> Float64[np.ndarray, "steps lagged"]:
    """Return each row with the ``order`` rows before it side by side, the nearest first."""
    steps, features = sequence.shape
    out = np.full((steps, features * (order + 1)), np.nan)
    for lag in range(order + 1):
        out[lag:, lag * features : (lag + 1) * features] = sequence[: max(steps - lag, 0)]
    return out
