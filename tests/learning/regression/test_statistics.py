"""Statistics of regressions: the same for any chunks and weights, near and far from zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import LearningError
from mmgraph.learning.regression.statistics import RegressionStatistics


def rows_of(seed: int, rows: int, regressors: int, features: int, count: int):
    source = torch.Generator().manual_seed(seed)
    columns = torch.randn(rows, regressors + features, generator=source, dtype=torch.float64)
    places = torch.randint(count, (rows,), generator=source)
    weights = torch.rand(rows, generator=source, dtype=torch.float64)
    weights[::5] = 0.0
    return columns[:, :regressors], columns[:, regressors:], places, weights


def assert_same(one: RegressionStatistics, other: RegressionStatistics, **tolerance) -> None:
    for name in ("weights", "means", "products"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), **tolerance)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1 << 30),
    st.lists(st.integers(0, 12), min_size=1, max_size=6),
    st.integers(0, 3),
    st.integers(1, 2),
    st.integers(1, 4),
    st.sampled_from([0.0, 1e7]),
)
def test_any_chunks_have_the_moments_of_all_rows(seed, sizes, regressors, features, count, offset):
    x, y, places, weights = rows_of(seed, sum(sizes), regressors, features, count)
    x, y = x + offset, y - offset
    total = RegressionStatistics.empty(count, regressors, features)
    for part in zip(x.split(sizes), y.split(sizes), places.split(sizes), strict=True):
        here = weights[: len(part[0])]
        weights = weights[len(part[0]) :]
        total = total + RegressionStatistics.of_rows(*part, count, here)
    _, _, _, weights = rows_of(seed, sum(sizes), regressors, features, count)
    whole = RegressionStatistics.of_rows(x, y, places, count, weights)
    assert_same(total, whole, rtol=1e-12, atol=1e-6 if offset else 1e-12)
    columns = torch.cat([x, y], 1).numpy()
    for k in range(count):
        weight = weights.numpy() * (places.numpy() == k)
        np.testing.assert_allclose(whole.weights[k], weight.sum(), atol=1e-12)
        if weight.sum():
            mean = np.average(columns, 0, weight)
            apart = columns - mean
            np.testing.assert_allclose(whole.means[k], mean, atol=1e-8)
            products = (apart.T * weight) @ apart
            np.testing.assert_allclose(whole.products[k], products, atol=1e-6 if offset else 1e-11)
    pooled = RegressionStatistics.of_rows(x, y, torch.zeros_like(places), 1, weights)
    assert_same(whole.pooled(), pooled, rtol=1e-12, atol=1e-6 if offset else 1e-11)


def test_far_from_zero_no_digit_is_lost_that_raw_moments_lose():
    x, y, places, _ = rows_of(0, 1000, 1, 1, 1)
    near = RegressionStatistics.of_rows(x, y, places, 1)
    far = RegressionStatistics.empty(1, 1, 1)
    for part in zip(x.split(10), y.split(10), places.split(10), strict=True):
        far = far + RegressionStatistics.of_rows(part[0] + 2.0**26, part[1], part[2], 1)
    np.testing.assert_allclose(far.products, near.products, atol=1e-5)
    raw = float(((x + 2.0**26).square().mean() - (x + 2.0**26).mean().square()) * 1000)
    assert abs(raw / float(near.products[0, 0, 0]) - 1) > 1e-4


def test_expected_rows_that_are_certain_are_rows():
    x, y, places, weights = rows_of(1, 50, 2, 2, 3)
    share = torch.nn.functional.one_hot(places, 3) * weights.unsqueeze(1)
    means = torch.cat([x, y], 1).unsqueeze(1).expand(-1, 3, -1).clone()
    means[share == 0] = torch.nan  # nobody looks where there is no weight
    nothing = torch.zeros(1, 1, 4, 4)
    expected = RegressionStatistics.expected(2, share, means, nothing)
    assert_same(expected, RegressionStatistics.of_rows(x, y, places, 3, weights), atol=1e-12)


@pytest.mark.parametrize("axes", [(30, 2), (1, 2), (30, 1), (1, 1)])
def test_expected_products_hold_the_covariances(axes):
    source = torch.Generator().manual_seed(2)
    weights = torch.rand(30, 2, generator=source, dtype=torch.float64)
    means = torch.randn(30, 2, 3, generator=source, dtype=torch.float64)
    root = torch.randn(*axes, 3, 3, generator=source, dtype=torch.float64)
    covariances = root @ root.mT
    found = RegressionStatistics.expected(2, weights, means, covariances)
    each = covariances.expand(30, 2, 3, 3)
    for k in range(2):
        share = weights[:, k] / weights[:, k].sum()
        mean = share @ means[:, k]
        second = torch.einsum(
            "r,rij->ij", share, each[:, k] + means[:, k, :, None] * means[:, k, None]
        )
        np.testing.assert_allclose(found.means[k], mean, atol=1e-12)
        scatter = (second - mean[:, None] * mean) * weights[:, k].sum()
        np.testing.assert_allclose(found.products[k], scatter, atol=1e-11)
    parts = [
        RegressionStatistics.expected(2, weights[r], means[r], each[r])
        for r in torch.arange(30).split(7)
    ]
    total = RegressionStatistics.empty(2, 2, 1)
    for part in parts:
        total = total + part
    assert_same(total, found, atol=1e-11)


def test_statistics_of_other_shapes_do_not_add():
    with pytest.raises(LearningError, match=r"of 1 regressors .* do not add to those of 2"):
        _ = RegressionStatistics.empty(1, 1, 2) + RegressionStatistics.empty(1, 2, 1)
