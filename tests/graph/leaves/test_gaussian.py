"""The Gaussian leaf against scipy, direct formulas and itself."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from torch import Tensor

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.graph.leaves.gaussian_density import COVARIANCES, Covariance
from tests.graph.leaves.gaussian_leaves import log_density, matrix, rows_with_gaps

ACTIVITY = mm.Variable("activity", ("walk", "sit", "sleep"))
HOME = mm.Variable("home", ("no", "yes"))
NAN = math.nan


def random_leaf(
    covariance: Covariance,
    features: int = 3,
    parents: tuple[mm.Variable, ...] = (ACTIVITY, HOME),
    seed: int = 0,
    weight: float = 1.0,
) -> mm.GaussianLeaf:
    rng = np.random.default_rng(seed)
    child = mm.Variable("sound", shape=(features,), family="gaussian")
    axes = tuple(v.cardinality for v in parents)
    means = rng.normal(size=(*axes, features))
    root = rng.normal(size=(*axes, features, features))
    full = root @ root.swapaxes(-1, -2) + 0.3 * np.eye(features)
    if covariance == "full":
        spread = full
    elif covariance == "diagonal":
        spread = np.einsum("...ii->...i", full)
    else:
        spread = full.reshape(-1, features, features)[0]
    return mm.GaussianLeaf(child, parents, means, spread, covariance, weight)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_likelihood_is_scipys_density_of_the_observed_features(
    covariance: Covariance, share: float
) -> None:
    leaf = random_leaf(covariance, 4)
    values = rows_with_gaps(25, 4, 1, share)
    found = log_density(leaf, values)
    assert found.shape == (25, 3, 2)
    assert found.dtype == torch.float64
    for row, x in enumerate(values.numpy()):
        seen = ~np.isnan(x)
        for state in np.ndindex(3, 2):
            expected = 0.0
            if seen.any():
                mean = leaf.means[state].numpy()[seen]
                expected = multivariate_normal.logpdf(
                    x[seen], mean, matrix(leaf, state)[np.ix_(seen, seen)]
                )
            assert float(found[(row, *state)]) == pytest.approx(expected, abs=1e-10)


def test_a_missing_feature_is_integrated_out() -> None:
    leaf = random_leaf("full", 2)
    grid = torch.linspace(-25, 25, 4001, dtype=torch.float64)
    complete = torch.stack((torch.full_like(grid, 0.7), grid), 1)
    expected = torch.trapezoid(log_density(leaf, complete).exp(), grid, dim=0)
    found = log_density(leaf, torch.tensor([[0.7, NAN]], dtype=torch.float64))[0].exp()
    assert torch.allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_energy_is_minus_the_weighted_log_density(covariance: Covariance) -> None:
    leaf = random_leaf(covariance, weight=0.25)
    values = rows_with_gaps(12, 3, 2)
    codes = {"activity": torch.arange(12) % 3, "home": torch.arange(12) % 2}
    table = log_density(leaf, values)
    energy = leaf.energy({**codes, "sound": values})
    expected = -table[torch.arange(12), codes["activity"], codes["home"]]
    assert torch.allclose(energy, expected)
    assert torch.allclose(4 * table, log_density(leaf.reweighted(1.0), values))


def test_blocks_of_rows_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    values = rows_with_gaps(40, 3, 3)
    share = torch.rand(40, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for covariance in COVARIANCES:
        leaf = random_leaf(covariance)
        whole, mean = log_density(leaf, values), leaf.mean(share, values)
        statistics = leaf.expected_statistics(values, share)
        with monkeypatch.context() as patch:
            patch.setattr("mmgraph.graph.leaves.gaussian_density.BLOCK_ELEMENTS", 50)
            assert torch.allclose(log_density(leaf, values), whole)
            assert torch.allclose(leaf.mean(share, values), mean)
            again = leaf.expected_statistics(values, share)
        assert torch.allclose(again.products, statistics.products)


def test_no_parents_add_one_number_a_row() -> None:
    child = mm.Variable("temperature", family="gaussian")
    leaf = mm.GaussianLeaf(child, (), 1.5, 4.0)
    table = leaf.likelihood(mm.Evidence.of({"temperature": [0.5, NAN]}, {"temperature": child}))
    assert table is not None
    assert table.scope == ()
    expected = torch.tensor([multivariate_normal.logpdf(0.5, 1.5, 4.0), 0.0], dtype=torch.float64)
    assert torch.allclose(table.values, expected)
    assert leaf.sample({}, torch.Generator().manual_seed(0), rows=5).shape == (5,)
    assert torch.allclose(leaf.mean(torch.ones(2)), torch.tensor([1.5, 1.5]).double())


def test_contract_of_a_factor() -> None:
    leaf = random_leaf("full")
    assert [v.name for v in leaf.scope] == ["activity", "home", "sound"]
    assert leaf.parents == (ACTIVITY, HOME)
    assert not leaf.is_tabular
    with pytest.raises(errors.NotTabularError):
        list(leaf.tables())
    variables = {v.name: v for v in leaf.scope}
    assert leaf.likelihood(mm.Evidence.of({"home": "yes"}, variables)) is None


def test_far_away_rows_stay_finite() -> None:
    leaf = random_leaf("full")
    assert bool(log_density(leaf, torch.full((1, 3), 1e8, dtype=torch.float64)).isfinite().all())


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_samples_have_the_mean_and_covariance(covariance: Covariance) -> None:
    leaf = random_leaf(covariance)
    rows = 20_000
    codes = {"activity": torch.full((rows,), 2), "home": torch.ones(rows, dtype=torch.int64)}
    drawn = leaf.sample(codes, torch.Generator().manual_seed(0)).numpy()
    spread = matrix(leaf, (2, 1))
    error = np.abs(drawn.mean(0) - leaf.means[2, 1].numpy())
    assert (error < 5 * np.sqrt(np.diag(spread) / rows)).all()
    assert np.allclose(np.cov(drawn.T), spread, atol=0.06 * np.abs(spread).max())


def test_conditional_mean_is_the_textbook_regression() -> None:
    leaf = random_leaf("full", 4)
    values = rows_with_gaps(15, 4, 5)
    found = leaf.conditional_mean(values)
    assert found.shape == (15, 3, 2, 4)
    for row, x in enumerate(values.numpy()):
        seen = ~np.isnan(x)
        for state in np.ndindex(3, 2):
            mean, spread = leaf.means[state].numpy(), matrix(leaf, state)
            expected = x.copy()
            gain = spread[np.ix_(~seen, seen)] @ np.linalg.inv(spread[np.ix_(seen, seen)])
            expected[~seen] = mean[~seen] + gain @ (x - mean)[seen]
            assert np.allclose(found[(row, *state)], expected)


def test_mean_averages_over_the_parents() -> None:
    leaf = random_leaf("full")
    values = rows_with_gaps(6, 3, 6)
    belief = torch.rand(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    belief = (belief / belief.sum(1, keepdim=True)).reshape(6, 3, 2)
    prior = (belief.unsqueeze(-1) * leaf.means).sum((1, 2))
    assert torch.allclose(leaf.mean(belief), prior)
    expected = (belief.unsqueeze(-1) * leaf.conditional_mean(values)).sum((1, 2))
    found = leaf.mean(belief, values)
    assert torch.allclose(found, expected)
    assert torch.equal(found[~values.isnan()], values[~values.isnan()])


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_gradients(covariance: Covariance) -> None:
    leaf = random_leaf(covariance, 2, (HOME,))
    values = torch.tensor([[0.3, NAN], [NAN, NAN], [1.0, -2.0]], dtype=torch.float64)
    observed = ~values.isnan()

    def total(means: Tensor, spread: Tensor, seen: Tensor) -> Tensor:
        spread = spread if covariance == "diagonal" else (spread + spread.mT) / 2
        moved = mm.GaussianLeaf(leaf.child, (HOME,), means, spread, covariance)
        filled = torch.full_like(values, NAN).masked_scatter(observed, seen)
        return log_density(moved, filled)

    inputs = [t.clone().requires_grad_() for t in (leaf.means, leaf.covariances, values[observed])]
    assert torch.autograd.gradcheck(total, inputs)


def test_move_keeps_the_leaf() -> None:
    leaf = random_leaf("shared", weight=0.5).to(dtype=torch.float32)
    assert isinstance(leaf, mm.GaussianLeaf)
    assert leaf.means.dtype == leaf.covariances.dtype == torch.float32
    assert (leaf.covariance, leaf.weight) == ("shared", 0.5)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_restore(covariance: Covariance) -> None:
    leaf = random_leaf(covariance, weight=0.5)
    options = json.loads(json.dumps(leaf.settings()))
    again = mm.GaussianLeaf.restore(leaf.scope, leaf.child, leaf.parameters(), options)
    values = rows_with_gaps(9, 3, 7)
    assert torch.equal(log_density(again, values), log_density(leaf, values))
    with pytest.raises(errors.GraphError, match="sound"):
        mm.GaussianLeaf.restore(leaf.scope, leaf.child, {"means": leaf.means}, options)


@settings(max_examples=40)
@given(
    covariance=st.sampled_from(COVARIANCES),
    features=st.integers(1, 4),
    states=st.lists(st.integers(1, 3), max_size=3),
    rows=st.integers(1, 5),
)
def test_shapes(covariance: Covariance, features: int, states: list[int], rows: int) -> None:
    parents = tuple(mm.Variable(f"p{i}", n) for i, n in enumerate(states))
    leaf = random_leaf(covariance, features, parents)
    values = rows_with_gaps(rows, features, 8)
    codes = {v.name: torch.zeros(rows, dtype=torch.int64) for v in parents}
    assert log_density(leaf, values).shape == (rows, *states)
    assert leaf.energy({**codes, "sound": values}).shape == (rows,)
    assert leaf.conditional_mean(values).shape == (rows, *states, features)
    assert leaf.sample(codes, torch.Generator().manual_seed(0), rows).shape == (rows, features)
    assert leaf.mean(torch.ones(rows, *states), values).shape == (rows, features)


def bad_covariance(at: tuple[int, ...], value: float) -> Tensor:
    spread = torch.eye(2, dtype=torch.float64).repeat(3, 2, 1, 1)
    spread[at] = value
    return spread


@pytest.mark.parametrize(
    ("spread", "message"),
    [
        (bad_covariance((1, 0, 1, 1), -1.0), r"not positive definite at \(activity=sit, home=no\)"),
        (bad_covariance((2, 1, 0, 1), 0.5), r"not symmetric at \(activity=sleep, home=yes\)"),
        (bad_covariance((0, 1, 0, 0), NAN), r"not finite at \(activity=walk, home=yes\)"),
        (torch.ones(3, 2, 2), r"shape \(3, 2, 2\), not \(3, 2, 2, 2\)"),
    ],
)
def test_bad_covariances(spread: Tensor, message: str) -> None:
    child = mm.Variable("sound", shape=(2,), family="gaussian")
    with pytest.raises(errors.GraphError, match=message):
        mm.GaussianLeaf(child, (ACTIVITY, HOME), torch.zeros(3, 2, 2), spread)


def test_bad_parameters() -> None:
    child = mm.Variable("sound", shape=(2,), family="gaussian")
    unit = torch.ones(2, 2)
    means = torch.tensor([[0.0, 1.0], [NAN, 0.0]])
    with pytest.raises(errors.GraphError, match=r"mean is not finite at \(home=yes\)"):
        mm.GaussianLeaf(child, (HOME,), means, unit, "diagonal")
    with pytest.raises(errors.GraphError, match=r"variance is not positive at \(home=no\)"):
        mm.GaussianLeaf(child, (HOME,), torch.zeros(2, 2), [[1, 0], [1, 1]], "diagonal")
    with pytest.raises(errors.GraphError, match="not positive definite"):
        mm.GaussianLeaf(child, (HOME,), torch.zeros(2, 2), unit, "shared")
    with pytest.raises(errors.GraphError, match="did you mean 'diagonal'"):
        mm.GaussianLeaf(child, (HOME,), torch.zeros(2, 2), unit, "diagonl")  # type: ignore[arg-type]
    with pytest.raises(errors.GraphError, match="weight"):
        mm.GaussianLeaf(child, (HOME,), torch.zeros(2, 2), unit, "diagonal", weight=-1)
    with pytest.raises(errors.GraphError, match="'home' must be a gaussian"):
        mm.GaussianLeaf(HOME, (ACTIVITY,), torch.zeros(3, 1), torch.ones(3, 1), "diagonal")
    other = mm.Variable("light", shape=(2,), family="gaussian")
    with pytest.raises(errors.GraphError, match="'sound' is not scalar and discrete; a LinearGau"):
        mm.GaussianLeaf(other, (child,), torch.zeros(2), torch.ones(2), "diagonal")
    with pytest.raises(errors.GraphError, match="twice"):
        mm.GaussianLeaf(child, (HOME, HOME), torch.zeros(2, 2, 2), torch.ones(2, 2, 2), "diagonal")


def test_bad_rows() -> None:
    leaf = random_leaf("diagonal")
    with pytest.raises(errors.EvidenceError, match="infinite in row 1, feature 2"):
        leaf.conditional_mean(torch.tensor([[0.0, 0, 0], [0, 0, math.inf]]))
    with pytest.raises(errors.EvidenceError, match="'sound' have shape"):
        leaf.conditional_mean(torch.zeros(2, 4))
    with pytest.raises(errors.UnknownVariableError, match="'home'"):
        leaf.sample({"activity": torch.tensor([0])})
    with pytest.raises(errors.UnknownStateError, match="code 3 in row 1"):
        leaf.sample({"activity": torch.tensor([0, 3]), "home": torch.tensor([0, 0])})
    with pytest.raises(errors.UnknownVariableError, match="'sound'"):
        leaf.energy({"activity": torch.tensor([0]), "home": torch.tensor([0])})
    with pytest.raises(errors.EvidenceError, match="distribution over the parents"):
        leaf.mean(torch.ones(2, 3))
    with pytest.raises(errors.LearningError, match="responsibilities"):
        leaf.expected_statistics(torch.zeros(2, 3), torch.ones(2, 3))
    weights = torch.ones(2, 3, 2)
    weights[1, 0, 0] = -1
    with pytest.raises(errors.LearningError, match="row 1 is negative"):
        leaf.expected_statistics(torch.zeros(2, 3), weights)
