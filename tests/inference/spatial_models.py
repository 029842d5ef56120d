"""Small random arrays for the tests of samplers, and exact answers by listing all states."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.evidence import MISSING


def ising_grid(
    shape: tuple[int, int], weight: object, field: float = 0.0, seed: int = 0
) -> mm.FactorGraph:
    """Two states with random unary factors on the rows and columns of an image."""
    spins = mm.Variable("spins", 2, shape)
    values = np.random.default_rng(seed).normal(size=(*shape, 2)) * field
    return mm.FactorGraph(
        [spins], [mm.GridFactor(spins, mm.Potts(), weight), mm.UnaryFactor(spins, values)]
    )


def mixed_graph(seed: int, zeros: bool = False) -> mm.FactorGraph:
    """A small image, a line of other labels joined to it, and scalars in a table of three."""
    generator = np.random.default_rng(seed)
    labels, line = mm.Variable("labels", 3, (2, 2)), mm.Variable("line", 2, (2,))
    a, b = mm.Variable("a", 2), mm.Variable("b", 3)
    tables = generator.normal(size=(2, 3, 2)) * 0.7
    table = generator.normal(size=(2, 3))
    if zeros:
        tables[0, 0, 1] = tables[1, 2, 0] = np.inf
        table[1, 0] = -np.inf
    interaction = (mm.Potts(), mm.TruncatedLinear(1.5), mm.TruncatedQuadratic(3.0))[seed % 3]
    factors: list[mm.Factor] = [
        mm.GridFactor(labels, interaction, generator.random((2, 2, 2)), neighbours=4),
        mm.UnaryFactor(labels, generator.normal(size=(2, 2, 3))),
        mm.PairwiseFactor((labels, line), [(0, 0), (3, 1)], mm.Tabulated(tables)),
        mm.PairwiseFactor(line, [(0, 1)], mm.Potts(), -0.8),
        mm.TableFactor((a, b), log_values=torch.as_tensor(table)),
        mm.TableFactor((b, a), log_values=torch.as_tensor(generator.normal(size=(3, 2)))),
    ]
    return mm.FactorGraph([labels, line, a, b], factors)


def listed(
    graph: mm.FactorGraph, evidence: mm.Evidence, row: int = 0
) -> tuple[dict[str, Tensor], float]:
    """Exact marginals and the logarithm of the weight of all states that the evidence leaves."""
    variables = graph.variables
    sizes = [v.size for v in variables.values()]
    axes = [range(v.cardinality) for v in variables.values() for _ in range(v.size)]
    every = torch.tensor(list(itertools.product(*axes)))
    parts = every.split(sizes, 1)
    states = {
        n: p.reshape(-1, *v.shape) for (n, v), p in zip(variables.items(), parts, strict=True)
    }
    log_weight = -graph.energy(states).double()
    for name, codes in states.items():
        hard = evidence.hard(name)
        if hard is not None:
            agrees = (hard[row] == codes) | (hard[row] == MISSING)
            log_weight = log_weight.masked_fill(~agrees.reshape(len(codes), -1).all(1), -torch.inf)
        if name in evidence.soft:
            table = evidence.soft[name][row].double().expand(len(codes), *codes.shape[1:], -1)
            log_weight += table.gather(-1, codes[..., None]).reshape(len(codes), -1).sum(1)
    probability = log_weight.softmax(0)
    marginals = {}
    for name, codes in states.items():
        one_hot = torch.nn.functional.one_hot(codes, variables[name].cardinality).double()
        marginals[name] = torch.tensordot(probability, one_hot, 1)
    return marginals, float(log_weight.logsumexp(0))
