"""The causal model: how it is made, and handed on."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

import mmgraph as mm
from mmgraph.graph.errors import (
    CausalError,
    GraphError,
    OpenDirectionWarning,
    UnknownVariableError,
)


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
    assert mm.CausalModel.from_network(net, latent="u").latent == {"u"}
    assert model.adjustment_sets("x", "y", latent="u") == []
    with pytest.raises(UnknownVariableError, match="'v'"):
        mm.CausalModel.from_network(net, latent=["v"])


def test_a_learned_structure_gives_its_edges():
    found = SimpleNamespace(names=("a", "b"), edges=[("a", "b")], modalities={"a": "sound"})
    model = mm.CausalModel.from_structure(found)
    assert (model.nodes, model.modalities) == (("a", "b"), {"a": "sound"})
    assert list(model.graph.directed.edges) == [("a", "b")]


def test_edges_that_may_run_either_way_are_named_or_said():
    found = SimpleNamespace(names=tuple("abcd"), edges=[("a", "b"), ("b", "c"), ("d", "c")])
    found.cpdag = ([("b", "c"), ("d", "c")], [("a", "b")])
    with pytest.warns(OpenDirectionWarning, match="^a -> b: the data"):
        assert mm.CausalModel.from_structure(found).nodes == found.names
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = mm.CausalModel.from_structure(found, orient=[("b", "a")])
        assert ("b", "a") in model.graph.directed.edges
        model = mm.CausalModel.from_structure(found, orient=found.edges)
        assert list(model.graph.directed.edges) == found.edges
    with pytest.raises(CausalError, match="orient names c -> b"):
        mm.CausalModel.from_structure(found, orient=[("c", "b")])


def test_a_partial_ancestral_graph_gives_hidden_causes_or_says_what_is_open():
    found = SimpleNamespace(names=("a", "b", "c"), edges=[("a", "b")], pag=[("b", "<-", "a")])
    found.pag.append(("b", "<->", "c"))
    model = mm.CausalModel.from_structure(found)
    assert list(model.graph.directed.edges) == [("a", "b")]
    assert list(model.graph.bidirected.edges) == [("b", "c")]
    found.pag.append(("a", "o->", "c"))
    with pytest.raises(CausalError, match="leaves open what a o-> c is"):
        mm.CausalModel.from_structure(found)


def test_counterfactuals_are_bounded_or_those_of_a_coupling():
    net = mm.BayesianNetwork.from_tables(
        [("x", "y")], {"x": [0.4, 0.6], "y": [[0.7, 0.3], [0.2, 0.8]]}
    )
    model = mm.CausalModel.from_network(net)
    asked = [({"x": 0}, {"y": 0})], [({}, {"x": 1, "y": 1})]
    assert model.counterfactual(*asked)[:2] == pytest.approx((0.625, 0.875))
    assert model.counterfactual(*asked, coupling="monotone")[:2] == pytest.approx((0.625, 0.625))
    with pytest.raises(CausalError, match="one row"):
        model.counterfactual([({}, {"y": [0, 1]})], coupling="monotone")
    with pytest.raises(CausalError, match="no numbers"):
        mm.CausalModel(["x"]).counterfactual([({}, {"x": 1})])


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


def test_the_model_answers_which_variables_to_adjust_for():
    model = mm.CausalModel(
        ["z", "c", "w", "x", "m", "y"],
        [("z", "x"), ("c", "x"), ("c", "y"), ("x", "m"), ("m", "y"), ("w", "y")],
    )
    assert model.adjustment_sets("x", "y") == [{"c"}]
    assert model.optimal_adjustment_set("x", "y") == {"c", "w"}
    assert model.optimal_adjustment_set("x", "y", minimal=True) == {"c"}
    assert model.front_door_sets("x", "y") == [{"m"}]
    assert model.adjustment_sets("x", "y", latent=["c"]) == []
    assert model.instruments("x", "y", latent=["c"]) == [("z", frozenset())]
