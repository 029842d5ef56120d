"""A card's times beside the CPU's, and beside the floor that the card itself sets.

    pytest tests/benchmarks/test_devices.py --benchmark-only -s

The floor of message passing, counting and contraction is the traffic that no implementation
avoids, at the rate at which the card copies memory; that of layers of units the products, at the
rate of its matrix multiplication. Both rates are measured in the same run. Skipped without a card.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.inference.messages.options import MessageOptions
from mmgraph.inference.messages.tensors.belief_propagation import TensorMessages
from mmgraph.learning.counts import count_cells
from tests.benchmarks.test_layers import two_modalities

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
SIDE, STATES = 512, 16
ROWS = 10_000
PASSES = 10


class Rates(NamedTuple):
    """What the card does at most: bytes moved, and products summed, a second."""

    bytes: float
    products: float


class Work(NamedTuple):
    """What is measured, on which device, and what it takes at least."""

    prepare: Callable[[str], Callable[[], object]]
    bytes: float = 0.0
    products: float = 0.0


def seconds(action: Callable[[], object], device: str, rounds: int = 5) -> float:
    """The quickest of some calls, the device waited for."""
    best = float("inf")
    for _ in range(rounds + 1):  # the first warms up
        if device != "cpu":
            torch.cuda.synchronize()
        began = time.perf_counter()
        action()
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return best


@pytest.fixture(scope="module")
def rates() -> Rates:
    block = torch.empty(1 << 28, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(block)
    copying = seconds(lambda: target.copy_(block), "cuda")
    matrix = torch.rand(4096, 4096, device="cuda")
    multiplying = seconds(lambda: matrix @ matrix, "cuda")
    return Rates(2 * block.numel() / copying, 4096**3 / multiplying)


def messages(device: str) -> Callable[[], object]:
    """One parallel sweep of sum-product messages over a grid, in single precision."""
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(SIDE, SIDE, STATES, generator=generator)
    graph = mm.MarkovRandomField.grid(unary, mm.Potts(), weights=1.0, neighbours=4)
    nothing = mm.Evidence.of(None, graph.variables)
    options = MessageOptions("parallel", 1, 0.0, 0.3, device, torch.float32)
    begun = TensorMessages(graph, nothing, options)
    return lambda: begun.step(0.3)


def contraction(device: str) -> Callable[[], object]:
    """All marginals of alarm, three nodes observed in each row."""
    net = mm.read("alarm")
    drawn = mm.sample(net, ROWS, generator=torch.Generator().manual_seed(0)).codes
    evidence = mm.Evidence.of({n: mm.index(drawn[n]) for n in ("HRBP", "BP", "CVP")}, net.variables)
    return lambda: mm.query(net, evidence, device=device)


def counting(device: str) -> Callable[[], object]:
    """Counts of twenty pairs of columns."""
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (1_000_000, 21)))
    codes = codes.to(device) if device != "cpu" else codes
    pairs = [(i, i + 1) for i in range(20)]
    return lambda: count_cells(codes, pairs, [4] * 21)


def layers(device: str) -> Callable[[], object]:
    """Mean field of a machine of two pathways, one modality missing."""
    graph = two_modalities(torch.device(device))
    pixels = torch.randint(0, 2, (ROWS, 784), generator=torch.Generator().manual_seed(1))
    evidence = mm.Evidence.of({"pixels": pixels}, graph.variables)
    options = {"method": "mean_field", "iterations": PASSES, "tolerance": 0.0}
    return lambda: mm.query(graph, evidence, ["values"], **options).mean("values")


WORK = {
    # each of the four messages at a pixel is read, and written
    f"a sweep of messages, {SIDE} × {SIDE}, {STATES} states": Work(
        messages, bytes=2 * 4 * SIDE * SIDE * STATES * 4
    ),
    f"marginals of alarm, {ROWS:,} rows": Work(contraction, bytes=ROWS * 105 * 8),
    "counts of 20 pairs, 1,000,000 rows": Work(counting, bytes=1_000_000 * 21 * 8),
    # every layer speaks to both of its neighbours
    f"mean field, {ROWS:,} rows, {PASSES} passes": Work(
        layers, products=2 * PASSES * ROWS * (200 * 500 + 2 * 500 * 1000)
    ),
}


@pytest.mark.parametrize("name", list(WORK))
def test_a_card_beside_the_cpu(benchmark: Any, rates: Rates, name: str):
    work = WORK[name]
    action = work.prepare("cuda")
    benchmark.pedantic(action, rounds=1)
    there, here = seconds(action, "cuda"), seconds(work.prepare("cpu"), "cpu", rounds=2)
    floor = work.bytes / rates.bytes + work.products / rates.products
    assert there >= floor
    benchmark.extra_info.update(card=there, cpu=here, floor=floor)
    print(
        f"\n{name}: card {there * 1e3:.3g} ms, CPU {here * 1e3:.3g} ms ({here / there:.1f} times), "
        f"floor {floor * 1e3:.3g} ms ({there / floor:.1f} times)"
    )
