from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.causal.adjustment.front_door import front_door_set, front_door_sets
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.graph.errors import CausalError
from tests.causal.random_graphs import (
    is_directed,
    is_open,
    paths,
    random_graph,
    subsets,
    with_latent_nodes,
)


def satisfies(graph, x, y, chosen):
    """The front-door criterion, path by path."""
    dag = with_latent_nodes(graph)

    def back_doors(start, end):
        return [p for p in paths(dag, start, end) if dag.has_edge(p[1], p[0])]

    met = all(set(p) & chosen for p in paths(dag, x, y) if is_directed(dag, p))
    without = dag.copy()
    without.remove_edges_from([e for e in dag.edges if e[0] in chosen])
    return (
        met
        and not any(is_open(dag, p, set()) for z in chosen for p in back_doors(x, z))
        and not any(is_open(without, p, {x}) for z in chosen for p in paths(without, z, y))
    )


@given(st.integers(0, 10**6), st.integers(3, 6))
def test_the_sets_are_those_of_the_criterion(seed, size):
    graph = random_graph(np.random.default_rng(seed), size, 0.4, 0.2)
    x, y = graph.topological_order[0], graph.topological_order[-1]
    latent = [graph.topological_order[1]] if size > 4 and seed % 3 == 0 else []
    right = [s for s in subsets(set(graph.nodes) - {x, y, *latent}) if satisfies(graph, x, y, s)]
    minimal = [s for s in right if not any(v < s for v in right)]
    assert set(front_door_sets(graph, x, y, False, latent)) == set(right)
    assert set(front_door_sets(graph, x, y, latent=latent)) == set(minimal)
    one = front_door_set(graph, x, y, latent)
    assert (one in minimal) if minimal else one is None


def test_the_front_door_graph_has_its_mediator():
    graph = CausalGraph(["x", "m", "y"], [("x", "m"), ("m", "y")], [("x", "y")])
    assert front_door_sets(graph, "x", "y") == [{"m"}]
    assert front_door_set(graph, "x", "y", latent=["m"]) is None
    assert nx.has_path(graph.directed, "x", "y")


def test_long_lists_are_refused():
    chain = [f"m{i}" for i in range(8)]
    names = ["x", *chain, "y"]
    graph = CausalGraph(names, list(pairwise(names)), [("x", "y")])
    assert len(front_door_sets(graph, "x", "y")) == 8
    with pytest.raises(CausalError, match="more than 7 front-door sets"):
        front_door_sets(graph, "x", "y", limit=7)
