"""Small random machines of every family of units, and what plain loops say of them.

The loops list every joint value of the discrete layers and every count vector; Gaussian units are
integrated by completing the square, rectified ones by numerical quadrature.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.integrate import quad
from scipy.special import gammaln, logsumexp

import mmgraph as mm
from mmgraph.graph.exponential_family import statistics_shape
from mmgraph.graph.soft_evidence import Soft
from mmgraph.graph.variable import FAMILIES

WORDS = 3
"""The words of documents that are not observed."""

REAL = ("gaussian", "rectified_gaussian")
MOST_VALUES = 300
"""The joint values that loops may list."""

Row = Mapping[str, np.ndarray]


def random_machine(
    seed: int,
    families: Sequence[str] | None = None,
    scale: float = 0.7,
    joined: float = 0.7,
    dtype: torch.dtype = torch.float64,
) -> mm.FactorGraph:
    """Two to five layers of any families, joined at random; real ones to discrete ones only."""
    generator = np.random.default_rng(seed)
    if families is None:
        chosen = generator.choice(FAMILIES[:5], int(generator.integers(1, 5)))
        families = ["bernoulli", *map(str, chosen)]
    values, variables = 1, []
    for number, family in enumerate(families):
        variable = _layer(generator, f"{family}{number}", family)
        values *= _count_values(variable)
        if values > MOST_VALUES and variables:
            break
        variables.append(variable)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.tensor(scale * generator.normal(size=shape), dtype=dtype)

    factors: list[mm.Factor] = []
    for v in variables:
        precision = (drawn(*v.shape).exp() + 0.2) if v.family in REAL else None
        factors.append(mm.BiasFactor(v, drawn(*statistics_shape(v)), precision, WORDS))
    for first, second in itertools.combinations(variables, 2):
        one_is_discrete = first.is_discrete or second.is_discrete
        if one_is_discrete and generator.random() < joined:
            if generator.random() < 0.5:
                first, second = second, first
            shape = (*statistics_shape(first), *statistics_shape(second))
            factors.append(mm.BilinearFactor(first, second, drawn(*shape)))
    return mm.FactorGraph(variables, factors)


def _layer(generator: np.random.Generator, name: str, family: str) -> mm.Variable:
    if family == "categorical":
        shape = ((), (1,), (2,))[int(generator.integers(3))]
        return mm.Variable(name, int(generator.integers(2, 4)), shape)
    if family == "replicated_softmax":
        return mm.Variable(name, shape=(int(generator.integers(2, 4)),), family=family)
    if family == "rectified_gaussian":
        return mm.Variable(name, shape=(1,), family=family)
    shape = ((), (2,), (3,), (1, 2))[int(generator.integers(4))]
    return mm.Variable(name, shape=shape, family=family)  # type: ignore[arg-type]


def _count_values(variable: mm.Variable) -> int:
    if variable.family == "replicated_softmax":
        return math.comb(WORDS + variable.size - 1, WORDS)
    return variable.cardinality**variable.size if variable.is_discrete else 1


def random_evidence(
    graph: mm.FactorGraph, seed: int, rows: int = 3, soft: bool = True, hard: float = 0.6
) -> tuple[dict[str, Any], list[Row], list[Row]]:
    """Evidence of rows that each miss something else: as users give it, and row by row.

    Returns
    -------
    tuple
        The mapping for ``Evidence.of``; hard values of each row, -1 or NaN where missing; the soft
        log-likelihoods of each row, which hold variables that have no hard ones.
    """
    generator = np.random.default_rng([seed, 1])
    given: dict[str, Any] = {}
    for name, variable in graph.variables.items():
        if generator.random() < hard:
            values = random_values(variable, generator, rows)
            if variable.family == "replicated_softmax":
                missing = np.broadcast_to(generator.random((rows, 1)) < 0.4, values.shape)
            else:
                missing = generator.random(values.shape) < generator.choice([0.0, 0.4])
            given[name] = np.where(missing, -1 if variable.is_discrete else np.nan, values)
        elif soft and variable.is_discrete and generator.random() < 0.7:
            shape = (rows, *variable.shape, variable.cardinality)
            given[name] = Soft(generator.normal(size=shape))
    observed = [{n: a[r] for n, a in given.items() if isinstance(a, np.ndarray)}
                for r in range(rows)]  # fmt: skip
    likely = [{n: a.log_likelihood[r] for n, a in given.items() if isinstance(a, Soft)}
              for r in range(rows)]  # fmt: skip
    return given, observed, likely


def random_values(variable: mm.Variable, generator: np.random.Generator, rows: int) -> np.ndarray:
    """Complete values of a layer."""
    if variable.is_discrete:
        return generator.integers(0, variable.cardinality, (rows, *variable.shape))
    if variable.family == "replicated_softmax":
        even = np.full(variable.size, 1 / variable.size)
        lengths = generator.integers(1, WORDS + 2, rows)
        return np.stack([generator.multinomial(n, even) for n in lengths]).astype(float)
    values = generator.normal(size=(rows, *variable.shape))
    return np.abs(values) if variable.family == "rectified_gaussian" else values


class Answer(NamedTuple):
    """What loops found of one row of evidence.

    Attributes
    ----------
    log_total : float
        The logarithm of the sum (integral) of all weights that fit the evidence.
    means, squares : dict of str to ndarray
        Expected statistics and their squares, flattened.
    best_log_weight : float
    best : dict of str to ndarray
        The values of highest weight, as statistics, flattened.
    values : list of tuple
        Joint values of the listed layers, and ``log_weights`` with real layers integrated.
    """

    log_total: float
    means: dict[str, np.ndarray]
    squares: dict[str, np.ndarray]
    best_log_weight: float
    best: dict[str, np.ndarray]
    values: list[dict[str, np.ndarray]]
    log_weights: np.ndarray


def by_loops(graph: mm.FactorGraph, hard: Row | None = None, soft: Row | None = None) -> Answer:
    """List every joint value of one row; real units joined to each other must be Gaussian."""
    hard, soft = hard or {}, soft or {}
    listed = [v for v in graph.variables.values() if v.family not in REAL]
    values, log_weights, tops = [], [], []
    moments: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = []
    for combination in itertools.product(*(list(_options(v, hard.get(v.name))) for v in listed)):
        value = {v.name: s for v, s in zip(listed, combination, strict=True)}
        weight = _listed_log_weight(graph, value, soft)
        real = _integrals(graph, value, hard)
        values.append(value)
        log_weights.append(weight + real.log_total)
        tops.append((weight + real.best_log_weight, {**value, **real.best}))
        squares = {n: s**2 for n, s in value.items()}
        moments.append(({**value, **real.means}, {**squares, **real.squares}))
    total = float(logsumexp(log_weights))
    shares = np.exp(np.array(log_weights) - total)

    def averaged(which: int) -> dict[str, np.ndarray]:
        return {n: sum(s * m[which][n] for s, m in zip(shares, moments, strict=True))
                for n in graph.variables}  # fmt: skip

    top = max(tops, key=lambda pair: pair[0])
    return Answer(total, averaged(0), averaged(1), *top, values, np.array(log_weights))


def _options(variable: mm.Variable, given: np.ndarray | None) -> Iterator[np.ndarray]:
    """The statistics that a layer may have, flattened."""
    if variable.family == "replicated_softmax":
        if given is not None and not np.isnan(given).any():
            yield np.asarray(given, float)
            return
        for counts in itertools.product(range(WORDS + 1), repeat=variable.size):
            if sum(counts) == WORDS:
                yield np.array(counts, float)
        return
    codes = [-1] * variable.size if given is None else np.reshape(given, -1).tolist()
    states = range(variable.cardinality)
    for combination in itertools.product(*(states if c < 0 else [int(c)] for c in codes)):
        if variable.family == "bernoulli":
            yield np.array(combination, float)
        else:
            yield np.eye(variable.cardinality)[list(combination)].reshape(-1)


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def _listed_log_weight(graph: mm.FactorGraph, value: Row, soft: Row) -> float:
    total = 0.0
    for name, likelihood in soft.items():
        variable, statistics = graph.variables[name], value[name]
        if variable.family == "bernoulli":
            statistics = np.stack([1 - statistics, statistics], -1).reshape(-1)
        total += float(statistics @ likelihood.reshape(-1))
    for factor in graph.factors:
        names = [v.name for v in factor.scope]
        if any(n not in value for n in names):
            continue
        if isinstance(factor, mm.BilinearFactor):
            total += float(value[names[0]] @ numbers(factor.matrix) @ value[names[1]])
        elif isinstance(factor, mm.BiasFactor):
            statistics = value[names[0]]
            total += float(statistics @ numbers(factor.bias).reshape(-1))
            if factor.scope[0].family == "replicated_softmax":
                total += float(gammaln(statistics.sum() + 1) - gammaln(statistics + 1).sum())
        else:
            states = {n: torch.from_numpy(_states(graph.variables[n], value[n])) for n in names}
            total -= float(factor.energy(states)[0])
    return total


def _states(variable: mm.Variable, statistics: np.ndarray) -> np.ndarray:
    """State indices of flattened statistics, with a batch of one."""
    if variable.family == "bernoulli":
        return statistics.astype(int).reshape(1, *variable.shape)
    return statistics.reshape(1, *variable.shape, -1).argmax(-1)


class _Integrals(NamedTuple):
    log_total: float
    means: dict[str, np.ndarray]
    squares: dict[str, np.ndarray]
    best_log_weight: float
    best: dict[str, np.ndarray]


def _integrals(graph: mm.FactorGraph, value: Row, hard: Row) -> _Integrals:
    """Integrate the real layers given values of all others."""
    real = [v for v in graph.variables.values() if v.family in REAL]
    bounds = np.cumsum([0, *(v.size for v in real)])
    place = {v.name: slice(a, b) for v, (a, b) in zip(real, itertools.pairwise(bounds),
                                                      strict=True)}  # fmt: skip
    matrix, field = np.zeros((bounds[-1], bounds[-1])), np.zeros(bounds[-1])
    for factor in graph.factors:
        names = [v.name for v in factor.scope]
        if isinstance(factor, mm.BiasFactor) and factor.precision is not None:
            at = place[names[0]]
            field[at] += numbers(factor.bias).reshape(-1)
            matrix[at, at] += np.diag(numbers(factor.precision).reshape(-1))
        elif isinstance(factor, mm.BilinearFactor):
            weights = numbers(factor.matrix)
            for (name, other), w in ((names, weights), (names[::-1], weights.T)):
                if name in place and other in place:
                    matrix[place[name], place[other]] -= w
                elif name in place:
                    field[place[name]] += w @ value[other]
    known = np.full(bounds[-1], np.nan)
    for v in real:
        if v.name in hard:
            known[place[v.name]] = np.reshape(hard[v.name], -1)
    rectified = np.concatenate([np.full(v.size, v.family != "gaussian") for v in real] or [[]])
    log_total, mean, square, log_top, top = _integrated(matrix, field, known, rectified > 0)
    return _Integrals(
        log_total,
        {n: mean[at] for n, at in place.items()},
        {n: square[at] for n, at in place.items()},
        log_top,
        {n: top[at] for n, at in place.items()},
    )


def _integrated(
    matrix: np.ndarray, field: np.ndarray, known: np.ndarray, rectified: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, float, np.ndarray]:
    """Integrate ``exp(field x - x matrix x / 2)`` over the unknown units."""
    fixed = ~np.isnan(known)
    mean, top = np.where(fixed, known, 0.0), np.where(fixed, known, 0.0)
    square = mean**2
    constant = field @ mean - mean @ matrix @ mean / 2
    field = field - matrix @ mean
    log_total = log_top = float(constant)
    real = np.flatnonzero(~fixed & ~rectified)
    if len(real):
        covariance = np.linalg.inv(matrix[np.ix_(real, real)])
        mean[real] = top[real] = covariance @ field[real]
        square[real] = mean[real] ** 2 + np.diag(covariance)
        exponent = field[real] @ covariance @ field[real] / 2
        log_top += exponent
        log_total += exponent + np.linalg.slogdet(2 * np.pi * covariance)[1] / 2
    for unit in np.flatnonzero(~fixed & rectified):
        precision, slope = matrix[unit, unit], field[unit]
        log_sum, mean[unit], square[unit] = by_quadrature(slope, precision)
        log_total += log_sum
        top[unit] = max(slope, 0.0) / precision
        log_top += slope * top[unit] - precision * top[unit] ** 2 / 2
    return log_total, mean, square, log_top, top


def by_quadrature(slope: float, precision: float) -> tuple[float, float, float]:
    """The logarithm of the integral of a rectified unit, its mean and its mean square."""
    peak = max(slope, 0.0) / precision
    height = slope * peak - precision * peak**2 / 2
    width = min(1 / math.sqrt(precision), 1 / -slope if slope < 0 else math.inf)
    start = max(0.0, peak - 40 * width)

    def moment(power: int) -> float:
        ends = (start, peak, peak + 40 * width)
        return sum(
            quad(
                lambda x: x**power * math.exp(slope * x - precision * x * x / 2 - height),
                a, b, epsabs=0, epsrel=1e-11, limit=200,
            )[0]
            for a, b in itertools.pairwise(ends) if b > a
        )  # fmt: skip

    total = moment(0)
    return math.log(total) + height, moment(1) / total, moment(2) / total
