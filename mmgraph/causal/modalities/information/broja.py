"""The least information of two sources that is compatible with what each tells of the target.

Bertschinger et al. (2014) take ``min I_q(T; X1, X2)`` over the tables ``q`` that share the margins
``(X1, T)`` and ``(X2, T)`` with the given one. That is the convex programme of

    minimise  sum q(i, j, t) log(q(i, j, t) / q(i, j, +)),   q(i, +, t) and q(+, j, t) fixed,

whose Lagrange dual is (Makkeh, Theis and Vicente 2017)

    maximise  sum a(i, t) p(i, t) + sum b(j, t) p(j, t),   logsumexp_t(a(i, t) + b(j, t)) <= 0,

so that any ``a`` and ``b``, lowered until they are feasible, certify a bound. Given the target the
margins are those of transport problems, which only the sums ``w(i, j) = q(i, j, +)`` couple. At the
optimum a pair of states has no mass, or some with each target state, by ``softmax(a + b)``: only
pairs become zero, never a cell alone. Therefore the interior-point method, a primal-dual one with a
predictor (Mehrotra 1992), is on the pairs: ``w`` are the multipliers of the dual's constraints.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import logsumexp, xlogy

from mmgraph.graph.memory_budget import check_required, default_memory_budget

Table = Float64[np.ndarray, "first second target"]
Pairs = Float64[np.ndarray, "first second"]

_STEPS, _USUAL = 100, 30
_TOLERANCE = 1e-13
_ENOUGH = 1e-9
"""Gaps in nats that end the search: at first, and after more steps than are usual."""
_LONGEST = (5.0, 3.0, 8.0)
"""How far, in nats, a step may move a multiplier; the later ones where the first one stalls."""
_NEARLY_RIGHT = 1e-6
"""Errors of margins that are worth to be mended."""
_RIDGE = 1e-13
"""Added to the unit diagonal of the scaled equations: multipliers of no mass are undetermined."""
_FEASIBLE = 0.1
"""Complementarity falls no further below infeasibility, lest steps shrink at the boundary."""


class LeastTable(NamedTuple):
    """The table of least information, and by how many nats the optimum can lie below it."""

    table: Table
    gap: float


class _Iterate(NamedTuple):
    """Multipliers of both margins, and mass and slack of each pair."""

    first: Float64[np.ndarray, "first target"]
    second: Float64[np.ndarray, "second target"]
    mass: Pairs
    slack: Pairs


class _Step(NamedTuple):
    """The direction of a step, and what it adds to ``a + b`` in each cell."""

    first: Float64[np.ndarray, "first target"]
    second: Float64[np.ndarray, "second target"]
    mass: Pairs
    slack: Pairs
    sums: Table


class _Margins:
    """The margins that are fixed, and which multipliers of them are free.

    Of the margins of the second source one for each target state follows from the others: its
    multiplier stays zero.
    """

    def __init__(self, table: Table) -> None:
        self.first, self.second = table.sum(1), table.sum(0)
        self.target = table.sum((0, 1))
        self.cells: Bool[np.ndarray, "first second target"]
        self.cells = (self.first > 0)[:, None, :] & (self.second > 0)
        self.pairs: Bool[np.ndarray, "first second"] = np.asarray(self.cells.any(2))
        free = self.second > 0
        free[self.second.argmax(0), np.arange(len(self.target))] = False
        self.places = np.flatnonzero(np.concatenate([(self.first > 0).ravel(), free.ravel()]))

    def independent(self) -> Table:
        """Return the table in which the sources are independent given the target."""
        return np.asarray(self.first[:, None, :] * self.second[None, :, :] / self.target)

    def spread(self, solution: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return multipliers of both margins from those that are free."""
        both = np.zeros(self.first.size + self.second.size)
        both[self.places] = solution
        first, second = np.split(both, [self.first.size])
        return first.reshape(self.first.shape), second.reshape(self.second.shape)

    def short(self, table: Table) -> np.ndarray:
        """Return what the free margins of a table lack."""
        lack = self.first - table.sum(1), self.second - table.sum(0)
        return np.concatenate([lack[0].ravel(), lack[1].ravel()])[self.places]

    def conditional(self, first: np.ndarray, second: np.ndarray) -> tuple[Table, Pairs]:
        """Return the softmax of the multipliers' sums in each pair, and their logsumexp."""
        sums = np.where(self.cells, first[:, None, :] + second[None, :, :], -np.inf)
        total = np.where(self.pairs, logsumexp(sums, axis=2), 0.0)
        return np.exp(sums - total[:, :, None]), total

    def bound(self, now: _Iterate) -> float:
        """Return the dual value of multipliers, lowered until they are feasible."""
        _, total = self.conditional(now.first, now.second)
        first = now.first - np.where(self.pairs, total, -np.inf).max(1)[:, None]
        return float((first * self.first).sum() + (now.second * self.second).sum())

    def fitted(self, table: Table) -> Table:
        """Return a table whose margins are nearly right with the right ones.

        It is scaled down to them, and what lacks is spread in proportion (Altschuler, Weed and
        Rigollet 2017, algorithm 2, given each target state).
        """
        for axis, margin in ((1, self.first), (0, self.second)):
            sums = table.sum(axis)
            scale = np.divide(margin, sums, out=np.ones_like(sums), where=sums > margin)
            table = table * np.expand_dims(scale, axis)
        first = np.maximum(self.first - table.sum(1), 0)
        second = np.maximum(self.second - table.sum(0), 0)
        lack = np.maximum(first.sum(0), 1e-300)
        return np.asarray(table + first[:, None, :] * (second / lack)[None, :, :])


