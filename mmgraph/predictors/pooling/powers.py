"""How far each leaf is trusted: powers on likelihoods, for each set of modalities."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from scipy.special import log_softmax

from mmgraph.learning.likelihood_weights import learn_likelihood_weights

_STANDARD_ERRORS = 2.0
_FEWEST = 20


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What leaves said of training rows that they had not learned from.

    Attributes
    ----------
    leaves : tuple of tuple of str
        The modalities that each leaf sees.
    log_likelihoods : ndarray, shape (leaves, rows, states)
        Zero of rows of which a leaf sees nothing.
    codes : ndarray of int, shape (rows,)
        The states of the rows.
    log_prior : ndarray, shape (states,)
        Of the states without any leaf.
    weights : ndarray, shape (rows,)
        How much each row counts.
    independent_rows : float
        How many independent rows these are worth: those of one recording resemble each other.
    groups : float
        How many groups there are; where there are none, as many as independent rows.
    plain : frozenset of int
        Leaves that answer by themselves unless the others are clearly better. With the others stand
        only those whose modalities no other leaf sees.
    """

    leaves: tuple[tuple[str, ...], ...]
    log_likelihoods: Float64[np.ndarray, "leaves rows states"]
    codes: Int64[np.ndarray, " rows"]
    log_prior: Float64[np.ndarray, " states"]
    weights: Float64[np.ndarray, " rows"]
    independent_rows: float
    groups: float
    plain: frozenset[int] = frozenset()
    _powers: dict[frozenset[str], Float64[np.ndarray, " leaves"]] = field(
        default_factory=dict, repr=False
    )

    def powers(self, given: frozenset[str]) -> Float64[np.ndarray, " leaves"]:
        """Return the power of each leaf where some modalities are there; zero of others.

        They are learned for these modalities alone, so that what is answered with each set of
        them is calibrated by itself, and are kept. Where no powers answer the held-out rows better
        than the prior does, all are zero.
        """
        if given not in self._powers:
            usable = [
                i
                for i, names in enumerate(self.leaves)
                if set(names) <= given and self.spoke[i].any()
            ]
            plain = [i for i in usable if i in self.plain]
            richer = {self.leaves[i] for i in usable if i not in self.plain}
            whole = [i for i in usable if i not in self.plain or self.leaves[i] not in richer]
            powers = self._learned(whole)
            if plain and whole != plain:
                alone = self._learned(plain)
                if not self._clearly_better(powers, alone, self._counting(whole)):
                    powers = alone
            self._powers[given] = powers
        return self._powers[given]

    @cached_property
    def spoke(self) -> Bool[np.ndarray, "leaves rows"]:
        """Of which rows each leaf said anything: those that have what it sees."""
        return np.asarray(self.log_likelihoods.any(2))

    def _counting(self, leaves: list[int]) -> Float64[np.ndarray, " rows"]:
        """How much rows count where some leaves are trusted: not those that lack one's modality.

        In such rows the others would be trusted as if they were alone. Where hardly any row has
        all modalities, all rows must do.
        """
        complete = self.spoke[leaves].all(0)
        return np.where(complete, self.weights, 0.0) if complete.sum() >= _FEWEST else self.weights

    def _learned(self, leaves: list[int]) -> Float64[np.ndarray, " leaves"]:
        """The powers of some leaves; zero of all if they are no better than the prior."""
        powers = np.zeros(len(self.leaves))
        if leaves:
            counts = self._counting(leaves)
            powers[leaves] = learn_likelihood_weights(
                torch.as_tensor(self.log_likelihoods[leaves]),
                torch.as_tensor(self.log_prior),
                torch.as_tensor(self.codes),
                counts=torch.as_tensor(counts),
                independent_rows=self.independent_rows * counts.sum() / self.weights.sum(),
            ).numpy()
            losses, of_prior = self._losses(powers), self._losses(np.zeros(len(powers)))
            if counts @ losses >= counts @ of_prior:
                powers[:] = 0.0
        return powers

    def _clearly_better(
        self,
        powers: Float64[np.ndarray, " leaves"],
        plain: Float64[np.ndarray, " leaves"],
        counts: Float64[np.ndarray, " rows"],
    ) -> bool:
        """Whether powers lower the held-out log-loss of plain leaves by two standard errors.

        As the rule of one standard error (Breiman et al. 1984, "Classification and regression
        trees", section 3.4.3) takes the simplest model that is not clearly worse; two, since
        several powers are learned on the rows on which they are compared. Rows of a group count as
        one: what helps in one of them may help in all.
        """
        gain = self._losses(plain) - self._losses(powers)
        mean = float(counts @ gain) / counts.sum()
        variance = float(counts @ (gain - mean) ** 2) / counts.sum()
        worth = self.groups * counts.sum() / self.weights.sum()
        return mean > _STANDARD_ERRORS * (variance / worth) ** 0.5

    def is_plain(self) -> bool:
        """Return whether plain leaves answer alone, with all modalities and with any single one."""
        names = {name for modalities in self.leaves for name in modalities}
        situations = [frozenset(names), *(frozenset({name}) for name in names)]
        others = [i for i in range(len(self.leaves)) if i not in self.plain]
        return bool(self.plain) and not any(self.powers(s)[others].any() for s in situations)

    def plain_alone(self) -> HeldOut:
        """Return what the plain leaves said."""
        places = sorted(self.plain)
        return HeldOut(
            tuple(self.leaves[i] for i in places),
            self.log_likelihoods[places],
            self.codes,
            self.log_prior,
            self.weights,
            self.independent_rows,
            self.groups,
        )

    def _losses(self, powers: Float64[np.ndarray, " leaves"]) -> Float64[np.ndarray, " rows"]:
        """The log-loss of each held-out row under some powers."""
        table = log_softmax(self.log_prior + np.tensordot(powers, self.log_likelihoods, 1), axis=1)
        return -table[np.arange(len(self.codes)), self.codes]
