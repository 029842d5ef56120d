"""Scores of continuous families: a regression on continuous parents in each state of discrete ones.

Everything is read off moments: sums over rows of products of (1, *values), one matrix for each
configuration of the discrete parents. BGe is the marginal likelihood under a normal-Wishart prior
(Geiger and Heckerman 2002, with the corrections of Kuipers, Moffa and Heckerman 2014).
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.learning.structure.scores.records import (
    AIC,
    BGE,
    BIC,
    HELD_OUT,
    MAX_CELLS,
    ScoredRows,
)
from mmgraph.learning.structure.scores.tables import compiled, parents_of_set

Variables = Int64[np.ndarray, " places"]
Moments = Float64[np.ndarray, "configurations m m"]
Gains = Float64[np.ndarray, " variables"]

_COLLINEAR = 1e-10
"""A variable of which others leave a smaller share of the squares than this adds nothing."""


class _Scale(NamedTuple):
    """How the regressions of one child are scored.

    Attributes
    ----------
    kind : int
    strength : float
    total : float
        Sum of the weights of the rows that count for it.
    variables : int
    price : float
        What a parameter costs.
    """

    kind: int
    strength: float
    total: float
    variables: int
    price: float


def continuous_family(rows: ScoredRows, child: int, parents: Variables, gains: Gains) -> float:
    """Return the score of a continuous child, and what it gains by changes, as discrete families.

    ``parents`` are numbers of variables of both kinds.
    """
    family = _Family(rows, child, parents)
    if not family.fits(family.configurations):
        return -np.inf
    if len(gains):
        score = family.score(family.members)
        family.write_gains(score, gains)
    else:
        score = family.score_in(family.number, family.configurations)
    # The rows' values were divided by their scale, which takes from every density.
    return score - family.counted * float(rows.log_scale[child])


def score_regressions(rows: ScoredRows, child: int, scores: Float64[np.ndarray, " sets"]) -> None:
    """Score all sets of parents of a variable in a table without discrete ones, in place."""
    family = _Family(rows, child, np.empty(0, np.int64))
    limits = (rows.allowed[:, child], rows.required[:, child], rows.max_parents)
    offset = family.counted * float(rows.log_scale[child])
    _score_sets(family.scale, *family.moments, limits, child, offset, scores)


@compiled
def _score_sets(scale, moments, held, limits, child, offset, scores):
    for some in range(len(scores)):
        parents, legal = parents_of_set(limits, child, some)
        if legal:
            members = np.zeros(len(parents) + 1, np.int64)
            members[1:] = parents + 1  # all variables are continuous: a place is a number
            scores[some] = _score(scale, moments, held, members, child + 1) - offset


class _Family:
    """A child's regressions on its parents, one in each configuration of the discrete ones."""

    def __init__(self, rows: ScoredRows, child: int, parents: Variables) -> None:
        self.rows, self.child = rows, child
        self.here = int(rows.rows_of[child])
        self.y = int(rows.place[child]) + 1
        self.parents = parents
        self.discrete = [int(p) for p in parents if rows.states[p] > 0]
        continuous = [int(p) for p in parents if rows.states[p] == 0]
        self.members = np.array([0, *(rows.place[continuous] + 1)], np.int64)
        total = float(rows.totals[self.here])
        price = {BIC: 0.5 * math.log(total), AIC: 1.0}.get(rows.kind, 0.0)
        self.scale = _Scale(rows.kind, rows.strength, total, len(rows.states), price)
        self.configurations = math.prod(int(rows.states[p]) for p in self.discrete)
        self.number = np.zeros(rows.weights.shape[1], np.int64)
        for p in self.discrete:
            self.number = self.number * rows.states[p] + rows.codes[rows.place[p]]

    def fits(self, configurations: int) -> bool:
        """Whether moments of all variables in so many configurations may be taken."""
        return configurations == 1 or configurations * self.rows.moments[0].size <= 4 * MAX_CELLS

    @property
    def counted(self) -> float:
        """The weight of the rows that are scored; BGe's scatter matrix has none of its own."""
        if self.rows.kind == HELD_OUT:
            return float(self.rows.held_out[self.here].sum())
        return float(self.rows.totals[self.here])

    def score(self, members: Variables) -> float:
        """The score, but for the scale of the values, of a regression on some of the variables."""
        return float(_score(self.scale, *self.moments, members, self.y))

    def score_in(self, number: Variables, configurations: int) -> float:
        """As ``score`` of the members, in configurations of any discrete parents."""
        if configurations == 1:
            return self.score(self.members)
        moments = self._sums(number, configurations, np.append(self.members, self.y))
        size = len(self.members)
        return float(_score(self.scale, *moments, np.arange(size), size))

    def write_gains(self, score: float, gains: Gains) -> None:
        """Write what the score gains by each change of the parents."""
        rows, allowed = self.rows, self.rows.allowed[:, self.child]
        self._write_gains_of_leaving(score, gains)
        joining = np.flatnonzero(allowed & ~np.isin(np.arange(len(allowed)), self.parents))
        continuous = joining[rows.states[joining] == 0]
        if rows.kind == HELD_OUT:
            for v in continuous:
                gains[v] = self.score(np.append(self.members, rows.place[v] + 1)) - score
        elif len(continuous):
            by_place = _gains_of_all(self.scale, self.moments[0], self.members, self.y)
            gains[continuous] = by_place[rows.place[continuous] + 1]
        for v in joining[rows.states[joining] > 0]:
            configurations = self.configurations * int(rows.states[v])
            if self.fits(configurations):
                number = self.number * rows.states[v] + rows.codes[rows.place[v]]
                gains[v] = self.score_in(number, configurations) - score

    def _write_gains_of_leaving(self, score: float, gains: Gains) -> None:
        """As ``write_gains``, of parents that leave; a discrete one's states are summed out."""
        rows = self.rows
        states = [int(rows.states[p]) for p in self.discrete]
        for v in self.parents:
            if rows.states[v] == 0:
                gains[v] = self.score(self.members[self.members != rows.place[v] + 1]) - score
            else:
                axis = self.discrete.index(v)
                moments, held = (
                    m.reshape(*states, *m.shape[1:]).sum(axis).reshape(-1, *m.shape[1:])
                    for m in self.moments
                )
                gains[v] = _score(self.scale, moments, held, self.members, self.y) - score

    @cached_property
    def moments(self) -> tuple[Moments, Moments]:
        """Moments of all variables by configuration: of the rows learned from, and held out."""
        rows, here = self.rows, slice(self.here, self.here + 1)
        if not self.discrete:
            held = rows.held_out_moments if rows.kind == HELD_OUT else rows.moments
            return rows.moments[here], held[here]
        return self._sums(self.number, self.configurations, np.arange(len(rows.values) + 1))

    def _sums(self, number: Variables, size: int, places: Variables) -> tuple[Moments, Moments]:
        rows = self.rows
        moments = _moments(rows.values, rows.weights[self.here], number, size, places)
        if rows.kind != HELD_OUT:
            return moments, moments
        return moments, _moments(rows.values, rows.held_out[self.here], number, size, places)


