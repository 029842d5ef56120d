"""Exact inference beside pyAgrum's LazyPropagation: the same networks, evidence and process.

    pytest tests/benchmarks/test_exact_inference.py --benchmark-only --benchmark-group-by=group

Both engines use one thread and doubles, both give every unobserved node's marginal, and the values
of the evidence change from call to call. At the end README's table is printed: medians, and ratios.

    pytest tests/benchmarks/test_exact_inference.py --benchmark-only -m slow

takes two minutes for what pyAgrum needs on link.
"""

from __future__ import annotations

import itertools
import statistics
import timeit
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.inference.exact.join_tree import compiled_plan
from tests.benchmarks.measuring import size
from tests.benchmarks.networks import (
    NETWORKS,
    choose_observed,
    evidence_rows,
    pyagrum_marginals,
    to_pyagrum,
)

ROWS = size(10_000, 500)
MEDIANS: dict[tuple[str, str, str], float] = {}
"""Seconds by network, work and engine, of those that have been measured so far."""


def measured(benchmark: Any, name: str, work: str, engine: str) -> None:
    """Keep a median for the table; there is none where benchmarks run untimed."""
    if benchmark.stats is not None:
        MEDIANS[name, work, engine] = benchmark.stats.stats.median


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
    """To 1e-12; both round in their own order."""
    work = Work(name, rows=2)
    for labels, codes in zip(work.rows, work.codes, strict=True):
        engine = pyagrum.LazyPropagation(to_pyagrum(work.labels, work.tables))
        engine.setEvidence(codes)
        engine.makeInference()
        post = mm.query(work.net, labels)
        for variable, expected in pyagrum_marginals(engine, work.hidden).items():
            np.testing.assert_allclose(post.marginal(variable)[0].numpy(), expected, atol=1e-12)
        expected = engine.evidenceProbability()
        if expected > 1e-250:
            assert float(post.log_evidence[0]) == pytest.approx(np.log(expected), rel=1e-8)


@pytest.mark.parametrize("name", NETWORKS)
def test_reused_mmgraph(name: str, benchmark: Any):
    benchmark.group = f"{name}, plan kept"
    benchmark(Work(name).ours())
    measured(benchmark, name, "plan kept", "mmgraph")


@pytest.mark.parametrize("name", NETWORKS)
def test_reused_pyagrum(name: str, benchmark: Any, pyagrum: ModuleType):
    benchmark.group = f"{name}, plan kept"
    benchmark(Work(name).theirs(pyagrum))
    measured(benchmark, name, "plan kept", "pyAgrum")


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
    measured(benchmark, name, "from scratch", "mmgraph")


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
    measured(benchmark, name, "from scratch", "pyAgrum")


def table_of_ratios() -> list[str]:
    """A line for each network and work that both engines have done, and the geometric means."""
    lines, ratios = [], {}
    for name, work, engine in MEDIANS:
        if engine == "mmgraph" and (name, work, "pyAgrum") in MEDIANS:
            theirs, ours = MEDIANS[name, work, "pyAgrum"], MEDIANS[name, work, "mmgraph"]
            ratios.setdefault(work, []).append(theirs / ours)
            lines.append(
                f"{name}, {work}: pyAgrum {theirs * 1e3:.3g} ms, mmgraph {ours * 1e3:.3g} ms: "
                f"{theirs / ours:.1f} times"
            )
    return lines + [
        f"geometric mean of {len(found)} networks, {work}: "
        f"{statistics.geometric_mean(found):.1f} times"
        for work, found in ratios.items()
    ]


def test_the_table_of_ratios(benchmark: Any, capsys: pytest.CaptureFixture[str]):
    lines = benchmark.pedantic(table_of_ratios, rounds=1)
    with capsys.disabled():
        print("\n" + "\n".join(lines))


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
    benchmark.group = "rows of alarm, different cells missing"
    torch.set_num_threads(1)
    net, codes = alarm_rows(ROWS)
    evidence = {name: mm.index(column) for name, column in codes.items()}
    benchmark(lambda: mm.query(net, evidence).marginals)
    print_rate(benchmark, "mmgraph", ROWS)


def print_rate(benchmark: Any, engine: str, rows: int) -> None:
    if benchmark.stats is not None:
        rate = rows / benchmark.stats.stats.median
        benchmark.extra_info["rows_a_second"] = rate
        print(f"\n{engine}: {rate:,.0f} rows of alarm a second")


def seconds_of(work: Callable[[], Any], calls: int) -> float:
    """The seconds of one call, the least of seven tries."""
    work()
    calls = size(calls, 1)
    return min(timeit.repeat(work, number=calls, repeat=size(7, 1))) / calls


def test_one_plain_row_beside_the_general_way(benchmark: Any):
    """What ``single_row`` is for: the same row is several times dearer as ``Evidence``."""
    benchmark.group = "one row of alarm"
    work = Work("alarm", rows=1)
    row, variables = work.rows[0], work.net.variables
    benchmark(lambda: mm.query(work.net, row))
    general = seconds_of(lambda: mm.query(work.net, mm.Evidence.of(row, variables)), 50)
    plain = seconds_of(lambda: mm.query(work.net, row), 500)
    benchmark.extra_info.update(general_over_plain=general / plain)
    print(f"\na plain row: {general / plain:.1f} times faster than the general way")


def test_rows_side_by_side_beside_one_by_one(benchmark: Any, monkeypatch: pytest.MonkeyPatch):
    """What ``simd_rows`` is for: 10,000 rows that share one plan."""
    benchmark.group = "rows of alarm that observe the same nodes"
    torch.set_num_threads(1)
    net = mm.read("alarm")
    drawn = mm.sample(net, ROWS, generator=torch.Generator().manual_seed(0)).codes
    observed = ("HRBP", "HREKG", "BP", "CVP", "PCWP")
    evidence = mm.Evidence.of({n: mm.index(drawn[n]) for n in observed}, net.variables)
    benchmark.pedantic(lambda: mm.query(net, evidence).marginals, rounds=5)
    blocks = seconds_of(lambda: mm.query(net, evidence), 1)
    monkeypatch.setattr(compiled_plan, "BLOCK_ENTRIES", 0)
    one_by_one = seconds_of(lambda: mm.query(net, evidence), 1)
    benchmark.extra_info.update(one_by_one_over_blocks=one_by_one / blocks)
    print(f"\nrows side by side: {one_by_one / blocks:.1f} times faster than one by one")


def test_hundred_rows_pyagrum(benchmark: Any, pyagrum: ModuleType):
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
    print_rate(benchmark, "pyAgrum", 100)


def test_link_from_scratch_mmgraph(benchmark: Any):
    work = Work("link", rows=1)
    mm.query(mm.read("asia"))
    benchmark.pedantic(
        lambda net: mm.query(net).marginals, setup=lambda: ((work.copy(),), {}), rounds=5
    )


@pytest.mark.slow
def test_link_from_scratch_pyagrum(benchmark: Any, pyagrum: ModuleType):
    work = Work("link", rows=1)
    network = to_pyagrum(work.labels, work.tables)

    def run() -> None:
        engine = pyagrum.LazyPropagation(network)
        engine.makeInference()
        for variable in work.labels:
            engine.posterior(variable)

    benchmark.pedantic(run, rounds=1)


def test_read_munin(benchmark: Any):
    benchmark(lambda: mm.read("munin"))
