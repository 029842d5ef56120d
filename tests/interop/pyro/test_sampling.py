"""NUTS beside exact answers, sums over grids and published posteriors; what it tells of itself."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import torch
from torch.distributions import Gamma, HalfCauchy, Normal, Poisson, Uniform

import mmgraph as mm
from mmgraph.graph.errors import (
    EvidenceError,
    GraphError,
    MissingExtraError,
    MmgraphError,
    UnknownVariableError,
    ZeroProbabilityError,
)
from tests.interop.pyro.mixed_networks import chain, chain_posterior, counts, real, seeded

EXPOSURES = torch.tensor([1.0, 2.0, 1.0, 0.5, 3.0], dtype=torch.float64)
COUNTS = [3.0, 5.0, 2.0, 1.0, 8.0]
SCHOOLS = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
ERRORS = torch.tensor([15, 10, 16, 11, 9, 11, 10, 18], dtype=torch.float64)


def regression() -> mm.BayesianNetwork:
    """Poisson counts with one unknown rate, whose prior is conjugate."""
    rate, n = real("rate"), real("n", 5)
    return mm.BayesianNetwork(
        [rate, n],
        [
            mm.PyroNode(rate, [], lambda: Gamma(2.0, 1.0)),
            mm.PyroNode(n, [rate], lambda rate: Poisson(rate * EXPOSURES)),
        ],
    )


def eight_schools() -> mm.BayesianNetwork:
    """Rubin's (1981) eight schools in the form without a funnel."""
    mu, tau, effect, y = real("mu"), real("tau"), real("effect", 8), real("y", 8)
    return mm.BayesianNetwork(
        [mu, tau, effect, y],
        [
            mm.LinearGaussian(mu, [], [], 0.0, 25.0),
            mm.PyroNode(tau, [], lambda: HalfCauchy(torch.tensor(5.0).double())),
            mm.LinearGaussian(effect, [], torch.zeros(8, 0), torch.zeros(8), torch.ones(8)),
            mm.PyroNode(
                y, [mu, tau, effect], lambda mu, tau, effect: Normal(mu + tau * effect, ERRORS)
            ),
        ],
    )


def agree(post, name: str, mean, variance, sigmas: float = 4.5) -> None:
    """Whether a mean lies within the error that the sample size states, R-hat within its limit."""
    size = post.diagnostics["effective_sample_size"][name]
    error = torch.as_tensor(variance).double().sqrt() / size.sqrt()
    off = (post.mean(name) - torch.as_tensor(mean)).abs()
    assert (off <= sigmas * error).all(), (name, off / error)
    assert (post.diagnostics["r_hat"][name] <= 1.01).all()


def test_a_rate_has_its_conjugate_posterior():
    post = mm.query(
        regression(), {"n": COUNTS}, "rate", "nuts", draws=300, chains=2, generator=seeded()
    )
    shape, rate = 2 + sum(COUNTS), 1 + float(EXPOSURES.sum())
    assert (post.method, post.exact, post.iterations) == ("nuts", False, 450)
    off = abs(float(post.mean("rate")) - shape / rate)
    size = float(post.diagnostics["effective_sample_size"]["rate"])
    assert off <= 4.5 * shape**0.5 / rate / size**0.5
    assert post.variance("rate").item() == pytest.approx(shape / rate**2, rel=0.3)
    low, high = post.quantile("rate", [0.05, 0.95])[0].tolist()
    exact = torch.from_numpy(np.random.default_rng(0).gamma(shape, 1 / rate, 20_000))
    assert (low, high) == pytest.approx(
        exact.quantile(torch.tensor([0.05, 0.95]).double()), rel=0.1
    )
    expected = Gamma(shape, rate).log_prob(torch.tensor(2.4)).exp().item()
    assert post.density("rate", 2.4).item() == pytest.approx(expected, rel=0.25)


