import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.causal.adjustment.instruments import instruments
from mmgraph.causal.graph.causal_graph import CausalGraph
from tests.causal.random_graphs import (
    connected,
    is_directed,
    linear_covariance,
    paths,
    random_graph,
    subsets,
    with_latent_nodes,
)


def conditional_instruments(graph, x, y):
    """All pairs by their definition, path by path."""
    dag = with_latent_nodes(graph)
    causal = {n for p in paths(dag, x, y) if is_directed(dag, p) for n in p[1:]}
    forbidden = causal.union({x, y}, *(nx.descendants(dag, n) for n in causal))
    without = dag.copy()
    without.remove_edges_from([(x, n) for n in causal])
    return {
        (z, w)
        for z in set(graph.nodes) - forbidden
        for w in subsets(set(graph.nodes) - forbidden - {z})
        if connected(dag, z, x, w) and not connected(without, z, y, w)
    }


def partial_covariance(covariance, nodes, a, b, given):
    i, j, g = nodes.index(a), nodes.index(b), [nodes.index(n) for n in given]
    inner = np.linalg.solve(covariance[np.ix_(g, g)], covariance[g, j])
    return covariance[i, j] - covariance[i, g] @ inner


@given(st.integers(0, 10**6), st.integers(3, 6))
def test_instruments_are_those_of_the_definition(seed, size):
    graph = random_graph(np.random.default_rng(seed), size, 0.35, 0.2)
    x, y = graph.topological_order[-2:]
    right = conditional_instruments(graph, x, y)
    ancestral = instruments(graph, x, y)
    assert set(ancestral) <= right
    assert bool(ancestral) == bool(right)
    above = {z: graph.ancestors([y, z]) for z in graph.nodes}
    assert {z for z, _ in ancestral} == {z for z, w in right if w <= above[z]}
    every = instruments(graph, x, y, ancestral=False)
    assert set(every) <= right
    assert {z for z, _ in every} == {z for z, _ in right}


@given(st.integers(0, 10**6))
def test_they_give_the_total_effect_of_linear_models(seed):
    generator = np.random.default_rng(seed)
    graph = random_graph(generator, 6, 0.35, 0.2)
    x, y = graph.topological_order[-3], graph.topological_order[-1]
    covariance, total = linear_covariance(graph, generator)
    order = list(nx.topological_sort(with_latent_nodes(graph)))
    for z, w in instruments(graph, x, y):
        top = partial_covariance(covariance, graph.nodes, z, y, w)
        bottom = partial_covariance(covariance, graph.nodes, z, x, w)
        effect = total[order.index(y), order.index(x)]
        assert abs(top - effect * bottom) < 1e-8 * (1 + abs(effect) + abs(bottom))


def test_an_instrument_and_a_conditional_one():
    graph = CausalGraph(
        ["z", "w", "x", "y", "q"],
        [("z", "x"), ("w", "z"), ("w", "y"), ("x", "y"), ("q", "x"), ("q", "y")],
        [("x", "y")],
    )
    assert instruments(graph, "x", "y") == [("z", {"w"})]
    assert instruments(graph, "x", "y", latent=["w"]) == []
    assert instruments(graph.subgraph(["z", "x", "y"]), "x", "y") == [("z", frozenset())]
