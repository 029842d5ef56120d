"""The Kalman filter and smoother beside the normal distribution of all frames together."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.sequences.tracking.association_model import AssociationModel
from mmgraph.sequences.tracking.motion import (
    as_boxes,
    measured,
    predict_tracks,
    smooth_track,
    start_tracks,
    update_tracks,
)

MODEL = AssociationModel()


def referee(times: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (frames, 2) and covariances (frames, 2, 2) of the logarithmic width, all at once."""
    count, noise = int(times[-1] - times[0]) + 1, MODEL.size_noise**2
    move, change = (
        np.array([[1.0, 1], [0, 1]]),
        MODEL.growth**2 * np.array([[1 / 3, 0.5], [0.5, 1]]),
    )
    start = np.diag([noise, MODEL.start_growth**2])
    joint = np.zeros((count, 2, count, 2))
    covariance = start
    for t in range(count):
        covariance = start if t == 0 else move @ covariance @ move.T + change
        across = covariance
        for later in range(t, count):
            joint[later, :, t], joint[t, :, later] = across, across.T
            across = move @ across
    flat = joint.reshape(2 * count, 2 * count)
    rows = 2 * (times[1:] - times[0])  # the first box is the prior itself
    gain = flat[:, rows] @ np.linalg.inv(flat[np.ix_(rows, rows)] + noise * np.eye(len(rows)))
    mean = np.tile([seen[0], 0.0], count)
    mean = mean + gain @ (seen[1:] - mean[rows])
    posterior = (flat - gain @ flat[rows]).reshape(count, 2, count, 2)
    return mean.reshape(count, 2), posterior[np.arange(count), :, np.arange(count)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 10**6))
def test_smoothing_is_the_normal_distribution_given_all_boxes(gaps, seed):
    times = np.cumsum([3, *gaps])
    points = np.tile([50.0, 80, 3, 4], (len(times), 1))
    points[:, 2] += np.random.default_rng(seed).normal(0, 0.2, len(times))
    means, spreads = smooth_track(times, points, MODEL)
    mean, covariance = referee(times, points[:, 2])
    np.testing.assert_allclose(means[:, 2], mean, atol=1e-8)
    np.testing.assert_allclose(spreads[:, 2, 0], covariance[:, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(spreads[:, 2, 1], covariance[:, 0, 1], rtol=1e-5, atol=1e-9)
    filtered, narrow = start_tracks(points[:1], MODEL)
    for step, point in zip(gaps, points[1:], strict=True):
        for _ in range(step):
            predict_tracks(filtered, narrow, 1.0, MODEL)
        update_tracks(filtered, narrow, np.array([0]), point[None], MODEL)
    np.testing.assert_allclose(filtered[0, 2], mean[-1], atol=1e-8)


def test_covariances_stay_positive_over_a_long_time():
    points = np.tile([50.0, 80, 3, 4], (5000, 1))
    _, spreads = smooth_track(np.arange(5000), points, MODEL)
    assert (spreads[..., 0] > 0).all()
    assert (spreads[..., 0] * spreads[..., 2] > spreads[..., 1] ** 2).all()


def test_boxes_are_what_was_measured():
    boxes = np.array([[1.0, 2, 30, 40], [-5, 0, 0.5, 900]])
    np.testing.assert_allclose(as_boxes(measured(boxes)), boxes, atol=1e-9)
