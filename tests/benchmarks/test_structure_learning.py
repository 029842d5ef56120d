"""Graphs of alarm and child learned from samples, beside pyAgrum and pgmpy; one thread each.

    pytest tests/benchmarks/test_structure_learning.py --benchmark-only -s

prints, for each learner, BIC by one function, the distance of its CPDAG from the true one, seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.data.encoding import CodedRows, encode
from mmgraph.learning.counts import family_counts
from mmgraph.learning.structure.graphs.equivalence import cpdag, structural_hamming_distance
from tests.benchmarks.measuring import size
from tests.benchmarks.networks import one_pyagrum_thread

pd = pytest.importorskip("pandas")
pytest.importorskip("pgmpy")

ROWS = 10_000
SAMPLES = [("alarm", 0), ("alarm", 1), ("alarm", 2), ("child", 0)]
Edges = list[tuple[str, str]]
Learner = Callable[[], Edges]


@cache
def network(name: str) -> mm.BayesianNetwork:
    return mm.read(name)


@cache
def sample(name: str, seed: int) -> tuple[Any, CodedRows]:
    """A frame of labels, and the same rows coded."""
    drawn = mm.sample(network(name), ROWS, generator=torch.Generator().manual_seed(seed))
    codes = {n: mm.index(column) for n, column in drawn.codes.items()}
    frame = pd.DataFrame(
        {n: np.array([f"s{c}" for c in column.tolist()]) for n, column in drawn.codes.items()}
    )
    return frame.astype("category"), encode(codes, network(name).variables)


def true_edges(name: str) -> Edges:
    return [(p.name, f.child.name) for f in network(name).factors for p in f.parents]


def bic(name: str, rows: CodedRows, edges: Edges) -> float:
    """The Bayesian information criterion of a graph; states are the true network's."""
    variables = network(name).variables
    parents = {n: [variables[p] for p, child in edges if child == n] for n in variables}
    scopes = [[*parents[n], variables[n]] for n in variables]
    total = 0.0
    for counts in family_counts(scopes, rows):
        table = counts.double().reshape(-1, counts.shape[-1])
        sums = table.sum(1, keepdim=True)
        total += float(torch.xlogy(table, table / sums.clamp(min=1)).sum())
        total -= math.log(len(rows)) / 2 * table.shape[0] * (table.shape[1] - 1)
    return total


def distance(name: str, edges: Edges) -> int:
    names = list(network(name).variables)
    graphs = []
    for some in (edges, true_edges(name)):
        adjacency = np.zeros((len(names), len(names)), bool)
        for parent, child in some:
            adjacency[names.index(parent), names.index(child)] = True
        graphs.append(cpdag(adjacency))
    return structural_hamming_distance(*graphs)


def by_mmgraph(frame: Any, **options: Any) -> Learner:
    mm.learn_structure(frame[:200], **options)  # compiles
    return lambda: mm.learn_structure(frame, **options).edges


def by_pyagrum(frame: Any, method: str) -> Learner:
    learner = pytest.importorskip("pyagrum").BNLearner(frame.astype(str))
    learner.setNumberOfThreads(1)
    if method != "MIIC":
        learner.useScoreBIC()
    getattr(learner, f"use{method}")()
    names = learner.names()
    return lambda: [(names[a], names[b]) for a, b in learner.learnDAG().arcs()]


def by_pgmpy(frame: Any) -> Learner:
    from pgmpy.estimators import HillClimbSearch

    search = HillClimbSearch(frame)
    return lambda: list(search.estimate(scoring_method="bic-d", show_progress=False).edges())


LEARNERS: dict[str, Callable[[Any], Learner]] = {
    "mmgraph": by_mmgraph,
    "mmgraph tabu": lambda frame: by_mmgraph(frame, method="tabu"),
    "pyagrum climbing": lambda frame: by_pyagrum(frame, "GreedyHillClimbing"),
    "pyagrum tabu": lambda frame: by_pyagrum(frame, "LocalSearchWithTabuList"),
    "pyagrum miic": lambda frame: by_pyagrum(frame, "MIIC"),
    "pgmpy climbing": by_pgmpy,
}
"""What makes of rows, loaded, a call that learns the edges of a graph."""


RUNS = [
    (name, seed, learner)
    for name, seed in size(SAMPLES, SAMPLES[::3])
    for learner in LEARNERS
    # pgmpy takes some ten seconds for alarm.
    if learner != "pgmpy climbing" or (name, seed) == size(("alarm", 0), ("child", 0))
]


@pytest.mark.parametrize(("name", "seed", "learner"), RUNS)
def test_structure(benchmark, name, seed, learner):
    frame, rows = sample(name, seed)
    learn = LEARNERS[learner](frame)
    with one_pyagrum_thread() if learner.startswith("pyagrum") else nullcontext():
        start = time.perf_counter()
        edges = benchmark.pedantic(learn, rounds=1)
        seconds = time.perf_counter() - start
    score, wrong = bic(name, rows, edges), distance(name, edges)
    benchmark.extra_info.update(bic=score, shd=wrong)
    print(f"\n{name} {seed} {learner}: BIC {score:.0f}, SHD {wrong}, {seconds:.2f} s")
    if learner == "mmgraph":
        near = by_mmgraph(frame, method="climb", restarts=0, start=true_edges(name))()
        least, steps = bic(name, rows, near), distance(name, near)
        print(f"  climbing from the true graph: BIC {least:.0f}, SHD {steps}")
        assert score >= least - 1e-6
        assert wrong <= 6  # what climbing from the true graph reaches at most, over samples