@pytest.mark.slow
def test_mixed_rows_of_several_patterns_agree_with_sums_over_a_grid():
    rows = [(2.0, 0), (None, 1), (1.0, None)]
    post = mm.query(
        chain(),
        {"z": [z for z, _ in rows], "c": [c for _, c in rows]},
        method="nuts",
        draws=250,
        burn_in=80,
        chains=2,
        generator=seeded(),
    )
    truth = [chain_posterior(z, c) for z, c in rows]
    for name in ("k", "c"):
        wanted = torch.tensor([t[name] for t in truth]).double()
        size = post.diagnostics["effective_sample_size"][name]
        off = (post.marginal(name)[:, 1] - wanted).abs()
        assert (off <= 1e-9 + 4.5 * (wanted * (1 - wanted) / size).sqrt()).all()
    for name in ("x", "z"):
        agree(post, name, [t[name] for t in truth], post.variance(name))
    assert post.variance("z")[[0, 2]].tolist() == [0.0, 0.0]
    assert torch.isinf(post.density("z", 2.0)[0])


@pytest.mark.slow
def test_eight_schools_have_their_published_posterior():
    post = mm.query(
        eight_schools(),
        {"y": SCHOOLS},
        ["mu", "tau"],
        method="nuts",
        draws=180,
        burn_in=80,
        chains=2,
        target_acceptance=0.85,
        generator=seeded(3),
    )
    # posteriordb, eight_schools-eight_schools_noncentered
    agree(post, "mu", [4.41], [3.31**2])
    agree(post, "tau", [3.60], [3.20**2])
    assert post.variance("mu").sqrt().item() == pytest.approx(3.3, rel=0.2)


