"""Normal rows whose mean is the sum of what several hidden chains contribute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.inference.mean_field.factorial_chains import AdditiveRows
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics
from mmgraph.learning.dynamic.emissions.gaussian import cell_patterns, floored
from mmgraph.learning.dynamic.emissions.k_means import clusters

COVARIANCES = ("full", "diagonal")


class CellGroup(NamedTuple):
    """Steps whose rows have the same cells.

    Attributes
    ----------
    steps : array of int
    precision : array of shape (features, features)
        The inverse covariance of the cells; zero in rows and columns of missing ones.
    constant : float
        Log-density of a row at its mean.
    """

    steps: Int64[np.ndarray, " steps"]
    precision: Float64[np.ndarray, "features features"]
    constant: float


class AdditiveGaussianEmission(Emission):
    """A normal density whose mean adds up a contribution of every chain's state.

    A joint state is the index into a table with an axis a chain, the last one fastest.

    Parameters
    ----------
    contributions : sequence of arrays of shape (states, features)
        Of each chain.
    covariance_matrix : array of shape (features, features)
        Of all joint states.
    covariance : {"full", "diagonal"}
        What learning gives.
    floor : array of shape (features,), optional
        The least variances that learning gives, in any direction in units of these.

    Raises
    ------
    LearningError
        If shapes do not match, or the covariance is not positive definite.

    References
    ----------
    Ghahramani and Jordan (1997), "Factorial hidden Markov models", equation 4 and appendix A.
    """

    kind: ClassVar[str] = "additive_gaussian"

    def __init__(
        self,
        contributions: Sequence[object],
        covariance_matrix: object,
        covariance: str = "full",
        floor: object = None,
    ) -> None:
        check_choice("covariance", covariance, COVARIANCES, LearningError)
        self.covariance = covariance
        self.contributions = [np.array(table, np.float64) for table in contributions]
        self.covariance_matrix = np.array(covariance_matrix, np.float64)
        shapes = [table.shape for table in self.contributions]
        if any(len(shape) != 2 or shape[1] != shapes[0][1] for shape in shapes):
            raise LearningError(f"contributions are (states, features), not of shapes {shapes}")
        self.sizes = [len(table) for table in self.contributions]
        self.states, self.features = math.prod(self.sizes), shapes[0][1]
        self.floor = np.zeros(self.features) if floor is None else np.array(floor, np.float64)
        size = (self.features, self.features)
        matrix = self.covariance_matrix
        if matrix.shape != size or not np.allclose(matrix, matrix.T):
            raise LearningError(f"the covariance is a symmetric matrix of shape {size}")
        if not np.linalg.eigvalsh(matrix)[0] > 0:
            raise LearningError("the covariance is not positive definite")

    @classmethod
    def initial(
        cls,
        rows: Float64[np.ndarray, "steps features"],
        states: int | Sequence[int],
        generator: np.random.Generator,
        covariance: str = "full",
        floor: float = 1e-3,
        **settings: Any,
    ) -> Self:
        """Return the centres of k-means, chain after chain of what those before leave over.

        Parameters
        ----------
        states : int or sequence of int
            Of each chain. Their order, and some noise, come from the generator.
        floor : float
            The least variance, as a part of that of all rows.
        """
        sizes = [states] if isinstance(states, int) else list(states)
        parts, rest = [np.empty(0)] * len(sizes), rows
        for m in generator.permutation(len(sizes)):
            centres, label = clusters(rest, sizes[m], generator)
            rest = rest - centres[label]
            parts[m] = centres
        spread = np.nanvar(rows, 0)
        spread = np.where(spread > 0, spread, 1e-6)
        left = np.maximum(np.nanvar(rest, 0), max(floor, 0.01) * spread)
        noisy = [p + 0.5 * np.sqrt(left) * generator.standard_normal(p.shape) for p in parts]
        return cls(noisy, np.diag(left), covariance, floor * spread)

    def design(self) -> Float64[np.ndarray, "joint all_states"]:
        """Return which chain's state each joint state has, as ones among zeros."""
        digits = np.unravel_index(np.arange(self.states), self.sizes)
        parts = [np.eye(k)[digit] for k, digit in zip(self.sizes, digits, strict=True)]
        return np.concatenate(parts, axis=1)

    def groups(self, rows: Float64[np.ndarray, "steps features"]) -> list[CellGroup]:
        """Return the steps by the cells that their rows have."""
        found = []
        for cells, steps in cell_patterns(np.isnan(rows)):
            precision = np.zeros_like(self.covariance_matrix)
            part = self.covariance_matrix[np.ix_(cells, cells)]
            precision[np.ix_(cells, cells)] = np.linalg.inv(part)
            constant = -0.5 * (cells.sum() * math.log(2 * math.pi) + np.linalg.slogdet(part)[1])
            found.append(CellGroup(steps, precision, float(constant)))
        return found

    def additive_rows(self, rows: Float64[np.ndarray, "steps features"]) -> AdditiveRows:
        """Return the rows as structured mean field takes them."""
        groups, kinds = self.groups(rows), np.empty(len(rows), np.int64)
        for number, group in enumerate(groups):
            kinds[group.steps] = number
        return AdditiveRows(
            np.nan_to_num(rows),
            np.array([group.precision for group in groups]),
            kinds,
            np.array([group.constant for group in groups]),
            self.contributions,
        )

    def path_density(
        self, rows: Float64[np.ndarray, "steps features"], paths: Sequence[np.ndarray]
    ) -> float:
        """Return the log-density of rows given the states of every chain, ``(steps,)`` each."""
        observed = self.additive_rows(rows)
        means = sum(table[path] for table, path in zip(self.contributions, paths, strict=True))
        rest = observed.rows - means
        squares = np.einsum("tf,tfg,tg->", rest, observed.precisions[observed.kinds], rest)
        return float(observed.constants[observed.kinds].sum() - 0.5 * squares)

    def log_densities(
        self, rows: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps joint"]:
        """As :meth:`Emission.log_densities`, of joint states."""
        means = self.design() @ np.concatenate(self.contributions)
        out = np.empty((len(rows), self.states))
        for steps, precision, constant in self.groups(rows):
            cells = np.flatnonzero(np.diag(precision))
            lower = np.linalg.cholesky(precision[np.ix_(cells, cells)])
            white_rows, white_means = rows[np.ix_(steps, cells)] @ lower, means[:, cells] @ lower
            part = np.full((len(steps), self.states), constant)
            for d in range(len(cells)):
                part -= 0.5 * (white_rows[:, d, None] - white_means[:, d]) ** 2
            out[steps] = part
        return out

    def statistics(
        self,
        rows: Float64[np.ndarray, "steps features"],
        weights: Float64[np.ndarray, "steps joint"],
    ) -> Statistics:
        """As :meth:`Emission.statistics`, of joint states."""
        design = self.design()
        expected = weights @ design
        return self._completed(rows, expected, lambda s: (design.T * weights[s].sum(0)) @ design)

    def factored_statistics(
        self,
        rows: Float64[np.ndarray, "steps features"],
        marginals: Sequence[Float64[np.ndarray, "steps states"]],
    ) -> Statistics:
        """Return the statistics of chains whose states are independent, with these marginals."""
        expected = np.concatenate(marginals, axis=1)
        ends = np.cumsum(self.sizes)

        def pairs(steps: np.ndarray) -> np.ndarray:
            moments = expected[steps].T @ expected[steps]
            for size, end in zip(self.sizes, ends, strict=True):
                own = slice(end - size, end)
                moments[own, own] = np.diag(expected[steps, own].sum(0))
            return moments

        return self._completed(rows, expected, pairs)

    def _completed(self, rows: np.ndarray, expected: np.ndarray, pairs: Any) -> Statistics:
        """Moments of rows and of ones for states, missing cells expected.

        Given the present cells ``y`` and states ``x`` a row is ``G y + (1 - G) x B``, with
        ``G = covariance * precision``, and its missing cells vary by ``covariance - G covariance``.
        """
        table, matrix = np.concatenate(self.contributions), self.covariance_matrix
        present, d = np.nan_to_num(rows), self.features
        totals = {
            "count": np.array(float(len(rows))),
            "rows": np.zeros((d, d)),
            "crossed": np.zeros((len(table), d)),
            "states": np.zeros((len(table), len(table))),
        }
        for steps, precision, _ in self.groups(rows):
            gain = matrix @ precision
            rest = table @ (np.eye(d) - gain).T
            y, moments = present[steps] @ gain.T, pairs(steps)
            crossed = expected[steps].T @ y
            mixed = rest.T @ crossed
            totals["rows"] += y.T @ y + mixed + mixed.T + rest.T @ moments @ rest
            totals["rows"] += len(steps) * (matrix - gain @ matrix)
            totals["crossed"] += crossed + moments @ rest
            totals["states"] += moments
        return totals

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """As :meth:`Emission.updated`: least squares, by the least change that they allow."""
        rows, crossed, states = (statistics[n] for n in ("rows", "crossed", "states"))
        table = np.concatenate(self.contributions)
        table = table + np.linalg.pinv(states, hermitian=True) @ (crossed - states @ table)
        fitted = table.T @ crossed
        scatter = rows - fitted - fitted.T + table.T @ states @ table
        if self.covariance == "diagonal":
            scatter = np.diag(np.diag(scatter))
        matrix = floored(scatter / statistics["count"], self.floor)
        parts = np.split(table, np.cumsum(self.sizes)[:-1])
        return type(self)(parts, matrix, self.covariance, self.floor)

    def floored_states(self) -> list[int]:
        """As :meth:`Emission.floored_states`: the first for all, which share the covariance."""
        if not self.floor.all():
            return []
        scaled = self.covariance_matrix / np.sqrt(np.outer(self.floor, self.floor))
        return [0] if np.linalg.eigvalsh(scaled)[0] <= 1.001 else []

    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps features"]:
        """As :meth:`Emission.sample`, of joint states."""
        digits = np.unravel_index(states, self.sizes)
        means = sum(table[d] for table, d in zip(self.contributions, digits, strict=True))
        noise = generator.standard_normal((len(states), self.features))
        return np.asarray(means + noise @ np.linalg.cholesky(self.covariance_matrix).T)

    def parameters(self) -> dict[str, np.ndarray]:
        """As :meth:`Emission.parameters`; contributions one chain after the other."""
        return {
            "contributions": np.concatenate(self.contributions),
            "covariance_matrix": self.covariance_matrix,
            "floor": self.floor,
        }

    def settings(self) -> dict[str, Any]:
        """As :meth:`Emission.settings`, with the number of states of each chain."""
        return {"covariance": self.covariance, "sizes": self.sizes}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """As :meth:`Emission.restored`."""
        parts = np.split(arrays["contributions"], np.cumsum(settings["sizes"])[:-1])
        return cls(parts, arrays["covariance_matrix"], settings["covariance"], arrays["floor"])
