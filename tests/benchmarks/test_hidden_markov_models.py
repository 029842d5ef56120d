"""Hidden Markov models beside hmmlearn, with the same parameters, on one thread; filters; memory.

    pytest tests/benchmarks/test_hidden_markov_models.py --benchmark-only -s

Densities are part of what is timed. hmmlearn runs in its fast mode, ``implementation="scaling"``,
which divides by sums and underflows where densities lie far apart. Times are the least of three, of
the processor.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgraph.learning.dynamic.hidden_chain import HiddenChain
from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel
from tests.benchmarks.sequence_memory import drawn

STEPS = 100_000
SHAPES = {"1 of 100,000": 1, "1,000 of 100": 1000}


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def peer_of(module: Any, chain: HiddenChain) -> Any:
    """The same model in hmmlearn, learned by one iteration from where it is."""
    peer = module.GaussianHMM(
        len(chain.start), "diag", implementation="scaling", init_params="", n_iter=1
    )
    peer.startprob_, peer.transmat_ = chain.start, chain.transition
    peer.means_, peer.covars_ = chain.emission.means, chain.emission.covariances
    return peer


@pytest.mark.parametrize("states", [16, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_hidden_markov_models_beside_hmmlearn(benchmark: Any, states, shape, monkeypatch):
    module = pytest.importorskip("hmmlearn.hmm")
    monkeypatch.setattr(logging.getLogger("hmmlearn.base"), "disabled", True)
    steps = STEPS if not benchmark.disabled else 1000
    chain, rows = drawn(steps, states)
    count = min(SHAPES[shape], steps // 10)
    lengths = [steps // count] * count
    sequences = np.split(rows, count)
    model = HiddenMarkovModel(states).set_parameters(*chain)
    found: dict[str, Any] = {}

    def keep(name: str, work: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            found[name] = work()

        return run

    jobs = {
        "forward-backward": (
            lambda: np.concatenate(model.posterior(sequences)),
            lambda: peer_of(module, chain).score_samples(rows, lengths)[1],
        ),
        "iteration of EM": (
            lambda: chain.ascend(rows, lengths, None, 0.0).following.transition,
            lambda: peer_of(module, chain).fit(rows, lengths).transmat_,
        ),
        "Viterbi": (
            lambda: np.concatenate(model.predict(sequences)),
            lambda: peer_of(module, chain).decode(rows, lengths)[1],
        ),
    }
    benchmark.pedantic(jobs["forward-backward"][0], rounds=1, warmup_rounds=1)
    for name, (ours, theirs) in jobs.items():
        keep("ours", ours)()  # compiled before it is timed
        mine = seconds(keep("ours", ours))
        other = seconds(keep("theirs", theirs), 1 if benchmark.disabled else 3)
        print(
            f"\n{states} states, {shape}, {name:16}: {steps / mine / 1e3:5.0f} thousand steps/s, "
            f"hmmlearn {steps / other / 1e3:4.0f}: {other / mine:4.1f} times",
            end="",
        )
        if name == "Viterbi":
            assert (found["ours"] == found["theirs"]).mean() > 0.999
        else:
            np.testing.assert_allclose(found["ours"], found["theirs"], atol=1e-8)


def test_a_step_of_a_filter(benchmark: Any):
    chain, rows = drawn(5000, 16)
    running = HiddenMarkovModel(16).set_parameters(*chain).filter()
    running.step(rows[0])

    def some() -> None:
        for row in rows[:1000]:
            running.step(row)

    benchmark.pedantic(some, rounds=1)
    took = seconds(some, 1 if benchmark.disabled else 5)
    print(f"\na step of a filter, 16 states: {1e3 * took:.1f} µs", end="")


def test_memory_and_time_of_expected_counts(benchmark: Any):
    steps = 1_000_000 if not benchmark.disabled else 20_000
    program = Path(__file__).with_name("sequence_memory.py")
    command = [sys.executable, str(program), str(steps), "64"]
    output = benchmark.pedantic(subprocess.check_output, (command,), {"text": True}, rounds=1)
    rise, again, stored = map(float, output.split())
    print(
        f"\n{steps:,} steps x 64 states, expected counts: {rise / 2**20:.0f} MiB beyond the input, "
        f"{again:.1f} s, and {again / stored:.2f} times that of a pass that is stored",
        end="",
    )
