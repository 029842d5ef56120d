"""Random small graphs that mix every kind of factor, and their weights by listing all states."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.evidence import MISSING
from mmgraph.graph.interaction import Interaction


def random_interaction(generator: np.random.Generator, states: int) -> Interaction:
    kind = int(generator.integers(4))
    if kind == 0:
        return mm.Potts()
    if kind == 1:
        return mm.TruncatedLinear(float(generator.choice([0.7, 1.5, np.inf])))
    if kind == 2:
        return mm.TruncatedQuadratic(float(generator.choice([0.7, 2.5, np.inf])))
    return mm.Tabulated(generator.normal(size=(states, states)))


def mixed_graph(seed: int, zeros: float = 0.0, leaves: bool = True) -> mm.FactorGraph:
    """An image, a list of nodes and scalars of different numbers of states, joined to each other.

    A share ``zeros`` of table entries is forbidden, never the one that all first states select.
    """
    generator = np.random.default_rng(seed)
    image = mm.Variable("image", int(generator.integers(2, 4)), shape=(2, 2))
    chain = mm.Variable("chain", ("a", "b"), shape=(2,))
    scalars = [mm.Variable(f"s{i}", int(generator.integers(1, 4))) for i in range(3)]

    def table(*shape: int) -> np.ndarray:
        energies = generator.normal(size=shape)
        energies[generator.random(shape) < zeros] = np.inf
        energies[(0,) * len(shape)] = generator.normal()
        return energies

    interaction = random_interaction(generator, image.cardinality)
    factors: list[mm.Factor] = [
        mm.UnaryFactor(image, generator.normal(size=(2, 2, image.cardinality))),
        mm.GridFactor(image, interaction, generator.normal(size=(4, 2, 2)), neighbours=8),
        mm.PairwiseFactor(chain, [[1, 0]], random_interaction(generator, 2), [generator.random()]),
        mm.PairwiseFactor((image, chain), [[0, 1], [3, 0]], table(2, image.cardinality, 2), 1.5),
        mm.PairwiseFactor((chain, scalars[0]), [[0, 0]], table(2, scalars[0].cardinality)),
        mm.TableFactor(scalars, log_values=-table(*(s.cardinality for s in scalars))),
        mm.TableFactor(scalars[1:], log_values=-table(*(s.cardinality for s in scalars[1:]))),
        mm.TableFactor(scalars[:1], log_values=-table(scalars[0].cardinality)),
        mm.TableFactor([], log_values=torch.tensor(float(generator.normal()))),
    ]
    variables = [scalars[0], image, scalars[1], chain, scalars[2]]
    if leaves:
        for i, parents in enumerate((scalars[:1], scalars[1:], [])):
            leaf = mm.Variable(f"x{i}", shape=(2,), family="gaussian")
            shape = [v.cardinality for v in parents]
            means = generator.normal(size=(*shape, 2))
            variances = generator.random((*shape, 2)) + 0.5
            factors.append(mm.GaussianLeaf(leaf, parents, means, variances, covariance="diagonal"))
            variables.append(leaf)
    return mm.FactorGraph(variables, factors)


def mixed_evidence(graph: mm.FactorGraph, seed: int, rows: int) -> mm.Evidence:
    """Hard, soft, missing and continuous evidence on arrays and scalars."""
    generator = np.random.default_rng(seed)
    data: dict[str, Any] = {}
    for name, v in graph.variables.items():
        chance = generator.random()
        if not v.is_discrete:
            values = generator.normal(size=(rows, *v.shape))
            values[generator.random(rows) < 0.3] = np.nan
            data[name] = values
        elif chance < 0.3:
            codes = generator.integers(0, v.cardinality, (rows, *v.shape))
            codes[generator.random(codes.shape) < 0.6] = MISSING
            data[name] = codes
        elif chance < 0.6:
            data[name] = mm.soft(generator.normal(size=(rows, *v.shape, v.cardinality)))
    return mm.Evidence.of(data, graph.variables)


def all_assignments(graph: mm.FactorGraph) -> dict[str, Tensor]:
    """Every joint state of the discrete variables, one a row."""
    discrete = [v for v in graph.variables.values() if v.is_discrete]
    ranges = [range(v.cardinality) for v in discrete for _ in range(v.size)]
    rows = torch.tensor(list(itertools.product(*ranges)), dtype=torch.int64)
    blocks = rows.split([v.size for v in discrete], 1)
    return {v.name: b.reshape(-1, *v.shape) for v, b in zip(discrete, blocks, strict=True)}


def log_weights(graph: mm.FactorGraph, evidence: mm.Evidence, row: int) -> Tensor:
    """The log-weight of every joint state together with one row of evidence."""
    states = all_assignments(graph)
    count = len(next(iter(states.values())))
    total = torch.zeros(count, dtype=torch.float64)
    one = evidence.rows(slice(row, row + 1))
    for factor in graph.factors:
        if all(v.is_discrete for v in factor.scope):
            total = total - factor.energy(states)
        elif (table := factor.likelihood(one)) is not None:
            values = table.values.reshape([v.cardinality for v in table.scope])
            total = total + values[tuple(states[v.name] for v in table.scope)]
    for name, values in evidence.soft.items():
        picked = values[row].double().expand(count, *values.shape[1:])
        total += picked.gather(-1, states[name].unsqueeze(-1)).reshape(count, -1).sum(1)
    for name in (*evidence.columns, *evidence.arrays):
        codes = evidence.hard(name)
        assert codes is not None
        agrees = (codes[row] == states[name]) | (codes[row] == MISSING)
        total = total.masked_fill(~agrees.reshape(count, -1).all(1), -torch.inf)
    return total
