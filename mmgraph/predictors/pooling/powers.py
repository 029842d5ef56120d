"""How far each leaf is trusted: powers on likelihoods, for each set of modalities."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float64, Int64
from scipy.special import log_softmax

from mmgraph.learning.likelihood_weights import learn_likelihood_weights


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
    """

    leaves: tuple[tuple[str, ...], ...]
    log_likelihoods: Float64[np.ndarray, "leaves rows states"]
    codes: Int64[np.ndarray, " rows"]
    log_prior: Float64[np.ndarray, " states"]
    weights: Float64[np.ndarray, " rows"]
    independent_rows: float
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
            powers = np.zeros(len(self.leaves))
            if usable:
                powers[usable] = learn_likelihood_weights(
                    torch.as_tensor(self.log_likelihoods[usable]),
                    torch.as_tensor(self.log_prior),
                    torch.as_tensor(self.codes),
                    counts=torch.as_tensor(self.weights),
                    independent_rows=self.independent_rows,
                ).numpy()
                if self._log_loss(powers) >= self._log_loss(np.zeros(len(self.leaves))):
                    powers[:] = 0.0
            self._powers[given] = powers
        return self._powers[given]

    def _log_loss(self, powers: Float64[np.ndarray, " leaves"]) -> float:
        """That of the held-out rows under some powers, of all rows together."""
        table = log_softmax(self.log_prior + np.tensordot(powers, self.log_likelihoods, 1), axis=1)
        return -float(self.weights @ table[np.arange(len(self.codes)), self.codes])
