"""A made-up scene of three regions, seen by two sensors."""

from __future__ import annotations

import numpy as np

CLASSES = ("water", "woods", "town")
FIXED = {"sensor_weights": 1.0, "edge_weight": 1.0, "method": "trws"}


def scene(shape: tuple[int, ...] = (14, 18), each: int = 12, seed: int = 0):
    """Three regions, two noisy sensors, and a few labelled pixels of each."""
    random = np.random.default_rng(seed)
    truth = np.zeros(shape, int)
    truth[..., shape[-1] // 3 :] = 1
    truth[..., shape[-2] // 2 :, 2 * shape[-1] // 3 :] = 2
    optical = truth[..., None] * 1.0 + random.normal(0, 0.7, (*shape, 2))
    radar = (truth == 2) * 1.5 + random.normal(0, 0.7, shape)
    labels = np.full(shape, -1)
    for code in range(3):
        places = np.argwhere(truth == code)
        labels[tuple(places[random.choice(len(places), each, replace=False)].T)] = code
    return truth, {"optical": optical, "radar": radar}, labels
