"""Scales of features, fitted on training rows, and their inverses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from mmgraph.experiments.scales import fit_scale
from mmgraph.graph.errors import LearningError


def skewed(rows: int = 300) -> np.ndarray:
    """Features of different scales, the first of them far from normal."""
    generator = np.random.default_rng(2)
    return np.exp(generator.normal(size=(rows, 3))) * [1.0, 10.0, 1000.0] + [0.0, 5.0, -3.0]


@pytest.mark.parametrize("transform", ["standardise", "one_scale", "normal_quantiles"])
def test_a_transform_goes_there_and_back(transform: str):
    features = skewed()
    fitted = fit_scale(transform, features, "a", floor=1e-3)
    np.testing.assert_allclose(fitted.backward(fitted.forward(features)), features, rtol=1e-6)


def test_standardised_features_have_mean_zero_and_variance_one():
    features = skewed()
    seen = fit_scale("standardise", features, "a", floor=1e-3).forward(features)
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-9)
    # A feature of little variance beside the others is not blown up altogether.
    np.testing.assert_allclose(seen.std(0)[1:], 1, rtol=0.1)
    assert 0 < seen.std(0)[0] < 1


def test_one_scale_keeps_what_hardly_varies_small():
    features = skewed()
    seen = fit_scale("one_scale", features, "a", floor=1e-3).forward(features)
    assert seen.var(0).mean() == pytest.approx(1)
    np.testing.assert_allclose(seen.std(0) / seen.std(0)[2], features.std(0) / features.std(0)[2])


def test_quantiles_are_normal():
    features = skewed(1000)
    seen = fit_scale("normal_quantiles", features, "a", floor=1e-3).forward(features)
    for share in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(np.quantile(seen, share, 0), norm.ppf(share), atol=0.05)


def test_what_cannot_be_scaled_is_named():
    features = skewed(20)
    features[7, 2] = np.inf
    with pytest.raises(LearningError, match="feature 2 of 'a' is not finite in training row 7"):
        fit_scale("standardise", features, "a")
    with pytest.raises(LearningError, match="all features of 'a' are constant"):
        fit_scale("standardise", np.ones((5, 2)), "a")
    one = np.stack([np.ones(50), np.arange(50.0)], 1)
    assert np.isfinite(fit_scale("standardise", one, "a").forward(one)).all()
