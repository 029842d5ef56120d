"""Cuts of a photograph of 512 x 512 pixels, beside PyMaxflow; one thread, compiled before.

The photograph is the cameraman of scikit-image, read out of the wheel that holds the stereo pair.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.interaction import Interaction
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.minimisation.graph_cut import graph_cut
from mmgraph.inference.minimisation.move_making import alpha_expansion
from mmgraph.inference.minimisation.trws_and_moves import trws_and_moves
from tests.benchmarks.measuring import size
from tests.benchmarks.pictures import noisy_photograph
from tests.inference.models import nothing

ROUNDS = size(2, 1)
SIDE = size(512, 96)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """Grey values from 0 to 1, with noise."""
    return noisy_photograph(SIDE, SIDE)


@pytest.fixture(scope="module")
def maxflow() -> Any:
    return pytest.importorskip("maxflow")


def quickest(*works: Callable[[], Any]) -> list[tuple[float, Any]]:
    """Seconds of the quickest round of each work, and its answer; they take turns."""
    times: list[list[float]] = [[] for _ in works]
    answers: list[Any] = [None] * len(works)
    for _ in range(ROUNDS):
        for i, work in enumerate(works):
            begin = time.perf_counter()
            answers[i] = work()
            times[i].append(time.perf_counter() - begin)
    return [(min(t), answer) for t, answer in zip(times, answers, strict=True)]


def labelling_problem(
    photograph: np.ndarray, states: int, interaction: Interaction, weight: float
) -> tuple[mm.FactorGraph, np.ndarray]:
    """Grey levels of a denoised photograph: how far each is, at most 0.15, and smoothness."""
    levels = (np.arange(states) + 0.5) / states
    unary = np.minimum(np.abs(photograph[..., None] - levels), 0.15).astype(np.float32)
    v = mm.Variable("level", states, photograph.shape)
    factors = [mm.UnaryFactor(v, -unary), mm.GridFactor(v, interaction, np.float32(weight))]
    return mm.FactorGraph([v], factors), unary


def test_a_binary_cut_takes_about_as_long_as_that_of_pymaxflow(benchmark, maxflow, photograph):
    v = mm.Variable("bright", 2, photograph.shape)
    contrast = (photograph - 0.5) * 6
    unary = np.stack([contrast * 0, contrast], -1)
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), 1.0)])

    def peer() -> np.ndarray:
        cut = maxflow.Graph[float](contrast.size, 2 * contrast.size)
        nodes = cut.add_grid_nodes(contrast.shape)
        cut.add_grid_edges(nodes, 1.0, symmetric=True)
        cut.add_grid_tedges(nodes, np.maximum(contrast, 0), np.maximum(-contrast, 0))
        cut.maxflow()
        return ~cut.get_grid_segments(nodes)

    graph_cut(graph, nothing(graph))  # compiles
    (theirs, labels), (ours, found) = benchmark.pedantic(
        lambda: quickest(peer, lambda: graph_cut(graph, nothing(graph))), rounds=1
    )
    benchmark.extra_info.update(mmgraph=ours, pymaxflow=theirs, ratio=theirs / ours)
    print(f"\nbinary cut: {ours * 1e3:.0f} ms, PyMaxflow {theirs * 1e3:.0f} ms")
    expected = float(graph.energy({"bright": labels.astype(int)}))
    assert float(found.energy) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("states", "interaction", "weight", "iterations"),
    [
        (5, mm.Potts(), 0.06, 6),
        (16, mm.Potts(), 0.06, 6),
        (32, mm.TruncatedLinear(4.0), 0.012, 4),
    ],
    ids=["5 Potts", "16 Potts", "32 linear"],
)
def test_a_labelling_beside_expansions_of_pymaxflow(
    benchmark, maxflow, photograph, states, interaction, weight, iterations
):
    from maxflow.fastmin import aexpansion_grid

    graph, unary = labelling_problem(photograph, states, interaction, weight)
    table = interaction.energies(states, states).numpy() * weight

    def peer() -> np.ndarray:
        return aexpansion_grid(unary.astype(np.float64), table, 5)

    def search() -> Assignment:
        return trws_and_moves(graph, nothing(graph), iterations=iterations)

    search()  # compiles
    works = (peer, search, lambda: alpha_expansion(graph, nothing(graph)))
    (theirs, labels), (ours, found), (expansion, expanded) = benchmark.pedantic(
        lambda: quickest(*works), rounds=1
    )
    energy = float(graph.energy({"level": labels}))
    benchmark.extra_info.update(
        mmgraph=ours, alpha_expansion=expansion, pymaxflow=theirs, energy=float(found.energy)
    )
    print(
        f"\n{states} states, {interaction}: {ours:.2f} s to {float(found.energy):.2f} (bound "
        f"{float(found.lower_bound):.2f}), our expansion {expansion:.2f} s to "
        f"{float(expanded.energy):.2f}, PyMaxflow {theirs:.2f} s to {energy:.2f}: "
        f"{theirs / ours:.1f} times"
    )
    assert float(found.energy) <= energy * (1 + 1e-6)
