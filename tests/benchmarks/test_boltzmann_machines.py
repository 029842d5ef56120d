"""Steps of training of Boltzmann machines, beside scikit-learn and beside their matrix products.

    pytest tests/benchmarks/test_boltzmann_machines.py --benchmark-only -s

Batches have 100 rows, in single precision; threads are two where there are two. The restricted
machine takes a step of persistent contrastive divergence with as many chains as rows and plain
gradient descent, as scikit-learn's BernoulliRBM does, on the same rows; it is centred besides.
Rounds of all take turns, and the quickest of each count, so that other programs that run meanwhile
disturb them alike.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.steps import Ascent
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.learning.training.random_blocks import RandomBlocks
from tests.benchmarks.measuring import size

THREADS = min(2, os.cpu_count() or 1)
BATCH, ROWS, ROUNDS, STEPS = 100, size(1000, 200), size(12, 1), size(20, 2)
CPU = torch.device("cpu")


def layers(*sizes: int, device: torch.device = CPU) -> mm.FactorGraph:
    """Layers of Bernoulli units above each other, with small random weights."""
    generator = torch.Generator().manual_seed(0)
    variables = [mm.Variable(f"layer{i}", shape=(n,), family="bernoulli")
                 for i, n in enumerate(sizes)]  # fmt: skip
    factors: list = [mm.BiasFactor(v, torch.zeros(v.shape, device=device)) for v in variables]
    for below, above in itertools.pairwise(variables):
        weights = 0.05 * torch.randn(*below.shape, *above.shape, generator=generator)
        factors.append(mm.BilinearFactor(below, above, weights.to(device)))
    return mm.FactorGraph(variables, factors)


def binary_rows(units: int = 784) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(ROWS, units, generator=generator) < 0.2).float()


def training_step(
    graph: mm.FactorGraph, values: Tensor, gibbs_steps: int, blocks: int
) -> Callable[[], None]:
    """A function that makes one step, of batch after batch."""
    parameters = BoltzmannParameters(graph)
    random = RandomBlocks(blocks, 0, values.device)
    settings = TrainingSettings(chains=BATCH, gibbs_steps=gibbs_steps, blocks=blocks)
    objective = ContrastiveDivergence(parameters, settings, random)
    ascent = Ascent(parameters, TrainingSettings(momentum=0.0), ["layer0"])
    rows = TrainingRows(len(values), {"layer0": Clamped(values)})
    batches = itertools.cycle(torch.randperm(len(values)).split(BATCH))

    def step() -> None:
        gradients, _ = objective.gradients(rows.batch(next(batches)))
        ascent.step(gradients, 0.01)

    return step


def products(*shapes: tuple[int, int, int], device: torch.device = CPU) -> Callable[[], None]:
    """A function that multiplies matrices of some shapes."""
    pairs = [
        (torch.rand(a, b, device=device), torch.rand(b, c, device=device)) for a, b, c in shapes
    ]

    def multiply() -> None:
        for first, second in pairs:
            first @ second

    return multiply


def deep_products(device: torch.device = CPU) -> Callable[[], None]:
    """What 10 passes of mean field, 5 Gibbs sweeps and the gradients multiply at least."""
    up, down = (BATCH, 784, 500), (BATCH, 500, 784)
    above, below = (BATCH, 500, 1000), (BATCH, 1000, 500)
    passes = [up, *[below, above] * 10, *[up, below, down, above] * 5]
    return products(*passes, (784, 2 * BATCH, 500), (500, 2 * BATCH, 1000), device=device)


def milliseconds(work: Callable[[], None], steps: int = STEPS) -> float:
    begin = perf_counter()
    for _ in range(steps):
        work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1e3 * (perf_counter() - begin) / steps


@contextmanager
def two_threads() -> Iterator[None]:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with threadpoolctl.threadpool_limits(THREADS):
            yield
    finally:
        torch.set_num_threads(before)


def scikit_learn(values: Tensor, dtype: type) -> float:
    """Milliseconds of a step of BernoulliRBM: of a whole fit, its start among it."""
    neural_network = pytest.importorskip("sklearn.neural_network")
    machine = neural_network.BernoulliRBM(
        500, learning_rate=0.01, batch_size=BATCH, n_iter=4, random_state=0
    )
    data = values.numpy().astype(dtype)
    return milliseconds(lambda: machine.fit(data), 1) / (4 * ROWS / BATCH)


@pytest.mark.parametrize("blocks", [1, 2])
def test_steps_of_a_restricted_machine(benchmark: Any, blocks: int):
    values = binary_rows()
    step = training_step(layers(784, 500), values, 1, blocks)
    floor = products((BATCH, 784, 500), (BATCH, 500, 784), (BATCH, 784, 500), (784, 200, 500))
    found: dict[str, list[float]] = {}
    with two_threads():
        for _ in range(ROUNDS):
            for name, work in (("mmgraph", step), ("products", floor)):
                milliseconds(work)  # the threads of scikit-learn's BLAS go on waiting for a while
                found.setdefault(name, []).append(milliseconds(work))
            for dtype in (np.float32, np.float64):
                name = f"scikit-learn {dtype.__name__}"
                found.setdefault(name, []).append(scikit_learn(values, dtype))
        benchmark.pedantic(step, rounds=ROUNDS, iterations=STEPS)
    best = {name: min(times) for name, times in found.items()}
    samples = {name: 1e3 * BATCH / time for name, time in best.items()}
    benchmark.extra_info.update(threads=THREADS, samples_per_second=samples)
    print(f"\n{blocks} blocks, {THREADS} threads, samples/s: "
          + ", ".join(f"{n} {s:.0f}" for n, s in samples.items())
          + "; over scikit-learn "
          + ", ".join(f"{samples['mmgraph'] / samples[n]:.2f} ({n.split()[1]})"
                      for n in samples if n.startswith("scikit")))  # fmt: skip


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_steps_of_a_deep_machine(benchmark: Any, device: str):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    place = torch.device(device)
    values = binary_rows().to(place)
    step = training_step(layers(784, 500, 1000, device=place), values, 5, 2)
    floor = deep_products(place)
    found: dict[str, list[float]] = {"mmgraph": [], "products": []}
    with two_threads():
        for _ in range(ROUNDS):
            found["mmgraph"].append(milliseconds(step, 3))
            found["products"].append(milliseconds(floor, 3))
        benchmark.pedantic(step, rounds=ROUNDS, iterations=3)
    own, least = min(found["mmgraph"]), min(found["products"])
    benchmark.extra_info.update(threads=THREADS, milliseconds=own, products_milliseconds=least)
    print(f"\n{device}, {THREADS} threads: {own:.2f} ms a step, its matrix products {least:.2f} ms:"
          f" {own / least:.2f} times")  # fmt: skip
