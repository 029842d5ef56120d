"""Sum-product messages between the land covers of Indian Pines: 145 x 145 pixels, 16 labels.

    pytest tests/benchmarks/test_belief_propagation.py --benchmark-only -s

In the sequential schedule an iteration is a pass forwards and one back, and sends every message
once, as a sweep of PGMax does (in parallel: PGMax needs more sweeps). One thread; figures are
seconds that a processor spends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.inference.messages.belief_propagation_kernels import sequential_pass
from mmgraph.inference.messages.row_messages import RowMessages
from mmgraph.inference.messages.scaled_messages import ScaledMessages
from mmgraph.inference.pairwise.build import pairwise_graph
from tests.benchmarks.measuring import size
from tests.benchmarks.pgmax_peer import pgmax_seconds_a_sweep
from tests.benchmarks.pictures import Costs, grid_of, land_cover_costs, quickest

WEIGHT = 1.0


@pytest.fixture(scope="module")
def costs() -> Costs:
    side = size(145, 32)
    return np.ascontiguousarray(land_cover_costs()[:side, :side])


def seconds_of_iteration(benchmark: Any, graph: mm.FactorGraph) -> float:
    """Measure the iteration that belief propagation begins with, messages kept between calls."""
    pairwise = pairwise_graph(graph)
    messages = RowMessages(pairwise, mm.Evidence.of(None, graph.variables), 0)
    scaled = ScaledMessages(pairwise, messages.model)

    def iterate() -> None:
        # -1 would say that numbers got too small, and that another form has to take over.
        assert scaled.iterate() >= 0

    iterate()  # compiles
    benchmark.pedantic(iterate, rounds=5)
    return quickest(iterate, 15)


@pytest.mark.parametrize("neighbours", [4, 8])
def test_an_iteration(benchmark: Any, costs: Costs, neighbours: int):
    graph = grid_of(costs, mm.Potts(), WEIGHT, neighbours)
    nanoseconds = seconds_of_iteration(benchmark, graph) / costs.size * 1e9
    benchmark.extra_info.update(ns_a_pixel_and_label=nanoseconds)
    print(f"\nsum-product iteration, {neighbours} neighbours: {nanoseconds:.1f} ns")


@pytest.mark.parametrize("neighbours", [4, 8])
def test_an_iteration_beside_one_in_logarithms(benchmark: Any, costs: Costs, neighbours: int):
    """What the messages without logarithms are kept for."""
    graph = grid_of(costs, mm.Potts(), WEIGHT, neighbours)
    messages = RowMessages(pairwise_graph(graph), mm.Evidence.of(None, graph.variables), 0)

    def iterate() -> None:
        for forward in (True, False):
            sequential_pass(forward, messages.model, 0.0, messages.messages)

    iterate()  # compiles
    scaled, logarithms = seconds_of_iteration(benchmark, graph), quickest(iterate, 5)
    benchmark.extra_info.update(logarithms_over_scaled=logarithms / scaled)
    print(
        f"\n{neighbours} neighbours, an iteration: {scaled * 1e3:.1f} ms, in logarithms "
        f"{logarithms * 1e3:.1f} ms: {logarithms / scaled:.1f} times"
    )


@pytest.mark.parametrize("neighbours", [4, 8])
def test_an_iteration_beside_a_sweep_of_pgmax(
    benchmark: Any, costs: Costs, neighbours: int, tmp_path: Path
):
    theirs = pgmax_seconds_a_sweep(costs, WEIGHT, "sum-product", tmp_path, neighbours)
    ours = seconds_of_iteration(benchmark, grid_of(costs, mm.Potts(), WEIGHT, neighbours))
    benchmark.extra_info.update(
        mmgraph_seconds=ours, pgmax_seconds=theirs, pgmax_over_mmgraph=theirs / ours
    )
    print(
        f"\n{neighbours} neighbours, every message once: mmgraph {ours * 1e3:.1f} ms, PGMax "
        f"{theirs * 1e3:.0f} ms: {theirs / ours:.0f} times"
    )


@pytest.mark.parametrize("neighbours", [4, 8])
def test_until_the_messages_rest(benchmark: Any, costs: Costs, neighbours: int):
    mm.query(grid_of(costs[:16, :16], mm.Potts(), WEIGHT, neighbours), method="belief_propagation")

    def query() -> mm.Posterior:
        graph = grid_of(costs, mm.Potts(), WEIGHT, neighbours)
        return mm.query(graph, method="belief_propagation")

    posterior = benchmark.pedantic(query, rounds=3)
    benchmark.extra_info.update(iterations=posterior.iterations, residual=posterior.residual)
    print(
        f"\n{neighbours} neighbours, all marginals: {posterior.seconds:.2f} s, "
        f"{posterior.iterations} iterations, converged: {posterior.converged}"
    )
    assert posterior.converged
    np.testing.assert_allclose(posterior.marginal("label").sum(-1).numpy(), 1.0, atol=1e-6)
