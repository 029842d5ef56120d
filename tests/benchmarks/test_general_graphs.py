"""Cuts of general graphs beside PyMaxflow, and sweeps of mean field beside belief propagation.

One thread, everything compiled before. Cuts are timed from arrays of edges to labels, in each case
with a graph that is made anew, and checked for the same energy. Edges have weights evenly
distributed up to twice the coupling, and nodes a normal field of deviation one.
"""

from __future__ import annotations

import time
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

import mmgraph as mm
from tests.benchmarks.measuring import size

NODES, EDGES = size(200_000, 2_000), size(1_000_000, 10_000)
SIDE = size(447, 45)


@pytest.fixture(scope="module")
def maxflow() -> Any:
    return pytest.importorskip("maxflow")


def random_edges(generator: np.random.Generator, count: int = EDGES) -> np.ndarray:
    edges = generator.integers(0, NODES, (count, 2))
    return edges[edges[:, 0] != edges[:, 1]]


def edges_of(kind: str, generator: np.random.Generator) -> np.ndarray:
    """The edges of a graph of about 200,000 nodes, shape (edges, 2)."""
    if kind == "chain and random":
        chain = np.arange(NODES - 1)
        shortcuts = random_edges(generator, EDGES - NODES + 1)
        return np.concatenate([np.stack([chain, chain + 1], 1), shortcuts])
    if kind == "scale-free":
        made = nx.barabasi_albert_graph(NODES, EDGES // NODES, seed=1)
        return generator.permutation(NODES)[np.array(made.edges())]
    if kind == "neighbours in space":
        place = generator.random((NODES, 3))
        near = cKDTree(place).query(place, k=6)[1]
        return np.stack([np.repeat(np.arange(NODES), 5), near[:, 1:].ravel()], 1)
    if kind == "grid":
        place = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
        right = np.stack([place[:, :-1].ravel(), place[:, 1:].ravel()], 1)
        return np.concatenate([right, np.stack([place[:-1].ravel(), place[1:].ravel()], 1)])
    return random_edges(generator)


def by_pymaxflow(
    maxflow: Any, edges: np.ndarray, weights: np.ndarray, field: np.ndarray
) -> np.ndarray:
    peer = maxflow.Graph[float](len(field), len(edges))
    nodes = peer.add_nodes(len(field))
    peer.add_edges(edges[:, 0], edges[:, 1], weights, weights)
    peer.add_grid_tedges(nodes, np.maximum(field, 0), np.maximum(-field, 0))
    peer.maxflow()
    labels: np.ndarray = peer.get_grid_segments(nodes)
    return labels


def by_mmgraph(edges: np.ndarray, weights: np.ndarray, field: np.ndarray) -> Any:
    unary = np.stack([np.zeros_like(field), -field], 1)
    model = mm.MarkovRandomField.from_edges(edges, unary, mm.Potts(), weights)
    return mm.map_query(model, method="graph_cut")


@pytest.mark.parametrize(
    ("kind", "coupling"),
    [
        ("random", 0.02),
        ("random", 0.1),
        ("random", 0.2),
        ("random", 0.5),
        ("chain and random", 0.2),
        ("scale-free", 0.2),
        ("neighbours in space", 0.2),
        ("grid", 0.2),
        ("grid", 0.8),
    ],
)
def test_a_cut_of_a_general_graph(benchmark: Any, maxflow: Any, kind: str, coupling: float) -> None:
    generator = np.random.default_rng(0)
    edges = edges_of(kind, generator)
    weights = coupling * 2 * generator.random(len(edges))
    field = generator.normal(size=int(edges.max()) + 1)
    by_mmgraph(edges[:9], weights[:9], field)  # compiles

    def rounds() -> tuple[list[tuple[float, float]], np.ndarray, Any]:
        times = []
        for _ in range(1 if benchmark.disabled else 2):
            begin = time.process_time()
            labels = by_pymaxflow(maxflow, edges, weights, field)
            middle = time.process_time()
            found = by_mmgraph(edges, weights, field)
            times.append((middle - begin, time.process_time() - middle))
        return times, labels, found

    times, labels, found = benchmark.pedantic(rounds, rounds=1)
    theirs, ours = np.array(times).min(0)
    benchmark.extra_info.update(mmgraph=ours, pymaxflow=theirs, ratio=ours / theirs)
    print(
        f"\n{kind}, coupling {coupling}: {ours:.2f} s, PyMaxflow {theirs:.2f} s of a core, "
        f"{ours / theirs:.2f} of its time"
    )
    differ = labels[edges[:, 0]] != labels[edges[:, 1]]
    expected = weights[differ].sum() + field[labels].sum()
    assert float(found.energy) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("states", [2, 5])
@pytest.mark.parametrize("interaction", ["Potts", "table"])
def test_a_sweep_of_mean_field_beside_one_of_belief_propagation(
    benchmark: Any, states: int, interaction: str
) -> None:
    generator = np.random.default_rng(1)
    edges = random_edges(generator)
    table = generator.random((states, states))
    model = mm.MarkovRandomField.from_edges(
        edges,
        generator.normal(size=(NODES, states)),
        mm.Potts() if interaction == "Potts" else mm.Tabulated(table + table.T),
        0.2 * generator.random(len(edges)),
    )

    def seconds(method: str, sweeps: int) -> tuple[float, float]:
        begin = time.process_time(), time.perf_counter()
        mm.query(model, method=method, iterations=sweeps, tolerance=0.0)
        return time.process_time() - begin[0], time.perf_counter() - begin[1]

    most = 3 if benchmark.disabled else 10

    def a_sweep(method: str) -> np.ndarray:
        seconds(method, 1)  # compiles
        few, many = np.array(seconds(method, 2)), np.array(seconds(method, most))
        each: np.ndarray = (many - few) / (most - 2)
        return each

    methods = ("mean_field", "belief_propagation")
    ours, peer = benchmark.pedantic(lambda: [a_sweep(m) for m in methods], rounds=1)
    benchmark.extra_info.update(mean_field=ours[0], belief_propagation=peer[0])
    print(
        f"\n{states} states, {interaction}: a sweep takes {ours[0]:.2f} s of a core "
        f"({ours[1]:.2f} s), of belief propagation {peer[0]:.2f} ({peer[1]:.2f}), "
        f"{torch.get_num_threads()} threads of torch"
    )
    assert benchmark.disabled or ours[0] <= peer[0]
