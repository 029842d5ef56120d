import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import GraphError
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.graphs.equivalence import (
    PartialGraph,
    cpdag,
    extension,
    structural_hamming_distance,
    topological_order,
)
from tests.learning.structure.every_graph import all_dags, in_common, random_dag, signature

FOUR = [*range(4)]


def classes(dags, key=signature):
    members = {}
    for dag in dags:
        members.setdefault(key(dag), []).append(dag)
    return members.values()


def equal(graph, expected):
    return all((a == b).all() for a, b in zip(graph, expected, strict=True))


@pytest.mark.parametrize(("nodes", "number"), [(1, 1), (2, 2), (3, 11), (4, 185)])
def test_a_class_is_what_its_graphs_have_in_common(nodes, number):
    groups = classes(all_dags(nodes))
    assert len(groups) == number
    for dags in groups:
        expected = in_common(dags)
        assert all(equal(cpdag(dag), expected) for dag in dags)
        assert any((extension(PartialGraph(*expected)) == dag).all() for dag in dags)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_background_knowledge_directs_what_follows_from_it(data):
    edge = st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")).filter(lambda e: e[0] < e[1])
    tiers = data.draw(st.lists(st.integers(0, 2), min_size=4, max_size=4))
    constraints = Constraints.of(
        "abcd",
        tiers=[[n for n, t in zip("abcd", tiers, strict=True) if t == k] for k in range(2)],
        forbidden=[e[::-1] for e in data.draw(st.lists(edge, max_size=2))],
    )
    legal = [d for d in all_dags(4) if not (d & ~constraints.allowed).any()]
    required = constraints.required.copy()
    chosen = data.draw(st.sampled_from(legal))
    if chosen.any():
        required[tuple(data.draw(st.sampled_from(np.argwhere(chosen).tolist())))] = True
    constraints = Constraints(constraints.names, constraints.allowed, required, 3)
    legal = [d for d in legal if d[required].all()]
    for dags in classes(legal):
        expected = in_common(dags)
        assert equal(cpdag(dags[-1], constraints), expected)
        plain = cpdag(dags[0])
        assert any((extension(plain, constraints) == dag).all() for dag in dags)


@pytest.mark.parametrize("targets", [[[0]], [[1, 2]], [[], [0], [3]], [[0, 1], [1, 2], [3]]])
def test_experiments_direct_the_edges_that_they_cut(targets):
    def key(dag):  # Hauser and Bühlmann 2012, theorem 10
        cut = [dag.copy() for _ in targets]
        for graph, target in zip(cut, targets, strict=True):
            graph[:, target] = False
        return signature(dag), *(g.__or__(g.T).tobytes() for g in cut)

    for dags in classes(all_dags(4), key):
        expected = in_common(dags)
        assert all(equal(cpdag(dag, targets=targets), expected) for dag in dags)


def test_every_partial_graph_has_an_extension_or_none():
    extendable = {}
    for dag in all_dags(3):
        for kept in range(8):
            marks = dag | dag.T
            edges = np.argwhere(dag)
            for i, (a, b) in enumerate(edges):
                if kept >> i & 1:
                    marks[b, a] = False
            plain = PartialGraph.of_marks(marks)
            if signature(dag)[1] == signature(plain.directed, dag | dag.T)[1]:
                extendable.setdefault(marks.tobytes(), []).append(dag)
    for number in range(2**6):
        marks = np.zeros((3, 3), dtype=bool)
        marks[~np.eye(3, dtype=bool)] = [number >> i & 1 for i in range(6)]
        graph = PartialGraph.of_marks(marks)
        dags = extendable.get(marks.tobytes())
        if dags is None:
            with pytest.raises(GraphError, match="no directed acyclic graph"):
                extension(graph)
        else:
            assert any((extension(graph) == dag).all() for dag in dags)


def test_constraints_that_the_graph_contradicts_are_named():
    chain = cpdag(np.eye(3, k=1, dtype=bool))
    barred = Constraints.of("abc", forbidden=[("a", "b"), ("b", "a")])
    with pytest.raises(GraphError, match="a - b"):
        extension(chain, barred)
    with pytest.raises(GraphError, match="a - c"):
        extension(chain, Constraints.of("abc", required=[("a", "c")]))
    collider = extension(chain, Constraints.of("abc", required=[("a", "b"), ("c", "b")]))
    assert np.argwhere(collider).tolist() == [[0, 1], [2, 1]]


def test_cycles_are_named():
    cycle = np.roll(np.eye(3, dtype=bool), 1, axis=1)
    with pytest.raises(GraphError, match="0 -> 1 -> 2 -> 0"):
        topological_order(cycle)
    with pytest.raises(GraphError, match="a -> b -> c -> a"):
        topological_order(cycle, "abc")
    with pytest.raises(GraphError, match="x -> y -> z -> x"):
        cpdag(cycle, Constraints.of("xyz"))


def test_distances_count_pairs():
    def graph(*edges):
        dag = np.zeros((4, 4), dtype=bool)
        dag[tuple(zip(*edges, strict=True))] = True
        return cpdag(dag)

    chain, collider = graph((0, 1), (1, 2)), graph((0, 1), (2, 1))
    assert structural_hamming_distance(chain, chain) == 0
    assert structural_hamming_distance(chain, collider) == 2
    assert structural_hamming_distance(chain, graph((0, 1), (2, 3))) == 2
    reverse = PartialGraph(collider.directed.T, collider.undirected)
    assert structural_hamming_distance(collider, reverse) == 2


def test_a_thousand_nodes_take_little():
    dag = random_dag(np.random.default_rng(0), 1000, 2000)
    cpdag(dag[:4, :4])
    extension(cpdag(dag[:4, :4]))
    start = time.perf_counter()
    graph = cpdag(dag)
    made = extension(graph)
    assert time.perf_counter() - start < 1.0
    assert equal(cpdag(made), graph)
    place = np.argsort(topological_order(made))
    assert all(place[a] < place[b] for a, b in np.argwhere(made))
