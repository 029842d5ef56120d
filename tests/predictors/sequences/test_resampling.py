"""Recordings at a regular rate."""

import numpy as np
import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.predictors.sequences.resampling import at_places, nearest, rate_of, resampled


def test_a_sine_of_another_rate_with_a_gap_is_the_same_sine():
    times = np.delete(np.arange(0, 4, 1 / 40), slice(50, 54))
    steps, places = resampled(times, 50.0, "walk")
    assert steps[0] == 0
    np.testing.assert_allclose(np.diff(steps), 1 / 50)
    signal = at_places(np.sin(2 * times)[:, None], places)[:, 0]
    assert abs(signal - np.sin(2 * steps)).max() < 0.01
    assert abs(times[nearest(places)] - steps).max() <= 0.5 * 0.125 + 1e-9
    broken = at_places(np.array([[1.0], [np.nan], [3.0]]), np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    assert np.isnan(broken[:, 0]).tolist() == [False, True, True, True, False]


def test_regular_rows_stay_as_they_are():
    times = np.arange(10) / 50 + 3
    steps, places = resampled(times, 50.2, "walk")
    np.testing.assert_array_equal(steps, times)
    np.testing.assert_array_equal(places, np.arange(10))


def test_rates_are_halved_and_doubled_up_to_rounding():
    half, twice = np.round(np.arange(20) / 25, 4) + 0.1, np.arange(20) / 100.05
    assert len(resampled(half, 50.01, "walk")[0]) == 39
    assert len(resampled(twice, 50.0, "walk")[0]) == 10


def test_bad_times_are_refused():
    with pytest.raises(LearningError, match="walk has 10 rows a second, and 50 are wanted"):
        resampled(np.arange(9) / 10, 50.0, "walk")
    with pytest.raises(LearningError, match=r"its row 2 .*, 0\.5, is missing or not after 1"):
        rate_of(np.array([0.0, 1.0, 0.5]), "walk")
    with pytest.raises(LearningError, match="nan, is missing"):
        rate_of(np.array([0.0, np.nan, 0.5]), "walk")
    with pytest.raises(LearningError, match="1 rows"):
        rate_of(np.zeros(1), "walk")
