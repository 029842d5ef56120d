"""Pyro programs as networks: what is read, and what is refused by name."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import FormatError
from tests.interop.pyro.mixed_networks import real

SHARES = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
LEVELS = torch.tensor([-1.0, 0.0, 2.0])


def mixed() -> None:
    """Discrete sites, a vector, and a real observation that is linear in it."""
    rain = pyro.sample("rain", dist.Bernoulli(torch.tensor(0.25)))
    kind = pyro.sample("kind", dist.Categorical(SHARES[rain.long()]))
    x = pyro.sample("x", dist.Normal(LEVELS[kind], 0.5 + rain))
    pair = pyro.sample(
        "pair", dist.MultivariateNormal(torch.stack([x, 1 - 2 * x], -1), torch.eye(2) + 0.5)
    )
    weights = torch.tensor([1.0, 3.0])
    mean = (pair * weights).sum(-1) + LEVELS[kind] * x
    pyro.sample("y", dist.Normal(mean, 1.0), obs=torch.tensor(2.0))


def test_discrete_and_linear_sites_become_a_network():
    net = mm.from_pyro(mixed)
    assert list(net.variables) == ["rain", "kind", "x", "pair", "y"]
    assert net.parents("y") == ("kind", "x", "pair")
    table = net.distribution("kind").conditional_table()
    torch.testing.assert_close(table, SHARES.double(), rtol=0, atol=1e-6)
    x = net.distribution("x")
    # A scale of 0.5 + rain: variances of 0.25 and 2.25, whatever the kind.
    expected = torch.tensor([0.25, 2.25]).double().unsqueeze(1).expand(2, 3)
    torch.testing.assert_close(x.variance, expected)
    torch.testing.assert_close(x.intercept, LEVELS.double().expand(2, 3))
    y = net.distribution("y")
    wanted = torch.tensor([[-1.0, 1.0, 3.0], [0.0, 1.0, 3.0], [2.0, 1.0, 3.0]])
    torch.testing.assert_close(y.coefficients, wanted.double(), rtol=0, atol=1e-5)
    pair = net.distribution("pair")
    torch.testing.assert_close(pair.coefficients.squeeze(-1), torch.tensor([1.0, -2.0]).double())
    torch.testing.assert_close(pair.variance, (torch.eye(2) + 0.5).double())
    assert mm.query(net, {"y": 2.0}).exact


def test_networks_come_back_from_their_programs():
    asia = mm.read("asia")
    back = mm.from_pyro(mm.to_pyro(asia))
    for name in asia.variables:
        assert set(back.parents(name)) == set(asia.parents(name))
    evidence = {"dysp": mm.index([0, 1])}
    given, truth = (mm.query(net, evidence, ["lung"]) for net in (back, asia))
    torch.testing.assert_close(given.marginal("lung"), truth.marginal("lung"))
    x, y = real("x", 2), real("y")
    start = mm.LinearGaussian(
        x, [], torch.zeros(2, 0).double(), [1.0, 2.0], [[1.0, 0.3], [0.3, 2.0]]
    )
    net = mm.BayesianNetwork([x, y], [start, mm.LinearGaussian(y, [x], [0.5, -2.0], 1.0, 0.25)])
    back = mm.from_pyro(mm.to_pyro(net))
    torch.testing.assert_close(back.distribution("x").variance, net.distribution("x").variance)
    torch.testing.assert_close(
        back.distribution("y").coefficients, net.distribution("y").coefficients
    )


def nonlinear() -> None:
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    pyro.sample("y", dist.Normal(x**2, 1.0))


def scaled() -> None:
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    pyro.sample("y", dist.Normal(0.0, 1.0 + x.abs()))


def branching() -> None:
    k = pyro.sample("k", dist.Bernoulli(torch.tensor(0.5)))
    pyro.sample("y", dist.Normal(3.0 if k.item() else -3.0, 1.0))


def growing() -> None:
    if pyro.sample("k", dist.Bernoulli(torch.tensor(0.5))).item():
        pyro.sample("more", dist.Normal(0.0, 1.0))


def logistic() -> None:
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    pyro.sample("c", dist.Bernoulli(logits=x))


def several() -> None:
    with pyro.plate("rows", 3):
        pyro.sample("x", dist.Normal(0.0, 1.0))


def counting() -> None:
    pyro.sample("n", dist.Poisson(torch.tensor(3.0)))


def constant() -> None:
    pyro.sample("x", dist.Normal(0.0, 1.0))
    pyro.factor("more", torch.tensor(-1.0))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (nonlinear, "'y' is not linear in x"),
        (scaled, "'y' is not linear in x"),
        (branching, "'y' is not linear in nothing, or depends on more"),
        (growing, "'more' is not in every run"),
        (logistic, "'c' is discrete, and its parent 'x' real.*PyroNode"),
        (several, r"'x' has a batch of shape \(3,\)"),
        (counting, "'n' is a Poisson"),
        (constant, "'more' is a Unit"),
    ],
)
def test_other_programs_are_refused_by_site(program, message):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        with pytest.raises(FormatError, match=message):
            mm.from_pyro(program)
