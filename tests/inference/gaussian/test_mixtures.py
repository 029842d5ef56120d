"""Posteriors of continuous variables: densities, quantiles, and leaves beside brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate, stats

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, UnknownVariableError
from tests.inference.gaussian.gaussian_networks import chain, real, two_classes

LEVELS = np.array([1e-6, 0.01, 0.2, 0.5, 0.77, 0.99, 1 - 1e-6])


def mixture_parent(weights=(0.2, 0.5, 0.3), noise=0.5):
    """``x → y`` with three components of x, no discrete variable anywhere."""
    x, y = real("x"), real("y")
    leaf = mm.GaussianMixtureLeaf(x, [], weights, [-3.0, 0.0, 4.0], [0.5, 1.0, 2.0])
    return mm.BayesianNetwork([x, y], [leaf, mm.LinearGaussian(y, [x], [2.0], 1.0, noise)])


@pytest.mark.parametrize(
    ("net", "evidence", "name"),
    [
        (two_classes(means=(-2.0, 3.0), variances=(0.25, 4.0)), {"y": 0.7}, "x"),
        (two_classes(means=(-2.0, 3.0), variances=(0.25, 4.0)), {}, "y"),
        (mixture_parent(), {"y": 2.0}, "x"),
        (mixture_parent(), {}, "y"),
        (chain(0.5, [1.0, 2.0, 3.0]), {"x0": 1.0}, "x2"),
    ],
)
def test_densities_integrate_to_one_and_are_the_slopes_of_quantiles(net, evidence, name):
    posterior = mm.query(net, evidence, [name])
    low, high = (float(posterior.quantile(name, level)[0]) for level in (1e-12, 1 - 1e-12))

    def density(x):
        return posterior.density(name, x)[0].item()

    def moment(power):
        whole = lambda x: x**power * density(x)  # noqa: E731
        return integrate.quad(whole, low, high, limit=400, epsabs=1e-12, epsrel=1e-11)[0]

    assert moment(0) == pytest.approx(1.0, abs=1e-9)
    mean = float(posterior.mean(name)[0])
    assert moment(1) == pytest.approx(mean, abs=1e-8)
    assert moment(2) - mean**2 == pytest.approx(float(posterior.variance(name)[0]), abs=1e-7)
    quantiles = posterior.quantile(name, LEVELS)[0].numpy()
    assert (np.diff(quantiles) > 0).all()
    for level, at in zip(LEVELS, quantiles, strict=True):
        below = integrate.quad(density, low, at, limit=400, epsabs=1e-12)[0]
        assert below == pytest.approx(level, abs=1e-9)
    for level in (0.1, 0.5, 0.8):
        step = 1e-5
        ends = posterior.quantile(name, [level - step, level + step])[0]
        slope = 2 * step / float(ends[1] - ends[0])
        assert slope == pytest.approx(density(float(posterior.quantile(name, level)[0])), rel=1e-4)


def test_a_mixture_as_a_parent_equals_its_components_by_hand():
    weights, means, variances = np.array([0.2, 0.5, 0.3]), np.array([-3, 0, 4.0]), [0.5, 1.0, 2.0]
    variances = np.array(variances)
    posterior = mm.query(mixture_parent(), {"y": 2.0}, ["x"])
    spread = 4 * variances + 0.5
    each = weights * stats.norm(2 * means + 1, np.sqrt(spread)).pdf(2.0)
    shares, gain = each / each.sum(), 2 * variances / spread
    given, left = means + gain * (2.0 - 2 * means - 1), variances - gain * 2 * variances
    assert float(posterior.log_evidence[0]) == pytest.approx(np.log(each.sum()), rel=1e-12)
    mean = shares @ given
    assert float(posterior.mean("x")[0]) == pytest.approx(mean, rel=1e-12)
    expected = shares @ (left + (given - mean) ** 2)
    assert float(posterior.variance("x")[0]) == pytest.approx(expected, rel=1e-12)


def test_components_without_variance_are_steps():
    """Half of the mass is at 0 and at 1 each, or a quarter at 2 and the rest around 5."""
    posterior = mm.query(two_classes(variances=(0.0, 0.0)), {}, ["x"])
    np.testing.assert_allclose(posterior.quantile("x", [0.3, 0.7])[0], [0.0, 1.0], atol=1e-25)
    assert posterior.density("x", [0.0, 0.5])[0].tolist() == [np.inf, 0.0]
    assert float(posterior.variance("x")[0]) == 0.25
    half = two_classes(prior=(0.25, 0.75), means=(2.0, 5.0), variances=(0.0, 1.0))
    posterior = mm.query(half, {}, ["x"])
    normal = stats.norm(5.0, 1.0)
    below = 0.75 * normal.cdf(2.0)
    levels = [below / 2, below + 0.01, below + 0.2499, 0.25 + 0.75 * normal.cdf(4.0)]
    expected = [normal.ppf(below / 2 / 0.75), 2.0, 2.0, 4.0]
    np.testing.assert_allclose(posterior.quantile("x", levels)[0], expected, atol=1e-12)
    assert posterior.density("x", 4.0)[0].item() == pytest.approx(0.75 * normal.pdf(4.0))


def test_observed_values_are_fixed():
    net = chain(1.0, [1.0, 1.0])
    posterior = mm.query(net, {"x0": [0.5, None]}, ["x0", "x1"])
    assert posterior.mean("x0").tolist() == [0.5, 0.0]
    assert posterior.variance("x0").tolist() == pytest.approx([0.0, 1.0], abs=0.0, rel=1e-14)
    assert posterior.quantile("x0", 0.9)[0].item() == 0.5
    assert posterior.density("x0", [0.5, 0.6])[0].tolist() == [np.inf, 0.0]


def leaf_net(kind, weight):
    """Two classes, a vector leaf of three features and a second leaf that tells the classes."""
    rng = np.random.default_rng(3)
    z, x, other = mm.Variable("z", 2), real("x", shape=(3,)), real("other")
    components = () if kind == "leaf" else (2,)
    root = rng.normal(size=(2, *components, 3, 3))
    means, spread = rng.normal(size=(2, *components, 3)), root @ root.swapaxes(-1, -2) + np.eye(3)
    if kind == "leaf":
        leaf = mm.GaussianLeaf(x, [z], means, spread, weight=weight)
    else:
        leaf = mm.GaussianMixtureLeaf(
            x, [z], [[0.3, 0.7], [0.6, 0.4]], means, spread, weight=weight
        )
    second = mm.GaussianLeaf(other, [z], [[0.0], [1.0]], [[[1.0]], [[2.0]]])
    prior = mm.TableFactor([z], [0.35, 0.65], child=z)
    return mm.BayesianNetwork([z, x, other], [prior, leaf, second]), leaf


@pytest.mark.parametrize("weight", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["leaf", "mixture"])
def test_leaves_have_the_means_of_their_own_formula(kind, weight):
    net, leaf = leaf_net(kind, weight)
    rows = torch.tensor(
        [[0.3, np.nan, -1.0], [np.nan] * 3, [0.1, 0.2, 0.3], [np.nan, np.nan, 2.0]],
        dtype=torch.float64,
    )
    posterior = mm.query(net, {"x": rows, "other": [0.5, 1.5, None, None]}, ["z", "x"])
    expected = leaf.mean(posterior.marginal("z"), rows)
    np.testing.assert_allclose(posterior.mean("x"), expected, rtol=1e-10, atol=1e-12)
    observed = ~rows.isnan()
    assert bool((posterior.mean("x")[observed] == rows[observed]).all())
    assert bool((posterior.variance("x")[observed] == 0).all())
    assert bool((posterior.variance("x")[~observed] > 0).all())


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_mixture_leaves_equal_brute_force_over_components(weight):
    net, leaf = leaf_net("mixture", weight)
    row = np.array([0.3, np.nan, -1.0])
    posterior = mm.query(net, {"x": row}, ["z", "x"])
    seen, hidden = [0, 2], 1
    means, spreads = leaf.means.numpy(), leaf.covariances.numpy()
    weights = np.array([[0.3, 0.7], [0.6, 0.4]])
    density, mean, variance = np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2))
    for z in range(2):
        for c in range(2):
            m, s = means[z, c], spreads[z, c]
            within = s[np.ix_(seen, seen)]
            gain = np.linalg.solve(within, s[seen, hidden])
            density[z, c] = weights[z, c] * stats.multivariate_normal(m[seen], within).pdf(
                row[seen]
            )
            mean[z, c] = m[hidden] + gain @ (row[seen] - m[seen])
            variance[z, c] = s[hidden, hidden] - gain @ s[seen, hidden]
    states = np.array([0.35, 0.65]) * density.sum(1) ** weight
    np.testing.assert_allclose(posterior.marginal("z")[0], states / states.sum(), rtol=1e-10)
    shares = (states / states.sum())[:, None] * density / density.sum(1, keepdims=True)
    whole = (shares * mean).sum()
    assert float(posterior.mean("x")[0, hidden]) == pytest.approx(whole, rel=1e-10)
    expected = (shares * (variance + (mean - whole) ** 2)).sum()
    assert float(posterior.variance("x")[0, hidden]) == pytest.approx(expected, rel=1e-10)


def test_densities_and_quantiles_of_vectors_and_rows_have_their_shapes():
    net, _ = leaf_net("leaf", 1.0)
    posterior = mm.query(net, {"other": [0.0, 1.0]}, ["x"])
    assert posterior.density("x", 0.0).shape == (2, 3)
    assert posterior.density("x", [0.0, 1.0, 2.0, 3.0]).shape == (2, 3, 4)
    assert posterior.quantile("x", [0.1, 0.9]).shape == (2, 3, 2)
    assert posterior.density("x", []).shape == (2, 3, 0)
    assert posterior.density("x", np.inf).abs().max() == 0


@pytest.mark.parametrize("levels", [0.0, 1.0, -0.1, 1.1, [0.5, 1.0]])
def test_levels_outside_of_zero_to_one_are_refused(levels):
    posterior = mm.query(two_classes(), {}, ["x"])
    with pytest.raises(EvidenceError, match=r"'x': the level of a quantile lies strictly between"):
        posterior.quantile("x", levels)


@pytest.mark.parametrize("points", [np.nan, [0.0, np.nan], [[0.0]], "a", None])
def test_points_that_are_no_numbers_are_refused(points):
    posterior = mm.query(two_classes(), {}, ["x"])
    for ask in (posterior.density, posterior.quantile):
        with pytest.raises(EvidenceError, match="'x'"):
            ask("x", points)


def test_what_a_kind_of_variable_does_not_have_is_said():
    posterior = mm.query(two_classes(), {}, ["z", "x"])
    with pytest.raises(UnknownVariableError, match="'x': it is gaussian, and has a mean"):
        posterior.marginal("x")
    for ask in (posterior.mean, posterior.variance):
        with pytest.raises(UnknownVariableError, match="'z'"):
            ask("z")
    for ask in (posterior.density, posterior.quantile):
        with pytest.raises(UnknownVariableError, match="'z'"):
            ask("z", 0.5)
        with pytest.raises(UnknownVariableError, match="'y'"):
            ask("y", 0.5)
    with pytest.raises(UnknownVariableError, match="did you mean 'x'"):
        mm.query(two_classes(), {}, ["X"])
