"""A leaf of columns of states: tables of probabilities, as in a naive Bayesian network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.data.blocks.block import Block, Features
from mmgraph.data.blocks.columns import Columns
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf, LeafRows


@dataclass(frozen=True)
class TablesLeaf(Leaf):
    """A table for each categorical or ordinal column, which given the target are independent.

    A missing cell drops out, and so does a state that no training row has. Columns of numbers are
    not looked at.

    Attributes
    ----------
    strength : float
        How many rows the prior of each state's probabilities is worth: it is Dirichlet's, around
        the shares among all rows.
    """

    kind: ClassVar[str] = "tables"
    joins: ClassVar[bool] = False
    strength: float = 2.0

    def suits(self, block: Block) -> bool:
        """As :meth:`Leaf.suits`: columns, of which some are of states."""
        return isinstance(block, Columns) and bool(_of_states(block).any())

    def features(self, blocks: Sequence[Block]) -> Features:
        """Return the states of all columns of states as indices, NaN where missing."""
        return np.hstack([b.values[:, _of_states(b)] for b in blocks if isinstance(b, Columns)])

    def fit(self, rows: LeafRows, seed: int) -> FittedTables:
        """As :meth:`Leaf.fit`."""
        tables = tuple(self._table(column, rows) for column in rows.features.T)
        return FittedTables(rows.states, tables)

    def _table(
        self, column: Float64[np.ndarray, " rows"], rows: LeafRows
    ) -> Float64[np.ndarray, "states values"]:
        """Logarithms of the probabilities of a column's states, over those among all rows."""
        there = np.flatnonzero(~np.isnan(column))
        values = column[there].astype(np.int64)
        counts = np.zeros((rows.states, values.max(initial=0) + 1))
        np.add.at(counts, (rows.codes[there], values), rows.weights[there])
        shares = counts.sum(0) / max(counts.sum(), np.finfo(float).tiny)
        expected = (counts.sum(1, keepdims=True) + self.strength) * np.where(shares > 0, shares, 1)
        # Where no row has a state this is one, which says nothing.
        posterior = np.where(shares > 0, counts + self.strength * shares, expected)
        return np.log(posterior / expected)


@dataclass(frozen=True, eq=False)
class FittedTables(FittedLeaf):
    """Tables of columns.

    Attributes
    ----------
    states : int
        How many the target has.
    tables : tuple of ndarray, each of shape (states, values)
        The logarithm of how much likelier a value is given a state than among all rows.
    """

    states: int
    tables: tuple[Float64[np.ndarray, "states values"], ...]

    def log_likelihoods(self, features: Features) -> Float64[np.ndarray, "rows states"]:
        """As :meth:`FittedLeaf.log_likelihoods`.

        Raises
        ------
        LearningError
            If there are not as many columns as those learned from.
        """
        if features.shape[1] != len(self.tables):
            raise LearningError(
                f"rows have {features.shape[1]} features, not the {len(self.tables)} learned from"
            )
        said = np.zeros((len(features), self.states))
        for column, table in zip(features.T, self.tables, strict=True):
            there = np.flatnonzero(column < table.shape[1])  # of a missing cell this is not so
            said[there] += table[:, column[there].astype(np.int64)].T
        return said


def _of_states(block: Columns) -> Bool[np.ndarray, " columns"]:
    return np.array([kind in ("categorical", "ordinal") for kind in block.kinds])