def least_information(table: Table) -> LeastTable:
    """Return the table of least ``I(T; X1, X2)`` with the margins of a given one.

    Parameters
    ----------
    table : array (first, second, target)
        Without states of probability zero.

    Raises
    ------
    MemoryBudgetError
        If the equations of a step would take more than half of the machine's memory.
    """
    first, second, target = table.shape
    multipliers = (first + second) * target
    check_required(
        f"BROJA's equations of {multipliers:,} multipliers",
        8 * (6 * multipliers**2 + 4 * first * second * target**2),
        default_memory_budget(),
        "Merge states that are alike",
    )
    margins = _Margins(table)
    best = min([table, margins.independent()], key=_objective)
    bound = -np.inf
    for longest in _LONGEST:
        best, bound = _solved(margins, best, bound, longest)
        if _objective(best) - bound < _ENOUGH:
            break
    return LeastTable(best, max(_objective(best) - bound, 0.0))


def _solved(margins: _Margins, best: Table, bound: float, longest: float) -> tuple[Table, float]:
    """The best table and bound after as many steps as are of use."""
    now = _start(margins)
    for step in range(_STEPS):
        conditional, total = margins.conditional(now.first, now.second)
        bound = max(bound, margins.bound(now))
        table = now.mass[:, :, None] * conditional
        if np.abs(margins.short(table)).max() < _NEARLY_RIGHT:
            best = min([best, margins.fitted(table)], key=_objective)
        if _objective(best) - bound < (_TOLERANCE if step < _USUAL else _ENOUGH):
            break
        try:
            now = _advanced(now, conditional, total, margins, longest)
        except LinAlgError:  # nothing is left that doubles resolve
            break
    return best, bound


def _start(margins: _Margins) -> _Iterate:
    """The table of independent sources, whose multipliers a nat lower are feasible as well."""

    def logarithm(margin: np.ndarray) -> np.ndarray:
        return np.log(np.where(margin > 0, margin, 1.0))

    first = logarithm(margins.first) - 1
    second = logarithm(margins.second / margins.target)
    mass = margins.independent().sum(2)
    slack = np.where(margins.pairs, 1 - logarithm(mass), 1.0)
    return _Iterate(first, second, mass, slack)


def _objective(table: Table) -> float:
    """The negative entropy of the target given the sources, in nats."""
    both = table.sum(2, keepdims=True)
    return float((xlogy(table, table) - xlogy(table, both)).sum())


