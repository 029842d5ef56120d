"""Changepoints beside ruptures at equal cost, and boundaries of activities in HAPT.

    pytest tests/benchmarks/test_changepoints.py --benchmark-only -s

Both search all partitions into segments of at least so many rows; times include all that is made
of the rows. ``Pelt`` is ruptures' search for any cost, ``KernelCPD`` its compiled one for kernels.

Of HAPT, rows are windows of 0.4 s at every 0.2 s: for each of six channels log(deviation + floor),
with floors of 0.1 g and 0.3 rad/s, above the noise of rest; a segment has 14 of them
at least. A boundary is any change of the label, -1 (nobody labelled it) included, and found within
1 s. Penalties are chosen on other people; people 21 to 30 have no part in any of it.
"""

# mypy: disable-error-code="call-arg"

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mmgraph.datasets.catalog import load
from mmgraph.sequences.changepoints.changepoints import changepoints
from mmgraph.sequences.changepoints.penalties import BoundaryScore, boundary_score, choose_penalty
from tests.benchmarks.measuring import size

LEAST = 14
WINDOW, STEP, TOLERANCE = 20, 10, 50  # of HAPT, in samples at 50 Hz
FLOORS = {"accelerometer": 0.1, "gyroscope": 0.3}
OFFSET = (WINDOW - STEP) / 2  # of the boundary before a window, from its first sample


def seconds(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


@pytest.mark.parametrize(("length", "features", "every"), [(2000, 6, 100), (6000, 2, 200)])
def test_the_best_partition_beside_ruptures(benchmark: Any, length, features, every):
    ruptures = pytest.importorskip("ruptures")
    generator = np.random.default_rng(0)
    length, every = size((length, every), (length // 4, every // 4))
    levels = 3 * generator.normal(size=(length // every, features))
    rows = np.repeat(levels, every, axis=0) + generator.normal(size=(length, features))
    penalty = 2 * features * np.log(length)

    def ours() -> Any:
        return changepoints(rows, penalty=penalty, least_length=LEAST)

    def pelt() -> list[int]:
        model = ruptures.Pelt(model="l2", min_size=LEAST, jump=1)
        return model.fit(rows).predict(pen=penalty)

    def kernel() -> list[int]:
        model = ruptures.KernelCPD(kernel="linear", min_size=LEAST, jump=1)
        return model.fit(rows).predict(pen=penalty)

    found = ours()
    total = found.cost + penalty * len(found.boundaries)
    cost = ruptures.costs.CostL2().fit(rows)
    for other in (pelt(), kernel()):
        assert total <= cost.sum_of_costs(other) + penalty * (len(other) - 1) + 1e-6 * total
    benchmark.pedantic(ours, rounds=5)
    own, of_kernel = seconds(ours, size(20, 1)), seconds(kernel, size(5, 1))
    of_pelt = seconds(pelt, 1)
    benchmark.extra_info.update(times_pelt=of_pelt / own, times_kernel=of_kernel / own)
    print(
        f"\n{length} rows, {features} features: {1e3 * own:.2f} ms; ruptures Pelt "
        f"{1e3 * of_pelt:.0f} ms ({of_pelt / own:.0f} times as long), KernelCPD "
        f"{1e3 * of_kernel:.2f} ms ({of_kernel / own:.1f} times)"
    )


def features_of(modality: str, sequence: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(sequence.astype(float), WINDOW, axis=0)
    return np.log(windows[::STEP].std(axis=2) + FLOORS[modality])


def test_boundaries_of_activities_of_people_left_out(benchmark: Any):
    data = load("hapt")
    shown = np.flatnonzero(data.groups["person"] <= 20)
    people = data.groups["person"][shown]
    rows = [
        np.hstack([features_of(modality, parts[i]) for modality, parts in data.sequences.items()])
        for i in shown
    ]
    changes = [np.flatnonzero(np.diff(data.labels[i].astype(int))) + 1 for i in shown]
    in_windows = [(true - OFFSET) / STEP for true in changes]
    usual = np.median([changepoints(one, least_length=LEAST).penalty for one in rows])
    tried = usual * 2.0 ** np.arange(0, 6, 0.5)

    def score(chosen_on: np.ndarray, asked: np.ndarray) -> BoundaryScore:
        picked = np.flatnonzero(chosen_on)
        choice = choose_penalty(
            [rows[i] for i in picked],
            [in_windows[i] for i in picked],
            TOLERANCE / STEP,
            penalties=tried,
            least_length=LEAST,
        )
        total = BoundaryScore(0, 0, 0)
        for i in np.flatnonzero(asked):
            found = changepoints(rows[i], penalty=choice.penalty, least_length=LEAST).boundaries
            total += boundary_score(found * STEP + OFFSET, changes[i], TOLERANCE)
        return total

    later = benchmark.pedantic(score, (people <= 10, people > 10), rounds=1)
    crossed = sum(
        (score(people % 4 != k, people % 4 == k) for k in range(4)), BoundaryScore(0, 0, 0)
    )
    print(
        f"\nHAPT boundaries within 1 s: F1 {later.f1:.3f} on people 11 to 20 by 1 to 10, "
        f"{crossed.f1:.3f} on people 1 to 20 in four folds"
    )
    assert later.f1 >= 0.70
    assert crossed.f1 >= 0.70
