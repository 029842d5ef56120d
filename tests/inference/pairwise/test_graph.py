"""The pairwise view has the energies of the graph, whatever it is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

import mmgraph as mm
from mmgraph.graph.errors import NotTabularError
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy, set_cells
from mmgraph.inference.pairwise.graph import POTTS, SELECTS_FIRST, SELECTS_SECOND
from tests.inference.mixed_models import all_assignments, log_weights, mixed_evidence, mixed_graph
from tests.inference.models import random_graph, seeds


def pairwise_energies(graph, evidence, row, assignments) -> np.ndarray:
    """The energies of assignments by the nodes and edges of the pairwise view."""
    view = pairwise_graph(graph)
    unary = view.unary(evidence, row)
    energies = []
    for i in range(len(next(iter(assignments.values())))):
        labelling = np.zeros(view.nodes, np.int64)
        for name, first in view.first_node.items():
            labelling[first : first + graph.variables[name].size] = assignments[name][i].flatten()
        set_cells(labelling, view.edge_arrays)
        energies.append(float(labelling_energy(labelling, unary, view.edge_arrays)))
    return np.array(energies) + view.constant_given(evidence, row)


@settings(max_examples=15)
@given(seed=seeds)
def test_mixtures_of_every_kind_of_factor(seed):
    graph = mixed_graph(seed, zeros=0.2)
    evidence = mixed_evidence(graph, seed, rows=2)
    states = all_assignments(graph)
    chosen = np.random.default_rng(seed).choice(len(states["image"]), 20)
    picked = {name: codes[chosen] for name, codes in states.items()}
    for row in range(2):
        expected = -log_weights(graph, evidence, row)[chosen]
        found = pairwise_energies(graph, evidence, row, picked)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-9)


@settings(max_examples=15)
@given(seed=seeds)
def test_tables_of_any_scale(seed):
    graph = random_graph(seed, zeros=0.2)
    states = all_assignments(graph)
    found = pairwise_energies(graph, mm.Evidence.of(None, graph.variables), 0, states)
    expected = graph.energy(states).expand(len(found))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-6)


def test_alarm():
    network = mm.read("alarm")
    draws = mm.sample(network, 20, generator=torch.Generator().manual_seed(0)).codes
    found = pairwise_energies(network, mm.Evidence.of(None, network.variables), 0, draws)
    np.testing.assert_allclose(found, network.energy(draws).numpy(), rtol=1e-9)
    assert set(pairwise_graph(network).edge_arrays.kind) >= {SELECTS_FIRST, SELECTS_SECOND}


def test_nodes_edges_and_their_order():
    image = mm.Variable("image", 3, shape=(2, 3))
    graph = mm.FactorGraph([image], [mm.GridFactor(image, mm.Potts(), 2.0)])
    view = pairwise_graph(graph)
    assert (view.nodes, view.edges, view.edge_arrays.largest) == (6, 7, 3)
    assert (view.first < view.second).all()
    assert set(view.edge_arrays.kind) == {POTTS}
    assert pairwise_graph(graph) is view
    start, middle, edges = view.adjacency.start, view.adjacency.middle, view.adjacency.edges
    for node in range(6):
        before, after = edges[start[node] : middle[node]], edges[middle[node] : start[node + 1]]
        assert (view.second[before] == node).all()
        assert (view.first[after] == node).all()
    assert start[-1] == 14


def test_nodes_are_named_and_labellings_become_states():
    image, a = mm.Variable("image", 3, (2, 3)), mm.Variable("a", 2)
    b, c = mm.Variable("b", 2), mm.Variable("c", 2)
    table = mm.TableFactor((a, b, c), log_values=torch.zeros(2, 2, 2))
    view = pairwise_graph(mm.FactorGraph([image, a, b, c], [table]))
    first = view.first_node["image"]
    assert view.variable_of(first + 5) == "image"
    assert view.element_name(first + 5) == "'image'[1, 2]"
    assert view.element_name(view.first_node["c"]) == "'c'"
    (cells,) = set(range(view.nodes)) - {
        node + i for n, node in view.first_node.items() for i in range(view.graph.variables[n].size)
    }
    assert view.variable_of(cells) is None
    assert view.element_name(cells) == "the node of a table over several variables"
    labellings = np.zeros((4, view.nodes), np.uint8)
    labellings[3, first + 5] = 2
    states = view.states_of(labellings)
    assert states["image"].shape == (4, 2, 3)
    assert states["image"].nonzero().tolist() == [[3, 1, 2]]
    assert torch.equal(view.states_of(labellings[3])["image"], states["image"][3:])


def test_edges_of_weight_zero_are_dropped():
    image = mm.Variable("image", 2, shape=(3,))
    hard = [[0.0, np.inf], [np.inf, 0.0]]
    graph = mm.FactorGraph([image], [mm.GridFactor(image, hard, [[0.0, 1.0, 5.0]])])
    view = pairwise_graph(graph)
    assert view.edges == 1
    assert (view.first[0], view.second[0]) == (1, 2)


def test_precision_follows_the_unary_factors():
    image = mm.Variable("image", 2, shape=(3,))
    single = mm.FactorGraph([image], [mm.UnaryFactor(image, torch.zeros(3, 2))])
    assert pairwise_graph(single).dtype == np.float32
    assert pairwise_graph(single, torch.float64).dtype == np.float64
    assert pairwise_graph(mm.FactorGraph([image])).dtype == np.float64


def test_hard_evidence_leaves_one_state():
    image = mm.Variable("image", 3, shape=(2,))
    graph = mm.FactorGraph([image], [mm.UnaryFactor(image, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])])
    evidence = mm.Evidence.of({"image": np.array([[1, -1]])}, graph.variables)
    unary = pairwise_graph(graph).unary(evidence, 0)
    np.testing.assert_array_equal(unary, [np.inf, -2, np.inf, -4, -5, -6])
    block = pairwise_graph(graph).block(unary, "image")
    assert block.shape == (2, 3)


def test_a_factor_without_edges_or_tables_is_refused():
    class Strange(mm.Factor):
        def __init__(self, variable):
            self.scope = (variable,)

        is_tabular = False

        def energy(self, assignment):
            return torch.zeros(1)

        def to(self, device=None, dtype=None):
            return self

    image = mm.Variable("image", 3, shape=(2,))
    with pytest.raises(NotTabularError, match=r"Strange\(image\)"):
        pairwise_graph(mm.FactorGraph([image], [Strange(image)]))
