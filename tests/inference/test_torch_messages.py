"""Messages on tensors beside the compiled ones, by gradient and by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import NotTabularError, ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.inference.belief_propagation_torch import belief_propagation_torch
from mmgraph.inference.trws_torch import trws_torch
from tests.inference.test_trws import INTERACTIONS, grid

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]
TABLE = mm.Tabulated([[0.0, 1.0, np.inf], [0.5, 0.0, 1.0], [2.0, 0.3, 0.1]])


def evidence_of(graph, data=None):
    return Evidence.of(data, graph.variables)


def mixed(seed: int, three: bool = False) -> mm.FactorGraph:
    """An image with a scalar beside it that has fewer states, joined by tables and edges."""
    rng = np.random.default_rng(seed)
    image, scene, time = (
        mm.Variable("image", 3, (3, 3)),
        mm.Variable("scene", 2),
        mm.Variable("t", 3),
    )
    scope = (scene, time, image)[: 3 if three else 2]
    factors = [
        mm.UnaryFactor(image, rng.normal(size=(3, 3, 3))),
        mm.GridFactor(image, (*INTERACTIONS, TABLE)[seed % 6], rng.random((4, 3, 3)), 8),
        mm.PairwiseFactor((scene, image), [(0, 0), (0, 4)], rng.normal(size=(2, 2, 3))),
        mm.TableFactor(scope[:2], rng.random((2, 3))),
    ]
    if three:
        other = mm.Variable("other", 2)
        factors.append(mm.TableFactor((scene, time, other), rng.random((2, 3, 2))))
        return mm.FactorGraph([image, scene, time, other], factors)
    return mm.FactorGraph([image, scene, time], factors)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(6))
def test_belief_propagation_has_the_fixed_point_of_the_kernels(seed, device):
    graph = mixed(seed)
    codes = np.full((2, 3, 3), -1)
    codes[1, 2, 2] = 1
    data = {"image": codes, "scene": mm.soft(np.array([[0.0, 0.5], [1.0, 0.0]]))}
    expected = mm.query(graph, data, method="belief_propagation", tolerance=1e-10)
    evidence = evidence_of(graph, data)
    found = belief_propagation_torch(graph, evidence, device=device, tolerance=1e-10)
    assert found.converged
    for name in graph.variables:
        torch.testing.assert_close(
            found.marginal(name).cpu(), expected.marginal(name), atol=1e-7, rtol=0
        )
    torch.testing.assert_close(found.log_evidence.cpu(), expected.log_evidence, atol=1e-6, rtol=0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(6))
def test_trws_bounds_the_optimum(seed, device):
    graph = mixed(seed)
    data = {"scene": [None, 1]}
    best = mm.map_query(graph, data, method="junction_tree").log_weight
    found = trws_torch(graph, evidence_of(graph, data), device=device)
    assert (found.bound >= best - 1e-9).all()
    assert (found.log_weight <= best + 1e-9).all()
    torch.testing.assert_close(graph.energy(found.states), found.energy)
    kernel = mm.map_query(graph, data, method="trws")
    assert (found.gap <= kernel.gap + 0.5).all()


def test_trws_closes_the_gap_that_the_kernels_close():
    graph = grid((32, 32), 4, mm.Potts(), 0.6)
    found = trws_torch(graph, evidence_of(graph), iterations=500)
    kernel = mm.map_query(graph, method="trws")
    assert float(found.gap) <= 0.01 * abs(float(found.energy))
    assert float(found.lower_bound) <= float(kernel.energy) + 1e-9
    assert len(found.trace) > 1


def test_gradients_of_marginals_and_log_partition():
    v = mm.Variable("x", 3, (2, 3))
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(2, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weights = torch.tensor([0.4, 0.7], dtype=torch.float64, requires_grad=True)
    for interaction in (mm.Potts(), mm.TruncatedQuadratic(2.0)):

        def answers(u, w, interaction=interaction):
            graph = mm.FactorGraph([v], [mm.UnaryFactor(v, u), mm.GridFactor(v, interaction, w)])
            post = belief_propagation_torch(graph, evidence_of(graph), iterations=8, tolerance=0.0)
            return post.marginal("x")[0, 1, 1], post.log_evidence

        assert torch.autograd.gradcheck(answers, (unary, weights))


def test_refused_and_impossible():
    graph = mixed(0, three=True)
    with pytest.raises(NotTabularError, match="joins 3 variables"):
        belief_propagation_torch(graph, evidence_of(graph))
    v = mm.Variable("x", 2, (2,))
    clash = mm.FactorGraph([v], [mm.PairwiseFactor(v, [(0, 1)], [[0.0, np.inf], [np.inf, 0.0]])])
    evidence = evidence_of(clash, {"x": np.array([0, 1])})
    with pytest.raises(ZeroProbabilityError):
        belief_propagation_torch(clash, evidence)
    with pytest.raises(ZeroProbabilityError):
        trws_torch(clash, evidence)


def test_the_query_runs_on_tensors_where_gradients_are_asked_for():
    v = mm.Variable("x", 2, (40, 40))
    weights = torch.tensor(0.5, requires_grad=True)
    graph = mm.FactorGraph(
        [v], [mm.UnaryFactor(v, torch.randn(40, 40, 2)), mm.GridFactor(v, mm.Potts(), weights)]
    )
    found = mm.query(graph, method="belief_propagation", iterations=5)
    found.marginal("x")[0, 0, 0, 0].backward()
    assert weights.grad is not None
    assert torch.isfinite(weights.grad)
