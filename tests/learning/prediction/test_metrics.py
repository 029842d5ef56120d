"""The figures against scikit-learn's and against hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.metrics import (
    classification_metrics,
    expected_calibration_error,
    reliability_bins,
)


def test_against_scikit_learn():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(4), 200)
    labels = generator.integers(0, 4, 200)
    figures = classification_metrics(probabilities, labels)
    assert figures["accuracy"] == accuracy_score(labels, probabilities.argmax(1))
    assert figures["log_loss"] == pytest.approx(log_loss(labels, probabilities))
    expected = np.mean(
        [((p - np.eye(4)[y]) ** 2).sum() for p, y in zip(probabilities, labels, strict=True)]
    )
    assert figures["brier_score"] == pytest.approx(expected)


def test_calibration_error_of_known_predictions():
    # Two bins: confidence .9 with half of them right, confidence .6 with all of them right.
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 2)
    labels = np.array([0, 0, 1, 1, 0, 0])
    expected = (4 * 0.4 + 2 * 0.4) / 6
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected)


def test_perfect_predictions_have_no_error():
    figures = classification_metrics(np.eye(3), np.arange(3))
    assert figures == {
        "accuracy": 1.0,
        "log_loss": 0.0,
        "brier_score": 0.0,
        "expected_calibration_error": 0.0,
        "debiased_calibration_error": 0.0,
    }


def test_the_debiased_error_takes_away_what_noise_adds():
    generator = np.random.default_rng(0)
    sides = generator.uniform(0.5, 1, 400)
    probabilities = np.stack([sides, 1 - sides], axis=1)
    plain, debiased, shifted = [], [], []
    for _ in range(200):
        right = generator.random(400)
        bins = reliability_bins(probabilities, (right > sides).astype(int))
        plain.append(bins.expected_calibration_error)
        debiased.append(bins.debiased_calibration_error)
        overconfident = reliability_bins(probabilities, (right > sides - 0.2).astype(int))
        shifted.append(overconfident.debiased_calibration_error)
    assert np.mean(debiased) < 0.65 * np.mean(plain)  # of labels drawn from the probabilities
    assert np.mean(shifted) == pytest.approx(0.2, abs=0.01)


def test_the_debiased_error_is_that_of_drawn_accuracies():
    probabilities = np.array([[0.9, 0.1]] * 20 + [[0.6, 0.4]] * 10)
    labels = np.array([0] * 16 + [1] * 4 + [0] * 7 + [1] * 3)
    bins = reliability_bins(probabilities, labels)
    deviation = np.sqrt(bins.accuracy * (1 - bins.accuracy) / bins.counts)
    drawn = np.random.default_rng(0).normal(bins.accuracy, deviation, (200_000, 2))
    share = bins.counts / bins.counts.sum()
    bias = (np.abs(drawn - bins.confidence) @ share).mean() - bins.expected_calibration_error
    expected = bins.expected_calibration_error - bias
    assert bins.debiased_calibration_error == pytest.approx(expected, abs=5e-4)


def test_a_certain_mistake_stays_finite():
    assert np.isfinite(classification_metrics(np.eye(2), np.array([1, 0]))["log_loss"])


@pytest.mark.parametrize(
    ("table", "labels", "message"),
    [
        (np.ones((2, 2)), np.zeros(2, int), "row 0 is not a distribution"),
        (np.array([[0.5, 0.5], [np.nan, 1.0]]), np.zeros(2, int), "row 1"),
        (np.eye(2), np.zeros(3, int), "2 rows of probabilities, 3 labels"),
        (np.empty((0, 2)), np.empty(0, int), "0 rows"),
    ],
)
def test_bad_input(table: np.ndarray, labels: np.ndarray, message: str):
    with pytest.raises(MmgraphError, match=message):
        classification_metrics(table, labels)


def test_reliability_bins_match_their_definition():
    table = np.array([[0.95, 0.05], [0.91, 0.09], [0.35, 0.65], [1.0, 0.0]])
    bins = reliability_bins(table, np.array([0, 1, 1, 0]), bins=10)
    assert bins.counts.tolist() == [1, 3]
    np.testing.assert_allclose(bins.confidence, [0.65, (0.95 + 0.91 + 1.0) / 3])
    np.testing.assert_allclose(bins.accuracy, [1.0, 2 / 3])
    expected = 0.25 * 0.35 + 0.75 * abs(2 / 3 - (0.95 + 0.91 + 1.0) / 3)
    assert bins.expected_calibration_error == pytest.approx(expected)
