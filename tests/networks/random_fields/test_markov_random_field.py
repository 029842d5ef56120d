"""Markov random fields: how they are built, asked and fitted."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError, LearningError, UnknownVariableError
from tests.inference.mixed_models import all_assignments


def unary(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_a_grid():
    values = unary(3, 4, 2)
    field = mm.MarkovRandomField.grid(values, weights=0.5, neighbours=8, name="class")
    states = torch.randint(0, 2, (5, 3, 4))
    v = mm.Variable("class", 2, shape=(3, 4))
    factors = [mm.UnaryFactor(v, values), mm.GridFactor(v, mm.Potts(), 0.5, 8)]
    expected = mm.FactorGraph([v], factors).energy({"class": states})
    torch.testing.assert_close(field.energy({"class": states}), expected)
    assert type(field) is mm.MarkovRandomField
    assert type(field.to(dtype=torch.float32)) is mm.MarkovRandomField


def test_a_grid_without_unaries_listens_to_evidence():
    field = mm.MarkovRandomField.grid(
        shape=(2, 3), states=("sea", "land"), interaction=[[0.0, 1.0], [2.0, 0.0]], modality="radar"
    )
    assert field.variable("label").labels == ("sea", "land")
    assert field.modalities == ("radar",)
    scores = torch.zeros(2, 3, 2)
    scores[..., 1] = 5.0
    assert (field.predict({"label": mm.soft(scores)}) == "land").all()
    with pytest.raises(GraphError, match="unary log-potentials, or a shape and states"):
        mm.MarkovRandomField.grid(shape=(2, 3))
    with pytest.raises(GraphError, match=r"shape \(3,\)"):
        mm.MarkovRandomField.grid([0.0, 1.0, 2.0])
    with pytest.raises(GraphError, match="does not fit"):
        mm.MarkovRandomField.grid(unary(2, 3, 2), states=3)


def test_an_edge_list():
    edges = [(0, 1), (1, 2), (3, 1)]
    values = unary(4, 3)
    field = mm.MarkovRandomField.from_edges(edges, values, mm.TruncatedLinear(1.0), [1.0, 2.0, 0.5])
    states = torch.randint(0, 3, (5, 4))
    expected = -values[torch.arange(4), states].sum(1)
    for (a, b), w in zip(edges, (1.0, 2.0, 0.5), strict=True):
        expected += w * (states[:, a] - states[:, b]).abs().clamp(max=1)
    torch.testing.assert_close(field.energy({"label": states}), expected)
    assert mm.MarkovRandomField.from_edges(edges, states=2).variable("label").shape == (4,)
    assert mm.MarkovRandomField.from_edges(edges, states=2, nodes=9).variable("label").size == 9
    with pytest.raises(GraphError, match="unary log-potentials, or states"):
        mm.MarkovRandomField.from_edges(edges)
    with pytest.raises(GraphError, match=r"\(nodes, states\) was expected"):
        mm.MarkovRandomField.from_edges(edges, unary(4, 3, 2))
    with pytest.raises(GraphError, match="element 3 of 'label', which has 3"):
        mm.MarkovRandomField.from_edges(edges, unary(3, 2))


def test_a_weighted_networkx_graph():
    graph = nx.Graph()
    graph.add_edge("a", "b", weight=1.5)
    graph.add_edge("b", "c", weight=-0.5)
    graph.nodes["a"]["log_values"] = [0.0, 1.0]
    potts = mm.MarkovRandomField.from_networkx(graph, states=2)
    ising = mm.MarkovRandomField.from_networkx(graph, [[-1, 1], [1, -1]], states=2)
    assert type(potts) is mm.MarkovRandomField
    for a, b, c in itertools.product(range(2), repeat=3):
        row = {"a": a, "b": b, "c": c}
        assert float(potts.energy(row)) == pytest.approx(1.5 * (a != b) - 0.5 * (b != c) - a)
        s, t, u = (2 * x - 1 for x in (a, b, c))
        assert float(ising.energy(row)) == pytest.approx(-1.5 * s * t + 0.5 * t * u - a)
    assert mm.query(potts).exact


def test_networkx_with_tables_and_factors():
    graph = nx.Graph()
    graph.add_node("u", states=("no", "yes"))
    graph.add_node("v", states=2)
    graph.add_edge("u", "v", values=[[2.0, 1.0], [1.0, 2.0]])
    field = mm.MarkovRandomField.from_networkx(graph)
    assert float(mm.log_partition(field)) == pytest.approx(np.log(6.0))
    again = mm.MarkovRandomField.from_networkx(field.to_networkx())
    assert type(again) is mm.MarkovRandomField
    torch.testing.assert_close(mm.log_partition(again), mm.log_partition(field))
    assert graph.edges["u", "v"].keys() == {"values"}


@pytest.mark.parametrize(
    ("nodes", "edge", "message"),
    [
        ({"states": 2}, {}, "neither a table nor a 'weight'"),
        ({}, {"weight": 1.0}, "neither 'variable' nor 'states'"),
    ],
)
def test_bad_networkx_graphs(nodes, edge, message):
    graph = nx.Graph()
    graph.add_nodes_from(["a", "b"], **nodes)
    graph.add_edge("a", "b", **edge)
    with pytest.raises(GraphError, match=message):
        mm.MarkovRandomField.from_networkx(graph)
    graph.nodes["a"]["states"], graph.nodes["b"]["states"] = 2, 3
    graph.edges["a", "b"]["weight"] = 1.0
    with pytest.raises(GraphError, match="joins 2 states and 3"):
        mm.MarkovRandomField.from_networkx(graph)


def test_predictions_are_those_of_the_queries():
    field = mm.MarkovRandomField.grid(unary(2, 3, 2), weights=0.4, states=("low", "high"))
    states = all_assignments(field)
    energies = field.energy(states)
    best = states["label"][energies.argmin()]
    assert (field.predict() == np.array(["low", "high"])[best.numpy()]).all()
    known = np.full((2, 3), -1)
    known[1, 2] = 1 - int(best[1, 2])
    assert field.predict({"label": known[None]})[1, 2] == ("low", "high")[known[1, 2]]
    probabilities = field.predict_proba()
    exact = torch.einsum(
        "r,r...->...",
        (-energies).softmax(0),
        torch.nn.functional.one_hot(states["label"], 2).double(),
    )
    np.testing.assert_allclose(probabilities, exact.numpy(), atol=0.05)
    draws = field.sample(7, generator=torch.Generator().manual_seed(0)).codes
    assert draws["label"].shape == (7, 2, 3)


def test_which_variable_is_asked_for():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    field = mm.MarkovRandomField([a, b], [mm.TableFactor([a, b], [[4.0, 1.0], [1.0, 1.0]])])
    assert field.predict(variable="a") == 0
    with pytest.raises(GraphError, match="name the variable: one of a, b"):
        field.predict()
    with pytest.raises(UnknownVariableError, match="'c'"):
        field.predict_proba(variable="c")


def exact_samples(weight: float, rows: int) -> torch.Tensor:
    field = mm.MarkovRandomField.grid(torch.zeros(3, 3, 2), weights=weight)
    states = all_assignments(field)["label"]
    chances = (-field.energy({"label": states})).softmax(0)
    generator = torch.Generator().manual_seed(0)
    return states[torch.multinomial(chances, rows, replacement=True, generator=generator)]


def test_fitting_finds_the_weight_that_made_the_data():
    labels = exact_samples(0.6, 3000)
    field = mm.MarkovRandomField.grid(torch.zeros(3, 3, 2), weights=1.5).fit(labels, strength=0.0)
    assert float(field.factors[1].weights) == pytest.approx(0.6, abs=0.04)
    hidden = torch.where(torch.rand(labels.shape) < 0.2, -1, labels)
    partial = mm.MarkovRandomField.grid(torch.zeros(3, 3, 2)).fit({"label": hidden.numpy()})
    assert 0.3 < float(partial.factors[1].weights) < 1.0


def test_fitting_edges_and_grids_apart():
    v = mm.Variable("label", 2, shape=(3, 3))
    far = mm.PairwiseFactor(v, [[0, 8], [2, 6]], mm.Potts(), [1.0, 2.0])
    field = mm.MarkovRandomField([v], [mm.GridFactor(v, mm.Potts()), far])
    field.fit(exact_samples(0.8, 500))
    grid, pairs = field.factors
    assert float(grid.weights) > 0.5
    first, second = pairs.edges().weights.tolist()
    assert second == pytest.approx(2 * first)
    assert first < 0.4


def test_nothing_to_fit():
    field = mm.MarkovRandomField.grid(shape=(2, 2), states=2)
    with pytest.raises(LearningError, match="no element is labelled"):
        field.fit(np.full((2, 2), -1))
    bare = mm.MarkovRandomField(field.variables.values(), [])
    with pytest.raises(LearningError, match="no grid or pairwise factor"):
        bare.fit(np.zeros((2, 2), int))
