"""Features of windows: what they see, and what is missing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import LearningError
from mmgraph.predictors.sequences.window_features import WindowFeatures

FEATURES = WindowFeatures(rate=20.0, step=0.5, windows=(0.4, 1.0), ahead=0.3, context=(2.0, 0.5))


@settings(max_examples=20, deadline=None)
@given(st.integers(30, 90), st.integers(1, 4), st.integers(0, 10**6))
def test_nothing_looks_farther_ahead_than_it_says(steps, channels, seed):
    signal = np.random.default_rng(seed).normal(size=(steps + 40, channels))
    whole, begun = FEATURES.of(signal), FEATURES.of(signal[:steps])
    known = [c for c in range(len(begun)) if c * FEATURES.stride + FEATURES.reach < steps]
    np.testing.assert_allclose(begun[known], whole[known], atol=1e-9)


def test_statistics_of_a_window_are_those_of_numpy():
    signal = np.random.default_rng(0).normal(size=(60, 3))
    features = WindowFeatures(rate=20.0, step=0.5, windows=(1.0,), ahead=0.3, context=())
    cell, window = features.of(signal)[2], signal[25 + 6 + 1 - 20 : 25 + 6 + 1]
    channels = np.column_stack([window, np.linalg.norm(window, axis=1)])
    np.testing.assert_allclose(cell[:4], channels.mean(0))
    np.testing.assert_allclose(cell[4:8], np.log(channels.std(0) + 1e-3))
    np.testing.assert_allclose(cell[12:16], channels.max(0))
    correlations = np.corrcoef(window.T)[[0, 1, 2], [1, 2, 0]]
    np.testing.assert_allclose(cell[40:43], correlations, atol=1e-4)
    direction = channels.mean(0) / (np.linalg.norm(channels.mean(0)) + 1e-3)
    np.testing.assert_allclose(cell[43:47], direction)


def test_a_band_holds_the_power_of_its_frequency():
    features = WindowFeatures(rate=50.0, windows=(2.56,), context=())
    time = np.arange(400) / 50
    slow, fast = (features.of(np.sin(2 * np.pi * f * time)[:, None])[5] for f in (0.8, 8.6))
    assert np.argmax(slow[-13:]) < np.argmax(fast[-13:])


def test_gaps_are_filled_by_what_was_before_and_long_ones_are_missing():
    signal = np.random.default_rng(0).normal(size=(80, 2))
    broken = signal.copy()
    broken[12, 0] = np.nan
    repeated = signal.copy()
    repeated[12, 0] = signal[11, 0]
    np.testing.assert_array_equal(FEATURES.of(broken), FEATURES.of(repeated))
    broken[40:70] = np.nan
    lacking = np.isnan(FEATURES.of(broken))
    assert (lacking.all(1) == lacking.any(1)).all()
    assert lacking.all(1).tolist() == [False] * 4 + [True] * 3 + [False]


def test_bad_settings_are_refused():
    with pytest.raises(LearningError, match="rate is a number above zero, not 0"):
        WindowFeatures(rate=0)
    with pytest.raises(LearningError, match=r"a window of 0\.1 s has fewer than four steps"):
        WindowFeatures(rate=20.0, windows=(0.1,))
