"""Small Boltzmann machines of every family, and what listing all of their values says."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from scipy.special import gammaln, log_ndtr, logsumexp
from scipy.stats import norm

import mmgraph as mm
from mmgraph.networks.boltzmann.machine import BoltzmannMachine

Machine = TypeVar("Machine", bound=BoltzmannMachine)

WORDS = 3
"""The length of documents here."""


def every_family(seed: int = 0, scale: float = 0.6) -> mm.MultimodalDeepBoltzmannMachine:
    """Five modalities, one of each family, some below hidden layers of their own, with labels."""
    machine = mm.MultimodalDeepBoltzmannMachine(
        [
            mm.Pathway(mm.Variable("depth", shape=(2,), family="gaussian", modality="lidar"), 2),
            mm.Pathway(mm.Variable("pixels", shape=(2,), family="bernoulli", modality="camera"), 2),
            mm.Pathway(mm.Variable("colour", ("red", "green", "blue"), shape=(1,))),
            mm.Pathway(mm.Variable("words", shape=(2,), family="replicated_softmax")),
            mm.Pathway(mm.Variable("rate", shape=(1,), family="rectified_gaussian")),
        ],
        joint=2,
        labels=mm.Variable("label", ("a", "b")),
        dtype=torch.float64,
    )
    return scattered(machine, seed, scale)


def rectified_hidden(seed: int = 0) -> mm.RestrictedBoltzmannMachine:
    visible = mm.Variable("pixels", shape=(3,), family="bernoulli")
    labels = mm.Variable("label", ("a", "b", "c"))
    machine = mm.RestrictedBoltzmannMachine(
        visible, 2, labels, hidden_family="rectified_gaussian", dtype=torch.float64
    )
    return scattered(machine, seed)


def deep_discrete(seed: int = 0) -> mm.DeepBoltzmannMachine:
    """Bernoulli and categorical layers alone, so that tables can say all of it."""
    visible = [
        mm.Variable("pixels", shape=(3,), family="bernoulli"),
        mm.Variable("colour", 3, shape=(2,)),
    ]
    machine = mm.DeepBoltzmannMachine(
        visible, (3, 2), mm.Variable("label", ("a", "b", "c")), dtype=torch.float64
    )
    return scattered(machine, seed)


def scattered(machine: Machine, seed: int = 0, scale: float = 0.6) -> Machine:
    """Give a machine parameters at which nothing is nearly independent."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in machine.parameters().items():
        drawn = scale * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(drawn.exp() if name.startswith("precision") else drawn)
    for factor in machine.factors:
        if isinstance(factor, mm.BiasFactor) and factor.scope[0].family == "replicated_softmax":
            factor.length = WORDS
    machine.adopt(machine.factors)
    return machine


