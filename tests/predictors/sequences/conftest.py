"""Made recordings of three activities, each with a movement of its own in two sensors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

ACTIVITIES = ("rest", "sway", "turn")


class Made(NamedTuple):
    signals: dict[str, list[np.ndarray]]
    labels: list[np.ndarray]
    people: list[int]


def made_recordings(count: int, seed: int) -> Made:
    """Recordings at 20 Hz of segments of 6 to 12 s in a cycle; the first two seconds unlabelled."""
    generator = np.random.default_rng(seed)
    signals: dict[str, list[np.ndarray]] = {"shaker": [], "gyroscope": []}
    labels = []
    for number in range(count):
        order = [(number + place) % 3 for place in range(6)]
        codes = np.repeat(order, generator.integers(120, 240, 6))
        time = np.arange(len(codes)) / 20
        phase = generator.uniform(0, 6)
        rhythm = np.sin(2 * np.pi * np.array([0.0, 0.7, 2.0])[codes] * time + phase)
        noise = generator.normal(0, 0.6, (len(codes), 3))
        signals["shaker"].append(noise + np.outer(rhythm, [1.0, 0.5, 0.0]))
        signals["gyroscope"].append(generator.normal(0, 0.5, (len(codes), 1)) + rhythm[:, None])
        names = np.array(ACTIVITIES, object)[codes]
        names[:40] = None
        labels.append(names)
    return Made(signals, labels, [number // 2 for number in range(count)])


@pytest.fixture(scope="session")
def recordings() -> Made:
    return made_recordings(8, seed=0)
