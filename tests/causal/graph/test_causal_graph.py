import pytest

from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.graph.errors import GraphError, UnknownVariableError

FRONT_DOOR = CausalGraph(["x", "m", "y"], [("x", "m"), ("m", "y")], [("x", "y")])


def test_relations_of_the_front_door_graph():
    assert FRONT_DOOR.ancestors(["m"]) == {"x", "m"}
    assert FRONT_DOOR.descendants(["m"]) == {"m", "y"}
    assert FRONT_DOOR.topological_order == ("x", "m", "y")
    assert sorted(map(sorted, FRONT_DOOR.districts())) == [["m"], ["x", "y"]]


def test_a_hidden_cause_keeps_the_ends_dependent():
    assert not FRONT_DOOR.separated(["x"], ["y"], ["m"])
    assert FRONT_DOOR.without_edges(out_of=["x"]).separated(["x"], ["m"])
    assert not FRONT_DOOR.without_edges(into=["x"]).separated(["x"], ["m"])


def test_the_projection_joins_what_a_latent_node_causes():
    graph = CausalGraph.projected(
        ["u", "v", "x", "m", "y"],
        [("u", "x"), ("u", "v"), ("v", "y"), ("x", "m"), ("m", "y")],
        latent=["u", "v", "m"],
    )
    assert list(graph.directed.edges) == [("x", "y")]
    assert list(graph.bidirected.edges) == [("x", "y")]


@pytest.mark.parametrize(
    ("nodes", "directed", "bidirected", "message"),
    [
        (["a", "a"], [], [], "'a' is given twice"),
        (["a", "b"], [("a", "b"), ("a", "b")], [], "a -> b is given twice"),
        (["a", "b"], [], [("a", "b"), ("b", "a")], "b <-> a is given twice"),
        ([1, 2], [(1, 2)], [], "named by texts, not by 1"),
        (["a"], [("a", "a")], [], "joins a node to itself"),
        (["a", "b"], [("a", "b"), ("b", "a")], [], "a -> b -> a"),
        (["a", "b"], ["ab"], [], "'ab' is not a pair"),
    ],
)
def test_graphs_that_are_not_well_formed_are_refused(nodes, directed, bidirected, message):
    with pytest.raises(GraphError, match=message):
        CausalGraph(nodes, directed, bidirected)


def test_an_edge_to_what_is_no_node_names_the_nearest():
    with pytest.raises(
        UnknownVariableError, match="'imag', which is no node; did you mean 'image'"
    ):
        CausalGraph(["image", "y"], [("imag", "y")])


def test_nodes_may_be_called_like_a_hidden_cause():
    graph = CausalGraph(["a", "b", "a <-> b"], [("a <-> b", "b")], [("a", "b")])
    assert list(graph.projected_on(["a", "b"]).bidirected.edges) == [("a", "b")]