class Enumeration:
    """Every joint value of the discrete layers with a weight; real layers are integrated.

    Parameters
    ----------
    machine : BoltzmannMachine
        No two real-valued layers that are joined may be unobserved.
    row : mapping of str to array
        Of one row: state indices or values, -1 or NaN where missing.
    """

    def __init__(self, machine: BoltzmannMachine, row: Mapping[str, np.ndarray]) -> None:
        self.machine = machine
        self.numbers = {n: t.double().numpy() for n, t in machine.parameters().items()}
        self.real = {
            n: v for n, v in machine.variables.items()
            if v.family in ("gaussian", "rectified_gaussian")
        }  # fmt: skip
        listed = [n for n in machine.variables if n not in self.real]
        options = [self._options(n, row.get(n)) for n in listed]
        combined = list(itertools.product(*options))
        self.statistics = {
            n: np.array([c[i] for c in combined], float) for i, n in enumerate(listed)
        }
        self.count = len(combined)
        self.log_weights = np.zeros(self.count)
        self.means: dict[str, np.ndarray] = {}
        for name in listed:
            self._add_bias(name)
        for name in self.real:
            self._integrate(name, row.get(name))
        self._add_joined(listed)
        self.log_total = float(logsumexp(self.log_weights))
        self.shares = np.exp(self.log_weights - self.log_total)

    def _options(self, name: str, given: np.ndarray | None) -> list[np.ndarray]:
        variable = self.machine.variables[name]
        if variable.family == "replicated_softmax":
            if given is not None and not np.isnan(given).any():
                return [np.asarray(given, float)]
            every = itertools.product(range(WORDS + 1), repeat=variable.size)
            return [np.array(c, float) for c in every if sum(c) == WORDS]
        codes = np.full(variable.size, -1) if given is None else np.reshape(given, -1)
        every = itertools.product(
            *(range(variable.cardinality) if c < 0 else [int(c)] for c in codes)
        )
        if variable.family == "bernoulli":
            return [np.array(c, float) for c in every]
        return [np.eye(variable.cardinality)[list(c)].reshape(-1) for c in every]

    def _add_bias(self, name: str) -> None:
        statistics = self.statistics[name]
        self.log_weights += statistics @ self.numbers[f"bias:{name}"].reshape(-1)
        if self.machine.variables[name].family == "replicated_softmax":
            self.log_weights += gammaln(statistics.sum(1) + 1) - gammaln(statistics + 1).sum(1)

    def _matrix(self, first: str, second: str) -> np.ndarray | None:
        """The weights with the units of the first in rows."""
        for key, turned in (
            (f"weights:{first}:{second}", False),
            (f"weights:{second}:{first}", True),
        ):
            if key in self.numbers:
                lower = key.split(":")[1]
                variable = self.machine.variables[lower]
                states = variable.cardinality if variable.family == "categorical" else 1
                matrix = self.numbers[key].reshape(variable.size * states, -1)
                return matrix.T if turned else matrix
        return None

    def _integrate(self, name: str, given: np.ndarray | None) -> None:
        """Sum a real layer out given every joint value of the discrete ones."""
        field = self.numbers[f"bias:{name}"].reshape(1, -1)
        for other, statistics in self.statistics.items():
            matrix = self._matrix(other, name)
            if matrix is not None:
                field = field + statistics @ matrix
        field = np.broadcast_to(field, (self.count, field.shape[1]))
        precision = self.numbers[f"precision:{name}"].reshape(-1)
        width = 0.5 * np.log(2 * np.pi / precision)
        total = field**2 / (2 * precision) + width
        mean = field / precision
        if self.machine.variables[name].family == "rectified_gaussian":
            standard = field / np.sqrt(precision)
            total = total + log_ndtr(standard)
            ratio = np.exp(norm.logpdf(standard) - log_ndtr(standard))
            mean = mean + ratio / np.sqrt(precision)
        if given is not None:
            value = np.reshape(np.asarray(given, float), -1)
            known = ~np.isnan(value)
            fixed = np.where(known, value, 0.0)
            total = np.where(known, fixed * field - precision * fixed**2 / 2, total)
            mean = np.where(known, fixed, mean)
        self.log_weights = self.log_weights + total.sum(1)
        self.means[name] = mean

    def _add_joined(self, listed: list[str]) -> None:
        for first, second in itertools.combinations(listed, 2):
            matrix = self._matrix(first, second)
            if matrix is not None:
                product = self.statistics[first] @ matrix
                self.log_weights += (product * self.statistics[second]).sum(1)

    def mean(self, name: str) -> np.ndarray:
        """The posterior mean of a layer's statistics, flattened."""
        values = self.means[name] if name in self.means else self.statistics[name]
        return self.shares @ values


def rows_of(machine: BoltzmannMachine) -> dict[str, np.ndarray]:
    """Six rows: complete, without each of three modalities, partly known, and empty."""
    generator = np.random.default_rng(3)
    count = 6
    data: dict[str, np.ndarray] = {}
    for variable in machine.visible:
        shape = (count, *variable.shape)
        if variable.family == "replicated_softmax":
            data[variable.name] = np.array([[1, 2], [3, 0], [2, 2], [0, 1], [2, 1], [0, 3]], float)
        elif variable.is_discrete:
            data[variable.name] = generator.integers(0, variable.cardinality, shape)
        else:
            data[variable.name] = np.abs(generator.normal(size=shape))
    names = list(data)
    for row, name in enumerate(names[:3], 1):
        data[name][row] = _missing(machine, name)
    data[names[0]][4, 0] = _missing(machine, names[0])
    if len(names) > 1:
        data[names[1]][4, -1] = _missing(machine, names[1])
    for name in names:
        data[name][5] = _missing(machine, name)
    return data


def _missing(machine: BoltzmannMachine, name: str) -> float:
    return -1 if machine.variables[name].is_discrete else np.nan
