"""Blocked Gibbs sampling of mixed networks beside exact answers, and where none fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError, TreewidthError, ZeroProbabilityError
from mmgraph.inference.sampling.mixed import chains
from tests.inference.gaussian.mixed_networks import as_evidence, random_mixed, rows_with_gaps
from tests.inference.models import seeded


@pytest.fixture
def all_drawn(monkeypatch):
    """Every cluster's continuous variables are drawn, however small it is."""
    monkeypatch.setattr(chains, "MOST_CONFIGURATIONS", 0)


def noisy(net):
    """The network with more noise, so that nothing is a function of its parents."""
    factors = []
    for factor in net.factors:
        if isinstance(factor, mm.LinearGaussian):
            size = factor.child.size
            is_matrix = factor.variance.ndim > factor.intercept.ndim
            more = 0.25 * (torch.eye(size) if is_matrix else 1)
            numbers = (factor.coefficients, factor.intercept, factor.variance + more)
            factor = mm.LinearGaussian(factor.child, factor.parents, *numbers)
        factors.append(factor)
    return mm.BayesianNetwork(net.variables.values(), factors)


def mixed(seed, rows=2):
    rng = np.random.default_rng(seed)
    net, roots = random_mixed(rng, 4, 4, 0.0)
    return noisy(net), as_evidence(net, rows_with_gaps(net, roots, rng, rows, 0.5))


def shifted_chain(size, head=(0.0, 1.0), noise=1.0):
    """Each of many switches shifts a continuous variable, which the next one follows."""
    switches = [mm.Variable(f"d{i}", 2) for i in range(size)]
    values = [mm.Variable(f"x{i}", family="gaussian") for i in range(size)]
    factors = []
    for i, (d, x) in enumerate(zip(switches, values, strict=True)):
        chance = 0.3 + 0.4 * (i % 3) / 2
        factors.append(mm.TableFactor([d], [1 - chance, chance], child=d))
        mean, variance = (0.0, noise) if i else head
        slopes = [[0.7]] * 2 if i else [[], []]
        above = [d, *values[i - 1 : i]] if i else [d]
        means, variances = [mean, mean + 1.5], [variance, variance]
        factors.append(mm.LinearGaussian(x, above, slopes, means, variances))
    return mm.BayesianNetwork([*switches, *values], factors)


def assert_near(net, found, truth, renamed=lambda name: name):
    """Within five standard errors, as R-hat and sample sizes tell them."""
    size = found.diagnostics["effective_sample_size"]
    for name in found.variables:
        other = renamed(name)
        if net.variables[name].is_discrete:
            exact = truth.marginal(other)
            error = (0.25 / size[name]).sqrt().unsqueeze(-1)
            assert bool(((found.marginal(name) - exact).abs() < 5 * error + 1e-9).all())
            continue
        variance = truth.variance(other)
        error = (variance / size[name]).sqrt()
        assert bool(((found.mean(name) - truth.mean(other)).abs() < 5 * error + 1e-9).all())
        away = (found.variance(name) - variance).abs()
        assert bool((away < 15 * variance / size[name].sqrt() + 1e-9).all())


@pytest.mark.parametrize("seed", [0, 4, 5])
def test_marginals_and_moments_beside_exact_ones(seed, all_drawn):
    net, evidence = mixed(seed)
    truth = mm.query(net, evidence, method="junction_tree")
    names = list(net.variables)
    found = mm.query(net, evidence, names, method="gibbs", draws=200, generator=seeded())
    assert (found.method, found.exact, found.batch) == ("gibbs", False, 2)
    assert set(found.variables) == set(names)
    assert_near(net, found, truth)
    if seed:
        return
    one, two = (
        mm.query(net, evidence, names, method="gibbs", draws=10, generator=seeded())
        for _ in range(2)
    )
    for name in found.marginals:
        assert torch.equal(one.marginal(name), two.marginal(name))


def test_small_clusters_are_summed_out_and_draws_independent():
    net, evidence = mixed(4)
    truth = mm.query(net, evidence, method="junction_tree")
    found = mm.query(net, evidence, list(net.variables), method="gibbs", generator=seeded())
    assert found.converged
    for name in found.marginals:
        torch.testing.assert_close(found.marginal(name), truth.marginal(name))
    assert_near(net, found, truth)
    assert float(min(t.min() for t in found.diagnostics["effective_sample_size"].values())) > 2000


