"""Inference on layers of units: rows of mean field a second, annealing beside the exact sum."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.errors import ConvergenceWarning
from tests.benchmarks.measuring import size
from tests.inference.annealing_machines import strokes

ROWS = size(10_000, 200)
HIDDEN = size(20, 10)  # of 784 pixels
PASSES = 10


def two_modalities(device: torch.device) -> mm.FactorGraph:
    """784 pixels below 500 units and 200 measurements below 500, both below a joint layer."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return (0.05 * torch.randn(*shape, generator=generator)).to(device)

    pixels = mm.Variable("pixels", shape=(784,), family="bernoulli")
    values = mm.Variable("values", shape=(200,), family="gaussian")
    first, second, joint = (
        mm.Variable(n, shape=(s,), family="bernoulli")
        for n, s in (("first", 500), ("second", 500), ("joint", 1000))
    )
    pairs = [(pixels, first), (values, second), (first, joint), (second, joint)]
    variables = [pixels, values, first, second, joint]
    precisions = {"values": torch.ones(200, device=device)}
    factors: list = [mm.BiasFactor(v, drawn(v.size), precisions.get(v.name)) for v in variables]
    factors += [mm.BilinearFactor(a, b, drawn(a.size, b.size)) for a, b in pairs]
    return mm.FactorGraph(variables, factors)


@pytest.mark.parametrize("missing", ["values", "pixels"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_mean_field_with_a_missing_modality(benchmark: Any, device: str, missing: str):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    place = torch.device(device)
    graph = two_modalities(place)
    generator = torch.Generator().manual_seed(1)
    data = {
        "pixels": torch.randint(0, 2, (ROWS, 784), generator=generator),
        "values": torch.randn(ROWS, 200, generator=generator),
    }
    del data[missing]
    evidence = mm.Evidence.of(data, graph.variables)

    def work() -> Tensor:
        found = mm.query(graph, evidence, [missing], method="mean_field",
                         iterations=PASSES, tolerance=0.0)  # fmt: skip
        answer = found.mean(missing)
        if place.type == "cuda":
            torch.cuda.synchronize()
        return answer

    found = benchmark.pedantic(work, rounds=3, warmup_rounds=1)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()
    if benchmark.stats is None:  # run once, untimed
        return
    rate = ROWS / benchmark.stats.stats.min
    benchmark.extra_info.update(rows_per_second=rate, passes=PASSES, device=device,
                                threads=torch.get_num_threads())  # fmt: skip
    print(f"\n{device}, {missing} missing: {rate:,.0f} rows/s of {PASSES} passes")


def test_annealing_beside_the_exact_sum(benchmark: Any):
    graph = strokes(HIDDEN)
    begin = time.perf_counter()
    exact = float(mm.log_partition(graph, method="layer_summation")[0])
    seconds = time.perf_counter() - begin
    steps = size(2000, 200)

    def work() -> Any:
        return mm.query(graph, method="annealed_importance_sampling", steps=steps, chains=200,
                        generator=torch.Generator().manual_seed(0))  # fmt: skip

    found = benchmark.pedantic(work, rounds=3)
    off = float(found.log_partition[0]) - exact
    told = float(found.diagnostics["standard_error"]["log_partition"][0])
    benchmark.extra_info.update(exact_seconds=seconds, error=off, error_told=told)
    print(f"\n784-{HIDDEN}, {steps} steps, 200 chains: {off:+.4f} nats of {exact:.3f} "
          f"(told {told:.4f}); the exact sum took {seconds:.1f} s")  # fmt: skip
    assert abs(off) < 0.05


def test_annealing_from_means_of_a_few_sweeps_beside_annealing_from_biases(benchmark: Any):
    """What the sweeps that are made first are worth: biases alone lie far from the model."""
    graph = strokes(20)

    def annealed(**base: Any) -> Any:
        return mm.query(graph, method="annealed_importance_sampling", steps=500, chains=100,
                        generator=torch.Generator().manual_seed(0), **base)  # fmt: skip

    found = benchmark.pedantic(annealed, rounds=1)
    told = float(found.diagnostics["standard_error"]["log_partition"][0])
    with pytest.warns(ConvergenceWarning):
        beside = annealed(base={})
    off = float(beside.log_partition[0] - found.log_partition[0])
    benchmark.extra_info.update(error_told=told, from_biases=off)
    print(f"\n784-20, 500 steps: told {told:.3f}; from biases {off:+.1f} nats")
    assert told < 0.05
    assert abs(off) > 1
