"""How probable each arc is, over all orders of the variables or a sample of them.

Each order is as probable a priori as any other, and so are all graphs that an order allows; a graph
that fits many orders therefore counts more than one that fits few. Few variables are averaged over
exactly, by dynamic programming over sets of them (Koivisto and Sood 2004, "Exact Bayesian structure
discovery in Bayesian networks"); of more, orders are drawn by a Markov chain (Friedman and Koller
2003, "Being Bayesian about network structure"), whose families are tabulated once, over a few
candidates for each variable's parents. Scores are taken for logarithms of marginal likelihoods,
which BIC approximates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import ConvergenceWarning, LearningError, warn_caller
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.inference.numerics.diagnostics import split_r_hat, value_diagnostics
from mmgraph.learning.structure.bootstrap import Frequencies
from mmgraph.learning.structure.graphs.equivalence import Adjacency, topological_order
from mmgraph.learning.structure.scores.families import change_parent, family_score, remembered
from mmgraph.learning.structure.scores.records import ScoredRows, empty_memo, key_words
from mmgraph.learning.structure.scores.tables import compiled
from mmgraph.learning.structure.searches.best_graph import best_graph, causes_first
from mmgraph.learning.structure.searches.exact import MOST_VARIABLES, family_scores

_EXACT_VARIABLES = 12
"""Up to which ``averaged_arcs`` sums over all orders by itself."""

_NEGLIGIBLE = 40.0
"""Families whose price alone puts them so far below the empty one, in nats, are left out."""

_R_HAT = 1.1
"""Of the orders' scores, up to which chains count as mixed."""


@dataclass(frozen=True, eq=False)
class OrderAverage(Frequencies):
    """The probability of each arc, as :class:`Frequencies`; ``replicates`` orders were drawn.

    Attributes
    ----------
    r_hat : float
        Of the scores of the orders: how far the chains agree (1 where all orders are summed over).
    effective_size : float
        As how many independent orders those that were drawn count for that score.
    """

    r_hat: float = 1.0
    effective_size: float = math.inf


def averaged_arcs(
    rows: ScoredRows,
    method: str | None = None,
    *,
    seed: int = 0,
    draws: int = 1000,
    chains: int = 4,
    candidates: int = 10,
    progress: Callable[[int, int], object] | None = None,
) -> OrderAverage:
    """Return the posterior probability of each arc.

    Parameters
    ----------
    rows : ScoredRows
    method : {"exact", "sample"}, optional
        Sum over all orders (up to 20 variables), or draw some; by default exact up to 12.
    seed, draws, chains : int, optional
        Of the draws: each chain returns so many orders, one a sweep, after half as many sweeps.
    candidates : int, optional
        How many variables may be parents of each when orders are drawn.
    progress : callable, optional
        Called with the number of variables (or chains) that are done, and of all.

    Warns
    -----
    ConvergenceWarning
        If the chains disagree.

    Raises
    ------
    LearningError
        If there are too many variables to sum over, or too few draws or chains.
    MemoryBudgetError
        If the tables over sets would not fit.
    """
    count = len(rows.states)
    if method not in (None, "exact", "sample"):
        raise LearningError(f"orders are averaged by 'exact' or 'sample', not by {method!r}")
    if method == "exact" or (method is None and count <= _EXACT_VARIABLES):
        if count > MOST_VARIABLES:
            raise LearningError(
                f"all orders are summed over for up to {MOST_VARIABLES} variables, and there are "
                f"{count}: draw some (method='sample')"
            )
        return OrderAverage(_over_all_orders(rows, progress), 0)
    for what, number, least in (("draws", draws, 4), ("chains", chains, 1)):
        if number < least:
            raise LearningError(f"the {what} of orders are at least {least}, not {number}")
    return _over_drawn_orders(rows, seed, draws, chains, candidates, progress)


def _over_all_orders(
    rows: ScoredRows, progress: Callable[[int, int], object] | None
) -> Float64[np.ndarray, "parents children"]:
    """The probability of each arc by dynamic programming, in logarithms throughout."""
    count = len(rows.states)
    check_required(
        f"the probabilities of all sets of {count} variables",
        (count * 16 << max(count - 1, 0)) + (64 << count),
        default_memory_budget(),
        "Draw orders (method='sample')",
    )
    scores = family_scores(rows, margin=_NEGLIGIBLE)
    within = scores.copy()  # by child and the set before it: the sum over its subsets
    for bit in range(count - 1):
        _halves(within, bit)[1] = np.logaddexp(*_halves(within, bit))
    layers = _by_size(count)
    before, behind = np.full(1 << count, -np.inf), np.full(1 << count, -np.inf)
    before[0] = behind[-1] = 0.0
    for sets in layers[1:]:
        for v in range(count):
            some = sets[sets >> v & 1 == 1]
            rest = some ^ (1 << v)
            step = before[rest] + within[v, _among_others(rest, v)]
            before[some] = np.logaddexp(before[some], step)
    for sets in layers[-2::-1]:
        for v in range(count):
            rest = sets[sets >> v & 1 == 0]
            step = behind[rest | (1 << v)] + within[v, _among_others(rest, v)]
            behind[rest] = np.logaddexp(behind[rest], step)
    arcs = np.zeros((count, count))
    for v in range(count):
        every = np.arange(1 << count)
        rest = every[every >> v & 1 == 0]  # in the order of the sets of others
        around = before[rest] + behind[rest | (1 << v)]
        for bit in range(count - 1):
            _halves(around, bit)[0] = np.logaddexp(*_halves(around, bit))
        shares = np.exp(scores[v] + around - before[-1])
        for bit in range(count - 1):
            arcs[bit if bit < v else bit + 1, v] = _halves(shares, bit)[1].sum()
        if progress is not None:
            progress(v + 1, count)
    return np.clip(arcs, 0.0, 1.0)


