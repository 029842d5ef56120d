"""Inference on layers of units: rows of mean field a second, beside their matrix products.

    pytest tests/benchmarks/test_layers.py --benchmark-only -s

Mean field with a modality missing: 10,000 rows of 784 pixels, and 200 words that nobody gives,
below 500, 500 and 1,000 hidden units; ten passes, in single precision, on two threads where there
are two. The products alone are those that the passes cannot do without.
"""

from __future__ import annotations

import os
import time

import pytest
import torch

import mmgraph as mm

THREADS = min(2, os.cpu_count() or 1)
ROWS, PASSES = 10_000, 10
PIXELS, WORDS, PATHWAY, JOINT = 784, 200, 500, 1000


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


def machine(device: str) -> mm.MultimodalDeepBoltzmannMachine:
    pixels = mm.Variable("pixels", shape=(PIXELS,), family="bernoulli", modality="image")
    words = mm.Variable("words", shape=(WORDS,), family="replicated_softmax", modality="text")
    generator = torch.Generator().manual_seed(0)
    made = mm.MultimodalDeepBoltzmannMachine(
        [mm.Pathway(pixels, PATHWAY), mm.Pathway(words, PATHWAY)], JOINT, generator=generator
    )
    return made.to(device)


def products_alone(device: str, rows: int) -> float:
    """Seconds of the matrix products of all passes, block by block of rows."""
    generator = torch.Generator().manual_seed(1)
    below, joint, words = (
        torch.rand(rows, n, generator=generator).to(device) for n in (PATHWAY, JOINT, WORDS)
    )
    up, of_words = torch.rand(PATHWAY, JOINT).to(device), torch.rand(WORDS, PATHWAY).to(device)
    image, of_pixels = torch.rand(rows, PIXELS).to(device), torch.rand(PIXELS, PATHWAY).to(device)
    began = time.perf_counter()
    image @ of_pixels
    for _ in range(PASSES):
        below @ up, below @ up, joint @ up.T, joint @ up.T, words @ of_words, below @ of_words.T
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_mean_field_with_a_modality_missing(benchmark, device: str):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    graph = machine(device)
    generator = torch.Generator().manual_seed(2)
    image = torch.randint(2, (ROWS, PIXELS), generator=generator)
    evidence = mm.Evidence.of({"pixels": image}, graph.variables)

    def run() -> mm.Posterior:
        return mm.query(
            graph, evidence, ["joint"], method="mean_field", iterations=PASSES, tolerance=0.0
        )

    posterior = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    assert posterior.iterations == PASSES
    assert posterior.marginal("joint").shape == (ROWS, JOINT, 2)
    if benchmark.enabled:
        seconds = benchmark.stats.stats.min
        floor = min(products_alone(device, 1024) for _ in range(3)) * ROWS / 1024
        benchmark.extra_info["rows_per_second"] = round(ROWS / seconds)
        benchmark.extra_info["times_the_products_alone"] = round(seconds / floor, 2)
        print(f"\n{device}: {ROWS / seconds:,.0f} rows/s, {seconds / floor:.2f} times the products")
