"""SVI: a bound below the truth, moments of a full guide, learned modules, and honest flags."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Gamma, MultivariateNormal, Normal, Poisson

import mmgraph as mm
from mmgraph.graph.errors import ConvergenceWarning, MmgraphError
from mmgraph.interop.pyro.variational import Fit
from tests.interop.pyro.mixed_networks import chain, chain_posterior, real, seeded


def pair() -> mm.BayesianNetwork:
    """Two real variables that a third, their sum with noise, makes dependent."""
    a, b, total = real("a"), real("b"), real("total")
    prior = {v: mm.LinearGaussian(v, [], [], 1.0, 4.0) for v in (a, b)}
    noisy = mm.LinearGaussian(total, [a, b], [1.0, 1.0], 0.0, 0.25)
    return mm.BayesianNetwork([a, b, total], [*prior.values(), noisy])


@pytest.mark.slow
def test_a_full_guide_is_exact_on_normal_posteriors_and_a_diagonal_one_too_narrow():
    options = {"steps": 500, "learning_rate": 0.1}
    full, diagonal = (
        mm.query(
            pair(),
            {"total": [5.0, None]},
            method="svi",
            guide=guide,
            generator=seeded(),
            **options,
        )
        for guide in ("full", "diagonal")
    )
    # Row 0: the sum has the prior N(2, 8) and is seen as 5 with a variance of 1/4.
    mean, variance = 1 + 4 / 8.25 * 3, 4 - 16 / 8.25
    truth = Normal(2.0, 8.25**0.5).log_prob(torch.tensor(5.0)).item()
    assert full.mean("a")[0].item() == pytest.approx(mean, abs=0.2)
    assert full.variance("a")[0].item() == pytest.approx(variance, rel=0.2)
    assert diagonal.variance("a")[0].item() < 0.5 * variance
    assert full.mean("a")[1].item() == pytest.approx(1.0, abs=0.2)
    assert full.log_partition_kind == "lower bound"
    assert full.log_partition[0].item() == pytest.approx(truth, abs=0.05)
    assert diagonal.log_partition[0].item() < truth - 0.2
    assert torch.equal(full.bound, full.log_partition)
    assert full.bound[1].item() == pytest.approx(0.0, abs=1e-9)
    trace = full.diagnostics["bound"]["trace"]
    assert trace.shape == (500,)
    assert trace[-100:].mean() > trace[:100].mean()
    assert full.converged
    assert full.residual is not None


@pytest.mark.slow
def test_discrete_variables_are_summed_out():
    options = {"method": "svi", "steps": 250, "draws": 400, "tolerance": 0.2}
    post = mm.query(chain(), {"z": 2.0, "c": 0}, generator=seeded(), **options)
    truth = chain_posterior(2.0, 0)
    assert post.marginal("k")[0, 1].item() == pytest.approx(truth["k"], abs=0.05)
    assert post.mean("x").item() == pytest.approx(truth["x"], abs=0.15)
    assert truth["log_evidence"] - 0.3 < post.bound.item() < truth["log_evidence"] + 0.02
    bound = mm.log_partition(chain(), {"z": 2.0, "c": 0}, generator=seeded(), **options)
    assert bound.item() == pytest.approx(post.bound.item(), abs=0.05)


@pytest.mark.slow
def test_shared_variables_have_one_bound():
    rate, n = real("rate"), real("n")
    net = mm.BayesianNetwork(
        [rate, n],
        [
            mm.PyroNode(rate, [], lambda: Gamma(2.0, 1.0)),
            mm.PyroNode(n, [rate], lambda rate: Poisson(rate)),
        ],
    )
    counts = [3.0, 5.0, 4.0, 7.0]
    post = mm.query(
        net, {"n": counts}, method="svi", shared=["rate"], steps=500, generator=seeded()
    )
    shape, exposure = 2 + sum(counts), 5
    truth = math.lgamma(shape) - math.lgamma(2) - shape * math.log(exposure)
    truth -= sum(math.lgamma(c + 1) for c in counts)
    assert post.mean("rate")[0].item() == pytest.approx(shape / exposure, abs=0.25)
    assert post.diagnostics["bound"]["total"].item() == pytest.approx(truth, abs=0.1)
    assert post.bound is None
    assert not post.has_log_partition


@pytest.mark.slow
def test_modules_are_learned_where_that_is_asked_for():
    class Slope(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

        def forward(self, x):
            return Normal(self.slope * x, 1.0)

    x, y = real("x"), real("y")
    module = Slope()
    hidden = mm.LinearGaussian(x, [], [], 0.0, 1.0)
    net = mm.BayesianNetwork([x, y], [hidden, mm.PyroNode(y, [x], module)])
    values = {"y": [-4.0, -3.0, 3.0, 4.0]}
    options = {"steps": 250, "learning_rate": 0.08, "generator": seeded(), "tolerance": 1.0}
    before = mm.query(net, values, method="svi", **options)
    assert module.slope.item() == 0.0
    after = mm.query(net, values, method="svi", learn=True, **options)
    # The likelihood of y ~ N(0, 1 + slope²) is highest where 1 + slope² = 12.5.
    assert abs(module.slope.item()) == pytest.approx(11.5**0.5, abs=0.7)
    assert after.bound.sum() > before.bound.sum() + 5


def test_entropies_are_those_of_the_marginals_of_each_group():
    generator = seeded()
    root = torch.randn(6, 6, generator=generator).double().tril() + 3 * torch.eye(6).double()
    group = torch.tensor([2, 0, 2, 3, 0, 2])
    trace, mean = torch.zeros(8), torch.zeros(6).double()
    covariance = root @ root.mT
    expected = [
        MultivariateNormal(mean[group == i], covariance[group == i][:, group == i]).entropy()
        if bool((group == i).any())
        else torch.zeros(()).double()
        for i in range(5)
    ]
    torch.testing.assert_close(Fit(mean, root, trace).entropies(group, 5), torch.stack(expected))
    deviations = root.diagonal()
    diagonal = Fit(mean, deviations, trace)
    full = Fit(mean, torch.diag_embed(deviations), trace)
    torch.testing.assert_close(diagonal.entropies(group, 5), full.entropies(group, 5))
    noise = torch.randn(4, 6, generator=generator).double()
    torch.testing.assert_close(diagonal.points(noise), full.points(noise))


def test_a_diagonal_guide_of_many_rows_takes_no_square_of_memory_or_time():
    size = 400_000  # a square of it would take 1.2 TiB, a scan by row minutes
    deviations = torch.full((size,), 2.0).double()
    group = torch.arange(size) % 200_000
    entropies = Fit(torch.zeros(size).double(), deviations, torch.zeros(8)).entropies(
        group, 200_000
    )
    expected = 2 * Normal(torch.zeros(1).double(), 2.0).entropy()
    torch.testing.assert_close(entropies, expected.expand(200_000))


def test_fits_that_were_cut_short_say_so():
    start = {"total": 60.0}
    post = mm.query(pair(), start, method="svi", steps=40, generator=seeded())
    assert not post.converged
    assert "svi: rise of the bound" in post.shortfall
    with pytest.warns(ConvergenceWarning, match="rise of the bound"):
        mm.log_partition(pair(), start, method="svi", steps=40, generator=seeded())


def test_options_are_refused_by_name():
    for options, message in [
        ({"guide": "banana"}, "unknown guide 'banana'"),
        ({"steps": 2}, "steps must be at least 8"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"particles": 0}, "particles must be at least 1"),
        ({"learn": 1}, "'learn' is bool"),
        ({"colour": 1}, "no option 'colour'"),
    ]:
        with pytest.raises(MmgraphError, match=message):
            mm.query(pair(), {"total": 1.0}, method="svi", **options)