def _advanced(
    now: _Iterate, conditional: Table, total: Pairs, margins: _Margins, longest: float
) -> _Iterate:
    """The next iterate: a step to where complementarity is least, corrected and centred."""
    pairs, count = margins.pairs, margins.pairs.sum()
    ratio = now.mass / now.slack
    matrix = _normal_matrix(now.mass, ratio, conditional, margins)
    scale = 1 / np.sqrt(np.maximum(matrix.diagonal(), 1e-300))
    factor = cho_factor(matrix * np.outer(scale, scale) + _RIDGE * np.eye(len(scale)))
    lack = margins.short(now.mass[:, :, None] * conditional)

    def towards(product: Pairs) -> _Step:
        # Slack of the constraint as linearised, and mass that makes mass * slack the product.
        # slack + dslack = -total - conditional . dsums;  dmass = (product - mass * dslack) / slack
        pull = np.where(pairs, product / now.slack - now.mass + ratio * (now.slack + total), 0.0)
        right = lack - _gathered(pull[:, :, None] * conditional, margins)
        solution = scale * cho_solve(factor, scale * right)
        first, second = margins.spread(np.clip(solution, -longest, longest))
        sums = np.where(margins.cells, first[:, None, :] + second[None, :, :], 0.0)
        slack = np.where(pairs, -total - now.slack - (conditional * sums).sum(2), 0.0)
        mass = np.where(pairs, product / now.slack - now.mass - ratio * slack, 0.0)
        return _Step(first, second, mass, slack, sums)

    mean = float((now.mass * now.slack)[pairs].sum() / count)
    guess = towards(np.zeros_like(now.mass))
    mass = now.mass + _reach(now.mass, guess.mass) * guess.mass
    slack = now.slack + _reach(now.slack, guess.slack) * guess.slack
    after = float((mass * slack)[pairs].sum() / count)
    centre = mean * min(max((after / mean) ** 3, 1e-3), 1.0)
    amiss = (now.mass * np.abs(now.slack + total))[pairs].sum() + np.abs(lack).sum()
    centre = max(centre, min(_FEASIBLE * float(amiss) / count, mean))
    step = towards(centre - np.clip(guess.mass * guess.slack, -10 * mean, 10 * mean))
    length = 0.99 * min(_reach(now.mass, step.mass), _reach(now.slack, step.slack))
    return _Iterate(*(old + length * new for old, new in zip(now, step[:4], strict=True)))


def _gathered(table: Table, margins: _Margins) -> np.ndarray:
    """The free margins of a table."""
    both = np.concatenate([table.sum(1).ravel(), table.sum(0).ravel()])
    return np.asarray(both[margins.places])


def _normal_matrix(
    mass: Pairs, ratio: Pairs, conditional: Table, margins: _Margins
) -> Float64[np.ndarray, "free free"]:
    """The equations of the free multipliers: diagonal given the target, and one rank a pair."""
    first, second, target = conditional.shape
    outer = conditional[:, :, :, None] * ((ratio - mass)[:, :, None] * conditional)[:, :, None, :]
    states = np.arange(target)
    outer[:, :, states, states] += mass[:, :, None] * conditional
    one = first * target
    matrix = np.zeros((one + second * target, one + second * target))
    for block, sums in ((matrix[:one, :one], outer.sum(1)), (matrix[one:, one:], outer.sum(0))):
        places = np.arange(len(sums))
        block.reshape(len(sums), target, len(sums), target)[places, :, places, :] = sums
    matrix[:one, one:] = outer.transpose(0, 2, 1, 3).reshape(one, -1)
    matrix[one:, :one] = matrix[:one, one:].T
    return matrix[np.ix_(margins.places, margins.places)]


def _reach(values: Pairs, move: Pairs) -> float:
    """The longest step, at most one, along which no value becomes negative."""
    shrinking = move < 0
    with np.errstate(over="ignore"):
        return float(min(1.0, (values[shrinking] / -move[shrinking]).min(initial=1.0)))
