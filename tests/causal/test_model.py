"""The causal model: how it is made, and handed on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import mmgraph as mm
from mmgraph.graph.errors import GraphError, UnknownVariableError


def test_a_network_gives_its_graph_and_latent_variables_are_projected_out():
    fair = [[0.5, 0.5], [0.5, 0.5]]
    net = mm.BayesianNetwork.from_tables(
        [("u", "x"), ("u", "y")], {"u": [0.5, 0.5], "x": fair, "y": fair}, modalities={"x": "image"}
    )
    model = mm.CausalModel.from_network(net, latent=["u"])
    assert model.nodes == ("x", "y")
    assert list(model.graph.bidirected.edges) == [("x", "y")]
    assert model.modalities == {"x": "image"}
    assert model.network is net
    with pytest.raises(UnknownVariableError, match="'v'"):
        mm.CausalModel.from_network(net, latent=["v"])


def test_a_learned_structure_gives_its_edges():
    found = SimpleNamespace(names=("a", "b"), edges=[("a", "b")], modalities={"a": "sound"})
    model = mm.CausalModel.from_structure(found)
    assert (model.nodes, model.modalities) == (("a", "b"), {"a": "sound"})
    assert list(model.graph.directed.edges) == [("a", "b")]


def test_networkx_gets_both_kinds_of_edges():
    model = mm.CausalModel(["x", "y"], [("x", "y")], [("x", "y")], {"x": "image"})
    graph = model.to_networkx()
    assert graph.nodes["x"]["modality"] == "image"
    kinds = sorted((a, b, kind) for a, b, kind in graph.edges(data="kind"))
    assert kinds == [("x", "y", "bidirected"), ("x", "y", "directed"), ("y", "x", "bidirected")]


def test_wrong_graphs_are_refused():
    with pytest.raises(UnknownVariableError, match="modalities names 'z'"):
        mm.CausalModel(["x"], modalities={"z": "image"})
    with pytest.raises(GraphError, match="x -> y -> x"):
        mm.CausalModel(["x", "y"], [("x", "y"), ("y", "x")])
