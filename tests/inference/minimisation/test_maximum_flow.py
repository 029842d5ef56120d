"""Maximum flow against scipy, PyMaxflow and the capacity of the cut itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow as scipy_maximum_flow

from mmgraph.graph.errors import GraphError
from mmgraph.inference.minimisation.maximum_flow import minimum_cut
from tests.inference.models import seeds


def random_problem(seed, nodes, edges, largest=20):
    generator = np.random.default_rng(seed)
    terminal = generator.integers(-largest, largest + 1, nodes).astype(float)
    first = generator.integers(0, nodes, edges)
    second = (first + generator.integers(1, nodes, edges)) % nodes
    forward, backward = generator.integers(0, largest, (2, edges)).astype(float)
    return terminal, first, second, forward, backward


def capacity(side, terminal, first, second, forward, backward):
    cut = np.where(side, np.maximum(terminal, 0), np.maximum(-terminal, 0)).sum()
    cut += forward[~side[first] & side[second]].sum()
    return cut + backward[side[first] & ~side[second]].sum()


def scipy_flow(terminal, first, second, forward, backward):
    nodes = len(terminal)
    every = np.arange(nodes)
    tails = np.concatenate([np.full(nodes, nodes), every, first, second])
    heads = np.concatenate([every, np.full(nodes, nodes + 1), second, first])
    capacities = np.concatenate(
        [np.maximum(terminal, 0), np.maximum(-terminal, 0), forward, backward]
    )
    shape = (nodes + 2, nodes + 2)
    graph = coo_array((capacities.astype(np.int32), (tails, heads)), shape=shape).tocsr()
    graph.sum_duplicates()
    return scipy_maximum_flow(graph, nodes, nodes + 1).flow_value


@settings(max_examples=60)
@given(seed=seeds, nodes=st.integers(2, 60), density=st.integers(0, 4))
def test_flow_is_that_of_scipy_and_the_capacity_of_the_cut(seed, nodes, density):
    problem = random_problem(seed, nodes, nodes * density)
    found = minimum_cut(*problem)
    assert found.flow == scipy_flow(*problem)
    assert capacity(found.sink_side, *problem) == found.flow


def grid_edges(height, width):
    places = np.arange(height * width).reshape(height, width)
    first = np.concatenate([places[:, :-1].ravel(), places[:-1].ravel()])
    second = np.concatenate([places[:, 1:].ravel(), places[1:].ravel()])
    return first, second


def test_large_grid_of_real_capacities_is_cut_as_by_pymaxflow():
    maxflow = pytest.importorskip("maxflow")
    generator = np.random.default_rng(0)
    first, second = grid_edges(90, 70)
    terminal = generator.normal(size=6300) * 3
    forward, backward = generator.random((2, len(first)))
    peer = maxflow.Graph[float](6300, len(first))
    peer.add_nodes(6300)
    for edge in zip(first, second, forward, backward, strict=True):
        peer.add_edge(*edge)
    for node, value in enumerate(terminal):
        peer.add_tedge(node, max(value, 0), max(-value, 0))
    found = minimum_cut(terminal, first, second, forward, backward)
    assert found.flow == pytest.approx(peer.maxflow(), rel=1e-12)
    assert (found.sink_side == [peer.get_segment(n) for n in range(6300)]).all()


def test_single_precision_capacities_are_taken():
    terminal = np.array([2, -3], np.float32)
    one = np.ones(1, np.float32)
    found = minimum_cut(terminal, np.array([0]), np.array([1]), one, one)
    assert found.flow == 1.0
    assert found.sink_side.tolist() == [False, True]


@pytest.mark.parametrize("seed", range(30))
def test_an_infinite_edge_is_never_cut(seed):
    terminal, first, second, forward, backward = random_problem(seed, 9, 16)
    forward[::3], backward[1::5] = np.inf, np.inf
    found = minimum_cut(terminal, first, second, forward, backward)
    best = min(
        capacity(np.array(side), terminal, first, second, forward, backward)
        for side in itertools.product((False, True), repeat=9)
    )
    assert (
        found.flow == best == capacity(found.sink_side, terminal, first, second, forward, backward)
    )


def test_a_path_of_infinite_capacity_makes_the_flow_infinite():
    infinite = np.array([np.inf])
    terminal = np.array([np.inf, -np.inf])
    found = minimum_cut(terminal, np.array([0]), np.array([1]), infinite, infinite)
    assert found.flow == np.inf


def test_one_node_and_no_nodes():
    nothing = np.empty(0, np.int64)
    none = np.empty(0)
    alone = minimum_cut(np.array([-1.5]), nothing, nothing, none, none)
    assert (alone.flow, alone.sink_side.tolist()) == (0.0, [True])
    assert minimum_cut(none, nothing, nothing, none, none).flow == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forward": np.array([-1.0])}, "edge 0 from node 0 to node 1 has the capacity -1.0"),
        ({"backward": np.array([np.nan])}, "has the capacity nan"),
        ({"second": np.array([2])}, "edge 0 ends at node 2; there are 2 nodes"),
        ({"first": np.array([-1])}, "edge 0 ends at node -1"),
        ({"forward": np.ones(2)}, "1 first ends, 1 second ends, 2 forward and 1 backward"),
        ({"terminal": np.array([np.nan, 0.0])}, "between node 0 and the terminals is NaN"),
    ],
)
def test_bad_problems_are_refused(change, message):
    problem = {
        "terminal": np.array([1.0, -1.0]),
        "first": np.array([0]),
        "second": np.array([1]),
        "forward": np.ones(1),
        "backward": np.ones(1),
    }
    with pytest.raises(GraphError, match=message):
        minimum_cut(**(problem | change))
