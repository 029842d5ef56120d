"""Normal emissions, with cells missing: their densities, statistics and updates."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float64

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics
from mmgraph.learning.dynamic.emissions.gaussian_kernels import (
    diagonal_log_densities,
    diagonal_sums,
    full_log_densities,
)
from mmgraph.learning.dynamic.emissions.k_means import clusters, variances

COVARIANCES = ("diagonal", "full", "tied", "spherical")
_LEAST_WEIGHT = 1e-8
"""What a state must weigh to be learned: below, its parameters stay."""

_MOST_PATTERNS = 256
"""Of so many sets of cells the factors are remembered."""

_NO_CELLS = np.empty((0, 0), bool)


class _Pattern(NamedTuple):
    """What densities of rows with the same cells need: see :func:`full_log_densities`."""

    means: Float64[np.ndarray, "cells states"]
    whiteners: Float64[np.ndarray, "cells cells states"]
    constants: Float64[np.ndarray, " states"]


class GaussianEmission(Emission):
    """A normal density a state.

    Parameters
    ----------
    means : array-like, shape (states, features)
    covariances : array-like
        ``(states, features)`` of ``diagonal``, ``(states, features, features)`` of ``full``,
        ``(features, features)`` of ``tied``, ``(states,)`` of ``spherical``.
    covariance : {"diagonal", "full", "tied", "spherical"}
        ``tied`` is one full matrix for all states.
    floor : array-like of shape (features,), optional
        The least variances that learning gives (of full matrices the least in any direction, in
        units of these); by default none.

    Raises
    ------
    LearningError
        If shapes do not fit each other, a number is not finite, or a covariance is not positive
        definite: of which state.
    """

    kind: ClassVar[str] = "gaussian"

    def __init__(
        self,
        means: object,
        covariances: object,
        covariance: str = "diagonal",
        floor: object = None,
    ) -> None:
        check_choice("covariance", covariance, COVARIANCES, LearningError)
        self.covariance = covariance
        self.means = np.array(means, np.float64)
        self.covariances = np.array(covariances, np.float64)
        if self.means.ndim != 2:
            raise LearningError(f"means are (states, features), not of shape {self.means.shape}")
        self.states, self.features = self.means.shape
        k, d = self.means.shape
        shapes = {"diagonal": (k, d), "full": (k, d, d), "tied": (d, d), "spherical": (k,)}
        if self.covariances.shape != shapes[covariance]:
            raise LearningError(
                f"{covariance} covariances of {k} states and {d} features are of shape "
                f"{shapes[covariance]}, not {self.covariances.shape}"
            )
        for name, array in (("means", self.means), ("covariances", self.covariances)):
            if not np.isfinite(array).all():
                raise LearningError(f"the {name} of normal emissions are not finite")
        self.floor = np.zeros(d) if floor is None else np.array(floor, np.float64)
        self._patterns: dict[bytes, _Pattern] = {}
        self._check_positive()

    def _check_positive(self) -> None:
        for state, matrix in enumerate(self._matrices()):
            bad = (matrix <= 0).any() if matrix.ndim < 2 else not _is_positive_definite(matrix)
            if bad:
                which = "" if self.covariance == "tied" else f" of state {state}"
                raise LearningError(f"the covariance{which} is not positive definite")

    def _matrices(self) -> Iterator[np.ndarray]:
        yield from [self.covariances] if self.covariance == "tied" else self.covariances

    @classmethod
    def initial(
        cls,
        rows: Float64[np.ndarray, "steps features"],
        states: int,
        generator: np.random.Generator,
        covariance: str = "diagonal",
        floor: float = 1e-3,
        **settings: Any,
    ) -> Self:
        """Return the centres of k-means, with the covariances of the clusters.

        Parameters
        ----------
        floor : float
            The least variance of learned states, as a part of that of all rows.
        """
        check_choice("covariance", covariance, COVARIANCES, LearningError)
        centres, label = clusters(rows, states, generator)
        spread = variances(rows)
        d = rows.shape[1]
        whole: Any = {
            "diagonal": np.tile(spread, (states, 1)),
            "spherical": np.full(states, spread.mean()),
            "full": np.tile(np.diag(spread), (states, 1, 1)),
            "tied": np.diag(spread),
        }[covariance]
        wide = cls(centres, whole, covariance, floor * spread)
        weights = np.zeros((len(rows), states))
        weights[np.arange(len(rows)), label] = 1
        if covariance in ("full", "tied") and d > 1:  # of few rows a matrix is a guess
            weights = 0.9 * weights + 0.1 / states
        return wide.updated(wide.statistics(rows, weights))

    def log_densities(
        self, rows: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps states"]:
        """As :meth:`Emission.log_densities`."""
        out = np.empty((len(rows), self.states))
        missing = np.isnan(rows)
        if self.covariance in ("diagonal", "spherical"):
            cells = missing if missing.any() else _NO_CELLS
            diagonal_log_densities(rows, cells, *self._independent, out)
            return out
        for cells, places in cell_patterns(missing):
            part = out if len(places) == len(rows) else np.empty((len(places), self.states))
            here = rows[:, cells] if len(places) == len(rows) else rows[np.ix_(places, cells)]
            full_log_densities(np.ascontiguousarray(here), *self._pattern(cells), part)
            if part is not out:
                out[places] = part
        return out

    @functools.cached_property
    def _independent(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means, precisions and constants of :func:`diagonal_log_densities`."""
        variances = self._variances()
        constants = -0.5 * np.log(2 * math.pi * variances)
        return np.ascontiguousarray(self.means.T), 1 / variances, constants

    def _variances(self) -> Float64[np.ndarray, "features states"]:
        if self.covariance == "diagonal":
            return np.ascontiguousarray(self.covariances.T)
        return np.tile(self.covariances, (self.features, 1))

    def _full(self) -> Float64[np.ndarray, "states features features"]:
        if self.covariance == "tied":
            return np.broadcast_to(self.covariances, (self.states, *self.covariances.shape))
        return self.covariances

    def _pattern(self, cells: Bool[np.ndarray, " features"]) -> _Pattern:
        """What the densities of these cells need, remembered of the first sets of cells."""
        key = cells.tobytes()
        found = self._patterns.get(key)
        if found is None:
            part = self._full()[:, cells][:, :, cells]
            lower = np.linalg.cholesky(part)
            identity = np.eye(int(cells.sum()))
            inverse = [scipy.linalg.solve_triangular(c, identity, lower=True) for c in lower]
            whiteners = np.array(inverse).reshape(part.shape).transpose(1, 2, 0)
            diagonal = np.diagonal(lower, axis1=1, axis2=2)
            constants = -np.log(diagonal).sum(1) - 0.5 * cells.sum() * math.log(2 * math.pi)
            found = _Pattern(
                np.ascontiguousarray(self.means.T[cells]),
                np.ascontiguousarray(whiteners),
                constants,
            )
            if len(self._patterns) < _MOST_PATTERNS:
                self._patterns[key] = found
        return found

    def statistics(
        self,
        rows: Float64[np.ndarray, "steps features"],
        weights: Float64[np.ndarray, "steps states"],
    ) -> Statistics:
        """Return weights and moments about the present means, which keeps them accurate.

        ``counts`` is ``(features, states)`` of independent features, which count where they are
        there, and ``(states,)`` of others, whose missing cells are expected.
        """
        missing = np.isnan(rows)
        k, d = self.means.shape
        if self.covariance in ("diagonal", "spherical"):
            counts, first, second = (np.zeros((d, k)) for _ in range(3))
            cells = missing if missing.any() else _NO_CELLS
            diagonal_sums(rows, cells, weights, self.means.T.copy(), counts, first, second)
            return {"counts": counts, "first": first, "second": second}
        first, second = np.zeros((k, d)), np.zeros((k, d, d))
        for cells, places in cell_patterns(missing):
            here, weight = rows[places], weights[places]
            expected, uncertain = self._expected_distances(here, cells)
            for state in range(k):
                distance = expected(state)
                weighted = distance * weight[:, state, None]
                first[state] += weighted.sum(0)
                second[state] += weighted.T @ distance + weight[:, state].sum() * uncertain[state]
        return {"counts": weights.sum(0), "first": first, "second": second}

    def _expected_distances(
        self, rows: Float64[np.ndarray, "steps features"], cells: Bool[np.ndarray, " features"]
    ) -> tuple[Any, Float64[np.ndarray, "states features features"]]:
        """The expected distances from a state's mean, and their covariances, given these cells."""
        covariances = self._full()
        gone = ~cells
        uncertain = np.zeros_like(covariances)
        if cells.all():
            return lambda state: rows - self.means[state], uncertain
        slopes = np.zeros((self.states, int(gone.sum()), int(cells.sum())))
        for state, matrix in enumerate(covariances):
            across = matrix[np.ix_(gone, cells)]
            if cells.any():
                slopes[state] = np.linalg.solve(matrix[np.ix_(cells, cells)], across.T).T
            uncertain[state][np.ix_(gone, gone)] = (
                matrix[np.ix_(gone, gone)] - slopes[state] @ across.T
            )

        def expected(state: int) -> np.ndarray:
            distance = np.zeros_like(rows)
            distance[:, cells] = rows[:, cells] - self.means[state, cells]
            distance[:, gone] = distance[:, cells] @ slopes[state].T
            return distance

        return expected, uncertain

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """As :meth:`Emission.updated`: the maximum among variances above the floor."""
        counts, first, second = (statistics[n] for n in ("counts", "first", "second"))
        if self.covariance in ("diagonal", "spherical"):
            return self._updated_independent(counts, first, second)
        enough = counts > _LEAST_WEIGHT
        weight = np.where(enough, counts, 1.0)
        shift = np.where(enough[:, None], first / weight[:, None], 0.0)
        scatter = second - weight[:, None, None] * shift[:, :, None] * shift[:, None, :]
        if self.covariance == "tied":
            scatter = scatter[enough].sum(0) / counts[enough].sum()
            covariances = floored(scatter, self.floor) if enough.any() else self.covariances
        else:
            covariances = self.covariances.copy()
            for state in np.flatnonzero(enough):
                covariances[state] = floored(scatter[state] / weight[state], self.floor)
        return type(self)(self.means + shift, covariances, self.covariance, self.floor)

    def _updated_independent(
        self, counts: np.ndarray, first: np.ndarray, second: np.ndarray
    ) -> Self:
        enough = counts > _LEAST_WEIGHT
        weight = np.where(enough, counts, 1.0)
        shift = np.where(enough, first / weight, 0.0)
        scatter = np.maximum(second - weight * shift**2, 0.0)
        if self.covariance == "spherical":
            total = np.where(enough, counts, 0.0).sum(0)
            ok = total > _LEAST_WEIGHT
            pooled = np.where(enough, scatter, 0.0).sum(0) / np.where(ok, total, 1.0)
            lowest = max(float(self.floor.mean()), np.finfo(float).tiny)
            covariances = np.where(ok, np.maximum(pooled, lowest), self.covariances)
        else:
            least = np.maximum(self.floor, np.finfo(float).tiny)[:, None]
            covariances = np.where(
                enough, np.maximum(scatter / weight, least), self.covariances.T
            ).T
        return type(self)(self.means + shift.T, covariances, self.covariance, self.floor)

    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps features"]:
        """As :meth:`Emission.sample`."""
        noise = generator.standard_normal((len(states), self.features))
        if self.covariance in ("diagonal", "spherical"):
            noise *= np.sqrt(self._variances().T[states])
        else:
            lower = np.linalg.cholesky(self._full())
            noise = np.einsum("tij,tj->ti", lower[states], noise)
        drawn: np.ndarray = self.means[states] + noise
        return drawn

    def floored_states(self) -> list[int]:
        """Return the states whose variance is at its floor in some direction."""
        if not self.floor.any():
            return []
        if self.covariance == "spherical":
            return [int(k) for k in np.flatnonzero(self.covariances <= self.floor.mean() * 1.001)]
        scaled = self.covariances / self.floor if self.covariance == "diagonal" else None
        if scaled is not None:
            return [int(k) for k in np.flatnonzero((scaled <= 1.001).any(1))]
        scale = np.sqrt(np.outer(self.floor, self.floor))
        least = [np.linalg.eigvalsh(m / scale)[0] for m in self._matrices()]
        low = [k for k, value in enumerate(least) if value <= 1.001]
        return list(range(self.states)) if low and self.covariance == "tied" else low

    def parameters(self) -> dict[str, np.ndarray]:
        """As :meth:`Emission.parameters`."""
        return {"means": self.means, "covariances": self.covariances, "floor": self.floor}

    def settings(self) -> dict[str, Any]:
        """As :meth:`Emission.settings`."""
        return {"covariance": self.covariance}


