"""Hidden semi-Markov models: 12 states, durations up to 60 and a tail, 100,000 steps.

    pytest tests/benchmarks/test_durations.py --benchmark-only -s

One thread; figures are thousand steps a second that a processor spends, scores read included.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from mmgraph.networks.dynamic.hidden_semi_markov_model import HiddenSemiMarkovModel
from tests.benchmarks.measuring import size

STATES, STEPS = 12, size(100_000, 1_000)


@pytest.mark.parametrize("question", ["log_likelihood", "posterior", "predict", "expected counts"])
def test_steps_a_second(benchmark: Any, question: str) -> None:
    generator = np.random.default_rng(0)
    path = np.repeat(generator.integers(0, STATES, STEPS // 25), 25)
    rows = np.eye(STATES)[path] * 3 + generator.normal(size=(STEPS, STATES)) * 1.7
    model = HiddenSemiMarkovModel(STATES, "scores", "negative_binomial", longest=60)
    model.set_parameters()
    parameters = model.parameters

    def count() -> None:
        parameters.chain.smooth(parameters.densities(rows, None), [STEPS], lambda *_: None)

    ask = count if question == "expected counts" else lambda: getattr(model, question)(rows)
    benchmark.pedantic(ask, rounds=3, warmup_rounds=1)
    began = time.process_time()
    ask()
    print(f"{question}: {STEPS / 1000 / (time.process_time() - began):.0f} thousand steps/s")
