"""Hidden Markov models beside hmmlearn and dynamax, with the same parameters, on one thread.

    pytest tests/benchmarks/test_hidden_markov_models.py --benchmark-only -s

Densities are part of what is timed. hmmlearn runs in its fast mode, ``implementation="scaling"``,
which divides by sums and underflows where densities lie far apart; dynamax, which is in no extra
(``pip install dynamax "jax[cpu]"``), in double precision, with
XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1". Times are the least
of three, of the processor.
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


def dynamax_jobs(
    chain: HiddenChain, rows: np.ndarray, count: int
) -> dict[str, Callable[[], np.ndarray]]:
    """The same questions, put to dynamax: compiled, and vectorised over sequences."""
    jax, hidden = pytest.importorskip("jax"), pytest.importorskip("dynamax.hidden_markov_model")
    jax.config.update("jax_enable_x64", True)
    states, features = chain.emission.means.shape
    peer = hidden.DiagonalGaussianHMM(states, features)
    given, learned = peer.initialize(
        jax.random.PRNGKey(0),
        initial_probs=jax.numpy.array(chain.start),
        transition_matrix=jax.numpy.array(chain.transition),
        emission_means=jax.numpy.array(chain.emission.means),
        emission_scale_diags=jax.numpy.array(np.sqrt(chain.emission.covariances)),
    )
    batch = jax.numpy.array(rows.reshape(count, -1, features))

    def posterior(sequence: Any) -> Any:
        return peer.smoother(given, sequence).smoothed_probs

    def iteration(sequences: Any) -> Any:
        expected, _ = jax.vmap(lambda one: peer.e_step(given, one))(sequences)
        state = peer.initialize_m_step_state(given, learned)
        return peer.m_step(given, learned, expected, state)[0].transitions.transition_matrix

    compiled = {
        "forward-backward": jax.jit(jax.vmap(posterior)),
        "iteration of EM": jax.jit(iteration),
        "Viterbi": jax.jit(jax.vmap(lambda one: peer.most_likely_states(given, one))),
    }
    shapes = {"forward-backward": (-1, states), "iteration of EM": (states, states)}
    return {
        name: lambda work=work, name=name: np.asarray(work(batch)).reshape(shapes.get(name, -1))
        for name, work in compiled.items()
    }


def hmmlearn_jobs(
    chain: HiddenChain, rows: np.ndarray, count: int
) -> dict[str, Callable[[], np.ndarray]]:
    module, lengths = pytest.importorskip("hmmlearn.hmm"), [len(rows) // count] * count
    return {
        "forward-backward": lambda: peer_of(module, chain).score_samples(rows, lengths)[1],
        "iteration of EM": lambda: peer_of(module, chain).fit(rows, lengths).transmat_,
        "Viterbi": lambda: peer_of(module, chain).decode(rows, lengths)[1],
    }


@pytest.mark.parametrize("peer", ["hmmlearn", "dynamax"])
@pytest.mark.parametrize("states", [16, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_hidden_markov_models_beside(benchmark: Any, peer, states, shape, monkeypatch):
    monkeypatch.setattr(logging.getLogger("hmmlearn.base"), "disabled", True)
    steps = STEPS if not benchmark.disabled else 1000
    chain, rows = drawn(steps, states)
    count = min(SHAPES[shape], steps // 10)
    lengths, sequences = [steps // count] * count, np.split(rows, count)
    model = HiddenMarkovModel(states).set_parameters(*chain)
    jobs = {"hmmlearn": hmmlearn_jobs, "dynamax": dynamax_jobs}[peer](chain, rows, count)
    ours: dict[str, Callable[[], np.ndarray]] = {
        "forward-backward": lambda: np.concatenate(model.posterior(sequences)),
        "iteration of EM": lambda: chain.ascend(rows, lengths, None, 0.0).following.transition,
        "Viterbi": lambda: np.concatenate(model.predict(sequences)),
    }
    benchmark.pedantic(ours["forward-backward"], rounds=1, warmup_rounds=1)
    for name, theirs in jobs.items():
        found, expected = ours[name](), theirs()  # compiled before they are timed
        mine, other = (
            seconds(work, 1 if benchmark.disabled else 3) for work in (ours[name], theirs)
        )
        print(
            f"\n{states} states, {shape}, {name:16}: {steps / mine / 1e3:5.0f} thousand steps/s, "
            f"{peer} {steps / other / 1e3:4.0f}: {other / mine:4.1f} times",
            end="",
        )
        if name == "Viterbi":
            assert (found == expected).mean() > 0.999
        elif (name, peer) != ("iteration of EM", "dynamax"):  # which adds pseudo-counts
            np.testing.assert_allclose(found, expected, atol=1e-8)


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
