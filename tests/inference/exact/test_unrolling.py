"""Exact answers on arrays, element by element."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

import mmgraph as mm
from mmgraph.graph.errors import GraphError, TreewidthError, UnknownVariableError
from tests.inference.messages.test_trws import grid
from tests.inference.models import seeds
from tests.inference.spatial_models import listed, mixed_graph


@settings(max_examples=15)
@given(seed=seeds)
def test_marginals_and_log_partition(seed):
    graph = mixed_graph(seed, zeros=True)
    codes = np.full((2, 2, 2), -1)
    codes[1, 0, 1] = 2
    data = {"labels": codes, "line": mm.soft(np.random.default_rng(seed).normal(size=(2, 2, 2)))}
    evidence = mm.Evidence.of(data, graph.variables)
    for method in ("junction_tree", "enumeration", "torch"):
        found = mm.query(graph, data, method=method)
        log_z = mm.log_partition(graph, data, method=method)
        assert found.exact
        for row in range(2):
            marginals, expected = listed(graph, evidence, row)
            assert float(log_z[row]) == pytest.approx(expected)
            for name, table in marginals.items():
                torch.testing.assert_close(found.marginal(name)[row], table, atol=1e-9, rtol=1e-9)


def test_best_assignment_joint_and_samples():
    graph = grid((3, 3), 2, mm.Potts(), 0.7)
    exact = mm.query(graph)
    assert exact.method == "junction_tree"
    best = mm.map_query(graph)
    assert best["label"].shape == (1, 3, 3)
    torch.testing.assert_close(graph.energy(best.states), best.energy)
    pair = mm.joint(graph, ["label[0,0]", "label[0,1]"])
    torch.testing.assert_close(pair.sum(2)[0], exact.marginal("label")[0, 0, 0])
    drawn = mm.sample(graph, 4000, generator=torch.Generator().manual_seed(0)).codes["label"]
    assert drawn.shape == (4000, 3, 3)
    share = drawn.double().mean(0)
    torch.testing.assert_close(share, exact.marginal("label")[0, ..., 1], atol=0.04, rtol=0)
    two = mm.sample(graph, 5, {"label": np.full((2, 3, 3), -1)}).codes["label"]
    assert two.shape == (2, 5, 3, 3)


def test_an_element_can_be_asked_for_by_name():
    graph = grid((2, 2), 3, mm.Potts())
    found = mm.query(graph, variables=["label[1,0]"], method="junction_tree")
    whole = mm.query(graph, variables="label", method="junction_tree").marginal("label")
    torch.testing.assert_close(found.marginal("label[1,0]"), whole[:, 1, 0])
    with pytest.raises(UnknownVariableError):
        mm.query(graph, variables=["label[5,0]"], method="junction_tree")


def test_frames_of_arrays_name_their_elements():
    frame = mm.query(grid((2, 2), 2, mm.Potts())).to_frame()
    assert len(frame) == 8
    assert frame.variable[2] == "label[0,1]"


def test_large_arrays_are_refused_at_once_and_answered_approximately():
    graph = grid((200, 200), 2, mm.Potts(), 0.3)
    with pytest.raises(TreewidthError, match="every element"):
        mm.query(graph, method="junction_tree")
    found = mm.query(graph)
    assert (found.method, found.exact) == ("belief_propagation", False)
    with pytest.raises(TreewidthError):
        mm.log_partition(graph)


def test_gradients_flow_through_an_unrolled_grid():
    v = mm.Variable("x", 2, (2, 3))
    unary = torch.randn(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    weights = torch.full((2,), 0.5, dtype=torch.float64, requires_grad=True)

    def log_z(w):
        graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), w)])
        return mm.log_partition(graph)

    assert torch.autograd.gradcheck(log_z, (weights,))


def test_scalars_joined_by_edges_are_exact_too():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    graph = mm.FactorGraph([a, b], [mm.PairwiseFactor((a, b), [(0, 0)], mm.Potts(), 0.7)])
    for method in ("auto", "junction_tree", "enumeration", "belief_propagation"):
        found = mm.query(graph, {"a": 0}, method=method).marginal("b")[0]
        torch.testing.assert_close(found, torch.tensor([0.0, -0.7]).double().softmax(0))
    assert mm.map_query(graph, {"a": 1})["b"].tolist() == [1]
    assert mm.sample(graph, 3).codes["a"].shape == (3,)


def test_gradients_of_two_steps_on_one_graph():
    v = mm.Variable("x", 2, (2, 3))
    unary = torch.randn(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    weights = torch.full((2,), 0.5, dtype=torch.float64, requires_grad=True)
    factors = [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), weights)]
    graph = mm.FactorGraph([v], factors)
    optimiser = torch.optim.SGD([weights], lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        found = mm.query(graph).log_partition
        fresh = mm.FactorGraph([v], [factors[0], mm.GridFactor(v, mm.Potts(), weights.detach())])
        torch.testing.assert_close(found.detach(), mm.log_partition(fresh))
        found.sum().backward()
        assert bool((weights.grad != 0).all())
        optimiser.step()


def test_a_weight_of_zero_has_a_gradient():
    v = mm.Variable("x", 2, (2,))
    weights = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts(), weights)])
    mm.log_partition(graph).backward()
    assert float(weights.grad) == pytest.approx(-0.5)  # minus the mean energy


@pytest.mark.parametrize("last", [False, True])
def test_a_scalar_with_the_name_of_an_element_is_refused(last):
    pair = [mm.Variable("x[0]", 2), mm.Variable("x", 2, (2,))]
    array = pair[1]
    variables = pair[::-1] if last else pair
    graph = mm.FactorGraph(variables, [mm.UnaryFactor(array, np.zeros((2, 2)))])
    with pytest.raises(GraphError, match=r"'x\[0\]' names an element of the array 'x'"):
        mm.query(graph, method="junction_tree")


def test_best_elements_and_labels_of_arrays():
    graph = grid((2, 2), 2, mm.Potts())
    best = mm.map_query(graph)
    assert list(best.labels()) == ["label[0,0]", "label[0,1]", "label[1,0]", "label[1,1]"]
    assert best.to_frame().shape == (1, 4)
    assert float(best.gap) == 0.0
    assert "exact" in repr(best)
    one = mm.map_query(graph, None, ["label[1,1]"])
    assert list(one.labels()) == ["label[1,1]"]
    first = mm.query(graph, variables=["label[0,0]"])
    assert list(first.marginals) == ["label[0,0]"]
