"""How far each leaf is trusted: powers on likelihoods, for each set of modalities."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float64, Int64
from scipy.special import log_softmax

from mmgraph.learning.likelihood_weights import learn_likelihood_weights

_STANDARD_ERRORS = 2.0


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
            usable = [i for i, names in enumerate(self.leaves) if set(names) <= given]
            plain = [i for i in usable if i in self.plain]
            richer = {self.leaves[i] for i in usable if i not in self.plain}
            whole = [i for i in usable if i not in self.plain or self.leaves[i] not in richer]
            powers = self._learned(whole)
            if plain and whole != plain:
                alone = self._learned(plain)
                if not self._clearly_better(powers, alone):
                    powers = alone
            self._powers[given] = powers
        return self._powers[given]

    def _learned(self, leaves: list[int]) -> Float64[np.ndarray, " leaves"]:
        """The powers of some leaves; zero of all if they are no better than the prior."""
        powers = np.zeros(len(self.leaves))
        if leaves:
            powers[leaves] = learn_likelihood_weights(
                torch.as_tensor(self.log_likelihoods[leaves]),
                torch.as_tensor(self.log_prior),
                torch.as_tensor(self.codes),
                counts=torch.as_tensor(self.weights),
                independent_rows=self.independent_rows,
            ).numpy()
            losses, of_prior = self._losses(powers), self._losses(np.zeros(len(powers)))
            if self.weights @ losses >= self.weights @ of_prior:
                powers[:] = 0.0
        return powers

    def _clearly_better(
        self, powers: Float64[np.ndarray, " leaves"], plain: Float64[np.ndarray, " leaves"]
    ) -> bool:
        """Whether powers lower the held-out log-loss of plain leaves by two standard errors.

        As the rule of one standard error (Breiman et al. 1984, "Classification and regression
        trees", section 3.4.3) takes the simplest model that is not clearly worse; two, since
        several powers are learned on the rows on which they are compared.
        """
        gain = self._losses(plain) - self._losses(powers)
        mean = float(self.weights @ gain) / self.weights.sum()
        variance = float(self.weights @ (gain - mean) ** 2) / self.weights.sum()
        return mean > _STANDARD_ERRORS * (variance / self.independent_rows) ** 0.5

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
        )

    def _losses(self, powers: Float64[np.ndarray, " leaves"]) -> Float64[np.ndarray, " rows"]:
        """The log-loss of each held-out row under some powers."""
        table = log_softmax(self.log_prior + np.tensordot(powers, self.log_likelihoods, 1), axis=1)
        return -table[np.arange(len(self.codes)), self.codes]
