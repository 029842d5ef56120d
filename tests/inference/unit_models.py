"""Small random machines of every family of units, and what listing their values says of them.

Every joint value of the discrete layers and every count vector is listed; Gaussian units are
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
"""The joint values that may be listed."""

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
    """What listing says of one row of evidence.

    Attributes
    ----------
    log_total, best_log_weight : float
        The logarithms of the sum (integral) of all weights that fit the evidence, and of the
        highest of them.
    best, means, squares : dict of str to ndarray
        Statistics of highest weight, expected ones, and their expected squares, flattened.
    values : dict of str to ndarray
        Statistics of the listed layers, a row a joint value.
    log_weights : ndarray
        Of those rows, with real layers integrated.
    """

    log_total: float
    best_log_weight: float
    best: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    squares: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    log_weights: np.ndarray


def by_listing(graph: mm.FactorGraph, hard: Row | None = None, soft: Row | None = None) -> Answer:
    """List every joint value of one row; real units joined to each other must be Gaussian."""
    hard, soft = hard or {}, soft or {}
    listed = [v for v in graph.variables.values() if v.family not in REAL]
    joint = list(itertools.product(*(list(_options(v, hard.get(v.name))) for v in listed)))
    values = {v.name: np.array([value[i] for value in joint]) for i, v in enumerate(listed)}
    log_weights = _listed_log_weights(graph, values, soft, len(joint))
    real = _integrals(graph, values, hard, len(joint))
    top = int((log_weights + real.log_tops).argmax())
    best_log_weight = float(log_weights[top] + real.log_tops[top])
    log_weights = log_weights + real.log_totals
    total = float(logsumexp(log_weights))
    shares = np.exp(log_weights - total)
    return Answer(
        total,
        best_log_weight,
        {n: array[top] for n, array in {**values, **real.tops}.items()},
        {n: shares @ array for n, array in {**values, **real.means}.items()},
        {n: shares @ array**2 for n, array in values.items()}
        | {n: shares @ array for n, array in real.squares.items()},
        values,
        log_weights,
    )


def _options(variable: mm.Variable, observed: np.ndarray | None) -> Iterator[np.ndarray]:
    """The statistics that a layer may have, flattened."""
    if variable.family == "replicated_softmax":
        if observed is not None and not np.isnan(observed).any():
            yield np.asarray(observed, float)
            return
        for counts in itertools.product(range(WORDS + 1), repeat=variable.size):
            if sum(counts) == WORDS:
                yield np.array(counts, float)
        return
    codes = [-1] * variable.size if observed is None else np.reshape(observed, -1).tolist()
    states = range(variable.cardinality)
    for combination in itertools.product(*(states if c < 0 else [int(c)] for c in codes)):
        if variable.family == "bernoulli":
            yield np.array(combination, float)
        else:
            yield np.eye(variable.cardinality)[list(combination)].reshape(-1)


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def _listed_log_weights(graph: mm.FactorGraph, values: Row, soft: Row, count: int) -> np.ndarray:
    total = np.zeros(count)
    for name, likelihood in soft.items():
        variable, statistics = graph.variables[name], values[name]
        if variable.family == "bernoulli":
            statistics = np.stack([1 - statistics, statistics], -1).reshape(count, -1)
        total += statistics @ likelihood.reshape(-1)
    for factor in graph.factors:
        names = [v.name for v in factor.scope]
        if any(n not in values for n in names):
            continue
        if isinstance(factor, mm.BilinearFactor):
            total += (values[names[0]] @ numbers(factor.matrix) * values[names[1]]).sum(1)
        elif isinstance(factor, mm.BiasFactor):
            statistics = values[names[0]]
            total += statistics @ numbers(factor.bias).reshape(-1)
            if factor.scope[0].family == "replicated_softmax":
                total += gammaln(statistics.sum(1) + 1) - gammaln(statistics + 1).sum(1)
        else:
            states = {n: torch.from_numpy(_states(graph.variables[n], values[n])) for n in names}
            total -= numbers(factor.energy(states))
    return total


def _states(variable: mm.Variable, statistics: np.ndarray) -> np.ndarray:
    """State indices of flattened statistics."""
    if variable.family == "bernoulli":
        return statistics.astype(int).reshape(-1, *variable.shape)
    return statistics.reshape(len(statistics), *variable.shape, -1).argmax(-1)


class _Integrals(NamedTuple):
    log_totals: np.ndarray
    log_tops: np.ndarray
    tops: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    squares: dict[str, np.ndarray]


def _integrals(graph: mm.FactorGraph, values: Row, hard: Row, count: int) -> _Integrals:
    """Integrate ``exp(field x - x matrix x / 2)`` over real layers, given all other values."""
    real = [v for v in graph.variables.values() if v.family in REAL]
    bounds = np.cumsum([0, *(v.size for v in real)])
    place = {v.name: slice(a, b) for v, (a, b) in zip(real, itertools.pairwise(bounds),
                                                      strict=True)}  # fmt: skip
    matrix, field = np.zeros((bounds[-1], bounds[-1])), np.zeros((count, bounds[-1]))
    for factor in graph.factors:
        names = [v.name for v in factor.scope]
        if isinstance(factor, mm.BiasFactor) and factor.precision is not None:
            at = place[names[0]]
            field[:, at] += numbers(factor.bias).reshape(-1)
            matrix[at, at] += np.diag(numbers(factor.precision).reshape(-1))
        elif isinstance(factor, mm.BilinearFactor):
            weights = numbers(factor.matrix)
            for (name, other), w in ((names, weights), (names[::-1], weights.T)):
                if name in place and other in place:
                    matrix[place[name], place[other]] -= w
                elif name in place:
                    field[:, place[name]] += values[other] @ w.T
    observed = np.full(bounds[-1], np.nan)
    for v in real:
        if v.name in hard:
            observed[place[v.name]] = np.reshape(hard[v.name], -1)
    fixed = ~np.isnan(observed)
    observed[~fixed] = 0
    rectified = np.array([v.family != "gaussian" for v in real for _ in range(v.size)], bool)
    mean, top = np.tile(observed, (2, count, 1))
    square = mean**2
    log_totals = field @ observed - observed @ matrix @ observed / 2
    field = field - matrix @ observed
    log_tops = log_totals.copy()
    unknown = np.flatnonzero(~fixed & ~rectified)
    if len(unknown):
        covariance = np.linalg.inv(matrix[np.ix_(unknown, unknown)])
        mean[:, unknown] = top[:, unknown] = field[:, unknown] @ covariance
        square[:, unknown] = mean[:, unknown] ** 2 + np.diag(covariance)
        exponent = (mean[:, unknown] * field[:, unknown]).sum(1) / 2
        log_tops += exponent
        log_totals += exponent + np.linalg.slogdet(2 * np.pi * covariance)[1] / 2
    for unit in np.flatnonzero(~fixed & rectified):
        precision = matrix[unit, unit]
        slopes, rows = np.unique(field[:, unit], return_inverse=True)
        moments = np.array([by_quadrature(slope, precision) for slope in slopes])[rows].T
        log_totals += moments[0]
        mean[:, unit], square[:, unit] = moments[1:]
        top[:, unit] = np.maximum(field[:, unit], 0) / precision
        log_tops += top[:, unit] ** 2 * precision / 2
    by_layer = [{n: array[:, at] for n, at in place.items()} for array in (top, mean, square)]
    return _Integrals(log_totals, log_tops, *by_layer)


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