@compiled
def _moments(values, weights, number, configurations, places):
    """Sums of products of some of (1, *values) over the rows of each configuration."""
    size = len(places)
    moments = np.zeros((configurations, size, size))
    row = np.empty(size)
    for i in range(len(weights)):
        if weights[i] == 0:
            continue
        for a in range(size):
            row[a] = 1.0 if places[a] == 0 else values[places[a] - 1, i]
        into = moments[number[i]]
        for a in range(size):
            scaled = weights[i] * row[a]
            for b in range(a + 1):
                into[a, b] += scaled * row[b]
    for q in range(configurations):
        for a in range(size):
            for b in range(a):
                moments[q, b, a] = moments[q, a, b]
    return moments


@compiled
def _score(scale, moments, held, members, y):
    """The score of the regression of ``y`` on ``members``, over all configurations."""
    size = len(moments)
    counts, residuals, squares = np.empty(size), np.empty(size), np.empty(size)
    marginal = 0.0
    for q in range(size):
        factor, residuals[q], log_det = _eliminate(moments[q], members, y)
        counts[q], squares[q] = moments[q][0, 0], moments[q][y, y]
        if scale.kind == BGE:
            marginal += _marginal(scale, len(members) - 1, log_det, residuals[q])
        elif scale.kind == HELD_OUT:
            squares[q] = _held_out_squares(held[q], members, y, factor)
    if scale.kind == BGE:
        return marginal
    if scale.kind == HELD_OUT:
        return _held_out(counts, residuals, held[:, 0, 0], squares, len(members), scale.strength)
    likelihood = _likelihood(counts, residuals, squares.sum(), len(members))
    return likelihood - scale.price * size * (len(members) + 1)


@compiled
def _eliminate(moments, members, y):
    """Cholesky rows of ``members`` and what they leave of the squares of ``y``.

    Returns the factor's rows over all variables (those of collinear members are zero), the rest,
    and the logarithm of the determinant of the members' moments but the intercept's.
    """
    size = len(members)
    factor = np.zeros((size, moments.shape[0]))
    log_det = 0.0
    for k in range(size):
        m = members[k]
        row = factor[k]
        for v in range(moments.shape[0]):
            row[v] = moments[m, v]
        for j in range(k):
            share = factor[j, m]
            for v in range(moments.shape[0]):
                row[v] -= share * factor[j, v]
        pivot = row[m]
        if pivot <= _COLLINEAR * moments[m, m]:
            row[:] = 0.0
            continue
        scale = 1.0 / math.sqrt(pivot)
        for v in range(moments.shape[0]):
            row[v] *= scale
        if k > 0:
            log_det += math.log(pivot)
    residual = moments[y, y]
    for k in range(size):
        residual -= factor[k, y] ** 2
    return factor, max(residual, 0.0), log_det


