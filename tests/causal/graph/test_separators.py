import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.causal.graph.separators import Separation
from mmgraph.graph.errors import GraphError, UnknownVariableError
from tests.causal.random_graphs import connected, random_graph, subsets, with_latent_nodes


@given(st.integers(0, 10**6), st.integers(3, 6))
def test_separation_is_that_of_paths(seed, size):
    generator = np.random.default_rng(seed)
    graph = random_graph(generator, size)
    dag = with_latent_nodes(graph)
    for between in subsets(graph.nodes[2:]):
        assert graph.separated(["a"], ["b"], between) != connected(dag, "a", "b", between)


@given(st.integers(0, 10**6), st.integers(4, 7))
def test_all_and_all_minimal_separators_are_those_of_enumeration(seed, size):
    generator = np.random.default_rng(seed)
    graph = random_graph(generator, size, 0.35, 0.15)
    first, second = graph.nodes[:2], graph.nodes[2:3]
    allowed = [n for n in graph.nodes[3:] if generator.random() < 0.8]
    required = frozenset(allowed[:1] if generator.random() < 0.3 else [])
    valid = {s for s in subsets(allowed) if s >= required and graph.separated(first, second, s)}
    minimal = {s for s in valid if not any(v < s for v in valid)}
    task = Separation(graph.adjacency, *map(graph.mask, (first, second, allowed, required)))
    for listed, right in ((task.all(), valid), (task.all_minimal(), minimal)):
        sets = [graph.named(s) for s in listed]
        assert len(sets) == len(set(sets))
        assert set(sets) == right
    one = task.minimal()
    assert (graph.named(one) in minimal) if one is not None else not minimal


def test_sets_that_overlap_or_are_not_there_are_refused():
    graph = random_graph(np.random.default_rng(0), 4)
    with pytest.raises(GraphError, match=r"\['a'\] stand in two"):
        graph.separated(["a"], ["b"], ["a"])
    with pytest.raises(UnknownVariableError, match="names 'z'"):
        graph.separated(["a"], ["z"])
