"""Small scenes for the tests of spatial jobs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from mmgraph.experiments.land_cover.experiment import Scene


def small_scene(side: int = 24) -> Scene:
    """Three fields seen by two noisy sensors; a strip without labels."""
    generator = np.random.default_rng(0)
    labels = np.zeros((side, side), np.int64)
    labels[:, side // 2 :] = 1
    labels[side // 2 :, side // 4 : 3 * side // 4] = 2
    near = np.eye(3)[labels][..., [0, 1, 2, 0]] + 0.6 * generator.normal(size=(side, side, 4))
    far = np.eye(3)[labels][..., [2, 1]] + 0.8 * generator.normal(size=(side, side, 2))
    labels[:2] = -1
    sensors = {"near": near.astype(np.float32), "far": far.astype(np.float32)}
    return Scene(sensors, labels, ("rye", "wheat", "oats"))


def small_pair() -> SimpleNamespace:
    """A pair whose pixels all lie three further left in the right image."""
    texture = np.random.default_rng(0).integers(0, 256, (20, 40, 3)).astype(np.uint8)
    noise = np.random.default_rng(1).integers(0, 40, (20, 36, 3)).astype(np.uint8)
    truth = np.full((20, 36), 3, np.float32)
    truth[0, :4] = np.inf
    return SimpleNamespace(
        left=texture[:, :36], right=texture[:, 3:39] // 2 + noise, disparity=truth
    )
