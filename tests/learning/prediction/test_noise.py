"""Standard errors against closed forms and resampling; calibration errors by chance."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.metrics import classification_metrics, expected_calibration_error
from mmgraph.learning.prediction.noise import (
    calibration_error_by_chance,
    figures_with_noise,
    standard_error,
)


def test_the_standard_error_over_rows_is_the_usual_one():
    values = np.random.default_rng(0).normal(size=50)
    assert standard_error(values) == pytest.approx(values.std(ddof=1) / np.sqrt(50))


def test_the_standard_error_over_groups_of_one_size_is_that_of_their_means():
    values = np.random.default_rng(0).normal(size=(6, 10))
    groups = np.repeat([7, 3, 5, 0, 1, 2], 10)
    expected = values.mean(1).std(ddof=1) / np.sqrt(6)
    assert standard_error(values.reshape(-1), groups) == pytest.approx(expected)


def test_the_standard_error_over_groups_is_the_spread_of_means_that_are_drawn_anew():
    generator = np.random.default_rng(0)

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        groups = np.repeat(np.arange(40), generator.integers(5, 40, 40))
        return generator.normal(size=40)[groups] + generator.normal(size=len(groups)), groups

    many = [drawn() for _ in range(400)]
    spread = np.std([values.mean() for values, _ in many])
    told = np.mean([standard_error(*one) for one in many])
    assert told == pytest.approx(spread, rel=0.1)
    # Taken over rows, as if they were independent, it is much too small.
    assert np.mean([standard_error(values) for values, _ in many]) < 0.4 * spread


def test_of_a_single_row_or_group_there_is_no_standard_error():
    assert standard_error(np.ones(1)) is None
    assert standard_error(np.arange(5.0), np.zeros(5, int)) is None


def test_the_error_by_chance_is_that_of_labels_drawn_from_the_predictions():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([0.3, 0.3, 0.3], 300)
    errors = [
        expected_calibration_error(
            probabilities, np.array([generator.choice(3, p=row) for row in probabilities])
        )
        for _ in range(200)
    ]
    by_chance = calibration_error_by_chance(probabilities)
    assert by_chance.shape == (1000,)
    assert by_chance.mean() == pytest.approx(np.mean(errors), rel=0.05)
    assert np.quantile(by_chance, 0.95) == pytest.approx(np.quantile(errors, 0.95), rel=0.1)


def test_fewer_rows_are_further_off_by_chance():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), 1600)
    few, many = (calibration_error_by_chance(probabilities[:n]).mean() for n in (100, 1600))
    assert few == pytest.approx(4 * many, rel=0.25)
    np.testing.assert_array_equal(
        calibration_error_by_chance(probabilities), calibration_error_by_chance(probabilities)
    )
    assert calibration_error_by_chance(np.eye(3)).max() == 0


def test_figures_come_with_their_noise():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(3), 90)
    labels, groups = generator.integers(0, 3, 90), np.repeat(np.arange(3), 30)
    found = figures_with_noise(probabilities, labels, groups)
    assert classification_metrics(probabilities, labels).items() <= found.items()
    right = (probabilities.argmax(1) == labels).astype(float)
    assert found["accuracy_standard_error"] == standard_error(right, groups)
    losses = -np.log(probabilities[np.arange(90), labels])
    assert found["log_loss_standard_error"] == pytest.approx(standard_error(losses, groups))
    by_chance = calibration_error_by_chance(probabilities)
    assert found["calibration_error_by_chance"] == by_chance.mean()
    assert found["calibration_error_by_chance_95"] == np.quantile(by_chance, 0.95)
    one = figures_with_noise(probabilities, labels, np.zeros(90, int))
    assert one["accuracy_standard_error"] is None


def test_what_is_no_distribution_is_refused():
    with pytest.raises(MmgraphError, match="row 0 is not a distribution"):
        calibration_error_by_chance(np.ones((2, 2)))
    with pytest.raises(MmgraphError, match="0 rows"):
        calibration_error_by_chance(np.empty((0, 3)))
