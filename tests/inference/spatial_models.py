"""Small random arrays for the tests of samplers, and exact answers by listing all states."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

import mmgraph as mm
from tests.inference.mixed_models import all_assignments, log_weights


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
    weights = log_weights(graph, evidence, row)
    probability = weights.softmax(0)
    marginals = {
        name: torch.tensordot(
            probability, one_hot(codes, graph.variables[name].cardinality).double(), 1
        )
        for name, codes in all_assignments(graph).items()
    }
    return marginals, float(weights.logsumexp(0))


def tolerance(posterior: mm.Posterior, name: str) -> float:
    """Five standard errors of an indicator, for as many independent draws as are told."""
    sizes = posterior.diagnostics["effective_sample_size"][name]
    return 5 * 0.5 / float(sizes.min()) ** 0.5


def assert_agrees(
    posterior: mm.Posterior, graph: mm.FactorGraph, evidence: mm.Evidence, row: int = 0
) -> None:
    """The marginals of a row beside those of listing all states."""
    exact, _ = listed(graph, evidence, row)
    for name, marginal in exact.items():
        difference = (posterior.marginal(name)[row] - marginal).abs().max()
        assert float(difference) < tolerance(posterior, name), name
