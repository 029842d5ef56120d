"""Scores of continuous families: a regression on continuous parents in each state of discrete ones.

Everything is read off moments: sums over rows of products of (1, *values), one matrix for each
configuration of the discrete parents. BGe is the marginal likelihood under a normal-Wishart prior
(Geiger and Heckerman 2002, with the corrections of Kuipers, Moffa and Heckerman 2014).
"""

from __future__ import annotations

import math
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
from mmgraph.learning.structure.scores.tables import compiled

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
    score = family.score(family.members)
    if len(gains):
        family.write_gains(score, gains)
    # The rows' values were divided by their scale, which takes from every density.
    return score - family.counted * float(rows.log_scale[child])


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
        if self.fits(self.configurations):
            self.number = np.zeros(rows.weights.shape[1], np.int64)
            for p in self.discrete:
                self.number = self.number * rows.states[p] + rows.codes[rows.place[p]]
            self.moments, self.held = self._moments()

    def fits(self, configurations: int) -> bool:
        """Whether moments of all variables in so many configurations may be taken."""
        return configurations * self.rows.moments[0].size <= 4 * MAX_CELLS

    @property
    def counted(self) -> float:
        """The weight of the rows that are scored; BGe's scatter matrix has none of its own."""
        if self.rows.kind == HELD_OUT:
            return float(self.held[:, 0, 0].sum())
        return float(self.rows.totals[self.here])

    def score(self, members: Variables) -> float:
        """The score, but for the scale of the values, of a regression on some of the variables."""
        return float(_score(self.scale, self.moments, self.held, members, self.y))

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
            by_place = _gains_of_all(self.scale, self.moments, self.members, self.y)
            gains[continuous] = by_place[rows.place[continuous] + 1]
        places = np.append(self.members, self.y)
        for v in joining[rows.states[joining] > 0]:
            if self.fits(self.configurations * int(rows.states[v])):
                number = self.number * rows.states[v] + rows.codes[rows.place[v]]
                size = self.configurations * int(rows.states[v])
                moments, held = self._sums(number, size, places)
                members = np.arange(len(self.members))
                gains[v] = _score(self.scale, moments, held, members, len(members)) - score

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
                    for m in (self.moments, self.held)
                )
                gains[v] = _score(self.scale, moments, held, self.members, self.y) - score

    def _moments(self) -> tuple[Moments, Moments]:
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
    score = -scale.price * len(moments) * (len(members) + 1)
    for q in range(len(moments)):
        factor, residual, log_det = _eliminate(moments[q], members, y)
        if scale.kind == BGE:
            score += _marginal(scale, len(members) - 1, log_det, residual)
        elif scale.kind == HELD_OUT:
            score += _held_out(moments[q], held[q], members, y, factor, residual, scale.strength)
        else:
            pooled = len(moments) == 1
            score += _likelihood(moments[q][0, 0], residual, moments[q][y, y], pooled)
    return score


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
def _likelihood(count, residual, squares, pooled):
    """Log-likelihood of a regression's rows, at the variance that fits them best.

    In one of several configurations a row of the child's own variance (1: values are standardised)
    is added to those that estimate it, since few rows leave none.
    """
    if count <= 0:
        return 0.0
    if pooled:
        variance = max(residual, 1e-12 * squares, 1e-300) / count
        return -0.5 * count * (math.log(2 * math.pi * variance) + 1.0)
    variance = (residual + 1.0) / (count + 1.0)
    return -0.5 * (count * math.log(2 * math.pi * variance) + residual / variance)


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
def _held_out(moments, held, members, y, factor, residual, strength):
    """Log-likelihood of held-out rows at the regression of the others."""
    count = held[0, 0]
    if count <= 0:
        return 0.0
    variance = (residual + strength) / (moments[0, 0] + strength)
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
    return -0.5 * (count * math.log(2 * math.pi * variance) + squares / variance)


@compiled
def _gains_of_all(scale, moments, members, y):
    """What each continuous variable gains by joining, by place, from partial covariances."""
    gains = np.zeros(moments.shape[1])
    pooled = len(moments) == 1
    for q in range(len(moments)):
        table = moments[q]
        factor, residual, log_det = _eliminate(table, members, y)
        if scale.kind == BGE:
            before = _marginal(scale, len(members) - 1, log_det, residual)
        else:
            before = _likelihood(table[0, 0], residual, table[y, y], pooled)
        for x in range(1, table.shape[0]):
            square, product = table[x, x], table[x, y]
            for k in range(len(members)):
                square -= factor[k, x] ** 2
                product -= factor[k, x] * factor[k, y]
            if square <= _COLLINEAR * table[x, x]:
                if pooled:
                    gains[x] = -np.inf
                continue
            left = max(residual - product**2 / square, 0.0)
            if scale.kind == BGE:
                after = _marginal(scale, len(members), log_det + math.log(square), left)
            else:
                after = _likelihood(table[0, 0], left, table[y, y], pooled)
            gains[x] += after - before
    return gains - scale.price * len(moments)
