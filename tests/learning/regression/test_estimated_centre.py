"""Intervals of regressions that are pooled hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.learning.regression.estimated_centre import with_estimated_centre
from mmgraph.learning.regression.fit import regression_posterior
from mmgraph.learning.regression.statistics import RegressionStatistics

G = mm.Variable("g", list("abc"))
X, Y = (mm.Variable(name, family="gaussian") for name in "xy")
FACTOR = mm.LinearGaussian(Y, [G, X], np.zeros((3, 1)), [0.0] * 3, [1.0] * 3)
LEVELS = np.array([1.0, 0.0, 0.0])


def statistics(seed: int, slopes: np.ndarray) -> RegressionStatistics:
    source = np.random.default_rng(seed)
    group = source.integers(0, 3, 300)
    x = source.normal(2.0, 3.0, size=300)
    y = slopes[group] * x + LEVELS[group] + source.normal(size=300)
    columns = (torch.as_tensor(column).unsqueeze(1) for column in (x, y))
    return RegressionStatistics.of_rows(*columns, torch.as_tensor(group), 3)


@pytest.mark.parametrize("slopes", [np.ones(3), np.array([1.0, 2.0, -1.0])])
def test_intervals_cover_slopes_variances_and_expected_values(slopes):
    hits: list[list[float]] = []
    for seed in range(12):
        rows = statistics(seed, slopes)
        posterior = with_estimated_centre(regression_posterior(FACTOR, rows), rows)
        ends = posterior.interval(0.9)
        source = torch.Generator().manual_seed(seed)
        drawn = [posterior.sample(source) for _ in range(40)]
        answers = torch.stack([d.intercept + 3 * d.coefficients[:, 0] for d in drawn])
        low, high = np.quantile(answers, [0.05, 0.95], 0)
        told = (
            (ends["coefficients"][:, 0], slopes),
            (ends["variance"], np.ones(3)),
            (np.stack([low, high], -1), LEVELS + 3 * slopes),
        )
        hits.append([((e[:, 0] <= t) & (t <= e[:, 1])).mean() for e, t in told])
    for covered in np.mean(hits, 0):
        assert 0.8 <= covered <= 0.97


def test_alike_configurations_are_as_certain_as_least_squares_of_common_slopes():
    rows = statistics(0, np.ones(3))
    alone = regression_posterior(FACTOR, rows)
    assert alone.prior.slope_rows > 1e6
    posterior = with_estimated_centre(alone, rows)
    ends = posterior.interval(0.95)["coefficients"][:, 0]
    common = float(rows.within()[0, 0]) ** -0.5
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 2 * 1.96 * common, rtol=0.1)
    one, other = alone.mean(), posterior.mean()
    for name in FACTOR.tensor_names:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)
