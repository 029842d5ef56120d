"""Small networks and incomplete data that the tests of learning share."""

from __future__ import annotations

import numpy as np
import torch

import mmgraph as mm
from tests.inference.models import seeded


def random_network(seed: int, size: int = 5) -> mm.BayesianNetwork:
    """Up to two parents a variable, two or three states."""
    generator = np.random.default_rng(seed)
    variables = [mm.Variable(f"v{i}", int(generator.integers(2, 4))) for i in range(size)]
    factors = []
    for i, child in enumerate(variables):
        count = int(generator.integers(0, min(i, 2) + 1))
        parents = [variables[j] for j in generator.choice(i, count, replace=False)] if i else []
        table = generator.dirichlet(np.ones(child.cardinality), [v.cardinality for v in parents])
        factors.append(mm.TableFactor((*parents, child), table, child=child))
    return mm.BayesianNetwork(variables, factors)


def with_holes(
    net: mm.BayesianNetwork, rows: int, share: float, seed: int
) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        name: np.where(generator.random(rows) < share, -1, codes.numpy())
        for name, codes in mm.sample(net, rows, generator=seeded(seed)).codes.items()
    }


def check_monotone(objectives) -> None:
    steps = np.diff(objectives)
    assert (steps >= -1e-9 * np.abs(objectives[:-1])).all(), steps.min()


def same_factors(first: mm.FactorGraph, second: mm.FactorGraph) -> bool:
    def numbers(factor) -> list[torch.Tensor]:
        if type(factor) is mm.TableFactor:
            return [factor.values]
        return list(factor.parameters().values())

    return all(
        torch.equal(a, b)
        for f, g in zip(first.factors, second.factors, strict=True)
        for a, b in zip(numbers(f), numbers(g), strict=True)
    )


def mixture_of_three() -> mm.BayesianNetwork:
    h, x = mm.Variable("h", 3), mm.Variable("x", shape=(2,), family="gaussian")
    means = np.array([[0.0, 0], [5, 0], [0, 6]])
    spread = np.array([[[1, 0.5], [0.5, 1]], [[0.5, 0], [0, 2]], [[1, 0], [0, 1]]])
    return mm.BayesianNetwork(
        (h, x),
        (mm.TableFactor((h,), [0.2, 0.3, 0.5], child=h), mm.GaussianLeaf(x, (h,), means, spread)),
    )
