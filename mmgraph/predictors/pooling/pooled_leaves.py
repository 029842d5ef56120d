"""Leaves of a target whose likelihoods are pooled: given the target they are independent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import softmax

from mmgraph.data.blocks.block import Features
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError
from mmgraph.graph.variable import Variable
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf, LeafRows
from mmgraph.predictors.modality_sets import asked_modalities, modality_sets, rows_with
from mmgraph.predictors.pooling.powers import HeldOut


@dataclass(frozen=True, eq=False)
class PlacedLeaf:
    """A leaf and what it sees.

    Attributes
    ----------
    kind : str
        What it is called, wherever it stands.
    modalities : tuple of str
        Those whose features it sees; where one of them is missing it says nothing.
    leaf : Leaf
        How it is learned.
    """

    kind: str
    modalities: tuple[str, ...]
    leaf: Leaf

    @property
    def place(self) -> str:
        """The modality that it sees, or ``joint`` of several."""
        return self.modalities[0] if len(self.modalities) == 1 else "joint"

    @property
    def name(self) -> str:
        """Unique among the leaves."""
        return f"{self.place}_{self.kind}"

    def features(self, data: MultimodalData) -> Features:
        """Return the features that it sees, of all its modalities side by side."""
        return self.leaf.features([data.block(modality) for modality in self.modalities])

    def sees(self, data: MultimodalData) -> Bool[np.ndarray, " rows"]:
        """Return the rows in which none of its modalities is missing."""
        return rows_with(data, self.modalities)

    def can_learn(self, data: MultimodalData) -> bool:
        """Whether rows that it sees are of two states, and not all alike."""
        rows = np.flatnonzero(self.sees(data))
        if len(np.unique(data.codes[rows])) < 2:
            return False
        return self.leaf.varies(self.features(data)[rows])

    def fitted(self, data: MultimodalData, seed: int) -> FittedPlace:
        """Return the leaf fitted to rows that it sees.

        Raises
        ------
        LearningError
            If it sees none.
        """
        rows = np.flatnonzero(self.sees(data))
        if not len(rows):
            raise LearningError(
                f"no training row has all that the leaf '{self.name}' sees: "
                f"{', '.join(self.modalities)}"
            )
        states = data.target.cardinality
        weights = data.counts[rows]
        weights = weights / weights.mean()  # what rows count is relative: shrinkage knows rows
        training = LeafRows(self.features(data)[rows], data.codes[rows], weights, states)
        return FittedPlace(self, self.leaf.fit(training, seed), states)


@dataclass(frozen=True, eq=False)
class FittedPlace:
    """A leaf in its place, fitted.

    Attributes
    ----------
    place : PlacedLeaf
        What it sees, and how it was learned.
    fitted : FittedLeaf
        What was learned.
    states : int
        How many states the target has.
    """

    place: PlacedLeaf
    fitted: FittedLeaf
    states: int

    def log_likelihoods(self, data: MultimodalData) -> Float64[np.ndarray, "rows states"]:
        """Return log p(features | state) of rows up to a constant a row; zero where unseen."""
        table = np.zeros((len(data), self.states))
        rows = np.flatnonzero(self.place.sees(data))
        if len(rows):
            features = self.place.features(data)[rows]
            try:
                table[rows] = self.fitted.log_likelihoods(features)
            except LearningError as error:
                raise LearningError(f"the leaf '{self.place.name}': {error}") from None
        return table


@dataclass(frozen=True, eq=False)
class PooledLeaves:
    """A target with leaves, and what they said of rows that they had not learned from.

    The posterior is ``softmax(log prior + sum of power x log-likelihood)``: that of a Bayesian
    network in which each leaf hangs from the target by a tempered likelihood. The powers belong to
    the modalities that are there (see :class:`~mmgraph.predictors.pooling.powers.HeldOut`).

    Attributes
    ----------
    target : Variable
        What is told.
    leaves : tuple of FittedPlace
        Fitted to all training rows.
    held_out : HeldOut
        From leaves fitted to other rows.
    """

    target: Variable
    leaves: tuple[FittedPlace, ...]
    held_out: HeldOut

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that any leaf sees."""
        return tuple(dict.fromkeys(m for leaf in self.leaves for m in leaf.place.modalities))

    def predict_proba(
        self, data: MultimodalData, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, "rows states"]:
        """Return the posterior of the target in each row.

        Parameters
        ----------
        data : MultimodalData
            Modalities that a row lacks are left out, and powers are those of the others.
        given : collection of str, optional
            The modalities to look at; by default all that are there.

        Raises
        ------
        UnknownVariableError
            If there is no such modality.
        """
        return softmax(self.log_prior + self.contributions(data, given).sum(0), axis=1)

    @property
    def log_prior(self) -> Float64[np.ndarray, " states"]:
        """The logarithms of the states' shares among the training rows."""
        return self.held_out.log_prior

    def contributions(
        self, data: MultimodalData, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, "leaves rows states"]:
        """Return what each leaf adds to the logarithm of each state's weight, in nats.

        As for :meth:`predict_proba`.
        """
        asked = asked_modalities(self.modalities, given)
        silent = np.zeros((len(data), self.target.cardinality))
        powers = self.powers(data, asked)
        said = [
            leaf.log_likelihoods(data) if power.any() else silent
            for leaf, power in zip(self.leaves, powers, strict=True)
        ]
        return powers[:, :, None] * np.stack(said)

    def powers(
        self, data: MultimodalData, given: Collection[str]
    ) -> Float64[np.ndarray, "leaves rows"]:
        """Return the power of each leaf in each row, where some modalities are looked at."""
        powers = np.zeros((len(self.leaves), len(data)))
        for names, rows in modality_sets(data, given):
            powers[:, rows] = self.held_out.powers(frozenset(names))[:, None]
        return powers
