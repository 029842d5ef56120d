"""All figures together: their errors against resampling, floored labels, what chance does."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.noise import calibration_error_by_chance, figures_with_noise
from mmgraph.learning.prediction.prediction_figures import prediction_figures
from mmgraph.learning.prediction.weighted_metrics import METRICS


def drawn(random: np.random.Generator, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    table = random.dirichlet([0.7, 0.7, 0.7], rows)
    return table, (random.random((rows, 1)) > table.cumsum(1)).sum(1).clip(max=2)


def test_figures_are_those_of_existing_functions():
    random = np.random.default_rng(0)
    table, codes = drawn(random)
    groups = random.integers(0, 30, 300)
    found = prediction_figures(table, codes, groups)
    for name, value in figures_with_noise(table, codes, groups).items():
        known = name.replace("calibration_error_by", "expected_calibration_error_by")
        assert found[known] == pytest.approx(value, rel=1e-12), name
    assert set(METRICS) < set(found)
    assert found["brier_score"] == pytest.approx(
        found["brier_reliability"]
        - found["brier_resolution"]
        + found["brier_uncertainty"]
        + found["brier_within_bin_variance"]
        - found["brier_within_bin_covariance"]
    )
    chance = calibration_error_by_chance(table)
    assert found["expected_calibration_error_by_chance"] == pytest.approx(chance.mean())
    assert found["debiased_calibration_error_by_chance"] < 0.7 * chance.mean()


def test_standard_errors_are_the_spread_of_figures_over_samples():
    random = np.random.default_rng(1)
    # Debiased, the error of this overconfident model is far from zero, where it is smooth.
    names = [name for name in METRICS if not name.startswith("expected")]

    def once() -> dict[str, float]:
        table, codes = drawn(random)
        sharp = table**3 / (table**3).sum(1, keepdims=True)
        return prediction_figures(sharp, codes, metrics=names)

    many = [once() for _ in range(60)]
    for name in names:
        spread = np.std([figures[name] for figures in many], ddof=1)
        told = np.mean([figures[f"{name}_standard_error"] for figures in many])
        assert told == pytest.approx(spread, rel=0.3), name


def test_floored_probabilities_are_counted():
    table = np.array([[1.0, 0.0], [1.0, 0.0], [1 - 1e-16, 1e-16], [0.5, 0.5]])
    figures = prediction_figures(table, np.array([1, 0, 1, 1]), metrics=["log_loss"])
    assert figures["floored_probabilities"] == 2
    assert figures["log_loss"] == pytest.approx((2 * -np.log(1e-15) + np.log(2)) / 4)
    assert set(figures) == {"log_loss", "log_loss_standard_error", "floored_probabilities"}


def test_rows_of_one_class_have_no_area_and_one_group_no_error():
    table = np.array([[0.9, 0.1], [0.6, 0.4]])
    figures = prediction_figures(table, np.zeros(2, int), np.zeros(2, int))
    assert figures["auroc"] is None
    assert figures["auroc_standard_error"] is None
    assert figures["accuracy"] == 1
    assert figures["accuracy_standard_error"] is None
    assert not any(value is not None and np.isnan(value) for value in figures.values())


def test_an_unknown_metric_is_named():
    with pytest.raises(MmgraphError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
        prediction_figures(np.eye(2), np.arange(2), metrics=["acuracy"])