def _is_positive_definite(matrix: np.ndarray) -> bool:
    if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-10 * abs(matrix).max()):
        return False
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def floored(
    matrix: Float64[np.ndarray, "features features"], floor: Float64[np.ndarray, " features"]
) -> Float64[np.ndarray, "features features"]:
    """Return the likeliest covariance that is at least the floor in every direction.

    The floor is no lower than what rounding leaves of the matrix.
    """
    size = np.sqrt(np.maximum(np.diagonal(matrix), 0.0))
    most = np.outer(size, size)
    matrix = np.clip((matrix + matrix.T) / 2, -most, most)  # as of any covariance but for rounding
    scale = np.maximum(np.maximum(np.sqrt(floor), 1e-7 * size), 1e-150)
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    if values[0] >= 1:
        return matrix
    raised = (vectors * np.maximum(values, 1)) @ vectors.T * np.outer(scale, scale)
    return (raised + raised.T) / 2


def cell_patterns(
    missing: Bool[np.ndarray, "steps features"],
) -> Iterator[tuple[Bool[np.ndarray, " features"], np.ndarray]]:
    """Yield the distinct sets of cells that rows have, and the places of those rows."""
    if not missing.any():
        yield np.ones(missing.shape[1], bool), np.arange(len(missing))
        return
    distinct, which = np.unique(missing, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(which.ravel(), minlength=len(distinct)))
    for pattern, places in zip(distinct, np.split(order, ends[:-1]), strict=True):
        yield ~pattern, places
