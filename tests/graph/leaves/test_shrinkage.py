"""Shrinkage by the data, beside scikit-learn's estimator of Ledoit and Wolf."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.graph.leaves.gaussian_density import Covariance

CLASS = mm.Variable("class", ("a", "b", "c"))


def correlated(rows: int, features: int, seed: int = 0) -> np.ndarray:
    """Rows of features that depend on each other, each on a scale of its own."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, features)) @ rng.normal(size=(features, features))
    return values * 10.0 ** rng.uniform(-3, 3, features) + rng.normal(size=features)


def by_scikit_learn(values: np.ndarray) -> np.ndarray:
    """The estimate in units of the features' standard deviations, whatever they are measured in."""
    scale = values.std(0)
    return np.asarray(ledoit_wolf(values / scale)[0]) * np.outer(scale, scale)


def leaf_of(values: np.ndarray, covariance: Covariance = "full") -> mm.GaussianLeaf:
    x = mm.Variable("x", shape=values.shape[1:], family="gaussian")
    rows = torch.from_numpy(values)
    return mm.GaussianLeaf.initialised(x, (), rows, torch.ones(len(rows)), covariance=covariance)


@pytest.mark.parametrize("covariance", ["full", "shared"])
@pytest.mark.parametrize(("rows", "features"), [(41, 76), (30, 4), (5, 3), (99, 10)])
def test_it_is_the_estimate_of_scikit_learn(rows: int, features: int, covariance: Covariance):
    values = correlated(rows, features)
    found = leaf_of(values, covariance).covariances.numpy()
    expected, scale = by_scikit_learn(values), values.std(0)
    np.testing.assert_allclose(
        found / np.outer(scale, scale), expected / np.outer(scale, scale), rtol=1e-9, atol=1e-10
    )


def test_chunks_and_other_centres_change_nothing():
    values = correlated(60, 12)
    leaf, rows = leaf_of(values), torch.from_numpy(values)
    parts = [leaf.expected_statistics(r, torch.ones(len(r))) for r in rows.split(17)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    torch.testing.assert_close(leaf.updated(total).covariances, leaf.covariances)
    moved = mm.GaussianLeaf(leaf.child, (), leaf.means + 3 * rows.std(0), leaf.covariances)
    again = moved.updated(moved.expected_statistics(rows, torch.ones(60)))
    torch.testing.assert_close(again.covariances, leaf.covariances)
    torch.testing.assert_close(again.means, leaf.means)


def test_a_weight_counts_rows():
    values = correlated(20, 6)
    x = mm.Variable("x", shape=(6,), family="gaussian")
    weights = torch.tensor([2.0, 1.0] * 10, dtype=torch.float64)
    twice = torch.from_numpy(np.repeat(values, weights.long().numpy(), 0))
    once = mm.GaussianLeaf.initialised(x, (), torch.from_numpy(values), weights)
    listed = mm.GaussianLeaf.initialised(x, (), twice, torch.ones(len(twice)))
    torch.testing.assert_close(once.covariances, listed.covariances)


def test_ample_rows_keep_the_greatest_likelihood():
    values = correlated(200, 10)
    np.testing.assert_allclose(leaf_of(values).covariances, np.cov(values.T, bias=True), rtol=1e-9)


def test_a_number_keeps_its_meaning():
    values = correlated(12, 10)
    x = mm.Variable("x", shape=(10,), family="gaussian")
    rows = torch.from_numpy(values)
    plain = mm.GaussianLeaf.initialised(x, (), rows, torch.ones(12), shrinkage=0.0, floor=0.0)
    np.testing.assert_allclose(plain.covariances, np.cov(values.T, bias=True), rtol=1e-7)


def test_missing_cells_and_mixtures_come_out_positive_definite():
    values = correlated(45, 30)
    values[:9, :20] = np.nan
    values[9:20, 5:] = np.nan
    x = mm.Variable("x", shape=(30,), family="gaussian")
    rows, share = torch.from_numpy(values), torch.ones(45)
    leaf = mm.GaussianLeaf.initialised(x, (), rows, share)
    mixture = mm.GaussianMixtureLeaf.initialised(
        x, (), rows, share, torch.Generator().manual_seed(0), components=2
    )
    for _ in range(5):
        leaf = leaf.updated(leaf.expected_statistics(rows, share))
        mixture = mixture.updated(mixture.expected_statistics(rows, share))
    for covariances in (leaf.covariances[None], mixture.covariances):
        scale = torch.from_numpy(np.nanstd(values, 0))
        least = torch.linalg.eigvalsh(covariances / torch.outer(scale, scale)).min()
        assert float(least) > 1e-3


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_a_single_row_has_the_pooled_covariance(covariance: Covariance):
    values = np.concatenate([correlated(40, 3), correlated(1, 3, seed=1)])
    x = mm.Variable("x", shape=(3,), family="gaussian")
    codes = torch.tensor([0, 1] * 20 + [2])
    leaf = mm.GaussianLeaf.initialised(
        x, (CLASS,), torch.from_numpy(values), {"class": codes}, covariance=covariance
    )
    offset = values - np.stack([values[codes == k].mean(0) for k in range(3)])[codes]
    pooled = offset.T @ offset / 41
    expected = np.diag(pooled) if covariance == "diagonal" else pooled
    np.testing.assert_allclose(leaf.covariances[2], expected, rtol=1e-8)


def test_statistics_of_different_scales_ask_for_a_number():
    values = torch.from_numpy(correlated(9, 4))
    one, other = leaf_of(values.numpy()), leaf_of(5 * values.numpy())
    share = torch.ones(9)
    both = one.expected_statistics(values, share) + other.expected_statistics(values, share)
    assert bool(one.updated(both, shrinkage=0.5).covariances.isfinite().all())
    with pytest.raises(LearningError, match="give a shrinkage"):
        one.updated(both)
