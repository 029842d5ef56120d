"""Layered layouts: parents above children, room for every node, few crossings, always the same."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

import mmgraph as mm
from mmgraph.plots import layout as module
from mmgraph.plots.layout import layered_layout


def random_graph(seed: int, nodes: int = 25) -> nx.DiGraph:
    generator = np.random.default_rng(seed)
    graph = nx.DiGraph()
    graph.add_nodes_from(f"n{i}" for i in range(nodes))
    for child in range(1, nodes):
        for parent in generator.choice(child, size=min(child, 2), replace=False):
            graph.add_edge(f"n{parent}", f"n{child}")
    return graph


@pytest.mark.parametrize("seed", range(5))
def test_parents_stand_above_and_nobody_overlaps(seed: int):
    graph = random_graph(seed)
    widths = {node: 0.5 + 0.1 * i for i, node in enumerate(graph)}
    layout = layered_layout(graph, widths, gap=0.3)
    assert set(layout.places) == set(graph)
    for parent, child in graph.edges:
        assert layout.places[parent][1] < layout.places[child][1]
    layers: dict[float, list[str]] = {}
    for node, (_, layer) in layout.places.items():
        layers.setdefault(layer, []).append(node)
    for layer in layers.values():
        for left, right in pairwise(sorted(layer, key=lambda node: layout.places[node][0])):
            distance = layout.places[right][0] - layout.places[left][0]
            assert distance >= (widths[left] + widths[right]) / 2 + 0.3 - 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_a_long_edge_passes_every_layer_beside_the_nodes(seed: int):
    graph = random_graph(seed)
    widths = dict.fromkeys(graph, 1.0)
    layout = layered_layout(graph, widths, gap=0.4, bend_width=0.1)
    for (parent, child), bends in layout.bends.items():
        above, below = layout.places[parent][1], layout.places[child][1]
        assert [layer for _, layer in bends] == list(np.arange(above + 1, below))
        for x, layer in bends:
            for place, level in layout.places.values():
                assert level != layer or abs(place - x) > 0.5


def test_a_tree_has_no_crossings():
    tree = nx.balanced_tree(2, 4, create_using=nx.DiGraph)
    layout = layered_layout(tree, dict.fromkeys(tree, 1.0))
    for first in tree.edges:
        for second in tree.edges:
            (a, la), (b, _) = (layout.places[n] for n in first)
            (c, lc), (d, _) = (layout.places[n] for n in second)
            if la == lc and first != second:
                assert (a - c) * (b - d) >= 0


def test_the_empty_graph_and_lonely_nodes():
    assert layered_layout(nx.DiGraph(), {}).places == {}
    graph = nx.DiGraph()
    graph.add_nodes_from("ab")
    (a, b) = layered_layout(graph, {"a": 1.0, "b": 2.0}, gap=0.5).places.values()
    assert a[1] == b[1] == 0
    assert abs(a[0] - b[0]) == pytest.approx(2.0)


def test_the_layout_does_not_depend_on_the_seed_of_hashes():
    script = (
        "import sys, networkx\n"
        "from layout import layered_layout  # alone, without what the package imports\n"
        "graph = networkx.DiGraph([edge.split(':') for edge in sys.argv[1:]])\n"
        "print(layered_layout(graph, dict.fromkeys(graph, 1.0)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, *map(":".join, mm.read("alarm").directed().edges)],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(Path(module.__file__).parent),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
