"""Bayesian networks: building, structure, interventions, and errors that name the thing."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError, UnknownStateError, UnknownVariableError


def sprinkler() -> mm.BayesianNetwork:
    return mm.BayesianNetwork.from_tables(
        [("rain", "sprinkler"), ("sprinkler", "wet"), ("rain", "wet")],
        {
            "rain": [0.8, 0.2],
            "sprinkler": [[0.6, 0.4], [0.99, 0.01]],
            "wet": [[[1.0, 0.0], [0.2, 0.8]], [[0.1, 0.9], [0.01, 0.99]]],
        },
        states={"rain": ("no", "yes"), "sprinkler": ("off", "on"), "wet": ("no", "yes")},
        modalities={"wet": "camera"},
    )


def test_the_order_of_edges_is_the_order_of_axes():
    net = sprinkler()
    assert net.parents("wet") == ("sprinkler", "rain")
    assert net.children("rain") == ("sprinkler", "wet")
    assert net.variables["wet"].modality == "camera"
    joint = mm.query(net, {"wet": "yes"})
    p = 0.8 * 0.4 * 0.9 + 0.2 * 0.99 * 0.8 + 0.2 * 0.01 * 0.99
    assert float(joint.log_evidence) == pytest.approx(np.log(p))
    rain = (0.2 * 0.99 * 0.8 + 0.2 * 0.01 * 0.99) / p
    assert float(joint.marginal("rain")[0, 1]) == pytest.approx(rain)


def test_doing_differs_from_seeing():
    net = sprinkler()
    seen = mm.query(net, {"sprinkler": "on"}).marginal("rain")[0, 1]
    done = mm.query(net.do(sprinkler="on")).marginal("rain")[0, 1]
    assert float(done) == pytest.approx(0.2)
    assert float(seen) == pytest.approx(0.2 * 0.01 / (0.2 * 0.01 + 0.8 * 0.4))
    assert net.do({"sprinkler": 1}).parents("sprinkler") == ()
    assert net.parents("sprinkler") == ("rain",)
    with pytest.raises(UnknownStateError, match="did you mean 'on'"):
        net.do(sprinkler="onn")
    with pytest.raises(UnknownVariableError, match="sprinkler"):
        net.do(sprinklr="on")


def test_structure_questions():
    net = mm.read("asia")
    assert net.markov_blanket("lung") == {"smoke", "either", "tub"}
    assert net.is_d_separated("asia", "smoke")
    assert not net.is_d_separated("asia", "smoke", {"either"})
    assert net.is_d_separated("xray", "smoke", {"either"})
    assert net.moral_graph().has_edge("lung", "tub")
    order = net.topological_order()
    assert all(order.index(p) < order.index(c) for p, c in net.edges)
    with pytest.raises(GraphError, match="disjoint"):
        net.is_d_separated("xray", "xray")
    with pytest.raises(UnknownVariableError, match="xray"):
        net.is_d_separated("xrai", "smoke")


def test_pgmpy_there_and_back():
    net = sprinkler()
    again = mm.from_pgmpy(mm.to_pgmpy(net))
    for name in net.variables:
        expected = mm.query(net, {"wet": "yes"}).marginal(name)
        torch.testing.assert_close(mm.query(again, {"wet": "yes"}).marginal(name), expected)


def test_a_child_that_is_not_last_is_moved_there():
    a, b = mm.Variable("a", 2), mm.Variable("b", 3)
    table = np.array([[0.1, 0.2, 0.3], [0.9, 0.8, 0.7]])
    net = mm.BayesianNetwork(
        [a, b],
        [mm.TableFactor([a, b], table, child=a), mm.TableFactor([b], [0.2, 0.3, 0.5], child=b)],
    )
    assert net.distribution("a").scope == (b, a)


def test_errors_name_the_thing():
    tables = {"a": [0.5, 0.5], "b": [[0.5, 0.5], [0.5, 0.5]]}
    with pytest.raises(GraphError, match=r"cycle: (a -> b -> a|b -> a -> b)"):
        mm.BayesianNetwork.from_tables(
            [("a", "b"), ("b", "a")], {**tables, "a": np.full((2, 2), 0.5)}
        )
    with pytest.raises(GraphError, match="'b': not an array of numbers"):
        mm.BayesianNetwork.from_tables([("a", "b")], {**tables, "b": [[0.5, 0.5], [0.5]]})
    with pytest.raises(GraphError, match="not a pair"):
        mm.BayesianNetwork.from_tables([("a",)], tables)  # type: ignore[list-item]
    with pytest.raises(GraphError, match="'c', without a table"):
        mm.BayesianNetwork.from_tables([("c", "b")], tables)
    with pytest.raises(GraphError, match=r"'b': the row \(a=1\) sums to 0.9"):
        mm.BayesianNetwork.from_tables([("a", "b")], {**tables, "b": [[0.5, 0.5], [0.5, 0.4]]})
    with pytest.raises(GraphError, match="shape"):
        mm.BayesianNetwork.from_tables([("a", "b")], {**tables, "b": [0.5, 0.5]})
    with pytest.raises(GraphError, match="states given for 'z'"):
        mm.BayesianNetwork.from_tables([("a", "b")], tables, states={"z": 2})
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    prior = mm.TableFactor([a], [0.5, 0.5], child=a)
    with pytest.raises(GraphError, match="no conditional distribution for b"):
        mm.BayesianNetwork([a, b], [prior])
    with pytest.raises(GraphError, match="'a' has two"):
        mm.BayesianNetwork([a], [prior, mm.TableFactor([a], [0.1, 0.9], child=a)])
    with pytest.raises(GraphError, match="has no child"):
        mm.BayesianNetwork([a], [mm.TableFactor([a], [0.5, 0.5])])
    with pytest.raises(GraphError, match="nan"):
        mm.BayesianNetwork.from_tables([], {"a": [np.nan, 0.5]})


def test_networkx_sees_the_directed_graph():
    net = mm.read("asia")
    graph = net.to_networkx()
    assert isinstance(graph, nx.DiGraph)
    assert set(graph.edges) == set(net.edges)
    assert all(graph.nodes[n]["variable"] is v for n, v in net.variables.items())
    assert set(graph.nodes["lung"]) == {"variable", "modality"}
    graph.add_edge("dysp", "asia")  # a graph of the user's own
    assert net.topological_order()[-1] != "asia"
    assert ("dysp", "asia") not in net.directed().edges
    again = mm.BayesianNetwork.from_networkx(net.to_factor_graph())
    assert again.edges == net.edges
    torch.testing.assert_close(mm.query(again).marginal("lung"), mm.query(net).marginal("lung"))
