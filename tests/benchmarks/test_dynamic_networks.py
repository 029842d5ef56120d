"""Networks that repeat: 100,000 slices declared and first answered, beside 20,000 written out.

    pytest tests/benchmarks/test_dynamic_networks.py --benchmark-only -s

All figures are of one thread, in double precision, in CPU seconds.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import mmgraph as mm

STATES = {"walk": 4, "speech": 4}


def network(order: int) -> mm.DynamicBayesianNetwork:
    """Two chains that look at each other, a discrete child and a vector; perhaps two steps back."""
    generator = np.random.default_rng(0)

    def table(scope: list[mm.Variable]) -> mm.TableFactor:
        shape = [v.cardinality for v in scope]
        numbers = generator.dirichlet(np.ones(shape[-1]), shape[:-1])
        return mm.TableFactor(scope, numbers, child=scope[-1])

    word, step = mm.Variable("word", 3), mm.Variable("step", shape=(2,), family="gaussian")
    means = 2 * generator.normal(size=(4, 2))
    nets = []
    for number in range(order + 1):
        now = {n: mm.Variable(n, k) for n, k in STATES.items()}
        before = {n: mm.Variable(f"{n}[-1]", k) for n, k in STATES.items()} if number else {}
        earlier = [mm.Variable("walk[-2]", 4)] if number == 2 else []
        factors = [table([v]) for v in (*before.values(), *earlier)]
        factors.append(table([*earlier, *before.values(), now["walk"]]))
        factors.append(table([*before.values(), now["speech"]]))
        factors.append(table([now["speech"], word]))
        factors.append(
            mm.GaussianLeaf(
                step, [now["walk"]], means=means, covariances=np.ones((4, 2)), covariance="diagonal"
            )
        )
        variables = [*before.values(), *earlier, *now.values(), word, step]
        nets.append(mm.BayesianNetwork(variables, factors))
    return mm.DynamicBayesianNetwork(nets[0], nets[-1], nets[1] if order == 2 else None)


def evidence(steps: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(steps, 2))
    rows[generator.random(steps) < 0.1] = np.nan
    words = generator.integers(3, size=steps).astype(object)
    words[generator.random(steps) < 0.1] = None
    return {"step": rows, "word": words}


@pytest.mark.parametrize("order", [1, 2])
def test_declared_and_first_answered(benchmark: Any, order: int) -> None:
    benchmark.group = "100,000 slices"
    steps = 100_000 if benchmark.enabled else 500
    cells = evidence(steps)
    mm.query(network(order), evidence(50), list(STATES))  # compiles
    seconds = []

    def work() -> None:
        began = time.process_time()
        answer = mm.query(network(order), cells, list(STATES))
        seconds.append(time.process_time() - began)
        assert answer.marginal("walk").shape == (1, steps, 4)

    benchmark.pedantic(work, rounds=3)
    print(f"\norder {order}, {steps:,} slices declared and answered: {min(seconds):.2f} s")


def test_beside_the_network_written_out(benchmark: Any) -> None:
    steps = 20_000 if benchmark.enabled else 50
    net, cells = network(1), evidence(steps)
    mm.query(net, evidence(50), list(STATES))
    began = time.process_time()
    answer = benchmark.pedantic(mm.query, (net, cells, list(STATES)), rounds=1)
    repeated = time.process_time() - began
    began = time.process_time()
    whole = net.unrolled(steps)
    known: dict[str, object] = {}
    for t in range(steps):
        if not np.isnan(cells["step"][t]).any():
            known[f"step@{t}"] = [cells["step"][t]]
        if cells["word"][t] is not None:
            known[f"word@{t}"] = int(cells["word"][t])
    total = float(mm.log_partition(whole, known))
    written_out = time.process_time() - began
    assert float(answer.log_evidence) == pytest.approx(total, rel=1e-10)
    print(f"\n{steps:,} slices: {repeated:.2f} s, written out {written_out:.2f} s")
