"""Ising block Gibbs sampling on 1024 x 1024 spins: updates a second, beside thrml.

thrml needs packages that mmgraph does not, and so runs in a process of its own: the variable
``MMGRAPH_THRML_PYTHON`` names the interpreter that has it.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.inference.sampling.gibbs import gibbs
from mmgraph.inference.sampling.gibbs_chains import run_chains
from mmgraph.inference.sampling.gibbs_program import gibbs_program
from mmgraph.inference.sampling.gibbs_start import starting_states
from mmgraph.inference.sampling.schedule import Schedule
from tests.benchmarks.measuring import size

SIDE = size(1024, 64)
SWEEPS = size(400, 20)
LEAST_RATE = size(2e6, 1e4)


def ising(varying: bool) -> mm.FactorGraph:
    """A coupling of 0.4 in the spins' units; or random couplings and fields."""
    spins = mm.Variable("spins", 2, (SIDE, SIDE))
    if not varying:
        return mm.FactorGraph([spins], [mm.GridFactor(spins, mm.Potts(), 0.8)])
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(2, SIDE, SIDE, generator=generator)
    fields = torch.randn(SIDE, SIDE, 2, generator=generator)
    return mm.FactorGraph(
        [spins], [mm.GridFactor(spins, mm.Potts(), weights), mm.UnaryFactor(spins, fields)]
    )


def updates_a_second(graph: mm.FactorGraph, threads: int, chains: int = 1, sweeps: int = SWEEPS):
    """The fastest of three runs, with all that a run sets up."""
    conditioned = gibbs_program(graph).conditioned(mm.Evidence.of(None, graph.variables), 0)
    key = np.array([1, 2], np.uint32)
    states = starting_states(conditioned, mm.Evidence.of(None, graph.variables), chains, key, None)
    schedule = Schedule(chains, 1, sweeps - 1, threads=threads)
    seconds = []
    for _ in range(size(3, 1)):
        begin = time.perf_counter()
        run_chains(conditioned, states, key, schedule)
        seconds.append(time.perf_counter() - begin)
    return len(conditioned.order) * chains * sweeps / min(seconds)


def thrml_updates_a_second() -> float:
    interpreter = os.environ.get("MMGRAPH_THRML_PYTHON")
    if not interpreter:
        pytest.skip("MMGRAPH_THRML_PYTHON names no interpreter that has thrml")
    program = Path(__file__).with_name("thrml_ising.py")
    done = subprocess.run(
        [interpreter, str(program), str(SIDE), "50"],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")},
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_ising_updates(benchmark, varying, threads):
    graph = ising(varying)
    updates_a_second(graph, threads, sweeps=2)  # compiles
    rate = benchmark.pedantic(updates_a_second, (graph, threads), rounds=1)
    benchmark.extra_info["updates_a_second"] = rate
    kind = "random weights and fields" if varying else "one weight"
    print(f"\nIsing {SIDE} x {SIDE}, {kind}, {threads} threads: {rate / 1e6:,.0f} million/s")


def test_ising_beside_thrml(benchmark):
    graph = ising(False)
    theirs = thrml_updates_a_second()
    updates_a_second(graph, 2, sweeps=2)  # compiles
    ours = benchmark.pedantic(updates_a_second, (graph, 2), rounds=1)
    benchmark.extra_info.update(mmgraph=ours, thrml=theirs)
    print(
        f"\nIsing {SIDE} x {SIDE}: {ours / 1e6:,.0f} million/s, thrml {theirs / 1e6:,.0f}: "
        f"{ours / theirs:.1f} times"
    )


@pytest.mark.parametrize("varying", [False, True])
def test_the_kernel_of_two_state_grids_beside_the_general_one(benchmark, varying):
    """An edge of weight zero makes of the grid a graph like any other."""
    grid = ising(varying)
    (spins,) = grid.variables.values()
    far = mm.PairwiseFactor(spins, [[0, 5 * SIDE]], mm.Potts(), 0.0)
    general = mm.FactorGraph([spins], [*grid.factors, far])
    for graph in (grid, general):
        updates_a_second(graph, 1, sweeps=2)  # compiles
    slow = updates_a_second(general, 1, sweeps=20)
    fast = benchmark.pedantic(updates_a_second, (grid, 1, 1, 60), rounds=1)
    benchmark.extra_info.update(own=fast, general=slow)
    print(f"\nIsing {SIDE} x {SIDE}: {fast / 1e6:,.0f} million/s, in general {slow / 1e6:,.0f}")


@pytest.mark.parametrize("threads", [1, 2])
def test_five_labels_on_an_image(benchmark, threads):
    side = size(256, 32)
    labels = mm.Variable("labels", 5, (side, side))
    values = np.random.default_rng(0).normal(size=(side, side, 5)).astype(np.float32)
    factors = [mm.GridFactor(labels, mm.Potts(), 0.8), mm.UnaryFactor(labels, values)]
    graph = mm.FactorGraph([labels], factors)
    updates_a_second(graph, threads, sweeps=2)
    rate = benchmark.pedantic(updates_a_second, (graph, threads, 1, 40), rounds=1)
    print(f"\nPotts {side} x {side}, 5 labels, {threads} threads: {rate / 1e6:,.1f} million/s")
    assert rate > LEAST_RATE


def test_alarm_marginals(benchmark):
    network = mm.read("alarm")
    evidence = mm.Evidence.of({"HRBP": "HIGH"}, network.variables)
    gibbs(network, evidence, draws=10)
    posterior = benchmark.pedantic(gibbs, (network, evidence), {"threads": 1}, rounds=3)
    assert posterior.iterations == 1500