@pytest.mark.slow
def test_gaussian_networks_agree_with_dense_conditioning():
    generator = np.random.default_rng(5)
    names = [f"x{i}" for i in range(6)]
    variables = {n: real(n) for n in names}
    weights, noise = np.tril(generator.normal(size=(6, 6)), -1) * 0.8, np.linspace(0.5, 2, 6)
    net = mm.BayesianNetwork(
        variables.values(),
        [
            mm.LinearGaussian(
                variables[n], [variables[m] for m in names[:i]], weights[i, :i], 0.5 * i, noise[i]
            )
            for i, n in enumerate(names)
        ],
    )
    inverse = np.linalg.inv(np.eye(6) - weights)
    mean, covariance = inverse @ (0.5 * np.arange(6)), inverse @ np.diag(noise) @ inverse.T
    value = np.array([1.0, -2.0])
    seen, rest = [2, 5], [0, 1, 3, 4]
    gain = covariance[np.ix_(rest, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
    expected = mean[rest] + gain @ (value - mean[seen])
    left = covariance[np.ix_(rest, rest)] - gain @ covariance[np.ix_(seen, rest)]
    post = mm.query(
        net,
        {"x2": value[0], "x5": value[1]},
        method="nuts",
        draws=130,
        burn_in=60,
        chains=2,
        generator=seeded(2),
    )
    for i, n in enumerate(rest):
        agree(post, names[n], [expected[i]], [left[i, i]])
        assert post.variance(names[n]).item() == pytest.approx(left[i, i], rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["asia", "alarm"])
def test_discrete_networks_with_real_leaves_agree_with_exact_answers(source):
    net = mm.read(source)
    parents = {"asia": ("either", "bronc"), "alarm": ("HRBP", "TPR")}[source]
    a, b = (net.variables[n] for n in parents)
    x, y = real("x"), real("y")
    levels = torch.arange(a.cardinality * b.cardinality).reshape(a.cardinality, b.cardinality)
    leaves = [
        mm.LinearGaussian(
            x, [a], torch.zeros(a.cardinality, 0), list(range(a.cardinality)), [1.0] * a.cardinality
        ),
        mm.PyroNode(
            y, [a, b, x], lambda x, **states: Normal(x + levels[tuple(states.values())], 1.0)
        ),
    ]
    mixed = mm.BayesianNetwork([*net.variables.values(), x, y], [*net.factors, *leaves])
    post = mm.query(
        mixed, {"y": 2.5}, [a.name, b.name, "x"], "nuts", draws=400, chains=2, generator=seeded()
    )
    # Integrated over x by hand: y is normal with a variance of two.
    exact = mm.GaussianLeaf(
        y,
        [a, b],
        (levels + torch.arange(a.cardinality).unsqueeze(1)).unsqueeze(-1).double(),
        torch.full((a.cardinality, b.cardinality, 1), 2.0).double(),
        covariance="diagonal",
    )
    plain = mm.BayesianNetwork([*net.variables.values(), y], [*net.factors, exact])
    truth = mm.query(plain, {"y": 2.5}, [a.name, b.name])
    for name in (a.name, b.name):
        assert float(post.diagnostics["r_hat"][name]) <= 1.01
        size = float(post.diagnostics["effective_sample_size"][name])
        chance = truth.marginal(name)
        error = 4.5 * (chance * (1 - chance) / size).sqrt()
        assert ((post.marginal(name) - chance).abs() <= error).all()


def test_what_no_observation_depends_on_is_drawn_from_its_parents():
    post = mm.query(
        chain(),
        {"k": [0, 1]},
        ["x", "z"],
        "nuts",
        draws=3000,
        chains=1,
        burn_in=0,
        generator=seeded(),
    )
    np.testing.assert_allclose(post.mean("x"), [-1, 1], atol=0.08)
    np.testing.assert_allclose(post.mean("z"), [-0.5, 3], atol=0.15)
    np.testing.assert_allclose(post.variance("z"), [1.25, 3], rtol=0.15)


def test_shared_variables_have_one_value_for_all_rows():
    rate, n = real("rate"), real("n")
    net = mm.BayesianNetwork(
        [rate, n],
        [
            mm.PyroNode(rate, [], lambda: Gamma(2.0, 1.0)),
            mm.PyroNode(n, [rate], lambda rate: Poisson(rate)),
        ],
    )
    options = {"draws": 150, "chains": 2, "generator": seeded()}
    rows = {"n": [3.0, 5.0, 4.0, None, 7.0, 2.0]}
    post = mm.query(net, rows, method="nuts", shared=["rate"], **options)
    mean = (2 + 21) / (1 + 5)
    assert post.mean("rate").shape == (6,)
    assert torch.equal(post.mean("rate"), post.mean("rate")[:1].expand(6))
    assert post.mean("rate")[0].item() == pytest.approx(mean, abs=0.3)
    assert post.mean("n")[3].item() == pytest.approx(mean, abs=0.6)
    assert post.variance("n")[3].item() == pytest.approx(mean + mean / 6, rel=0.5)
    with pytest.raises(EvidenceError, match="shared by the rows, and observed at several"):
        mm.query(net, {"rate": [1.0, 2.0]}, method="nuts", shared=["rate"], **options)
    with pytest.raises(GraphError, match="'n' is shared by the rows, and its parent 'rate' is not"):
        mm.query(net, rows, method="nuts", shared="n", **options)
    with pytest.raises(GraphError, match="'k' is discrete"):
        mm.query(chain(), {"c": 1}, method="nuts", shared=["k"], **options)


def test_auto_samples_where_exact_methods_end_and_says_so():
    options = {"draws": 30, "burn_in": 30, "chains": 2, "generator": seeded()}
    assert mm.query(counts(), {"n": 3.0}, **options).method == "nuts"
    assert mm.query(counts(), {"x": 0.2}, ["n"], **options).mean("n").shape == (1,)
    exact = mm.query(counts(), {"x": [0.2, None], "n": [3.0, None]}, ["r", "x"])
    assert exact.method == "junction_tree"
    assert exact.mean("x")[1].item() == pytest.approx(0.4)
    post = mm.query(regression(), {"rate": 2.0, "n": COUNTS})
    assert (post.method, post.exact) == ("junction_tree", True)


def test_one_seed_gives_one_answer():
    def mean(seed: int) -> torch.Tensor:
        options = {"draws": 20, "burn_in": 20, "chains": 2, "generator": seeded(seed)}
        state = torch.get_rng_state()
        post = mm.query(regression(), {"n": COUNTS}, "rate", "nuts", **options)
        assert torch.equal(torch.get_rng_state(), state)
        return post.mean("rate")

    assert torch.equal(mean(1), mean(1))
    assert not torch.equal(mean(1), mean(2))


def test_short_chains_do_not_claim_to_have_mixed():
    post = mm.query(chain(), {"z": 9.0}, method="nuts", draws=8, burn_in=0, generator=seeded())
    assert not post.converged
    assert "R-hat" in post.shortfall or "diverged" in post.shortfall
    few = mm.query(regression(), {"n": COUNTS}, method="nuts", draws=3, generator=seeded())
    assert "fewer than 4 draws" in few.shortfall
    assert "r_hat" not in few.diagnostics


def test_discrete_models_are_summed_exactly():
    net = mm.read("asia")
    post = mm.query(net, {"dysp": "yes"}, method="nuts", draws=10)
    truth = mm.query(net, {"dysp": "yes"})
    for name in net.variables:
        torch.testing.assert_close(post.marginal(name), truth.marginal(name))
    assert post.converged
    with pytest.raises(UnknownVariableError, match="nobody"):
        mm.query(net, None, ["nobody"], "nuts")


def test_what_has_no_density_is_refused_by_name():
    x, y, n, u = real("x"), real("y"), real("n"), real("u")
    start = mm.LinearGaussian(x, [], [], 0.0, 1.0)
    copy = mm.BayesianNetwork([x, y], [start, mm.LinearGaussian(y, [x], [1.0], 0.0, 0.0)])
    with pytest.raises(GraphError, match="'y' is a function of its parents"):
        mm.query(copy, {"y": 1.0}, method="nuts")
    count = mm.PyroNode(n, [], lambda: Poisson(3.0))
    hidden = mm.BayesianNetwork([n, y], [count, mm.LinearGaussian(y, [n], [1.0], 0.0, 1.0)])
    with pytest.raises(GraphError, match="'n' is a count that is not observed"):
        mm.query(hidden, {"y": 1.0}, method="nuts")
    moving = mm.PyroNode(u, [x], lambda x: Uniform(0.0, x.exp()))
    below = mm.PyroNode(y, [u], lambda u: Normal(u, 1.0))
    net = mm.BayesianNetwork([x, u, y], [start, moving, below])
    with pytest.raises(GraphError, match="the support of 'u' depends on its parents"):
        mm.query(net, {"y": 1.0}, method="nuts")


def test_options_and_impossible_evidence_are_refused():
    net = regression()
    for options, message in [
        ({"draws": 0}, "draws must be at least 1"),
        ({"burn_in": -1}, "burn_in must be at least 0"),
        ({"target_acceptance": 1.5}, "target_acceptance lies between 0 and 1"),
        ({"warmup": 3}, "no option 'warmup'"),
        ({"chains": 2.5}, "'chains' is int"),
    ]:
        with pytest.raises(MmgraphError, match=message):
            mm.query(net, {"n": COUNTS}, method="nuts", **options)
    asia = mm.read("asia")
    with pytest.raises(ZeroProbabilityError):
        mm.query(asia, {"either": "no", "lung": "yes"}, method="nuts")
    with pytest.raises(EvidenceError, match="infinite"):
        mm.query(net, {"n": [np.inf, 1, 1, 1, 1]}, method="nuts")


def test_without_pyro_one_line_names_the_extra(monkeypatch):
    ordinary = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.split(".")[0] == "pyro":
            raise ImportError(name)
        return ordinary(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    for method in ("nuts", "svi"):
        with pytest.raises(MissingExtraError, match=r"pip install 'mmgraph\[interop\]'"):
            mm.query(regression(), {"n": COUNTS}, method=method)
