"""The Gaussian mixture leaf against scipy, scikit-learn and itself."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.errors import GraphError, LearningError
from mmgraph.graph.leaves.gaussian_density import COVARIANCES, Covariance
from tests.graph.leaves.gaussian_leaves import log_density, matrix, rows_with_gaps

CLASS = mm.Variable("class", ("a", "b"))
SOUND = mm.Variable("sound", shape=(3,), family="gaussian")
NAN = math.nan


def random_leaf(
    covariance: Covariance, seed: int = 0, weight: float = 1.0
) -> mm.GaussianMixtureLeaf:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(2, 4, 3, 3))
    full = root @ root.swapaxes(-1, -2) + 0.3 * np.eye(3)
    spread = {"full": full, "diagonal": np.einsum("scii->sci", full), "shared": full[0, 0]}
    weights = rng.dirichlet(np.ones(4), 2)
    means = rng.normal(size=(2, 4, 3)) * 2
    return mm.GaussianMixtureLeaf(
        SOUND, (CLASS,), weights, means, spread[covariance], covariance, weight
    )


def component_log_densities(leaf: mm.GaussianMixtureLeaf, x: np.ndarray, state: int) -> np.ndarray:
    seen = ~np.isnan(x)
    return np.array(
        [
            np.log(float(leaf.weights[state, k]))
            + multivariate_normal.logpdf(
                x[seen],
                leaf.means[state, k].numpy()[seen],
                matrix(leaf, (state, k))[np.ix_(seen, seen)],
            )
            for k in range(4)
        ]
    )


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_likelihood_is_scipys_mixture(covariance: Covariance) -> None:
    leaf, values = random_leaf(covariance, weight=0.5), rows_with_gaps(20, 3, 1)
    found = log_density(leaf, values)
    assert torch.equal(found[0], torch.zeros(2, dtype=torch.float64))
    for row in range(1, 20):
        for state in range(2):
            x = values[row].numpy()
            if np.isnan(x).all():
                continue
            expected = 0.5 * logsumexp(component_log_densities(leaf, x, state))
            assert float(found[row, state]) == pytest.approx(expected, abs=1e-10)
    codes = torch.arange(20) % 2
    energy = leaf.energy({"class": codes, "sound": values})
    assert torch.allclose(energy, -found[torch.arange(20), codes])


def test_conditional_mean_weighs_the_components() -> None:
    leaf, values = random_leaf("full"), rows_with_gaps(20, 3, 1)
    found = leaf.conditional_mean(values)
    assert found.shape == (20, 2, 3)
    assert torch.allclose(found[0], (leaf.weights.unsqueeze(-1) * leaf.means).sum(1))
    for row in range(1, 20):
        x = values[row].numpy()
        seen = ~np.isnan(x)
        if not seen.any():
            continue
        for state in range(2):
            scores = component_log_densities(leaf, x, state)
            shares = np.exp(scores - logsumexp(scores))
            expected = x.copy()
            expected[~seen] = 0
            for k, share in enumerate(shares):
                mean, spread = leaf.means[state, k].numpy(), matrix(leaf, (state, k))
                gain = spread[np.ix_(~seen, seen)] @ np.linalg.inv(spread[np.ix_(seen, seen)])
                expected[~seen] += share * (mean[~seen] + gain @ (x - mean)[seen])
            assert np.allclose(found[row, state], expected)


def test_zero_weights_are_legal_and_have_finite_gradients() -> None:
    leaf = random_leaf("full")
    weights = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0]], dtype=torch.float64)
    weights.requires_grad_()
    again = mm.GaussianMixtureLeaf(SOUND, (CLASS,), weights, leaf.means, leaf.covariances)
    values = rows_with_gaps(5, 3, 1, 0.0)
    found = log_density(again, values)
    mean, spread = leaf.means[0, 0].numpy(), leaf.covariances[0, 0].numpy()
    expected = multivariate_normal.logpdf(values[1:].numpy(), mean, spread)
    assert np.allclose(found[1:, 0].detach(), expected)
    found.sum().backward()
    assert weights.grad is not None
    assert bool(weights.grad.isfinite().all())


def test_gradients() -> None:
    leaf, values = random_leaf("full"), rows_with_gaps(4, 3, 1)

    def total(logits: Tensor, means: Tensor, spread: Tensor) -> Tensor:
        spread = (spread + spread.mT) / 2
        return log_density(
            mm.GaussianMixtureLeaf(SOUND, (CLASS,), logits.softmax(-1), means, spread), values
        )

    inputs = [
        t.clone().requires_grad_() for t in (leaf.weights.log(), leaf.means, leaf.covariances)
    ]
    assert torch.autograd.gradcheck(total, inputs)


def test_samples_have_the_mean() -> None:
    leaf = random_leaf("full")
    codes = {"class": torch.ones(20_000, dtype=torch.int64)}
    drawn = leaf.sample(codes, torch.Generator().manual_seed(0))
    again = leaf.sample(codes, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)
    expected = leaf.mean(torch.tensor([[0.0, 1.0]]))[0]
    assert bool(((drawn.mean(0) - expected).abs() < 5 * drawn.std(0) / 20_000**0.5).all())


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_restore(covariance: Covariance) -> None:
    leaf, values = random_leaf(covariance, weight=0.5), rows_with_gaps(20, 3, 1)
    options = json.loads(json.dumps(leaf.settings()))
    again = mm.GaussianMixtureLeaf.restore(leaf.scope, SOUND, leaf.parameters(), options)
    assert torch.equal(log_density(again, values), log_density(leaf, values))
    assert again.to(dtype=torch.float32).weights.dtype == torch.float32


def labelled_rows(rows: int, missing: float, seed: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, rows)
    centres = rng.normal(size=(2, 3, 3)) * 5
    values = centres[codes, rng.integers(0, 3, rows)] + rng.normal(size=(rows, 3))
    values[rng.random(values.shape) < missing] = np.nan
    return torch.from_numpy(values), torch.from_numpy(codes)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_em_step_agrees_with_scikit_learn(covariance: Covariance) -> None:
    values, codes = labelled_rows(150, 0.0, 2)
    leaf = mm.GaussianMixtureLeaf.initialised(
        SOUND, (CLASS,), values, {"class": codes}, torch.Generator().manual_seed(0), 3, covariance
    )
    if covariance == "shared":  # scikit-learn ties components only within a mixture of its own
        values, codes = values[codes == 0], codes[codes == 0]
    statistics = leaf.expected_statistics(values, {"class": codes})
    stepped = leaf.updated(statistics, shrinkage=0.0, floor=0.0)
    for state in codes.unique().tolist():
        kind = {"full": "full", "diagonal": "diag", "shared": "tied"}[covariance]
        spread = leaf.covariances if covariance == "shared" else leaf.covariances[state]
        peer = GaussianMixture(
            3,
            covariance_type=kind,
            reg_covar=0.0,
            max_iter=1,
            weights_init=leaf.weights[state].numpy(),
            means_init=leaf.means[state].numpy(),
            precisions_init=(1 / spread if kind == "diag" else torch.linalg.inv(spread)).numpy(),
        )
        with pytest.warns(match="converge"):
            peer.fit(values[codes == state].numpy())
        assert np.allclose(stepped.weights[state], peer.weights_)
        assert np.allclose(stepped.means[state], peer.means_)
        found = stepped.covariances if covariance == "shared" else stepped.covariances[state]
        assert np.allclose(found, peer.covariances_, rtol=1e-6)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_em_never_lowers_the_observed_log_likelihood(covariance: Covariance) -> None:
    values, codes = labelled_rows(120, 0.3, 3)
    leaf = mm.GaussianMixtureLeaf.initialised(
        SOUND, (CLASS,), values, {"class": codes}, torch.Generator().manual_seed(1), 3, covariance
    )
    at = (torch.arange(120), codes)
    totals = [float(log_density(leaf, values)[at].sum())]
    for _ in range(20):
        leaf = leaf.updated(leaf.expected_statistics(values, {"class": codes}))
        totals.append(float(log_density(leaf, values)[at].sum()))
    assert (np.diff(totals) >= -1e-8).all()
    assert totals[-1] > totals[0] + 1


def test_start_finds_separate_clusters() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[-9.0, 0, 0], [0, 9, 0], [0, 0, 9]], dtype=torch.float64)
    noise = torch.randn(300, 3, generator=generator, dtype=torch.float64)
    values = centres[torch.arange(300) % 3] + noise
    leaf = mm.GaussianMixtureLeaf.initialised(SOUND, (), values, torch.ones(300), generator, 3)
    distance = torch.cdist(centres, leaf.means).min(1).values
    assert float(distance.max()) < 0.5
    assert torch.allclose(leaf.weights, torch.full((3,), 1 / 3, dtype=torch.float64))


def test_shrinkage_goes_towards_the_covariance_within_parent_states() -> None:
    values, codes = labelled_rows(150, 0.0, 4)
    leaf = mm.GaussianMixtureLeaf.initialised(
        SOUND, (CLASS,), values, {"class": codes}, torch.Generator().manual_seed(0), 3, shrinkage=1
    )
    spreads = torch.stack([torch.cov(values[codes == k].T, correction=0) for k in range(2)])
    pooled = torch.tensordot(codes.bincount().double() / len(codes), spreads, 1)
    assert torch.allclose(leaf.covariances, pooled.expand(2, 3, 3, 3))


def test_more_components_than_points_and_states_without_rows() -> None:
    values = torch.tensor([[0.0, 1, 2], [3, 5, 4], [7, 6, 8]], dtype=torch.float64)
    codes = {"class": torch.zeros(3, dtype=torch.int64)}
    leaf = mm.GaussianMixtureLeaf.initialised(
        SOUND, (CLASS,), values, codes, torch.Generator().manual_seed(0), 5
    )
    assert torch.allclose(leaf.weights[1], torch.full((5,), 0.2, dtype=torch.float64))
    assert torch.allclose(leaf.means[1], values.mean(0).expand(5, 3))
    assert bool(log_density(leaf, values).isfinite().all())


def test_pseudo_counts_keep_components_alive() -> None:
    leaf, values = random_leaf("diagonal"), rows_with_gaps(9, 3, 1, 0.0)
    statistics = leaf.expected_statistics(values, {"class": torch.zeros(9, dtype=torch.int64)})
    counts = statistics.weights.reshape(2, 4)
    found = leaf.updated(statistics, pseudo_count=2.0).weights
    assert torch.allclose(found[0], (counts[0] + 2) / (counts[0].sum() + 8))
    assert torch.allclose(found[1], torch.full((4,), 0.25, dtype=torch.float64))
    with pytest.raises(LearningError, match="pseudo-count"):
        leaf.updated(statistics, pseudo_count=-1.0)


def test_bad_input() -> None:
    leaf = random_leaf("full")
    wrong = leaf.weights.clone()
    wrong[1, 0] += 0.1
    with pytest.raises(GraphError, match=r"\(class=b\) are not a distribution"):
        mm.GaussianMixtureLeaf(SOUND, (CLASS,), wrong, leaf.means, leaf.covariances)
    with pytest.raises(GraphError, match="not a distribution"):
        mm.GaussianMixtureLeaf(SOUND, (CLASS,), leaf.weights * NAN, leaf.means, leaf.covariances)
    with pytest.raises(GraphError, match="weights have shape"):
        mm.GaussianMixtureLeaf(SOUND, (CLASS,), leaf.weights[0], leaf.means, leaf.covariances)
    with pytest.raises(GraphError, match="weights"):
        mm.GaussianMixtureLeaf(SOUND, (CLASS,), "half", leaf.means, leaf.covariances)
    broken = leaf.covariances.clone()
    broken[1, 2] = -torch.eye(3)
    with pytest.raises(GraphError, match=r"not positive definite at \(class=b, component 2\)"):
        mm.GaussianMixtureLeaf(SOUND, (CLASS,), leaf.weights, leaf.means, broken)
    with pytest.raises(LearningError, match="at least one component"):
        mm.GaussianMixtureLeaf.initialised(
            SOUND, (), rows_with_gaps(20, 3, 1), torch.ones(20), components=0
        )
