"""Smoothing linear Gaussian systems of four states beside statsmodels.

    pytest tests/benchmarks/test_kalman.py --benchmark-only -s

All figures are of one thread, in double precision; ratios are of the least CPU seconds of calls
that take turns, and printed.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mmgraph.networks.dynamic.linear_gaussian_system import LinearGaussianSystem
from tests.inference.gaussian.state_space.dense_systems import drawn, random_system

LEAST_OVER_STATSMODELS = 5.0


def least_seconds(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The least CPU seconds of each work, all of which take turns."""
    seconds = dict.fromkeys(works, np.inf)
    for _ in range(rounds):
        for name, work in works.items():
            began = time.process_time()
            work()
            seconds[name] = min(seconds[name], time.process_time() - began)
    return seconds


def peer(system: LinearGaussianSystem, rows: np.ndarray) -> Callable[[], Any]:
    """The smoother of statsmodels, as it is set."""
    pytest.importorskip("statsmodels")
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

    p = system.system
    smoother = KalmanSmoother(k_endog=p.features, k_states=p.states, k_posdef=p.states)
    smoother.bind(rows.copy())
    smoother["design"], smoother["obs_intercept"] = p.observation, p.observation_offset[:, None]
    smoother["transition"], smoother["state_intercept"] = p.transition, p.transition_offset[:, None]
    smoother["selection"], smoother["state_cov"] = np.eye(p.states), p.transition_covariance
    smoother["obs_cov"] = p.observation_covariance
    smoother.initialize_known(p.start_mean, p.start_covariance)
    smoother.loglikelihood_burn = 0
    return smoother.smooth


@pytest.mark.parametrize("features", [1, 2, 4])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_smoothing_beside_statsmodels(benchmark: Any, features: int, missing: float):
    benchmark.group = "smoothing 100,000 rows of 4 states"
    steps = 100_000 if benchmark.enabled else 2_000
    generator = np.random.default_rng(features)
    system = random_system(generator, 4, features)
    rows = drawn(system, steps, missing, generator)
    theirs = peer(system, rows)
    ours = benchmark.pedantic(system.smooth, (rows,), rounds=3, warmup_rounds=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs()
        assert ours.log_likelihood == pytest.approx(expected.llf, rel=1e-9)
        np.testing.assert_allclose(ours.means, expected.smoothed_state.T, rtol=0, atol=1e-6)
        works = {"mmgraph": lambda: system.smooth(rows), "statsmodels": theirs}
        seconds = least_seconds(works, 7 if benchmark.enabled else 1)
    ratio = seconds["statsmodels"] / seconds["mmgraph"]
    benchmark.extra_info.update(statsmodels_over_mmgraph=ratio)
    rates = {name: steps / s / 1000 for name, s in seconds.items()}
    print(
        f"\n{features} features, {missing:.0%} missing: {rates['mmgraph']:,.0f} thousand steps/s, "
        f"{ratio:.1f} times as many as statsmodels ({rates['statsmodels']:,.0f})"
    )
    if benchmark.enabled:
        assert ratio >= LEAST_OVER_STATSMODELS


def test_one_row_at_a_time(benchmark: Any):
    """The target is that of hidden Markov models, 30 microseconds a row."""
    generator = np.random.default_rng(0)
    system = random_system(generator, 4, 2)
    rows = drawn(system, 2_000 if benchmark.enabled else 10, 0.1, generator)

    def follow() -> None:
        stepwise = system.filter()
        for row in rows:
            stepwise.step(row)

    seconds = least_seconds({"mmgraph": follow}, 5)["mmgraph"]
    benchmark.pedantic(follow, rounds=1)
    print(f"\none row takes {1e6 * seconds / len(rows):.0f} microseconds")
