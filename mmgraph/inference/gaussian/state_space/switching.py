"""Switching linear systems: exact by all paths of regimes, or by merged densities or particles.

Merging: pairs of regimes after each step (GPB2; Kim 1994, "Dynamic linear models with Markov-
switching"), or regimes before it (the interacting multiple model of Blom and Bar-Shalom 1988).
Going back, the states of the next step say which regime led to them (Barber 2006, "Expectation
correction for smoothed inference in switching linear dynamical systems").
Particles: Doucet, de Freitas, Murphy and Russell (2000), "Rao-Blackwellised particle filtering for
dynamic Bayesian networks", with proposals that know the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import logsumexp

from mmgraph.inference.gaussian.state_space.regimes import Normals, Regimes


@dataclass(frozen=True, eq=False)
class SwitchingStates:
    """The regimes and states of a sequence.

    Attributes
    ----------
    probabilities : array of shape (steps, regimes)
    means, covariances : arrays of shape (steps, states) and (steps, states, states)
        Of the state, whatever the regime.
    log_likelihood : float
        Of the rows; an estimate unless exact.
    method : str
        ``enumeration``, ``gpb2``, ``imm`` or ``particles``.
    is_exact : bool
    effective_sample_size : array of shape (steps,) or None
        Of particles: how many equally weighted ones tell as much.
    """

    probabilities: Float64[np.ndarray, "steps regimes"]
    means: Float64[np.ndarray, "steps states"]
    covariances: Float64[np.ndarray, "steps states states"]
    log_likelihood: float
    method: str
    is_exact: bool
    effective_sample_size: Float64[np.ndarray, " steps"] | None = None


class RegimeChain(NamedTuple):
    """The regimes' systems, and the logarithms of their chain.

    Attributes
    ----------
    regimes : Regimes
    start : array of shape (regimes,)
    transition : array of shape (regimes, regimes)
    """

    regimes: Regimes
    start: Float64[np.ndarray, " regimes"]
    transition: Float64[np.ndarray, "regimes regimes"]


Rows = Float64[np.ndarray, "steps features"]


class Move(NamedTuple):
    """What the densities of a step lead to in the next one.

    Attributes
    ----------
    regimes : array of shape (densities,)
    states : Normals
    cross : array of shape (densities, states, states)
        Covariances of the next states (rows) with those of the step.
    """

    regimes: Int64[np.ndarray, " densities"]
    states: Normals
    cross: Float64[np.ndarray, "densities states states"]


class Mixture(NamedTuple):
    """The states of a step given all rows, as a mixture.

    Attributes
    ----------
    step : int
    regimes, weights : arrays of shape (densities,)
    states : Normals
    following : Move or None
        Of the last step.
    """

    step: int
    regimes: Int64[np.ndarray, " densities"]
    weights: Float64[np.ndarray, " densities"]
    states: Normals
    following: Move | None


Visit = Callable[[Mixture], None]
Moments = tuple[np.ndarray, np.ndarray, np.ndarray]


def by_enumeration(
    chain: RegimeChain, rows: Rows, smoothing: bool, visit: Visit | None = None
) -> SwitchingStates:
    """Return the exact answer, of all paths of regimes: a filter and a smoother for each.

    Smoothing shows every step's mixture to ``visit``, the last step first.
    """
    count = chain.regimes.count
    last = np.arange(count)
    weights, states = chain.start, chain.regimes.start(last)
    kept: list[tuple[np.ndarray, Normals, np.ndarray]] = []
    for t, row in enumerate(rows):
        if t:
            before = np.repeat(np.arange(len(last)), count)
            following = np.tile(np.arange(count), len(last))
            weights = weights[before] + chain.transition[last[before], following]
            states, last = chain.regimes.moved(states.at(before), following), following
        states, density = chain.regimes.seen(states, last, row)
        weights = weights + density
        kept.append((last, states, weights))
    total = float(logsumexp(weights))
    answers = []
    path = np.arange(len(last))
    for t in range(len(rows) - 1, -1, -1):
        regimes, filtered, likely = kept[t]
        move = None
        if not smoothing:
            path, states, weights = np.arange(len(regimes)), filtered, likely
        elif t < len(rows) - 1:
            after, later = kept[t + 1][0][path], states
            path = path // count
            states, cross = chain.regimes.smoothed(filtered.at(path), later, after)
            move = Move(after, later, cross)
        chances = np.exp(weights - logsumexp(weights))
        if visit is not None:
            visit(Mixture(t, regimes[path], chances, states, move))
        marginal = np.bincount(regimes[path], chances, count)
        answers.append((marginal, *states.mixed(chances)))
    return SwitchingStates(*_stacked(answers[::-1]), total, "enumeration", True)


class Merged(NamedTuple):
    """One density a regime, given the rows so far.

    Attributes
    ----------
    likely : array of shape (regimes,)
        Logarithms of the regimes' probabilities.
    states : Normals
        Given each regime.
    """

    likely: Float64[np.ndarray, " regimes"]
    states: Normals

    @classmethod
    def first(cls, chain: RegimeChain, row: np.ndarray) -> tuple[Merged, float]:
        """Return what the first row says, and its log-density."""
        each = np.arange(chain.regimes.count)
        states, density = chain.regimes.seen(chain.regimes.start(each), each, row)
        return cls._of(chain.start + density, states)

    @classmethod
    def _of(cls, likely: np.ndarray, states: Normals) -> tuple[Merged, float]:
        gain = float(logsumexp(likely))
        return cls(likely - gain, states), gain

    def then(self, chain: RegimeChain, row: np.ndarray, interacting: bool) -> tuple[Merged, float]:
        """Return what the next row adds, and its log-density; see :func:`by_merging`."""
        count = chain.regimes.count
        each = np.arange(count)
        joint = self.likely[:, None] + chain.transition
        if interacting:
            mixing = _shares(joint, 0).T
            pooled = Normals(*(np.broadcast_to(a, (count, *a.shape)) for a in self.states))
            states = chain.regimes.moved(pooled.mixed(mixing), each)
            states, density = chain.regimes.seen(states, each, row)
            return self._of(logsumexp(joint, axis=0) + density, states)
        before, after = np.repeat(each, count), np.tile(each, count)
        pairs = chain.regimes.moved(self.states.at(before), after)
        pairs, density = chain.regimes.seen(pairs, after, row)
        joint = joint + density.reshape(count, count)
        states = _by_second(pairs, count).mixed(_shares(joint, 0).T)
        return self._of(logsumexp(joint, axis=0), states)

    def given_later(
        self, chain: RegimeChain, chances: np.ndarray, later: Normals
    ) -> tuple[Float64[np.ndarray, "regimes regimes"], Normals, Move]:
        """Return the chances of pairs of this and the next regime, and the states of each.

        Parameters
        ----------
        chances : array of shape (regimes,)
            Of the next regime given all rows.
        later : Normals
            The next states given all rows and that regime.
        """
        count = chain.regimes.count
        before, after = np.repeat(np.arange(count), count), np.tile(np.arange(count), count)
        ended, led = self.states.at(before), later.at(after)
        overlap = chain.regimes.overlap(ended, led, after).reshape(count, count)
        joint = self.likely[:, None] + chain.transition + overlap
        pairs, cross = chain.regimes.smoothed(ended, led, after)
        return np.exp(_log_shares(joint, 0)) * chances, pairs, Move(after, led, cross)


def smoothed_merged(
    chain: RegimeChain, kept: Sequence[Merged], visit: Visit | None = None
) -> list[Moments]:
    """Return the moments of each step given all rows, from those given the rows so far."""
    count = chain.regimes.count
    answers = []
    chances, states = np.exp(kept[-1].likely), kept[-1].states
    for t in range(len(kept) - 1, -1, -1):
        if t == len(kept) - 1:
            mixture = Mixture(t, np.arange(count), chances, states, None)
        else:
            joint, pairs, move = kept[t].given_later(chain, chances, states)
            chances = joint.sum(1)
            shares = joint / np.where(chances > 0, chances, 1)[:, None]
            states = Normals(*(a.reshape(count, count, *a.shape[1:]) for a in pairs)).mixed(shares)
            mixture = Mixture(t, np.repeat(np.arange(count), count), joint.ravel(), pairs, move)
        if visit is not None:
            visit(mixture)
        answers.append((chances, *states.mixed(chances)))
    return answers[::-1]


def by_merging(
    chain: RegimeChain,
    rows: Rows,
    smoothing: bool,
    interacting: bool,
    visit: Visit | None = None,
) -> SwitchingStates:
    """Return an approximate answer: one density a regime, pairs of which are merged at each step.

    Parameters
    ----------
    chain : RegimeChain
    rows : array of shape (steps, features)
    smoothing : bool
        Whether all rows are given, or those up to each step.
    interacting : bool
        Whether densities are merged before a step (IMM), not after it (GPB2).
    visit : callable, optional
        As of :func:`by_enumeration`.
    """
    merged, total = Merged.first(chain, rows[0])
    kept = [merged]
    for row in rows[1:]:
        merged, gain = merged.then(chain, row, interacting)
        total += gain
        kept.append(merged)
    if smoothing:
        answers = smoothed_merged(chain, kept, visit)
    else:
        answers = [(np.exp(m.likely), *m.states.mixed(np.exp(m.likely))) for m in kept]
    method, exact = "imm" if interacting else "gpb2", chain.regimes.count == 1 or len(rows) == 1
    return SwitchingStates(*_stacked(answers), total, method, exact)


def without_draws(
    chain: RegimeChain, rows: Rows, smoothing: bool, method: str, visit: Visit | None = None
) -> SwitchingStates:
    """Return the answer by ``enumeration``, or by ``gpb2`` or ``imm``, which merge densities."""
    if method == "enumeration":
        return by_enumeration(chain, rows, smoothing, visit)
    return by_merging(chain, rows, smoothing, method == "imm", visit)


def by_particles(
    chain: RegimeChain, rows: Rows, smoothing: bool, particles: int, generator: np.random.Generator
) -> SwitchingStates:
    """Return an approximate answer of drawn paths of regimes, with exact states given each.

    They are resampled where the effective sample size falls below half of their number. Smoothed
    answers are of the paths of the last step, few of which differ long before it.
    """
    count = chain.regimes.count
    each = np.arange(count)
    weights = np.full(particles, -np.log(particles))
    states, density = chain.regimes.seen(chain.regimes.start(each), each, rows[0])
    options, total, sizes = np.tile(chain.start + density, (particles, 1)), 0.0, []
    paths, kept, filtered = np.empty((particles, 0), np.int64), [], []
    for t, row in enumerate(rows):
        following = np.tile(each, particles)
        if t:
            pairs = states.at(np.repeat(np.arange(particles), count))
            pairs = chain.regimes.moved(pairs, following)
            pairs, density = chain.regimes.seen(pairs, following, row)
            options = chain.transition[paths[:, -1]] + density.reshape(particles, count)
        else:
            pairs = states.at(following)
        weights = weights + logsumexp(options, axis=1)
        gain = logsumexp(weights)
        weights, total = weights - gain, total + float(gain)
        drawn = _drawn(_shares(options, 1), generator)
        states = pairs.at(np.arange(particles) * count + drawn)
        paths = np.concatenate([paths, drawn[:, None]], 1)
        chances = np.exp(weights)
        filtered.append((np.bincount(drawn, chances, count), *states.mixed(chances)))
        sizes.append(1 / np.square(chances).sum())
        kept.append(states)
        if sizes[-1] < particles / 2 and t < len(rows) - 1:
            steps = (generator.random() + np.arange(particles)) / particles
            chosen = np.searchsorted(chances.cumsum(), steps).clip(max=particles - 1)
            paths, states = paths[chosen], states.at(chosen)
            kept = [k.at(chosen) for k in kept] if smoothing else kept
            weights = np.full(particles, -np.log(particles))
    answers = filtered
    if smoothing:
        chances = np.exp(weights)
        answers = []
        for t in range(len(rows) - 1, -1, -1):
            if t < len(rows) - 1:
                states, _ = chain.regimes.smoothed(kept[t], states, paths[:, t + 1])
            answers.insert(0, (np.bincount(paths[:, t], chances, count), *states.mixed(chances)))
    return SwitchingStates(*_stacked(answers), total, "particles", False, np.array(sizes))


def _stacked(answers: Sequence[Moments]) -> Moments:
    """Probabilities, means and covariances of all steps."""
    probabilities, means, covariances = (np.stack(a) for a in zip(*answers, strict=True))
    return probabilities, means, covariances


def _log_shares(logarithms: np.ndarray, axis: int) -> np.ndarray:
    """Logarithms of parts of one along an axis; where all are impossible, so they stay."""
    total = logsumexp(logarithms, axis=axis, keepdims=True)
    shares: np.ndarray = logarithms - np.where(np.isfinite(total), total, 0.0)
    return shares


def _shares(logarithms: np.ndarray, axis: int) -> np.ndarray:
    """Parts of one along an axis; equal ones where all are impossible."""
    shares: np.ndarray = np.exp(_log_shares(logarithms, axis))
    return np.where(shares.sum(axis, keepdims=True) > 0, shares, 1 / shares.shape[axis])


def _by_second(pairs: Normals, count: int) -> Normals:
    """Densities of pairs, those of one second regime in a row."""
    return Normals(*(a.reshape(count, count, *a.shape[1:]).swapaxes(0, 1) for a in pairs))


def _drawn(shares: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An index of each row."""
    uniform = generator.random(len(shares))[:, None]
    drawn: np.ndarray = (shares.cumsum(1) < uniform).sum(1).clip(max=shares.shape[1] - 1)
    return drawn