def _halves(array: np.ndarray, bit: int) -> np.ndarray:
    """A view of the last axis, sets: those without a bit, then those with it."""
    return np.moveaxis(array.reshape(*array.shape[:-1], -1, 2, 1 << bit), -2, 0)


def _by_size(count: int) -> list[Int64[np.ndarray, " sets"]]:
    """The sets of so many variables, by their size."""
    every = np.arange(1 << count)
    size = sum(every >> v & 1 for v in range(count)) + np.zeros_like(every)
    return [every[size == k] for k in range(count + 1)]


def _among_others(sets: Int64[np.ndarray, " sets"], v: int) -> Int64[np.ndarray, " sets"]:
    """Sets without a variable as sets of the others: higher bits move down."""
    low = sets & ((1 << v) - 1)
    return low | (sets >> (v + 1) << v)


@dataclass(frozen=True, eq=False)
class _Tables:
    """For each variable, a few candidates for its parents, and the sum over subsets of them.

    Places beyond the candidates of a variable hold the variable itself, which no order puts before
    it.
    """

    candidates: Int64[np.ndarray, "variables candidates"]
    within: Float64[np.ndarray, "variables sets"]

    @classmethod
    def of(cls, rows: ScoredRows, graph: Adjacency, most: int) -> _Tables:
        """The variables of a good graph beside each, then those that gain most."""
        count = len(rows.states)
        most = min(max(most, int(rows.required.sum(0).max(initial=0)), 1), max(count - 1, 1))
        check_required(
            f"the families of {count} variables with {most} candidates for their parents",
            count * 8 << most,
            default_memory_budget(),
            "Take fewer candidates",
        )
        memo = empty_memo(count)
        chosen = np.tile(np.arange(count)[:, None], (1, most))
        within = np.full((count, 1 << most), -np.inf)
        for child in range(count):
            gains = np.full(count, -np.inf)
            for parents in (graph[:, child], np.zeros(count, bool)):
                key = _key(np.flatnonzero(parents), count)
                joining = memo.gains[remembered(rows, memo, child, key)]
                gains = np.fmax(gains, np.where(parents, np.inf, joining))
            beside = graph[child] | graph[:, child]
            ranked = np.lexsort((-gains, ~beside, ~rows.required[:, child]))
            ranked = ranked[rows.allowed[ranked, child]][:most]
            chosen[child, : len(ranked)] = ranked
            for some in range(1 << len(ranked)):
                parents = ranked[[i for i in range(len(ranked)) if some >> i & 1]]
                legal = len(parents) <= rows.max_parents
                if legal and rows.required[parents, child].sum() == rows.required[:, child].sum():
                    key = _key(parents, count)
                    within[child, some] = family_score(rows, child, key, np.empty(0))
        for bit in range(most):
            _halves(within, bit)[1] = np.logaddexp(*_halves(within, bit))
        return cls(chosen, within)

    def arcs(
        self, orders: Int64[np.ndarray, "orders variables"]
    ) -> Float64[np.ndarray, "parents children"]:
        """The probability of each arc, averaged over orders."""
        place = np.argsort(orders, axis=1)
        count, most = self.candidates.shape
        arcs = np.zeros((count, count))
        for v in range(count):
            before = place[:, self.candidates[v]] < place[:, v, None]
            sets = before @ (1 << np.arange(most))
            for i, parent in enumerate(self.candidates[v]):
                without = self.within[v, sets & ~(1 << i)] - self.within[v, sets]
                arcs[parent, v] += np.where(before[:, i], -np.expm1(without), 0.0).mean()
        return np.clip(arcs, 0.0, 1.0)


def _key(parents: Int64[np.ndarray, " parents"], count: int) -> np.ndarray:
    key = np.zeros(key_words(count), np.uint64)
    for v in parents:
        change_parent(key, v)
    return key