@compiled
def _pooled(counts, residuals, coefficients):
    """The variance of a regression's residuals over all configurations.

    It is negative where parameters are more than half as many as rows: they would fit themselves.
    """
    total = counts.sum()
    if 2 * len(counts) * (coefficients + 1) > total:
        return -1.0
    return residuals.sum() / (total - len(counts) * coefficients)


@compiled
def _likelihood(counts, residuals, squares, coefficients):
    """Log-likelihood of a regression's rows, each configuration at the variance that fits it best.

    To those of several configurations one row of the pooled variance is added, since few rows may
    leave none. Few rows in all score ``-inf``.
    """
    pooled = _pooled(counts, residuals, coefficients)
    if pooled < 0:
        return -np.inf
    least = max(1e-12 * squares / counts.sum(), 1e-300)
    added = 1.0 if len(counts) > 1 else 0.0
    total = 0.0
    for q in range(len(counts)):
        if counts[q] > 0:
            variance = max((residuals[q] + added * pooled) / (counts[q] + added), least)
            spread = residuals[q] / variance if variance > least else counts[q]
            total -= 0.5 * (counts[q] * math.log(2 * math.pi * variance) + spread)
    return total


@compiled
def _marginal(scale, parents, log_det, residual):
    """BGe of one family, from the posterior's scatter matrix."""
    total, strength, variables = scale.total, scale.strength, float(scale.variables)
    freedom = variables + strength + 1.0
    prior = strength * (freedom - variables - 1.0) / (strength + 1.0)
    half = 0.5 * (freedom - variables + parents + 1.0)
    score = math.lgamma(0.5 * total + half) - math.lgamma(half)
    score += 0.5 * (math.log(strength / (total + strength)) - total * math.log(math.pi))
    score += 0.5 * (freedom - variables + 2.0 * parents + 1.0) * math.log(prior)
    score -= 0.5 * log_det
    return score - (0.5 * total + half) * math.log(max(residual, 1e-300))


@compiled
def _held_out_squares(held, members, y, factor):
    """Squares of what the regression of other rows leaves of ``y`` in the held-out ones."""
    size = len(members)
    slopes = np.zeros(size)
    for k in range(size - 1, -1, -1):
        if factor[k, members[k]] > 0:
            rest = factor[k, y]
            for j in range(k + 1, size):
                rest -= factor[k, members[j]] * slopes[j]
            slopes[k] = rest / factor[k, members[k]]
    squares = held[y, y]
    for a in range(size):
        squares -= 2.0 * slopes[a] * held[members[a], y]
        for b in range(size):
            squares += slopes[a] * slopes[b] * held[members[a], members[b]]
    return squares


@compiled
def _held_out(counts, residuals, held_counts, squares, coefficients, strength):
    """Log-likelihood of held-out rows; ``strength`` rows of the pooled variance are added."""
    pooled = _pooled(counts, residuals, coefficients)
    if pooled < 0:
        return -np.inf
    total = 0.0
    for q in range(len(counts)):
        if held_counts[q] > 0:
            variance = (residuals[q] + strength * pooled) / (counts[q] + strength)
            variance = max(variance, 1e-12)
            total -= 0.5 * (
                held_counts[q] * math.log(2 * math.pi * variance) + squares[q] / variance
            )
    return total


@compiled
def _gains_of_all(scale, moments, members, y):
    """What each continuous variable gains by joining, by place, from partial covariances."""
    configurations, size = len(moments), moments.shape[1]
    counts, squares = moments[:, 0, 0].copy(), moments[:, y, y].sum()
    residuals, left = np.empty(configurations), np.empty((size, configurations))
    gains = np.zeros(size)
    for q in range(configurations):
        table = moments[q]
        factor, residuals[q], log_det = _eliminate(table, members, y)
        for x in range(1, size):
            square, product = table[x, x], table[x, y]
            for k in range(len(members)):
                square -= factor[k, x] ** 2
                product -= factor[k, x] * factor[k, y]
            left[x, q] = residuals[q]
            if square > _COLLINEAR * table[x, x]:
                left[x, q] = max(residuals[q] - product**2 / square, 0.0)
                if scale.kind == BGE:
                    grown = log_det + math.log(square)
                    gains[x] += _marginal(scale, len(members), grown, left[x, q])
                    gains[x] -= _marginal(scale, len(members) - 1, log_det, residuals[q])
            elif configurations == 1:
                gains[x] = -np.inf
    if scale.kind != BGE:
        before = _likelihood(counts, residuals, squares, len(members))
        for x in range(1, size):
            gains[x] += _likelihood(counts, left[x], squares, len(members) + 1) - before
        gains -= scale.price * configurations
    return gains