def test_mixtures_above_and_below_unobserved_variables(all_drawn):
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    x, y, z = (mm.Variable(n, family="gaussian") for n in "xyz")
    leaf = mm.Variable("leaf", shape=(1,), family="gaussian")
    net = mm.BayesianNetwork(
        [a, b, x, y, z, leaf],
        [
            mm.TableFactor([a], [0.4, 0.6], child=a),
            mm.TableFactor([a, b], [[0.7, 0.3], [0.2, 0.8]], child=b),
            mm.GaussianMixtureLeaf(
                x,
                [a],
                weights=[[0.3, 0.7], [0.5, 0.5]],
                means=[[-2.0, 1.0], [0.0, 3.0]],
                covariances=[[1.0, 0.5], [0.5, 1.0]],
            ),
            mm.LinearGaussian(y, [b, x], [[1.0], [-0.5]], [0.0, 1.0], [0.5, 1.0]),
            mm.LinearGaussian(z, [x], [1.0], 0.0, 1.0),
            mm.GaussianLeaf(leaf, [b], [[0.0], [2.0]], [[[1.0]], [[1.0]]]),
        ],
    )
    evidence = {"y": [0.5, None, 2.0], "z": [1.0, -3.0, None], "leaf": [None, [1.0], None]}
    truth = mm.query(net, evidence, method="junction_tree")
    names = list(net.variables)
    found = mm.query(net, evidence, names, method="gibbs", draws=250, generator=seeded())
    assert_near(net, found, truth)
    points = torch.linspace(-3, 4, 8)
    torch.testing.assert_close(
        found.density("x", points), truth.density("x", points), rtol=0, atol=0.05
    )
    torch.testing.assert_close(
        found.quantile("z", [0.1, 0.9])[2], truth.quantile("z", [0.1, 0.9])[2], rtol=0, atol=0.4
    )
    drawn = mm.sample(net, 200, evidence, seeded(), method="gibbs", thinning=1, burn_in=50)
    assert np.isfinite(drawn["x"]).all()
    np.testing.assert_array_equal(drawn["y"][0], 0.5)
    np.testing.assert_allclose(drawn["x"].mean(1), truth.mean("x"), atol=0.5)
    for name in ("a", "b"):
        np.testing.assert_allclose((drawn[name] == 1).mean(1), truth.marginal(name)[:, 1], atol=0.2)


def test_many_switches_of_one_unobserved_chain():
    """The end of a chain with 2**30 configurations is that of one whose head is a normal."""
    size, short = 30, 12
    mean = variance = 0.0
    for i in range(size - short):
        chance = 0.3 + 0.4 * (i % 3) / 2
        mean = 0.7 * mean + 1.5 * chance
        variance = 0.49 * variance + 1.0 + 2.25 * chance * (1 - chance)
    net = shifted_chain(size)
    end = shifted_chain(short, (0.7 * mean, 1.0 + 0.49 * variance))
    assert (size - short) % 3 == 0  # the same chances at the end
    told = [("28", [1.0, None]), ("29", [4.0, -1.0])]
    names = [f"{letter}{i}" for i in range(22, 30) for letter in "dx"]
    found = mm.query(net, {f"x{i}": v for i, v in told}, names, draws=100, generator=seeded())
    truth = mm.query(end, {f"x{int(i) - 18}": v for i, v in told}, method="junction_tree")
    assert (found.method, found.exact) == ("gibbs", False)
    assert float(max(t.max() for t in found.diagnostics["r_hat"].values())) < 1.2
    assert_near(net, found, truth, lambda name: f"{name[0]}{int(name[1:]) - 18}")
    with pytest.raises(TreewidthError, match="join 30 discrete parents"):
        mm.query(net, {"x29": 4.0}, method="junction_tree")
    drawn = mm.sample(net, 16, {"x29": 4.0}, seeded(), burn_in=20, thinning=2)
    assert drawn["x0"].shape == (16,)
    assert (drawn["x29"] == 4.0).all()


def test_chains_that_cannot_move_are_refused_or_say_so(all_drawn):
    net = shifted_chain(4, noise=1e-8)
    found = mm.query(net, {"x3": 3.0}, method="gibbs", draws=100, generator=seeded())
    assert not found.converged
    assert "R-hat" in found.shortfall
    with pytest.raises(GraphError, match="'x1' is a function of its parents without noise"):
        mm.query(shifted_chain(4, noise=0.0), {"x3": 3.0}, method="gibbs")


def test_impossible_rows_are_named(all_drawn):
    d = mm.Variable("d", 2)
    x, y = mm.Variable("x", family="gaussian"), mm.Variable("y", family="gaussian")
    net = mm.BayesianNetwork(
        [d, x, y],
        [
            mm.TableFactor([d], [1.0, 0.0], child=d),
            mm.LinearGaussian(x, [d], [[], []], [0.0, 2.0], [1.0, 1.0]),
            mm.LinearGaussian(y, [x], [1.0], 0.0, 1.0),
        ],
    )
    with pytest.raises(ZeroProbabilityError) as caught:
        mm.query(net, {"y": [1.0, 1.0], "d": mm.index([0, 1])}, method="gibbs")
    assert caught.value.rows == (1,)
    found = mm.query(net, {"y": 1.0}, ["d", "x"], method="gibbs", draws=100)
    assert found.marginal("d").tolist() == [[1.0, 0.0]]
    assert found.converged  # what has no other state is not stuck


def test_discrete_variables_one_by_one_where_their_tree_does_not_fit(monkeypatch):
    net, evidence = mixed(4)
    truth = mm.query(net, evidence, method="junction_tree")

    def refuse(*_arguments):
        raise TreewidthError("too large", 2, 1, ())

    monkeypatch.setattr(chains.MixedChains, "run", refuse)
    found = mm.query(net, evidence, method="gibbs", generator=seeded())
    for name in found.marginals:
        torch.testing.assert_close(found.marginal(name), truth.marginal(name), rtol=0, atol=0.05)
    drawn = mm.sample(net, 5, evidence, seeded(), method="gibbs")
    assert set(drawn) == set(net.variables)
