"""A Markov chain and what its states emit, learned from sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.graph.errors import LearningError
from mmgraph.inference.exact.chain.dense_kernels import LEAST
from mmgraph.inference.exact.chain.forward_backward import Chain, Counts
from mmgraph.inference.exact.chain.pieces import LogDensities
from mmgraph.learning.dynamic.climbing import Ascent
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics, add_statistics
from mmgraph.learning.dynamic.emissions.named import emission_class

_TOLERANCE = 1e-6
"""How far the sum of given probabilities may lie from one."""


class HiddenChain(NamedTuple):
    """The parameters of a hidden Markov model.

    Attributes
    ----------
    start : ndarray, shape (states,)
    transition : ndarray, shape (states, states)
    emission : Emission
    """

    start: Float64[np.ndarray, " states"]
    transition: Float64[np.ndarray, "states states"]
    emission: Emission

    @classmethod
    def checked(cls, start: object, transition: object, emission: Emission) -> Self:
        """Return parameters that users gave.

        Raises
        ------
        LearningError
            If shapes do not fit each other, or a row is no distribution: which one, and its sum.
        """
        states = emission.states
        return cls(
            distribution(start, (states,), "start"),
            distribution(transition, (states, states), "transition"),
            emission,
        )

    @property
    def chain(self) -> Chain:
        """Start and transition."""
        return Chain(self.start, self.transition)

    def densities(
        self,
        rows: Float64[np.ndarray, "steps prepared"],
        labels: Int64[np.ndarray, " steps"] | None,
        allowed: Bool[np.ndarray, "labels states"] | None = None,
    ) -> LogDensities:
        """Return what passes along the chain ask for.

        Parameters
        ----------
        labels : ndarray of int, shape (steps,), optional
            States that are known; -1 where one is not.
        allowed : ndarray of bool, shape (labels, states), optional
            The states that each label stands for, if not for the one of its number.
        """
        if allowed is None:
            count = self.emission.states
            allowed = np.concatenate([np.eye(count, dtype=bool), np.ones((1, count), bool)])

        def of(part: slice) -> Float64[np.ndarray, "steps states"]:
            logs = self.emission.log_densities(rows[part])
            return logs if labels is None else np.where(allowed[labels[part]], logs, -np.inf)

        return of

    def expected(
        self,
        rows: Float64[np.ndarray, "steps prepared"],
        lengths: Sequence[int],
        labels: Int64[np.ndarray, " steps"] | None = None,
        allowed: Bool[np.ndarray, "labels states"] | None = None,
    ) -> tuple[Counts, Statistics]:
        """Return expected counts of the chain and statistics of the emissions."""
        total: Statistics = {}

        def visit(part: slice, marginals: Float64[np.ndarray, "steps states"]) -> None:
            add_statistics(total, self.emission.statistics(rows[part], marginals))

        return self.chain.smooth(self.densities(rows, labels, allowed), lengths, visit), total

    def ascend(
        self,
        rows: Float64[np.ndarray, "steps prepared"],
        lengths: Sequence[int],
        labels: Int64[np.ndarray, " steps"] | None,
        pseudo_counts: float,
    ) -> Ascent[HiddenChain]:
        """Return an iteration of expectation maximisation; see :class:`Ascent`.

        ``pseudo_counts`` are added to the counts of every start and transition that is possible.

        References
        ----------
        Baum, Petrie, Soules & Weiss (1970); Dempster, Laird & Rubin (1977).
        """
        counts, statistics = self.expected(rows, lengths, labels)
        log_likelihood = float(counts.log_likelihoods.sum())
        prior = self.emission.log_prior()
        prior += log_prior_of_counts((self.start, self.transition), pseudo_counts)
        following = HiddenChain(
            normalised(counts.start, self.start, pseudo_counts),
            normalised(counts.transitions, self.transition, pseudo_counts),
            self.emission.updated(statistics),
        )
        return Ascent(log_likelihood, log_likelihood + prior, following)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all parameters by name, the emission's under ``emission/``."""
        inside = {f"emission/{n}": a for n, a in self.emission.parameters().items()}
        return {"start": self.start, "transition": self.transition, **inside}

    def settings(self) -> dict[str, Any]:
        """Return what else the parameters are made of, as JSON values."""
        return {"emission": [self.emission.kind, self.emission.settings()]}

    def restored(self, arrays: Mapping[str, np.ndarray]) -> HiddenChain:
        """Return the parameters that arrays are, of an emission with the settings of this one."""
        return hidden_chain(self.settings(), arrays)


def hidden_chain(settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> HiddenChain:
    """Return what :meth:`HiddenChain.settings` and :meth:`HiddenChain.arrays` describe."""
    kind, inner = settings["emission"]
    inside = {n[9:]: a for n, a in arrays.items() if n.startswith("emission/")}
    emission = emission_class(kind).restored(inside, inner)
    return HiddenChain(arrays["start"], arrays["transition"], emission)


def log_prior_of_counts(tables: Iterable[np.ndarray], pseudo_counts: float) -> float:
    """Return what counts added to all that is possible in tables are worth, but for a constant."""
    if not pseudo_counts:
        return 0.0
    return pseudo_counts * sum(float(np.log(table[table > 0]).sum()) for table in tables)


def normalised(
    counts: Float64[np.ndarray, "... states"],
    before: Float64[np.ndarray, "... states"],
    pseudo_counts: float = 0.0,
) -> Float64[np.ndarray, "... states"]:
    """Return counts as distributions; rows without any keep those before, and zeros stay zeros.

    What is above zero is at least 1e-100: the objective does not fall by that, and chains are
    worked through without logarithms.
    """
    whole = np.where(before > 0, counts + pseudo_counts, 0.0)
    total = whole.sum(-1, keepdims=True)
    learned = np.where(total > 1e-12, whole / np.where(total > 0, total, 1), before)
    raised: np.ndarray = np.where(learned > 0, np.maximum(learned, LEAST), 0.0)
    return raised


def distribution(given: object, shape: tuple[int, ...], name: str) -> Float64[np.ndarray, "..."]:
    """Return probabilities that users gave, normalised to the last digit.

    Raises
    ------
    LearningError
        If the shape is another, one is negative or not finite, or a row does not sum to one.
    """
    try:
        table = np.array(given, np.float64)
    except (TypeError, ValueError):
        raise LearningError(f"{name} holds what is no number") from None
    if table.shape != shape:
        raise LearningError(f"{name} is to be of shape {shape}, not {table.shape}")
    if not (np.isfinite(table).all() and (table >= 0).all()):
        raise LearningError(f"{name} holds what is no probability")
    sums = table.sum(-1, keepdims=True)
    off = np.abs(sums - 1) > _TOLERANCE
    if off.any():
        row = np.argwhere(off)[0][0] if table.ndim > 1 else None
        where = name if row is None else f"row {row} of {name}"
        raise LearningError(f"{where} sums to {sums[off][0]:.6g}, not to 1")
    normal: np.ndarray = table / sums
    return normal
