"""Parameters of alarm from a million rows, beside pyAgrum; one thread, loading not counted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.data.encoding import CodedRows, encode
from mmgraph.learning.counts import family_counts
from tests.benchmarks.measuring import size
from tests.benchmarks.networks import to_pyagrum

pd = pytest.importorskip("pandas")
pytest.importorskip("pgmpy")

ROWS = size(1_000_000, 200_000)
LEAST_RATIO = size(5.0, 0.0)


@pytest.fixture(scope="module")
def alarm() -> mm.BayesianNetwork:
    return mm.read("alarm")


@pytest.fixture(scope="module")
def samples(alarm: mm.BayesianNetwork) -> dict[str, torch.Tensor]:
    return mm.sample(alarm, ROWS, generator=torch.Generator().manual_seed(0)).codes


@pytest.fixture(scope="module")
def coded(alarm: mm.BayesianNetwork, samples: dict[str, torch.Tensor]) -> CodedRows:
    return encode({name: mm.index(codes) for name, codes in samples.items()}, alarm.variables)


def count_alarm(alarm: mm.BayesianNetwork, coded: CodedRows) -> list[torch.Tensor]:
    return family_counts([f.scope for f in alarm.factors], coded)


def loaded_peer(
    pyagrum: Any, alarm: mm.BayesianNetwork, samples: dict[str, torch.Tensor]
) -> Callable[[], Any]:
    """A learner that has its rows in its own table already."""
    network = to_pyagrum(
        {name: list(map(str, v.labels)) for name, v in alarm.variables.items()},
        {
            f.child.name: ([p.name for p in f.parents], f.values.numpy())
            for f in alarm.factors
            if f.child is not None
        },
    )
    labels = {
        n: np.array([f"s{i}" for i in range(v.cardinality)]) for n, v in alarm.variables.items()
    }
    learner = pyagrum.BNLearner(
        pd.DataFrame({n: labels[n][codes.numpy()] for n, codes in samples.items()}), network
    )
    learner.setNumberOfThreads(1)
    dag = network.dag()
    return lambda: learner.learnParameters(dag)


def test_mmgraph_counts_alarm(benchmark, alarm, coded):
    counts = benchmark(count_alarm, alarm, coded)
    assert all(int(table.sum()) == ROWS for table in counts)


def test_mmgraph_learns_alarm(benchmark, alarm, coded):
    assert len(benchmark(mm.learn_parameters, alarm, coded)) == len(alarm.factors)


def test_pyagrum_learns_alarm(benchmark, pyagrum, alarm, samples):
    benchmark.pedantic(loaded_peer(pyagrum, alarm, samples), rounds=3)


def test_counting_is_faster_and_the_tables_are_the_same(benchmark, pyagrum, alarm, samples, coded):
    learn = loaded_peer(pyagrum, alarm, samples)
    count_alarm(alarm, coded)  # compiles

    def seconds(work: Callable[[], Any], rounds: int) -> float:
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            work()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)

    ours = benchmark.pedantic(lambda: seconds(lambda: count_alarm(alarm, coded), 5), rounds=1)
    whole = seconds(lambda: mm.learn_parameters(alarm, coded), 5)
    theirs = seconds(learn, 3)
    benchmark.extra_info.update(
        mmgraph_counts=ours, mmgraph_parameters=whole, pyagrum_parameters=theirs
    )
    print(
        f"\n{ROWS:,} rows of alarm: counts {ours * 1e3:.1f} ms, parameters {whole * 1e3:.1f} ms, "
        f"pyAgrum {theirs * 1e3:.1f} ms: {theirs / ours:.1f} and {theirs / whole:.1f} times"
    )
    learned = learn()
    counts = count_alarm(alarm, coded)
    for factor, fitted, count in zip(
        alarm.factors, mm.learn_parameters(alarm, coded), counts, strict=True
    ):
        assert factor.child is not None
        peer = learned.cpt(factor.child.name)
        axes = list(reversed(peer.names))
        order = [axes.index(v.name) for v in factor.scope]
        expected = peer.toarray().transpose(order)
        seen = (count.sum(-1) > 0).numpy()
        np.testing.assert_allclose(fitted.values.numpy()[seen], expected[seen], atol=1e-9)
    assert theirs >= LEAST_RATIO * ours
    assert theirs >= LEAST_RATIO * whole
