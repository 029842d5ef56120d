"""Random small models of every factor kind, for the tests against enumeration."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

import mmgraph as mm

seeds = st.integers(0, 2**32 - 1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def nothing(graph: mm.FactorGraph) -> mm.Evidence:
    """Evidence of one row that observes nothing."""
    return mm.Evidence.of(None, graph.variables)


def random_variables(generator: np.random.Generator, count: int) -> list[mm.Variable]:
    """Up to four states each; some have labels, some are constant."""
    variables = []
    for i in range(count):
        states = int(generator.integers(1, 5))
        labels = tuple(f"s{k}" for k in range(states)) if generator.random() < 0.5 else states
        variables.append(mm.Variable(f"v{i}", labels, modality=("sound", "image")[i % 2]))
    return variables


def random_network(seed: int, zeros: float = 0.0, leaves: int = 0) -> mm.BayesianNetwork:
    """A Bayesian network with up to seven discrete variables and a few continuous leaves."""
    generator = np.random.default_rng(seed)
    variables = random_variables(generator, int(generator.integers(1, 8)))
    factors: list[mm.Factor] = []
    for i, child in enumerate(variables):
        count = int(generator.integers(0, min(i, 3) + 1))
        chosen = generator.choice(i, count, replace=False) if count else []
        scope = [*(variables[p] for p in chosen), child]
        table = generator.random([v.cardinality for v in scope]) + 0.01
        table *= generator.random(table.shape) >= zeros
        table[..., 0] += table.sum(-1) == 0
        factors.append(mm.TableFactor(scope, table / table.sum(-1, keepdims=True), child=child))
    discrete = list(variables)
    for i in range(leaves):
        parents = [discrete[p] for p in generator.choice(len(discrete), 1 + i % 2)]
        parents = list(dict.fromkeys(parents))
        child = mm.Variable(f"x{i}", shape=(2,), family="gaussian", modality="scanner")
        variables.append(child)
        factors.append(_random_leaf(generator, child, parents, mixture=i % 2 == 1))
    return mm.BayesianNetwork(variables, factors)


def _random_leaf(
    generator: np.random.Generator, child: mm.Variable, parents: list[mm.Variable], mixture: bool
) -> mm.Factor:
    shape = [v.cardinality for v in parents]
    if mixture:
        weights = generator.dirichlet((1.0, 1.0), shape)
        means = generator.normal(size=(*shape, 2, 2))
        return mm.GaussianMixtureLeaf(
            child, parents, weights, means, np.eye(2), covariance="shared"
        )
    means = generator.normal(size=(*shape, 2))
    root = generator.normal(size=(*shape, 2, 2))
    covariances = root @ np.swapaxes(root, -1, -2) + 0.5 * np.eye(2)
    return mm.GaussianLeaf(child, parents, means, covariances, covariance="full")


def random_graph(seed: int, zeros: float = 0.0) -> mm.FactorGraph:
    """Tables of up to three variables in any scale, unary factors, and variables alone."""
    generator = np.random.default_rng(seed)
    variables = random_variables(generator, int(generator.integers(1, 7)))
    factors: list[mm.Factor] = []
    for _ in range(int(generator.integers(0, 7))):
        count = int(generator.integers(0, min(3, len(variables)) + 1))
        scope = [variables[i] for i in generator.choice(len(variables), count, replace=False)]
        table = generator.normal(size=[v.cardinality for v in scope]) * 3 + generator.normal() * 200
        if count:
            table = np.where(generator.random(table.shape) < zeros, -np.inf, table)
        factors.append(mm.TableFactor(scope, log_values=torch.as_tensor(table)))
    for v in variables:
        if generator.random() < 0.3:
            factors.append(mm.UnaryFactor(v, generator.normal(size=v.cardinality)))
    return mm.FactorGraph(variables, factors)


def random_evidence(graph: mm.FactorGraph, seed: int, rows: int) -> dict[str, Any]:
    """Hard, soft, missing and continuous evidence, differently missing in each row."""
    generator = np.random.default_rng(seed)
    evidence: dict[str, Any] = {}
    for name, v in graph.variables.items():
        kind = generator.random()
        if not v.is_discrete:
            values = generator.normal(size=(rows, *v.shape))
            values[generator.random(values.shape) < 0.2] = np.nan
            if kind < 0.7:
                evidence[name] = values
        elif kind < 0.3:
            codes = generator.integers(0, v.cardinality, rows)
            if generator.random() < 0.5:
                codes[generator.random(rows) < 0.4] = -1
            evidence[name] = codes if rows > 1 else int(codes[0]) if codes[0] >= 0 else None
        elif kind < 0.45:
            evidence[name] = mm.soft(generator.normal(size=(rows, v.cardinality)) * 2 - 900.0)
    return evidence
