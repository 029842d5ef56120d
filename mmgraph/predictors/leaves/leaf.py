"""What every leaf does: learn from rows, and say how likely rows are given each state."""

from __future__ import annotations

import abc
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.blocks.block import Features


class LeafRows(NamedTuple):
    """The rows that a leaf learns from.

    Attributes
    ----------
    features : ndarray, shape (rows, features)
        NaN where missing; no row is missing throughout.
    codes : ndarray of int, shape (rows,)
        The target's state of each row.
    weights : ndarray, shape (rows,)
        How much each row counts.
    states : int
        How many states the target has; some may have no row.
    """

    features: Features
    codes: Int64[np.ndarray, " rows"]
    weights: Float64[np.ndarray, " rows"]
    states: int

    def log_shares(self) -> Float64[np.ndarray, " states"]:
        """Return the logarithms of the states' shares, of states without rows by half a row."""
        counts = np.bincount(self.codes, self.weights, self.states)
        counts = np.where(counts > 0, counts, 0.5)
        return np.log(counts / counts.sum())


class FittedLeaf(abc.ABC):
    """What some features say of the target, learned from rows."""

    @abc.abstractmethod
    def log_likelihoods(self, features: Features) -> Float64[np.ndarray, "rows states"]:
        """Return log p(features | state) of rows, up to a constant a row and a power."""


class Leaf(abc.ABC):
    """How what some features say of the target is learned."""

    kind: ClassVar[str]
    """As declarations name it."""

    @abc.abstractmethod
    def fit(self, rows: LeafRows, seed: int) -> FittedLeaf:
        """Return what is learned from rows."""
