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
from mmgraph.learning.dynamic.emissions.k_means import clusters, variances

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
        if order < 1:
            raise LearningError(f"the order of autoregression is at least 1, not {order}")
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
        # of what is to be predicted
        spread = np.maximum(change[:, features:].var(0), 1e-12 * variances(now))
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
        """Return the weighted products of 1, regressors and what the state does not predict."""
        whole = ~np.isnan(rows).any(1)
        rows, weights = rows[whole], weights[whole]
        one = np.ones((len(rows), 1))
        products = []
        for state, weight in enumerate(weights.T):
            parts = [one, rows[:, self.features :], self._errors(rows, state)]
            both = np.concatenate(parts, 1)
            products.append((both * weight[:, None]).T @ both)
        return {"products": np.stack(products), "counts": weights.sum(0)}

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """Return weighted least squares; of what does not vary coefficients stay as they are."""
        coefficients, covariances = self.coefficients.copy(), self.noise.covariances.copy()
        width = self.coefficients.shape[2] - 1
        for state, count in enumerate(statistics["counts"]):
            if count <= _LEAST_WEIGHT:
                continue
            products = statistics["products"][state] / count
            means = products[0, 1:]
            about = products[1:, 1:] - np.outer(means, means)
            inside, across = about[:width, :width], about[:width, width:]
            sizes = np.diagonal(products)[1 : width + 1]
            varies = np.diagonal(inside) > 1e-14 * sizes
            scale = np.where(varies, np.sqrt(np.where(varies, np.diagonal(inside), 1.0)), np.inf)
            change = (
                np.linalg.lstsq(
                    inside / np.outer(scale, scale), across / scale[:, None], rcond=1e-12
                )[0]
                / scale[:, None]
            )
            coefficients[state, :, :-1] += change.T
            coefficients[state, :, -1] += means[width:] - means[:width] @ change
            left = about[width:, width:] - across.T @ change - change.T @ across
            left = left + change.T @ inside @ change
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