def _over_drawn_orders(
    rows: ScoredRows,
    seed: int,
    draws: int,
    chains: int,
    candidates: int,
    progress: Callable[[int, int], object] | None,
) -> OrderAverage:
    """The average over orders drawn by chains, which start around the best graph's."""
    best = best_graph(rows, "orders", seed=seed).adjacency
    tables = _Tables.of(rows, best, candidates)
    count, burn_in = len(best), draws // 2
    orders, scores = [], np.empty((draws, chains))
    for chain in range(chains):
        random = np.random.default_rng((seed, chain))
        order = topological_order(best)
        for _ in range(count // 4 if chain else 0):
            v = random.integers(count)
            order = np.insert(order[order != v], random.integers(count), v)
        order = causes_first(order, rows.required)
        chosen = random.random((burn_in + draws, count, 4))
        drawn, score = _drawn_orders(tables.candidates, tables.within, order, chosen)
        orders.append(drawn[burn_in:])
        scores[:, chain] = score[burn_in:]
        if progress is not None:
            progress(chain + 1, chains)
    r_hat = split_r_hat(scores)
    size = float(value_diagnostics(scores[:, :, None])[1][0]) if np.ptp(scores) > 1e-9 else math.inf
    if r_hat > _R_HAT:
        warn_caller(
            f"the chains of orders disagree (R-hat of their score {r_hat:.3g}): draw more",
            ConvergenceWarning,
        )
    return OrderAverage(tables.arcs(np.concatenate(orders)), draws * chains, r_hat, size)


@compiled
def _drawn_orders(candidates, within, order, chosen):
    """Orders drawn by a Markov chain, one a sweep, and their scores.

    A step puts a variable to a place drawn given the order of the others, then proposes that two
    variables change places. ``chosen`` are uniform numbers, four a step.
    """
    sweeps, steps, _ = chosen.shape
    count = len(order)
    order = order.copy()
    place = np.empty(count, np.int64)
    orders, scores = np.empty((sweeps, count), np.int64), np.empty(sweeps)
    weights = np.empty(count)
    for sweep in range(sweeps):
        for step in range(steps):
            uniform = chosen[sweep, step]
            moved = int(uniform[0] * count)
            _scores_of_places(candidates, within, order, place, moved, weights)
            at = _drawn(weights, uniform[1])
            order = _with_variable_at(order, moved, at)
            a, b = int(uniform[2] * count), int(uniform[3] * count)
            order[a], order[b] = order[b], order[a]
            after = _order_score(candidates, within, order, place)
            # The fraction of the number that chose a place is uniform, too.
            if uniform[3] * count - b >= math.exp(min(after - weights[at], 0.0)):
                order[a], order[b] = order[b], order[a]
        orders[sweep] = order
        scores[sweep] = _order_score(candidates, within, order, place)
    return orders, scores


@compiled
def _order_score(candidates, within, order, place):
    """The score of an order; the places of the variables are written."""
    for i in range(len(order)):
        place[order[i]] = i
    total = 0.0
    for v in range(len(order)):
        total += _sum_of_families(candidates, within, place, v)
    return total


@compiled
def _sum_of_families(candidates, within, place, v):
    """The sum over what a variable's parents can be, in logarithms: those placed before it."""
    some = 0
    for i in range(candidates.shape[1]):
        if place[candidates[v, i]] < place[v]:
            some |= 1 << i
    return within[v, some]


@compiled
def _with_variable_at(order, v, at):
    """An order with one variable at another place."""
    after = np.empty_like(order)
    i = 0
    for u in order:
        if u == v:
            continue
        if i == at:
            i += 1
        after[i] = u
        i += 1
    after[at] = v
    return after


@compiled
def _scores_of_places(candidates, within, order, place, moved, weights):
    """Write the score of an order for each place of one variable, from the first on."""
    trial = _with_variable_at(order, moved, 0)
    for i in range(len(trial)):
        place[trial[i]] = i
    total, lacking = 0.0, 0  # scores of minus infinity, where a required parent is behind
    for v in trial:
        score = _sum_of_families(candidates, within, place, v)
        if score == -np.inf:
            lacking += 1
        else:
            total += score
    weights[0] = -np.inf if lacking else total
    for at in range(1, len(trial)):
        passed = trial[at]
        trial[at - 1], trial[at] = passed, moved
        for sign in (-1, 1):
            for v in (moved, passed):
                score = _sum_of_families(candidates, within, place, v)
                if score == -np.inf:
                    lacking += sign
                else:
                    total += sign * score
            if sign < 0:
                place[passed], place[moved] = at - 1, at
        weights[at] = -np.inf if lacking else total


@compiled
def _drawn(weights, uniform):
    """A place drawn in proportion to the exponentials of weights."""
    most = weights.max()
    total = 0.0
    for w in weights:
        total += math.exp(w - most)
    left = uniform * total
    for at in range(len(weights)):
        left -= math.exp(weights[at] - most)
        if left < 0:
            return at
    return len(weights) - 1
