"""How much each set of modalities tells of a target, from a joint table or from rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import xlogy

from mmgraph.causal.modalities.estimate import Estimate, exactly, mean_of
from mmgraph.causal.modalities.information.by_modality import subset_margins
from mmgraph.causal.modalities.information.tables import entropy, mutual_information
from mmgraph.learning.prediction.metrics import (
    check_probabilities,
    negative_log_likelihoods,
    reliability_bins,
)

Members = frozenset[str]
Beliefs = Float64[np.ndarray, "rows states"]
Basis = Literal["exact", "samples", "data"]
Figure = Literal["information", "accuracy"]

_BIT = float(np.log(2))
_ROUNDING = 1e-12


@dataclass(frozen=True)
class SetFigures:
    """What a set of modalities tells of a target.

    Attributes
    ----------
    members : tuple of str
        The modalities.
    information : Estimate
        About the target, in bits. Of rows of data what the log-loss falls below that of the
        target's shares: a lower bound of the information, in expectation, where the model has not
        learned from these rows; negative where it is worse than the shares.
    by_state : tuple of Estimate
        The same when the target is in each of its states: their mean, weighted by how probable
        these are, is ``information``.
    accuracy : Estimate
        Of naming the likeliest state.
    log_loss : Estimate
        In nats.
    calibration_error : float
        The expected calibration error; a model that is asked about itself has none.
    """

    members: tuple[str, ...]
    information: Estimate
    by_state: tuple[Estimate, ...]
    accuracy: Estimate
    log_loss: Estimate
    calibration_error: float


class AllSets(ABC):
    """The figures of each set of modalities, and linear combinations of them with their noise."""

    figures: dict[Members, SetFigures]
    target_entropy: float
    """Of the target, in bits."""
    basis: tuple[Basis, int | None, int | None]
    """What figures are of, over how many rows, and groups of rows."""

    @abstractmethod
    def combined(self, figure: Figure, weights: Mapping[Members, float]) -> Estimate:
        """Return a weighted sum of a figure over sets."""


class TableSets(AllSets):
    """Exact figures of a joint table: an axis a modality, the target last."""

    def __init__(self, table: Float64[np.ndarray, "..."], names: Sequence[str]) -> None:
        self.names, self.table, self.basis = tuple(names), table, ("exact", None, None)
        self.target = table.sum(tuple(range(table.ndim - 1)))
        self.target_entropy = entropy(self.target)
        self.figures = {
            members: self._figures(members, part) for members, part in subset_margins(table, names)
        }

    def combined(self, figure: Figure, weights: Mapping[Members, float]) -> Estimate:
        """Return a weighted sum of a figure over sets."""
        values = {"information": lambda f: f.information, "accuracy": lambda f: f.accuracy}
        pick = values[figure]
        value = sum(w * pick(self.figures[s]).value for s, w in weights.items())
        return exactly(value if abs(value) > _ROUNDING else 0.0)

    def margin(self, members: Members) -> Float64[np.ndarray, "... target"]:
        """Return the joint distribution of some modalities and the target."""
        others = tuple(i for i, name in enumerate(self.names) if name not in members)
        return np.asarray(self.table.sum(others))

    def _figures(
        self, members: frozenset[Hashable], part: Float64[np.ndarray, "..."]
    ) -> SetFigures:
        flat = part.reshape(-1, part.shape[-1])
        told = mutual_information(flat)
        independent = flat.sum(1, keepdims=True) * self.target
        ratio = np.divide(flat, independent, out=np.ones_like(flat), where=flat > 0)
        by_state = xlogy(flat, ratio).sum(0) / np.where(self.target > 0, self.target, 1) / _BIT
        return SetFigures(
            tuple(name for name in self.names if name in members),
            exactly(told),
            tuple(exactly(float(bits)) for bits in by_state),
            exactly(float(flat.max(1).sum())),
            exactly(max(self.target_entropy - told, 0.0) * _BIT),
            0.0,
        )


class RowSets(AllSets):
    """Figures over rows, from what is believed of the target in each when a set is looked at.

    Parameters
    ----------
    names : sequence of str
        The modalities.
    beliefs : mapping of frozenset of str to array (rows, states)
        By the modalities looked at; the empty set's are the shares that information counts from.
    codes : array (rows,), optional
        The state of the target in each row. Without, rows are draws of the model itself, whose
        beliefs are right: expectations are by them.
    groups : array (rows,), optional
        Which rows belong together.
    """

    def __init__(
        self,
        names: Sequence[str],
        beliefs: Mapping[Members, Beliefs],
        codes: Int64[np.ndarray, " rows"] | None = None,
        groups: Int64[np.ndarray, " rows"] | None = None,
    ) -> None:
        self.names, self.beliefs = tuple(names), dict(beliefs)
        self.codes, self.groups = codes, groups
        prior = self.beliefs[frozenset()]
        self.target_entropy = (
            entropy(prior.mean(0))
            if codes is None
            else float(negative_log_likelihoods(prior, codes).mean()) / _BIT
        )
        self.basis = (
            "samples" if codes is None else "data",
            len(prior),
            None if groups is None else len(np.unique(groups)),
        )
        self._rows: dict[Figure, dict[Members, Float64[np.ndarray, " rows"]]]
        self._rows = {"information": {}, "accuracy": {}}
        self.figures = {members: self._figures(members) for members in self.beliefs}

    def combined(self, figure: Figure, weights: Mapping[Members, float]) -> Estimate:
        """Return a weighted sum of a figure over sets."""
        rows = self._rows[figure]
        return mean_of(sum(w * rows[s] for s, w in weights.items()), self.groups)  # type: ignore[arg-type]

    def truth(self, members: Members) -> Beliefs:
        """Return what each row counts for each state: its label, or what is believed of a draw."""
        if self.codes is None:
            return self.beliefs[members]
        return np.eye(self.beliefs[members].shape[1])[self.codes]

    def _figures(self, members: Members) -> SetFigures:
        belief, prior = self.beliefs[members], self.beliefs[frozenset()]
        if self.codes is None:
            check_probabilities(belief, belief.argmax(1))
            gain = (xlogy(belief, belief) - xlogy(belief, prior)) / _BIT
            told, right = gain.sum(1), belief.max(1)
            by_state = tuple(
                mean_of(column / max(share, 1e-300))
                for column, share in zip(gain.T, prior.mean(0), strict=True)
            )
            loss, error = mean_of(-xlogy(belief, belief).sum(1)), 0.0
        else:
            check_probabilities(belief, self.codes)
            losses = negative_log_likelihoods(belief, self.codes)
            told = (negative_log_likelihoods(prior, self.codes) - losses) / _BIT
            right = (belief.argmax(1) == self.codes).astype(float)
            by_state = tuple(self._within(told, state) for state in range(belief.shape[1]))
            loss = mean_of(losses, self.groups)
            error = reliability_bins(belief, self.codes).expected_calibration_error
        self._rows["information"][members], self._rows["accuracy"][members] = told, right
        return SetFigures(
            tuple(name for name in self.names if name in members),
            mean_of(told, self.groups),
            by_state,
            mean_of(right, self.groups),
            loss,
            error,
        )

    def _within(self, told: Float64[np.ndarray, " rows"], state: int) -> Estimate:
        """The mean over the rows of one state; nothing is told of one that does not occur."""
        rows = np.flatnonzero(self.codes == state)
        if not len(rows):
            return Estimate(0.0, None)
        return mean_of(told[rows], None if self.groups is None else self.groups[rows])
