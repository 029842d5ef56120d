"""The E- and M-steps of the Gaussian leaf."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.errors import GraphError, LearningError
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.gaussian_density import COVARIANCES, Covariance

CLASS = mm.Variable("class", ("a", "b", "c"))
SOUND = mm.Variable("sound", shape=(3,), family="gaussian")
NAN = math.nan


def labelled_rows(rows: int = 120, missing: float = 0.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, rows)
    root = rng.normal(size=(3, 3, 3))
    values = np.einsum("nij,nj->ni", root[codes], rng.normal(size=(rows, 3)))
    values += 3 * rng.normal(size=(3, 3))[codes] + [0, 100, -5]
    values[rng.random(values.shape) < missing] = np.nan
    return torch.from_numpy(values), torch.from_numpy(codes)


def observed_log_likelihood(leaf: ContinuousLeaf, values: Tensor, codes: Tensor) -> float:
    table = leaf.likelihood(mm.Evidence.of({"sound": values}, {"sound": SOUND}))
    assert table is not None
    return float(table.values[torch.arange(len(codes)), codes].sum())


def within_class(values: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spreads = np.stack([np.cov(values[codes == c].T, ddof=0) for c in range(3)])
    return spreads, np.einsum("c,cij->ij", np.bincount(codes) / len(codes), spreads)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_complete_rows_give_the_maximum_of_the_likelihood(
    covariance: Covariance, shrinkage: float
) -> None:
    values, codes = labelled_rows()
    leaf = mm.GaussianLeaf.initialised(
        SOUND, (CLASS,), values, {"class": codes}, covariance=covariance, shrinkage=shrinkage
    )
    x, c = values.numpy(), codes.numpy()
    spreads, pooled = within_class(x, c)
    mixed = (1 - shrinkage) * spreads + shrinkage * pooled
    expected = {
        "full": mixed,
        "diagonal": np.einsum("cii->ci", mixed),
        "shared": pooled,
    }[covariance]
    assert np.allclose(leaf.means, [x[c == k].mean(0) for k in range(3)])
    assert np.allclose(leaf.covariances, expected, rtol=1e-9)
    # and it does not matter where the step starts from
    far = mm.GaussianLeaf(SOUND, (CLASS,), leaf.means + 7, leaf.covariances * 3, covariance)
    again = far.updated(far.expected_statistics(values, {"class": codes}), shrinkage)
    assert np.allclose(again.means, leaf.means)
    assert np.allclose(again.covariances, expected)


def test_responsibilities_weigh_the_rows() -> None:
    values, _ = labelled_rows()
    share = torch.rand(len(values), 3, generator=torch.Generator().manual_seed(1)).double()
    share /= share.sum(1, keepdim=True)
    leaf = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, share)
    for k in range(3):
        assert np.allclose(leaf.means[k], np.average(values, axis=0, weights=share[:, k]))
        expected = np.cov(values.T, aweights=share[:, k], ddof=0)
        assert np.allclose(leaf.covariances[k], expected)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_statistics_add_up(covariance: Covariance) -> None:
    values, codes = labelled_rows(missing=0.3)
    leaf = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes}, None, covariance)
    whole = leaf.expected_statistics(values, {"class": codes})
    first = leaf.expected_statistics(values[:50], {"class": codes[:50]})
    second = leaf.expected_statistics(values[50:], {"class": codes[50:]})
    for found in (first + second, first + second.about(second.centres + 1.5)):
        assert torch.allclose(leaf.updated(found).means, leaf.updated(whole).means)
        assert torch.allclose(leaf.updated(found).covariances, leaf.updated(whole).covariances)
    moved = second.spread.origin + 2
    shifted = type(second.spread).of(
        values[50:], torch.ones(len(values) - 50, dtype=torch.float64), moved
    )
    for name in ("weights", "sums", "squares"):
        assert torch.allclose(getattr(first.spread + shifted, name), getattr(whole.spread, name))


def test_statistics_of_other_kinds_do_not_add() -> None:
    values, codes = labelled_rows()
    full, shared = (
        mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes}, None, kind)
        for kind in ("full", "shared")
    )
    with pytest.raises(LearningError, match="do not add"):
        full.expected_statistics(values, {"class": codes}) + shared.expected_statistics(
            values, {"class": codes}
        )


def test_missing_cells_count_with_their_conditional_moments() -> None:
    values, codes = labelled_rows(40)
    leaf = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes})
    gaps = values.clone()
    gaps[:, 1] = torch.where(torch.arange(40) % 2 == 0, NAN, gaps[:, 1])
    found = leaf.expected_statistics(gaps, {"class": codes})
    filled = leaf.conditional_mean(gaps)[torch.arange(40), codes].numpy()
    for k in range(3):
        rows = codes.numpy() == k
        deviation = filled[rows] - leaf.means[k].numpy()
        expected = deviation.T @ deviation
        precision = np.linalg.inv(leaf.covariances[k].numpy())
        count = int((rows & gaps[:, 1].isnan().numpy()).sum())
        expected[1, 1] += count / precision[1, 1]
        assert np.allclose(found.products[k], expected)
        assert np.allclose(found.sums[k], deviation.sum(0))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_em_never_lowers_the_observed_log_likelihood(covariance: Covariance) -> None:
    values, codes = labelled_rows(90, missing=0.35, seed=3)
    values[5] = NAN
    leaf = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes}, None, covariance)
    before = observed_log_likelihood(leaf, values, codes)
    start = before
    for _ in range(15):
        leaf = leaf.updated(leaf.expected_statistics(values, {"class": codes}))
        after = observed_log_likelihood(leaf, values, codes)
        assert after >= before - 1e-9
        before = after
    assert before > start or covariance == "diagonal"


def test_em_finds_the_gradient_zero_of_the_observed_likelihood() -> None:
    values, codes = labelled_rows(200, missing=0.2, seed=4)
    leaf = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes})
    for _ in range(300):
        leaf = leaf.updated(leaf.expected_statistics(values, {"class": codes}))
    means = leaf.means.clone().requires_grad_()
    spread = leaf.covariances.clone().requires_grad_()
    moved = mm.GaussianLeaf(SOUND, (CLASS,), means, spread)
    table = moved.likelihood(mm.Evidence.of({"sound": values}, {"sound": SOUND}))
    assert table is not None
    table.values[torch.arange(len(codes)), codes].sum().backward()
    assert means.grad is not None
    assert spread.grad is not None
    assert float(means.grad.abs().max()) < 1e-5
    assert float(spread.grad.abs().max()) < 1e-4


def test_states_without_rows_keep_the_pooled_covariance_and_the_overall_mean() -> None:
    values, codes = labelled_rows()
    codes = codes.clamp(max=1)
    leaf = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes})
    spreads = torch.stack([torch.cov(values[codes == k].T, correction=0) for k in range(2)])
    pooled = torch.tensordot(codes.bincount().double() / len(codes), spreads, 1)
    assert torch.allclose(leaf.means[2], values.mean(0))
    assert torch.allclose(leaf.covariances[2], pooled)


def test_large_offsets_cost_no_digits() -> None:
    values, codes = labelled_rows()
    plain = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes})
    far = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values + 1e8, {"class": codes})
    assert torch.allclose(far.covariances, plain.covariances, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_the_floor_bounds_the_variance_in_every_direction(covariance: Covariance) -> None:
    values, codes = labelled_rows()
    values[:, 2] = values[:, 0] + values[:, 1]  # singular
    leaf = mm.GaussianLeaf.initialised(
        SOUND, (CLASS,), values, {"class": codes}, None, covariance, floor=0.05
    )
    scale = values.std(0, correction=0)
    spread = leaf.covariances
    if covariance == "diagonal":
        spread = torch.diag_embed(spread)
    least = torch.linalg.eigvalsh(spread / (scale.unsqueeze(1) * scale)).min()
    assert float(least) >= 0.05 - 1e-9


def test_a_singular_covariance_without_a_floor_is_an_error() -> None:
    values, codes = labelled_rows(8)
    values[:, 2] = values[:, 0] * 2
    with pytest.raises(LearningError, match=r"class=.*raise the variance floor"):
        mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes}, floor=0)


def test_constant_features() -> None:
    values, codes = labelled_rows(60, missing=0.2)
    values[:, 1] = torch.where(values[:, 1].isnan(), NAN, 7.25)
    with pytest.raises(LearningError, match=r"feature 1 of 'sound'.*7\.25"):
        mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes}, floor=0)
    # With a floor the feature is harmless: it says the same of every class, for ever.
    leaf = mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes})
    for _ in range(3):
        leaf = leaf.updated(leaf.expected_statistics(values, {"class": codes}))
    only = torch.tensor([[NAN, 9.0, NAN]], dtype=torch.float64)
    table = leaf.likelihood(mm.Evidence.of({"sound": only}, {"sound": SOUND}))
    assert table is not None
    assert float(table.values.std()) < 1e-6 * float(table.values.abs().max())
    with pytest.raises(LearningError, match="feature 0 of 'sound'"):
        mm.GaussianLeaf.initialised(SOUND, (CLASS,), torch.ones(9, 3), {"class": codes[:9]})


def test_unobserved_features_and_rows() -> None:
    values, codes = labelled_rows(20)
    values[:, 2] = NAN
    with pytest.raises(LearningError, match="feature 2 of 'sound' is not observed"):
        mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes})
    with pytest.raises(LearningError, match="'sound' is not observed"):
        mm.GaussianLeaf.initialised(SOUND, (CLASS,), values * NAN, {"class": codes})


def test_bad_options() -> None:
    values, codes = labelled_rows(20)
    for options in ({"shrinkage": 1.5}, {"shrinkage": NAN}, {"floor": -1.0}, {"floor": math.inf}):
        with pytest.raises(LearningError, match=r"shrinkage|floor"):
            mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes}, **options)
    with pytest.raises(GraphError, match="did you mean 'full'"):
        mm.GaussianLeaf.initialised(SOUND, (CLASS,), values, {"class": codes}, None, "ful")  # type: ignore[arg-type]
