"""Expectation maximisation of linear Gaussian systems that a Markov chain switches between.

Murphy (1998), "Switching Kalman filters", section 4: expectations are of merged densities, unless
paths of regimes are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.inference.gaussian.state_space.parameters import SystemParameters
from mmgraph.inference.gaussian.state_space.regimes import Regimes
from mmgraph.inference.gaussian.state_space.switching import (
    Mixture,
    RegimeChain,
    without_draws,
)
from mmgraph.learning.dynamic.climbing import Ascent
from mmgraph.learning.dynamic.hidden_chain import log_prior_of_counts, normalised
from mmgraph.learning.dynamic.linear_gaussian import Regression, Rows, SystemLearning, SystemSums

_START, _TRANSITION = "regime_start", "regime_transition"


class SwitchingParameters(NamedTuple):
    """The chain of regimes, and the system of each.

    Attributes
    ----------
    start : array of shape (regimes,)
    transition : array of shape (regimes, regimes)
    systems : tuple of SystemParameters
    """

    start: Float64[np.ndarray, " regimes"]
    transition: Float64[np.ndarray, "regimes regimes"]
    systems: tuple[SystemParameters, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return copies of the arrays by name, those of regimes stacked."""
        stacked = map(np.stack, zip(*self.systems, strict=True))
        named = dict(zip(SystemParameters._fields, stacked, strict=True))
        return {_START: self.start.copy(), _TRANSITION: self.transition.copy(), **named}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return what :meth:`arrays` gave."""
        start = arrays[_START]
        systems = [
            SystemParameters(**{n: arrays[n][k] for n in SystemParameters._fields})
            for k in range(len(start))
        ]
        return cls(start, arrays[_TRANSITION], tuple(systems))

    @property
    def chain(self) -> RegimeChain:
        """What answers questions about regimes and states."""
        with np.errstate(divide="ignore"):
            return RegimeChain(Regimes(self.systems), np.log(self.start), np.log(self.transition))


def ascend(
    parameters: SwitchingParameters,
    parts: Rows,
    methods: Sequence[str],
    what: SystemLearning,
    pseudo_counts: float,
) -> Ascent[SwitchingParameters]:
    """Return how likely sequences are, and parameters under which they are expected to be more so.

    Parameters
    ----------
    methods : sequence of str
        What smooths each sequence: of merged densities neither number is exact.
    pseudo_counts : float
        Added to the counts of every start and transition that is possible.
    """
    count, chain = len(parameters.systems), parameters.chain
    features, states = parameters.systems[0].observation.shape
    sums = [SystemSums(states, features) for _ in range(count)]
    start, moves, total = np.zeros(count), np.zeros((count, count)), 0.0
    for rows, method in zip(parts, methods, strict=True):

        def visit(mixture: Mixture, rows: np.ndarray = rows) -> None:
            if not mixture.step:
                start[:] += np.bincount(mixture.regimes, mixture.weights, count)
            if mixture.following is not None:
                pairs = (mixture.regimes, mixture.following.regimes)
                np.add.at(moves, pairs, mixture.weights)
            _add(sums, mixture, rows[mixture.step])

        total += without_draws(chain, rows, True, method, visit).log_likelihood
    prior = log_prior_of_counts((parameters.start, parameters.transition), pseudo_counts)
    following = SwitchingParameters(
        normalised(start, parameters.start, pseudo_counts),
        normalised(moves, parameters.transition, pseudo_counts),
        tuple(s.updated(p, what) for s, p in zip(sums, parameters.systems, strict=True)),
    )
    return Ascent(total, total + prior, following)


def _add(sums: Sequence[SystemSums], mixture: Mixture, row: np.ndarray) -> None:
    """Add a step to the sums of the regimes that may have shown it and led on from it."""
    step, regimes, weights, (means, covariances), move = mixture
    with_one = np.column_stack([means, np.ones(len(means))])
    products = with_one[:, :, None] * with_one[:, None]
    products[:, :-1, :-1] += covariances
    there = ~np.isnan(row)
    cells = np.where(there, row, 0.0)
    for regime, own in enumerate(sums):
        weight = np.where(regimes == regime, weights, 0.0)
        if not step:
            own.add_starts(means, covariances, weight)
        seen = own.rows[there.tobytes()]
        _add_pairs(
            seen, weight, np.einsum("b,bij->ij", weight, products),
            np.outer(cells, weight @ with_one), weight.sum() * np.outer(cells, cells),
        )  # fmt: skip
        if move is None:
            continue
        weight = np.where(move.regimes == regime, weights, 0.0)
        led, spread = move.states
        crossed = led[:, :, None] * with_one[:, None]
        crossed[:, :, :-1] += move.cross
        targets = led[:, :, None] * led[:, None] + spread
        _add_pairs(
            own.motion, weight, *(np.einsum("b,bij->ij", weight, a)
                                  for a in (products, crossed, targets)),
        )  # fmt: skip


def _add_pairs(
    into: Regression,
    weights: np.ndarray,
    regressors: np.ndarray,
    cross: np.ndarray,
    targets: np.ndarray,
) -> None:
    into.count += float(weights.sum())
    into.regressors += regressors
    into.cross += cross
    into.targets += targets
