"""Categorical emissions: tables of the states of discrete features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics


class CategoricalEmission(Emission):
    """Discrete features, independent given the hidden state.

    Parameters
    ----------
    probabilities : array-like of shape (states, categories), or a sequence of them, one a feature
    pseudo_counts : float
        Added to the expected counts of each possible category when learning.

    Raises
    ------
    LearningError
        If a table is no distribution in each row.
    """

    kind: ClassVar[str] = "categorical"

    def __init__(self, probabilities: Any, pseudo_counts: float = 0.0) -> None:
        single = isinstance(probabilities, np.ndarray) and probabilities.ndim == 2
        if not single and np.ndim(probabilities[0]) == 1:
            probabilities = np.array(probabilities, np.float64)
            single = True
        tables = [probabilities] if single else list(probabilities)
        self.tables = [np.array(table, np.float64) for table in tables]
        self.states, self.features = len(self.tables[0]), len(self.tables)
        self.pseudo_counts = float(pseudo_counts)
        for feature, table in enumerate(self.tables):
            if table.ndim != 2 or len(table) != self.states:
                raise LearningError(
                    f"the table of feature {feature} is to be (states, categories), of "
                    f"{self.states} states, not of shape {table.shape}"
                )
            if not (table >= 0).all() or not np.allclose(table.sum(1), 1, atol=1e-6):
                raise LearningError(
                    f"the table of feature {feature} holds no distribution a state: rows sum to "
                    f"{np.round(table.sum(1), 6).tolist()}"
                )

    @classmethod
    def initial(
        cls,
        rows: Float64[np.ndarray, "steps features"],
        states: int,
        generator: np.random.Generator,
        pseudo_counts: float = 0.0,
        **settings: Any,
    ) -> Self:
        """Return the frequencies of all rows, disturbed a little for each state."""
        tables = []
        for feature in range(rows.shape[1]):
            column = rows[:, feature]
            seen = column[~_missing(column)]
            if (seen < 0).any() or (seen != np.floor(seen)).any():
                bad = seen[(seen < 0) | (seen != np.floor(seen))][0]
                raise LearningError(
                    f"feature {feature} holds {bad:g}, which is no category's index"
                )
            if not len(seen):
                raise LearningError(f"feature {feature} is missing in all rows")
            counts = np.bincount(seen.astype(np.int64)) + 0.5
            noise = generator.dirichlet(np.full(len(counts), 2.0), states)
            tables.append(0.5 * counts / counts.sum() + 0.5 * noise)
        return cls(tables, pseudo_counts)

    def _codes(
        self, rows: Float64[np.ndarray, "steps features"], feature: int
    ) -> Int64[np.ndarray, " steps"]:
        """State indices of a feature; the number of categories where it is missing."""
        column, count = rows[:, feature], self.tables[feature].shape[1]
        missing = _missing(column)
        codes = np.where(missing, count, column).astype(np.int64)
        bad = ((codes < 0) | (codes >= count) | (codes != column)) & ~missing
        if bad.any():
            step = int(bad.argmax())
            raise EvidenceError(
                f"feature {feature} holds {column[step]:g}; its categories are 0 to {count - 1}"
            )
        return codes

    def log_densities(
        self, rows: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps states"]:
        """As :meth:`Emission.log_densities`."""
        total = np.zeros((len(rows), self.states))
        with np.errstate(divide="ignore"):
            for feature, table in enumerate(self.tables):
                logs = np.concatenate([np.log(table.T), np.zeros((1, self.states))])
                total += logs[self._codes(rows, feature)]
        return total

    def statistics(
        self,
        rows: Float64[np.ndarray, "steps features"],
        weights: Float64[np.ndarray, "steps states"],
    ) -> Statistics:
        """Return expected counts of the categories that are there, a table a feature."""
        counts = {}
        for feature, table in enumerate(self.tables):
            codes = self._codes(rows, feature)
            order = np.argsort(codes, kind="stable")
            total = np.zeros((table.shape[1] + 1, self.states))
            distinct, first = np.unique(codes[order], return_index=True)
            total[distinct] = np.add.reduceat(weights[order], first, axis=0)
            counts[f"counts_{feature}"] = total[:-1].T
        return counts

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """As :meth:`Emission.updated`."""
        tables = []
        for feature, table in enumerate(self.tables):
            counts = statistics[f"counts_{feature}"] + self.pseudo_counts * (table > 0)
            total = counts.sum(1, keepdims=True)
            tables.append(np.where(total > 0, counts / np.where(total > 0, total, 1), table))
        return type(self)(tables, self.pseudo_counts)

    def log_prior(self) -> float:
        """Return the logarithm of the Dirichlet prior of pseudo-counts, but a constant."""
        if not self.pseudo_counts:
            return 0.0
        return float(self.pseudo_counts * sum(np.log(t[t > 0]).sum() for t in self.tables))

    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps features"]:
        """As :meth:`Emission.sample`."""
        columns = []
        for table in self.tables:
            reached = generator.random(len(states))[:, None] > table.cumsum(1)[states]
            columns.append(np.minimum(reached.sum(1), table.shape[1] - 1))
        return np.array(columns, np.float64).T

    def parameters(self) -> dict[str, np.ndarray]:
        """As :meth:`Emission.parameters`: a table a feature."""
        return {f"probabilities_{i}": table for i, table in enumerate(self.tables)}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """As :meth:`Emission.restored`."""
        return cls([arrays[f"probabilities_{i}"] for i in range(len(arrays))], **settings)

    def settings(self) -> dict[str, Any]:
        """As :meth:`Emission.settings`."""
        return {"pseudo_counts": self.pseudo_counts}


def _missing(column: Float64[np.ndarray, " steps"]) -> Bool[np.ndarray, " steps"]:
    """Where a cell is missing: NaN, or -1 as in all evidence of states."""
    missing: np.ndarray = np.isnan(column) | (column == -1)
    return missing
