"""Every metric against scikit-learn with weights, repeated rows, and simulated models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.metrics import classification_metrics
from mmgraph.learning.prediction.weighted_metrics import LOSSES, METRICS, Predictions

EXACT = {"rtol": 1e-12, "atol": 1e-13}


def drawn(seed: int, rows: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with many ties, and codes of every class."""
    random = np.random.default_rng(seed)
    counts = random.multinomial(6, np.full(classes, 1 / classes), rows)
    codes = np.concatenate([np.arange(classes), random.integers(0, classes, rows - classes)])
    return counts / 6, codes


def figure(name: str, table: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    batch = torch.from_numpy(np.atleast_2d(weights).astype(np.float64))
    return METRICS[name](Predictions.of(table, codes), batch).numpy()


def by_scikit_learn(table: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    chosen, truth = table.argmax(1), np.eye(table.shape[1])[codes]
    floored = np.maximum(table, 1e-15)[np.arange(len(codes)), codes]
    return {
        "accuracy": sklearn.accuracy_score(codes, chosen, sample_weight=weights),
        "balanced_accuracy": sklearn.balanced_accuracy_score(codes, chosen, sample_weight=weights),
        "macro_f1": sklearn.f1_score(codes, chosen, average="macro", sample_weight=weights),
        "log_loss": np.average(-np.log(floored), weights=weights),
        "brier_score": sklearn.brier_score_loss(
            codes, table, sample_weight=weights, scale_by_half=False
        ),
        "auroc": sklearn.roc_auc_score(truth, table, average="macro", sample_weight=weights),
        "average_precision": sklearn.average_precision_score(
            truth, table, average="macro", sample_weight=weights
        ),
    }


@pytest.mark.parametrize("seed", range(6))
def test_against_scikit_learn_with_weights_and_ties(seed: int):
    table, codes = drawn(seed)
    random = np.random.default_rng(seed)
    batch = np.stack([np.ones(60), random.random(60) + 0.1, random.integers(1, 4, 60)])
    expected = [by_scikit_learn(table, codes, weights) for weights in batch]
    for name in expected[0]:
        found = figure(name, table, codes, batch)
        np.testing.assert_allclose(found, [row[name] for row in expected], **EXACT, err_msg=name)


def test_the_log_loss_is_that_of_scikit_learn_where_nothing_is_floored():
    table = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    codes = np.random.default_rng(1).integers(0, 4, 50)
    found = figure("log_loss", table, codes, np.ones(50))
    np.testing.assert_allclose(found, sklearn.log_loss(codes, table, labels=range(4)), **EXACT)


@given(st.integers(0, 10**6), st.sampled_from(sorted(METRICS)))
def test_a_weight_is_so_many_rows(seed: int, name: str):
    """Classes that a sample lacks are left out of it, as they are of rows without them."""
    table, codes = drawn(seed, 12, 4)
    counts = np.random.default_rng(seed).multinomial(12, np.full(12, 1 / 12))
    repeated = np.repeat(np.arange(12), counts)
    found = figure(name, table, codes, counts)
    expected = figure(name, table[repeated], codes[repeated], np.ones(12))
    np.testing.assert_allclose(found, expected, **EXACT)


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_classification_metrics(seed: int):
    table, codes = drawn(seed, 300, 4)
    for name, value in classification_metrics(table, codes).items():
        found = figure(name, table, codes, np.ones(300))
        np.testing.assert_allclose(found, value, **EXACT, err_msg=name)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_derivatives_are_those_of_finite_differences(name: str):
    table = np.random.default_rng(3).dirichlet(np.ones(3), 40)
    codes = np.random.default_rng(4).integers(0, 3, 40)
    weights = torch.ones(1, 40, dtype=torch.float64, requires_grad=True)
    value = METRICS[name](Predictions.of(table, codes), weights)
    (slopes,) = torch.autograd.grad(value.sum(), weights)
    steps = 1e-6 * np.concatenate([np.eye(40), -np.eye(40)])
    up, down = figure(name, table, codes, 1 + steps).reshape(2, 40)
    np.testing.assert_allclose(slopes[0], (up - down) / 2e-6, atol=1e-7)


def test_an_error_that_is_cut_at_zero_still_varies():
    table = np.tile([0.75, 0.25], (40, 1))
    codes = np.repeat([0, 0, 0, 1], 10)
    weights = torch.ones(1, 40, dtype=torch.float64, requires_grad=True)
    value = METRICS["debiased_calibration_error"](Predictions.of(table, codes), weights)
    assert value.item() == 0
    off = METRICS["debiased_calibration_error"](Predictions.of(table, codes), weights * 0.5)
    assert off.item() == 0
    table = np.tile([0.76, 0.24], (40, 1))
    value = METRICS["debiased_calibration_error"](Predictions.of(table, codes), weights)
    (slopes,) = torch.autograd.grad(value.sum(), weights)
    assert value.item() == 0
    assert slopes.abs().max() > 0


@pytest.mark.parametrize(("shift", "most"), [(0.0, 0.03), (0.05, 0.015), (0.15, 0.006)])
def test_the_debiased_error_is_nearer_the_true_error_of_simulated_models(shift: float, most: float):
    """A model's true error is known: in each bin its confidence is off by the same shift.

    Where that is large, both are near it; where it is zero, no estimate at least zero is unbiased.
    """
    random = np.random.default_rng(5)
    sides = random.uniform(0.55, 1, (250, 300))
    wrong = (random.random(sides.shape) > sides - shift).astype(int)
    models = [
        (np.stack([side, 1 - side], 1), codes) for side, codes in zip(sides, wrong, strict=True)
    ]
    plain, debiased = (
        np.mean([figure(f"{kind}_calibration_error", *m, np.ones(300)) for m in models]) - shift
        for kind in ("expected", "debiased")
    )
    assert abs(debiased) < max(0.65 * plain, 0.006)
    assert abs(debiased) < most


def test_rows_of_one_class_have_no_area():
    table, codes = np.array([[0.9, 0.1], [0.6, 0.4]]), np.zeros(2, int)
    assert np.isnan(figure("auroc", table, codes, np.ones(2)))
    assert figure("average_precision", table, codes, np.ones(2)) == 1
    assert figure("balanced_accuracy", table, codes, np.ones(2)) == 1


def test_what_is_no_distribution_is_refused():
    with pytest.raises(MmgraphError, match="row 1 is not a distribution"):
        Predictions.of(np.array([[0.5, 0.5], [0.5, 0.6]]), np.zeros(2, int))
    assert set(METRICS) > LOSSES
