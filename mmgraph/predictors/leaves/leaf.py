"""What every leaf does: learn from rows, and say how likely rows are given each state."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.blocks.block import Block, Features
from mmgraph.data.blocks.sequences_and_texts import Texts


class LeafRows(NamedTuple):
    """The rows that a leaf learns from.

    Attributes
    ----------
    features : ndarray, shape (rows, features)
        As of :meth:`Leaf.features`: NaN where missing; no row is missing throughout.
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
        return log_shares(self.codes, self.weights, self.states)


class FittedLeaf(abc.ABC):
    """What some features say of the target, learned from rows."""

    @abc.abstractmethod
    def log_likelihoods(self, features: Features) -> Float64[np.ndarray, "rows states"]:
        """Return log p(features | state) of rows, up to a constant a row and a power."""


class Leaf(abc.ABC):
    """How what some features say of the target is learned."""

    kind: ClassVar[str]
    """As declarations name it."""
    joins: ClassVar[bool] = True
    """Whether it may see several modalities at once: in a density they would be one block."""

    def suits(self, block: Block) -> bool:
        """Return whether it can learn from the rows of a modality: by default, from numbers."""
        return not isinstance(block, Texts)

    def features(self, blocks: Sequence[Block]) -> Features:
        """Return what it sees of the rows of its modalities: by default all numbers, in a row."""
        return np.hstack([block.numbers() for block in blocks])

    def varies(self, features: Features) -> bool:
        """Return whether rows that are there differ."""
        return bool((np.fmax.reduce(features) > np.fmin.reduce(features)).any())

    @abc.abstractmethod
    def fit(self, rows: LeafRows, seed: int) -> FittedLeaf:
        """Return what is learned from rows."""


def log_shares(
    codes: Int64[np.ndarray, " rows"], weights: Float64[np.ndarray, " rows"], states: int
) -> Float64[np.ndarray, " states"]:
    """Return the logarithms of the states' shares, of states without rows by half a row."""
    counts = np.bincount(codes, weights / weights.mean(), states)
    counts = np.where(counts > 0, counts, 0.5)
    return np.log(counts / counts.sum())


def scaled_likelihoods(
    probabilities: Float64[np.ndarray, "rows classes"],
    classes: Any,
    log_shares: Float64[np.ndarray, " states"],
) -> Float64[np.ndarray, "rows states"]:
    """Return a classifier's probabilities of some states as log-likelihoods of all.

    By Bayes' rule, see :class:`~mmgraph.predictors.leaves.encoder.EncoderLeaf`.
    """
    codes = np.asarray(classes)
    return of_all_states(np.log(probabilities) - log_shares[codes], codes, len(log_shares))


def of_all_states(
    scores: Float64[np.ndarray, "rows classes"], classes: Int64[np.ndarray, " classes"], states: int
) -> Float64[np.ndarray, "rows states"]:
    """Return scores of the states that had training rows, and for the others their mean.

    Of those nothing is known: they are as likely as the others.
    """
    table = np.repeat(scores.mean(1, keepdims=True), states, axis=1)
    table[:, classes] = scores
    return table
