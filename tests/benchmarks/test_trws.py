"""TRW-S on a photograph: the cost of a pass, how it grows, and the memory that a search takes.

    pytest tests/benchmarks/test_trws.py --benchmark-only -s
    pytest tests/benchmarks/test_trws.py -m slow

A pass visits every pixel once and sends a message along each of its edges; an iteration is two
passes, and sends every message once. All is on one thread, and figures are seconds that a processor
spends on it. Those a pixel and label, in ``ns``, are also given times the bandwidth of a copy in
the same run (bytes read and written, in GB/s): a number of bytes that a machine of another speed
should come near to.
"""

# mypy: disable-error-code="call-arg"

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.inference.messages.trws_kernels import trws_pass
from mmgraph.inference.pairwise.build import pairwise_graph
from tests.benchmarks.measuring import size
from tests.benchmarks.pgmax_peer import pgmax_seconds_a_sweep
from tests.benchmarks.pictures import (
    copied_gigabytes_a_second,
    grey_level_costs,
    grid_of,
    noisy_photograph,
    quickest,
)

WEIGHT = 0.3
MOST_BYTES = 400e6
# PGMax takes 8.6 GB for 256 rows, and four times as much for the whole photograph.
PGMAX_SIDE = size(256, 64)


def passes(graph: mm.FactorGraph) -> Callable[[], None]:
    """One iteration of TRW-S, messages kept from call to call."""
    pairwise = pairwise_graph(graph)
    assert pairwise.dtype == np.float32
    unary = pairwise.unary(mm.Evidence.of(None, graph.variables), 0)
    messages = pairwise.empty_messages()
    arrays = (pairwise.edge_arrays, pairwise.adjacency, pairwise.slots, messages)

    def iterate() -> None:
        for forward in (True, False):
            bound = trws_pass(forward, unary, *arrays)
            assert np.isfinite(bound)

    return iterate


def photograph_grid(side: int, states: int, interaction: mm.Interaction) -> mm.FactorGraph:
    return grid_of(grey_level_costs(noisy_photograph(side, side), states), interaction, WEIGHT)


def seconds_of_iteration(benchmark: Any, graph: mm.FactorGraph) -> float:
    """By the clock of the processor; the table of pytest-benchmark has that on the wall."""
    iterate = passes(graph)
    iterate()  # compiles
    benchmark.pedantic(iterate, rounds=5)
    return quickest(iterate, 10)


def test_a_pass_over_sixteen_potts_labels(benchmark: Any):
    side, states = size(512, 64), 16
    gigabytes = copied_gigabytes_a_second()
    seconds = seconds_of_iteration(benchmark, photograph_grid(side, states, mm.Potts()))
    nanoseconds = seconds / 2 / (side * side * states) * 1e9
    gigabytes = max(gigabytes, copied_gigabytes_a_second())
    benchmark.extra_info.update(
        ns_a_pixel_and_label=nanoseconds,
        copied_gigabytes_a_second=gigabytes,
        ns_times_gigabytes_a_second=nanoseconds * gigabytes,
    )
    print(
        f"\nTRW-S pass, {side} x {side} x {states} Potts: {nanoseconds:.2f} ns a pixel and label, "
        f"copies at {gigabytes:.1f} GB/s: {nanoseconds * gigabytes:.1f} bytes"
    )


def test_an_iteration_beside_a_sweep_of_pgmax(benchmark: Any, tmp_path: Path):
    costs = grey_level_costs(noisy_photograph(PGMAX_SIDE, PGMAX_SIDE), 16)
    theirs = pgmax_seconds_a_sweep(costs, WEIGHT, "max-product", tmp_path)
    ours = seconds_of_iteration(benchmark, grid_of(costs, mm.Potts(), WEIGHT))
    benchmark.extra_info.update(
        mmgraph_seconds=ours, pgmax_seconds=theirs, pgmax_over_mmgraph=theirs / ours
    )
    print(
        f"\n{PGMAX_SIDE} x {PGMAX_SIDE} x 16 Potts, every message once: TRW-S {ours * 1e3:.1f} ms, "
        f"PGMax {theirs * 1e3:.0f} ms: {theirs / ours:.0f} times"
    )


@pytest.mark.parametrize("states", [16, 32, 64, 128, 256])
def test_truncated_linear_messages_cost_the_same_for_each_label(benchmark: Any, states: int):
    side = size(128, 32)
    graph = photograph_grid(side, states, mm.TruncatedLinear(states / 8))
    seconds = seconds_of_iteration(benchmark, graph)
    nanoseconds = seconds / 2 / (side * side * states) * 1e9
    benchmark.extra_info.update(ns_a_pixel_and_label=nanoseconds)
    print(f"\nTRW-S pass, {states} labels, truncated linear: {nanoseconds:.2f} ns")


@pytest.mark.parametrize("side", [128, 256, 512, 1024, 2048])
def test_an_iteration_costs_the_same_for_each_pixel(benchmark: Any, side: int):
    side = size(side, side // 8)
    seconds = seconds_of_iteration(benchmark, photograph_grid(side, 8, mm.Potts()))
    nanoseconds = seconds / side**2 * 1e9
    benchmark.extra_info.update(ns_a_pixel=nanoseconds)
    print(f"\nTRW-S iteration, {side} x {side} x 8: {nanoseconds:.0f} ns a pixel")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads /proc, as Linux has it")
def test_a_search_takes_little_memory_beyond_its_input(tmp_path: Path):
    path = tmp_path / "log_potentials.npy"
    np.save(path, -grey_level_costs(noisy_photograph(1024, 1024), 8))
    program = Path(__file__).with_name("peak_memory.py")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(program), str(path), str(WEIGHT)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    taken, beyond_resident = map(float, done.stdout.split())
    print(
        f"\nTRW-S on 1024 x 1024 x 8: the peak rises by {taken / 1e6:.0f} MB, to "
        f"{beyond_resident / 1e6:.0f} MB more than was resident"
    )
    assert taken <= MOST_BYTES
