"""Pushing excess to the sink against enumeration, scipy, and the search for augmenting paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.inference.minimisation.maximum_flow import minimum_cut
from mmgraph.inference.minimisation.maximum_flow_kernels import arcs_of_edges, is_local
from mmgraph.inference.minimisation.push_relabel_kernels import leaving_arcs, push_to_sink
from tests.inference.minimisation.test_maximum_flow import capacity, grid_edges, scipy_flow

# Ties, zeros, powers that span many orders of magnitude, and capacities that must not be cut.
capacities = st.sampled_from([0.0, 1.0, 1.0, 2.0, 3.5, 2.0**-40, 2.0**40, np.inf])
terminals = st.sampled_from([0.0, 1.0, -1.0, 2.5, -2.5, 2.0**40, -(2.0**40), np.inf, -np.inf])


@st.composite
def problems(draw):
    nodes = draw(st.integers(1, 7))
    ends = st.lists(
        st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)).filter(
            lambda edge: edge[0] != edge[1]
        ),
        max_size=12 if nodes > 1 else 0,
    )
    edges = np.array(draw(ends), np.int64).reshape(-1, 2)
    sides = [draw(st.lists(capacities, min_size=len(edges), max_size=len(edges))) for _ in "fb"]
    terminal = np.array(draw(st.lists(terminals, min_size=nodes, max_size=nodes)))
    return terminal, edges[:, 0], edges[:, 1], np.array(sides[0]), np.array(sides[1])


def pushed(terminal, first, second, forward, backward):
    residual = np.stack([forward, backward], 1).reshape(-1).astype(float)
    arcs = arcs_of_edges(first.astype(np.int32), second.astype(np.int32), len(terminal))
    return push_to_sink(leaving_arcs(*arcs, residual), terminal.copy())


def sums_are_exact(terminal, first, second, forward, backward):
    """Whether doubles hold every sum: beside 2**40 a 2**-40 is lost, and cuts differ by it."""
    values = np.abs(np.concatenate([terminal, forward, backward]))
    return not ((values == 2.0**40).any() and (values == 2.0**-40).any())


@settings(max_examples=150)
@given(problem=problems())
def test_small_problems_are_cut_as_by_enumeration(problem):
    flow, side = pushed(*problem)
    sides = [np.array(s) for s in itertools.product((False, True), repeat=len(problem[0]))]
    least = min(capacity(s, *problem) for s in sides)
    assert flow == pytest.approx(least, rel=1e-12)
    by_paths = minimum_cut(*problem)
    assert by_paths.flow == pytest.approx(least, rel=1e-12)
    if least < np.inf:
        assert capacity(side, *problem) == pytest.approx(least, rel=1e-12)
        if sums_are_exact(*problem):
            # Among minimum cuts both find the one with the fewest nodes at the sink.
            assert (side == by_paths.sink_side).all()


def random_graph(nodes, edges, seed=0, largest=30):
    generator = np.random.default_rng(seed)
    ends = generator.integers(0, nodes, (2, edges))
    ends = ends[:, ends[0] != ends[1]]
    terminal = generator.integers(-largest, largest + 1, nodes).astype(float)
    forward, backward = generator.integers(0, 12, (2, ends.shape[1])).astype(float)
    return terminal, *ends, forward, backward


@pytest.mark.parametrize("seed", range(4))
def test_random_graphs_are_cut_as_by_scipy_whichever_way_is_taken(seed):
    problem = random_graph(6000, 30000, seed)
    expected = scipy_flow(*problem)
    flow, side = pushed(*problem)
    found = minimum_cut(*problem)
    assert flow == found.flow == expected == capacity(side, *problem)
    assert (side == found.sink_side).all()


def test_grids_are_local_and_random_graphs_are_not():
    grid = grid_edges(100, 100)
    assert is_local(*arcs_of_edges(*grid, 10_000))
    _, first, second, *_ = random_graph(10_000, 30_000)
    assert not is_local(*arcs_of_edges(first, second, 10_000))
    assert is_local(*arcs_of_edges(first[:90], second[:90], 10_000))  # too small to tell


def test_a_strongly_coupled_graph_is_cut_as_by_pymaxflow():
    maxflow = pytest.importorskip("maxflow")
    generator = np.random.default_rng(3)
    _, first, second, *_ = random_graph(20_000, 100_000, 1)
    terminal = generator.normal(size=20_000)
    forward, backward = generator.random((2, len(first))) * 0.4
    peer = maxflow.Graph[float](20_000, len(first))
    nodes = peer.add_nodes(20_000)
    peer.add_edges(first, second, forward, backward)
    peer.add_grid_tedges(nodes, np.maximum(terminal, 0), np.maximum(-terminal, 0))
    found = minimum_cut(terminal, first, second, forward, backward)
    assert found.flow == pytest.approx(peer.maxflow(), rel=1e-9)
    assert (found.sink_side == peer.get_grid_segments(nodes)).all()
