"""Exact inference beside pyAgrum's LazyPropagation: the same networks, evidence and process.

    pytest tests/benchmarks/test_exact_inference.py --benchmark-only --benchmark-group-by=group

Within a group the ratio of the medians is the figure. Both engines use one thread and doubles, both
give every unobserved node's marginal, and the values of the evidence change from call to call.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import mmgraph as mm
from tests.benchmarks.networks import (
    NETWORKS,
    choose_observed,
    evidence_rows,
    pyagrum_marginals,
    to_pyagrum,
)


class Work:
    """A network in both libraries, with rows of evidence for the same nodes."""

    def __init__(self, name: str, rows: int = 20) -> None:
        torch.set_num_threads(1)
        self.net = mm.read(name)
        variables = self.net.variables
        self.labels = {v: [str(label) for label in x.labels] for v, x in variables.items()}
        self.tables = {
            f.child.name: ([p.name for p in f.parents], f.values.numpy()) for f in self.net.factors
        }
        self.observed = choose_observed(self.labels)
        self.codes = evidence_rows(self.tables, self.observed, rows)
        self.rows = [{n: variables[n].labels[c] for n, c in row.items()} for row in self.codes]
        self.hidden = sorted(set(variables) - set(self.observed))

    def copy(self) -> mm.FactorGraph:
        """The same network without anything compiled."""
        return mm.FactorGraph(self.net.variables.values(), self.net.factors)

    def ours(self) -> Callable[[], Any]:
        rows = itertools.cycle(self.rows)
        mm.query(self.net, self.rows[0])
        return lambda: mm.query(self.net, next(rows)).marginals

    def theirs(self, pyagrum: ModuleType) -> Callable[[], Any]:
        rows = itertools.cycle(self.codes)
        engine = pyagrum.LazyPropagation(to_pyagrum(self.labels, self.tables))
        engine.setEvidence(self.codes[0])
        engine.makeInference()

        def run() -> None:
            # chgEvidence is pyAgrum's fastest way to new values of the same nodes.
            for name, code in next(rows).items():
                engine.chgEvidence(name, code)
            engine.makeInference()
            for name in self.hidden:
                engine.posterior(name)

        return run


@pytest.mark.parametrize("name", NETWORKS)
def test_marginals_equal_pyagrum(name: str, pyagrum: ModuleType):
    work = Work(name, rows=2)
    for labels, codes in zip(work.rows, work.codes, strict=True):
        engine = pyagrum.LazyPropagation(to_pyagrum(work.labels, work.tables))
        engine.setEvidence(codes)
        engine.makeInference()
        post = mm.query(work.net, labels)
        for variable, expected in pyagrum_marginals(engine, work.hidden).items():
            np.testing.assert_allclose(post.marginal(variable)[0].numpy(), expected, atol=1e-8)
        expected = engine.evidenceProbability()
        if expected > 1e-250:
            assert float(post.log_evidence[0]) == pytest.approx(np.log(expected), rel=1e-8)


@pytest.mark.parametrize("name", NETWORKS)
def test_reused_mmgraph(name: str, benchmark: Any):
    benchmark.group = f"{name}, plan kept"
    benchmark(Work(name).ours())


@pytest.mark.parametrize("name", NETWORKS)
def test_reused_pyagrum(name: str, benchmark: Any, pyagrum: ModuleType):
    benchmark.group = f"{name}, plan kept"
    benchmark(Work(name).theirs(pyagrum))


@pytest.mark.parametrize("name", NETWORKS)
def test_from_scratch_mmgraph(name: str, benchmark: Any):
    benchmark.group = f"{name}, from scratch"
    work = Work(name)
    mm.query(work.copy(), work.rows[0])
    rows = itertools.cycle(work.rows)
    benchmark.pedantic(
        lambda net: mm.query(net, next(rows)).marginals,
        setup=lambda: ((work.copy(),), {}),
        rounds=10,
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_from_scratch_pyagrum(name: str, benchmark: Any, pyagrum: ModuleType):
    benchmark.group = f"{name}, from scratch"
    work = Work(name)
    network = to_pyagrum(work.labels, work.tables)
    rows = itertools.cycle(work.codes)

    def run() -> None:
        engine = pyagrum.LazyPropagation(network)
        engine.setEvidence(next(rows))
        engine.makeInference()
        for variable in work.hidden:
            engine.posterior(variable)

    benchmark.pedantic(run, rounds=10)


def alarm_rows(count: int) -> tuple[mm.BayesianNetwork, dict[str, np.ndarray]]:
    """Ten observed nodes of alarm, a fifth of their cells missing at random."""
    net = mm.read("alarm")
    drawn = mm.sample(net, count, generator=torch.Generator().manual_seed(0)).codes
    generator = np.random.default_rng(0)
    names = generator.choice(sorted(net.variables), 10, replace=False)
    return net, {
        str(n): np.where(generator.random(count) < 0.2, -1, drawn[str(n)].numpy()) for n in names
    }


def test_ten_thousand_rows_mmgraph(benchmark: Any):
    """10,000 rows a call: divide."""
    benchmark.group = "rows of alarm, different cells missing"
    torch.set_num_threads(1)
    net, evidence = alarm_rows(10_000)
    benchmark(lambda: mm.query(net, evidence).marginals)


def test_hundred_rows_pyagrum(benchmark: Any, pyagrum: ModuleType):
    """100 rows a call."""
    benchmark.group = "rows of alarm, different cells missing"
    net, evidence = alarm_rows(100)
    labels = {v: [str(label) for label in x.labels] for v, x in net.variables.items()}
    tables = {f.child.name: ([p.name for p in f.parents], f.values.numpy()) for f in net.factors}
    engine = pyagrum.LazyPropagation(to_pyagrum(labels, tables))

    def run() -> None:
        for row in range(100):
            engine.setEvidence({n: int(c[row]) for n, c in evidence.items() if c[row] >= 0})
            engine.makeInference()
            for name in labels:
                engine.posterior(name)

    benchmark.pedantic(run, rounds=3)


def test_link_from_scratch(benchmark: Any):
    """pyAgrum 3.3.1 takes two minutes for this one and is left out."""
    work = Work("link", rows=1)
    mm.query(mm.read("asia"))
    benchmark.pedantic(
        lambda net: mm.query(net).marginals, setup=lambda: ((work.copy(),), {}), rounds=5
    )


def test_read_munin(benchmark: Any):
    benchmark(lambda: mm.read("munin"))
