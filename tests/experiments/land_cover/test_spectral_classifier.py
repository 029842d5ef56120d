"""The classifier: closed forms against fits that really lack the rows, and window means."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.experiments.land_cover.spectral_classifier import (
    Settings,
    SpectralClassifier,
    held_out,
    kernel,
    log_probabilities,
    window_means,
)

SETTINGS = Settings(window=1, precision=0.5, ridge=0.1)


def rows(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 3, count)
    features = np.eye(3)[codes] + 0.5 * generator.normal(size=(count, 3))
    return features.astype(np.float32), codes


def test_held_out_rows_have_not_been_seen():
    features, codes = rows()
    fitted = SpectralClassifier.fit(features, codes, 3, SETTINGS)
    folds = [np.arange(0, 60, 2), np.arange(1, 60, 2)]
    scores = fitted.held_out_scores(codes, folds)
    for fold in folds:
        rest = np.setdiff1d(np.arange(60), fold)
        refitted = SpectralClassifier.fit(features[rest], codes[rest], 3, SETTINGS)
        expected = kernel(features[fold], features[rest], 0.5) @ refitted.coefficients
        np.testing.assert_allclose(scores[fold], expected, atol=1e-5)
        without = fitted.without(fold)
        np.testing.assert_allclose(without.coefficients[rest], refitted.coefficients, atol=1e-5)
        assert (without.coefficients[fold] == 0).all()


def test_probabilities_are_calibrated_and_never_zero():
    features, codes = rows(300)
    folds = [np.arange(f, 300, 5) for f in range(5)]
    candidates = [Settings(1, p, r) for p in (0.5, 1e4) for r in (1e-3, 0.1)]
    tried = [held_out(settings, features, codes, 3, folds)[0] for settings in candidates]
    chosen = min(tried, key=lambda settings: settings.log_loss)
    assert chosen.precision == 0.5
    assert chosen.accuracy > 0.75
    fitted = SpectralClassifier.fit(features, codes, 3, chosen)
    scores = fitted.held_out_scores(codes, folds)
    for factor in (0.7, 1.4):
        table = log_probabilities(scores, chosen.temperature * factor)
        assert -table[np.arange(300), codes].mean() >= chosen.log_loss - 1e-6
    table = log_probabilities(np.array([[1e3, 0.0]]), 1.0)
    assert np.isfinite(table).all()
    assert np.exp(table).sum() == pytest.approx(1.0)


def test_window_means_leave_out_what_is_missing():
    generator = np.random.default_rng(0)
    cube = generator.normal(size=(7, 8, 2)).astype(np.float32)
    present = np.ones((7, 8), bool)
    present[:, 5:] = False
    other = cube.copy()
    other[~present] = np.nan
    means = window_means(cube, present, 3)
    np.testing.assert_array_equal(means, window_means(other, present, 3))
    # Spectra in units of their deviation: undo it with two pixels whose means are known.
    raw = np.array([cube[1:4, 2:5, 0].mean(), cube[0:2, 0:2, 0].mean(), cube[2:5, 3:5, 0].mean()])
    found = means.reshape(7, 8, 2)[[2, 0, 3], [3, 0, 4], 0]
    assert (found[0] - found[1]) / (found[2] - found[1]) == pytest.approx(
        (raw[0] - raw[1]) / (raw[2] - raw[1]), rel=1e-3
    )
    assert (means.reshape(7, 8, 2)[:, 7] == 0).all()
