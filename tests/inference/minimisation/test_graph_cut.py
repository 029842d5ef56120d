"""Exact binary labellings against listing all states; what no cut can express is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings

import mmgraph as mm
from mmgraph.graph.errors import GraphError, UnknownVariableError, ZeroProbabilityError
from mmgraph.inference.minimisation.graph_cut import graph_cut, is_binary_submodular
from mmgraph.inference.pairwise.build import pairwise_graph
from tests.inference.mixed_models import log_weights
from tests.inference.models import nothing, seeds


def submodular_graph(seed, zeros=0.0):
    """An image, two scalars and a constant, joined by tables that no cut refuses."""
    generator = np.random.default_rng(seed)

    def table():
        energies = generator.normal(size=(2, 2))
        excess = energies[0, 0] + energies[1, 1] - energies[0, 1] - energies[1, 0]
        energies[0, 1] += max(excess, 0) + generator.random()
        if generator.random() < zeros:
            kind = int(generator.integers(4))
            for cell in ([(0, 1)], [(1, 0)], [(0, 1), (1, 0)], [(0, 0), (0, 1)])[kind]:
                energies[cell] = np.inf
        return energies

    image, constant = mm.Variable("image", 2, (2, 3)), mm.Variable("constant", 1)
    a, b = mm.Variable("a", ("no", "yes")), mm.Variable("b", 2)
    edges = [(0, 1), (1, 2), (0, 3), (1, 4), (5, 2), (4, 3), (5, 4)]
    unary = generator.normal(size=(2, 3, 2)) * 2
    unary[generator.random(unary.shape) < zeros / 3] = -np.inf
    factors = [
        mm.UnaryFactor(image, unary),
        mm.PairwiseFactor(image, edges, np.stack([table() for _ in edges])),
        mm.PairwiseFactor((image, a), [(2, 0)], table()),
        mm.TableFactor((b, a), log_values=-table()),
        mm.TableFactor((constant, b), log_values=generator.normal(size=(1, 2))),
        mm.TableFactor((), log_values=torch.tensor(0.7)),
    ]
    return mm.FactorGraph([image, constant, a, b], factors)


@settings(max_examples=40)
@given(seed=seeds)
def test_the_cut_finds_the_optimum(seed):
    graph = submodular_graph(seed)
    generator = np.random.default_rng(seed)
    evidence = mm.Evidence.of(
        {
            "image": generator.integers(-1, 2, (2, 2, 3)),
            "a": mm.soft(generator.normal(size=2)),
            "b": [None, 1],
        },
        graph.variables,
    )
    found = graph_cut(graph, evidence)
    for row in range(2):
        best = float(log_weights(graph, evidence, row).max())
        assert float(found.log_weight[row]) == pytest.approx(best, abs=1e-9)
    assert found.exact
    assert (found.gap == 0).all()
    assert torch.equal(found.bound, found.log_weight)


@settings(max_examples=60)
@given(seed=seeds)
def test_hard_zeros_are_exact(seed):
    graph = submodular_graph(seed, zeros=0.6)
    best = float(log_weights(graph, nothing(graph), 0).max())
    if best == -np.inf:
        with pytest.raises(ZeroProbabilityError, match="contradict"):
            graph_cut(graph, nothing(graph))
        reject()
    found = graph_cut(graph, nothing(graph))
    assert float(found.log_weight) == pytest.approx(best, abs=1e-9)
    torch.testing.assert_close(graph.energy(found.states), found.energy)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 3)])
@pytest.mark.parametrize("unary", ["equal", "random"])
def test_lines_pixels_and_ties(shape, unary):
    v = mm.Variable("label", 2, shape)
    values = torch.zeros(*shape, 2, dtype=torch.float64)
    if unary == "random":
        values = torch.randn(values.shape, generator=torch.Generator().manual_seed(0)).double()
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, values), mm.GridFactor(v, mm.Potts(), 0.4)])
    found = graph_cut(graph, nothing(graph))
    best = float(log_weights(graph, nothing(graph), 0).max())
    assert float(found.log_weight) == pytest.approx(best, abs=1e-9)


def test_variables_of_one_state_need_no_cut():
    v = mm.Variable("label", 1, (4, 4))
    graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts(), 1.0)])
    assert not graph_cut(graph, nothing(graph))["label"].any()


def test_evidence_may_leave_two_of_many_states():
    v = mm.Variable("label", 4, (3, 3))
    values = torch.randn(3, 3, 4, generator=torch.Generator().manual_seed(1)).double()
    graph = mm.FactorGraph(
        [v], [mm.UnaryFactor(v, values), mm.GridFactor(v, mm.TruncatedLinear(2), 0.7)]
    )
    allowed = torch.full((3, 3, 4), -torch.inf, dtype=torch.float64)
    allowed[..., [1, 3]] = 0.0
    evidence = mm.Evidence.of({"label": mm.soft(allowed)}, graph.variables)
    found = graph_cut(graph, evidence)
    best = float(log_weights(graph, evidence, 0).max())
    assert float(found.log_weight) == pytest.approx(best, abs=1e-9)
    with pytest.raises(GraphError, match=r"'label'\[0, 0\] has 4 left"):
        graph_cut(graph, nothing(graph))


def test_single_precision():
    v = mm.Variable("label", 2, (5, 5))
    values = torch.randn(5, 5, 2, generator=torch.Generator().manual_seed(2))
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, values), mm.GridFactor(v, mm.Potts(), 0.3)])
    found = graph_cut(graph, nothing(graph))
    precise = graph_cut(graph, nothing(graph), dtype=torch.float64)
    assert torch.equal(found["label"], precise["label"])


def test_an_edge_that_rewards_different_states_is_named():
    v = mm.Variable("label", 2, (2, 2))
    weights = np.ones((2, 2, 2))
    weights[0, 1, 0] = -0.5
    graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts(), weights)])
    message = (
        r"between 'label'\[1, 0\] and 'label'\[1, 1\] rewards different states.*"
        r"E\(0, 0\) \+ E\(1, 1\) = 0.5 \+ 0.5 exceeds E\(0, 1\) \+ E\(1, 0\) = 0 \+ 0"
    )
    with pytest.raises(GraphError, match=message):
        graph_cut(graph, nothing(graph))
    known = mm.Evidence.of({"label": np.array([[[-1, -1], [-1, 1]]])}, graph.variables)
    assert int(graph_cut(graph, known)["label"][0, 0, 0]) == 1  # no choice is left at that edge


def test_an_unknown_variable_is_refused():
    graph = submodular_graph(0)
    with pytest.raises(UnknownVariableError, match="did you mean 'image'"):
        graph_cut(graph, nothing(graph), ["imag"])
    assert list(graph_cut(graph, nothing(graph), ["a"]).states) == ["a"]


def test_what_is_binary_and_submodular():
    assert is_binary_submodular(pairwise_graph(submodular_graph(3)))
    two, three = mm.Variable("two", 2, (2, 2)), mm.Variable("three", 3, (2, 2))
    for v, weight, expected in ((two, 1.0, True), (two, -1.0, False), (three, 1.0, False)):
        graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts(), weight)])
        assert is_binary_submodular(pairwise_graph(graph)) is expected
