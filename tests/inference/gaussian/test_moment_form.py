"""Answers by torch: gradients by finite differences, and agreement with the other exact methods."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from tests.inference.gaussian.gaussian_networks import chain, real, two_classes
from tests.inference.gaussian.mixed_networks import as_evidence, random_mixed, rows_with_gaps

DOUBLE = torch.float64


def leaf_network(density, slopes, noise):
    """``z → x → y`` with a given density of x, a leaf or a mixture."""
    z, y = density.scope[0], real("y")
    prior = torch.tensor([0.3, 0.7], dtype=DOUBLE)
    above = mm.LinearGaussian(y, [z, density.child], slopes, [0.1, -0.2], noise)
    return mm.BayesianNetwork(
        [z, density.child, y], [mm.TableFactor([z], prior, child=z), density, above]
    )


def answers_of(net, evidence, names=("x",)):
    """What gradients are asked of: log P(evidence), beliefs, means and variances."""
    posterior = mm.query(net, evidence, ["z", *names])
    moments = [f(n) for n in names for f in (posterior.mean, posterior.variance)]
    return (posterior.log_evidence, posterior.marginal("z"), *moments)


def regular_network(rng):
    """A random mixed network without a variance of zero."""
    while True:
        net, roots = random_mixed(rng, 3, 4, 0.0)
        forms = [net.distribution(v.name).linear_form() for v in net.variables.values()]
        if all(f is None or torch.linalg.det(f.covariance).min() > 1e-4 for f in forms):
            return net, roots


def test_gradients_of_a_linear_network_are_those_of_finite_differences():
    z, x, w, y = mm.Variable("z", 2), real("x"), real("w", shape=(2,)), real("y")
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape):
        return torch.randn(*shape, generator=generator, dtype=DOUBLE).requires_grad_()

    def answers(slopes, intercept, log_variance, more, root, value, pair):
        factors = [
            mm.TableFactor([z], [0.4, 0.6], child=z),
            mm.LinearGaussian(x, [z], torch.zeros(2, 0), intercept, log_variance.exp()),
            mm.LinearGaussian(
                w, [x], more, torch.zeros(2, dtype=DOUBLE), root @ root.mT + 0.1 * torch.eye(2)
            ),
            mm.LinearGaussian(y, [z, x, w], slopes, torch.zeros(2), torch.ones(2, dtype=DOUBLE)),
        ]
        net = mm.BayesianNetwork([z, x, w, y], factors)
        missing = torch.full((1,), torch.nan, dtype=DOUBLE)
        vector = torch.stack([torch.cat([pair, missing]), torch.cat([missing, missing])])
        return answers_of(net, {"y": value, "w": vector}, ("x", "w"))

    inputs = (numbers(2, 3), numbers(2), numbers(2), numbers(2, 1), numbers(2, 2))
    assert torch.autograd.gradcheck(answers, (*inputs, numbers(2), numbers(1)))


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_gradients_reach_mixtures_that_are_parents(covariance):
    z, x = mm.Variable("z", 2), real("x")
    generator = torch.Generator().manual_seed(1)

    def numbers(*shape):
        return torch.randn(*shape, generator=generator, dtype=DOUBLE).requires_grad_()

    def answers(logits, means, log_variances, slopes, value):
        spread = log_variances.exp()
        spread = spread.unsqueeze(-1) if covariance == "full" else spread
        leaf = mm.GaussianMixtureLeaf(
            x, [z], logits.softmax(-1), means, spread, covariance=covariance
        )
        net = leaf_network(leaf, slopes, torch.ones(2, dtype=DOUBLE))
        return answers_of(net, {"y": value})

    inputs = (numbers(2, 3), numbers(2, 3, 1), numbers(2, 3, 1), numbers(2, 1), numbers(2))
    assert torch.autograd.gradcheck(answers, inputs)


def test_gradients_reach_mixtures_that_are_leaves():
    z, x = mm.Variable("z", 2), real("x", shape=(2,))

    def answers(means, value):
        spread = torch.eye(2, dtype=DOUBLE).expand(2, 2, 2, 2)
        leaf = mm.GaussianMixtureLeaf(x, [z], [[0.2, 0.8], [0.5, 0.5]], means, spread)
        net = mm.BayesianNetwork([z, x], [mm.TableFactor([z], [0.4, 0.6], child=z), leaf])
        missing = torch.full((1,), torch.nan, dtype=DOUBLE)
        return answers_of(net, {"x": torch.cat([value, missing]).unsqueeze(0)})

    generator = torch.Generator().manual_seed(2)
    means = torch.randn(2, 2, 2, generator=generator, dtype=DOUBLE).requires_grad_()
    value = torch.tensor([0.3], dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(answers, (means, value))


@pytest.mark.parametrize("seed", range(6))
def test_the_exact_methods_agree(seed):
    rng = np.random.default_rng(seed)
    net, roots = regular_network(rng)
    evidence = as_evidence(net, rows_with_gaps(net, roots, rng, 4, 0.5))
    expected = mm.query(net, evidence, list(net.variables), method="junction_tree")
    rows = mm.Evidence.of(evidence, net.variables)
    asking = mm.Evidence.of(
        {**evidence, **{n: t.clone().requires_grad_() for n, t in rows.values.items()}},
        net.variables,
    )
    for method, given in (("enumeration", evidence), ("torch", evidence), ("auto", asking)):
        posterior = mm.query(net, given, list(net.variables), method=method)
        assert posterior.method == (method if method != "auto" else "torch")
        np.testing.assert_allclose(
            posterior.log_evidence.detach(), expected.log_evidence, atol=1e-9, rtol=1e-9
        )
        for name, variable in net.variables.items():
            for answer in ("marginal",) if variable.is_discrete else ("mean", "variance"):
                here, there = (getattr(p, answer)(name).detach() for p in (posterior, expected))
                np.testing.assert_allclose(here, there, atol=1e-8, rtol=1e-8)
    moments = mm.joint_moments(net, list(rows.values), asking)
    np.testing.assert_allclose(
        moments.covariance.detach(),
        mm.joint_moments(net, list(rows.values), evidence).covariance,
        atol=1e-8,
    )


def test_a_singular_covariance_has_no_gradients():
    """Two copies of a variable are observed; the elimination has no need of an inverse."""
    a, b, c = real("a"), real("b"), real("c")
    net = mm.BayesianNetwork(
        [a, b, c],
        [
            mm.LinearGaussian(a, [], [], 0.0, 1.0),
            mm.LinearGaussian(b, [a], [1.0], 0.0, 0.0),
            mm.LinearGaussian(c, [a], [2.0], 1.0, 0.0),
        ],
    )
    assert mm.query(net, {"b": 1.0, "c": 3.0}, ["a"], method="torch").mean("a").item() == 1.0
    asking = torch.tensor([1.0], dtype=DOUBLE, requires_grad=True)
    with pytest.raises(GraphError, match="singular"):
        mm.query(net, {"b": asking, "c": 3.0}, ["a"])


def test_values_that_ask_for_gradients_get_those_of_a_normal_density():
    value = torch.tensor([2.0], dtype=DOUBLE, requires_grad=True)
    posterior = mm.query(chain(0.5, [1.0, 0.75]), {"x1": value}, ["x0"])
    slope, precision = 0.5, 1.0  # x1 has the variance 0.25 + 0.75
    (gradient,) = torch.autograd.grad(posterior.log_evidence, value, retain_graph=True)
    assert gradient.item() == pytest.approx(-2.0 * precision)
    (gradient,) = torch.autograd.grad(posterior.mean("x0"), value)
    assert gradient.item() == pytest.approx(slope)


def test_torch_and_elimination_agree_under_far_evidence():
    for value in (-30.0, 0.0, 30.0):
        plain = mm.query(two_classes(), {"y": value}, ["z", "x"])
        asking = torch.tensor([value], dtype=DOUBLE, requires_grad=True)
        by_torch = mm.query(two_classes(), {"y": asking}, ["z", "x"])
        np.testing.assert_allclose(by_torch.marginal("z").detach(), plain.marginal("z"), rtol=1e-10)
        np.testing.assert_allclose(by_torch.mean("x").detach(), plain.mean("x"), rtol=1e-12)
