"""Models as Pyro programs: log joints, what is summed out, missing cells, shared parameters."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro import poutine
from pyro.infer import MCMC, NUTS, Predictive, TraceEnum_ELBO
from torch.distributions import Gamma, Poisson, Uniform

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, GraphError
from mmgraph.interop.pyro import distributions
from tests.inference.spatial_models import ising_grid
from tests.interop.pyro.mixed_networks import chain, chain_posterior, counts, real

LIKELIHOODS = mm.soft(probabilities=torch.tensor([[0.2, 0.7], [0.4, 0.6]]))


def log_joint(program, *args) -> float:
    return poutine.trace(program).get_trace(*args).log_prob_sum().item()


def log_evidence(program, evidence) -> float:
    """What Pyro's enumeration leaves of the sum over all discrete sites."""
    return -TraceEnum_ELBO(max_plate_nesting=1).loss(program, lambda *_: None, evidence)


@given(st.integers(1, 4), st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_the_log_joint_of_full_rows_is_minus_the_energy(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    draws = {n: 2 * torch.randn(rows, generator=generator).double() for n in "xz"}
    draws |= {n: torch.randint(2, (rows,), generator=generator) for n in "kc"}
    expected = -chain().energy(draws).sum().item()
    assert log_joint(mm.to_pyro(chain()), draws) == pytest.approx(expected, abs=1e-9)


def test_leaves_mixtures_vectors_and_counts_have_their_densities():
    k, x, y = mm.Variable("k", 2), real("x", 2), real("y")
    means = [[[0.0, 1.0], [2.0, 0.0]], [[1.0, 1.0], [-1.0, 0.5]]]
    net = mm.BayesianNetwork(
        [k, x, y],
        [
            mm.TableFactor([k], [0.4, 0.6], child=k),
            mm.GaussianMixtureLeaf(
                x, [k], [[0.3, 0.7], [0.5, 0.5]], means, np.ones((2, 2, 2)), covariance="diagonal"
            ),
            mm.LinearGaussian(y, [x, k], [[1.0, -1.0], [0.5, 2.0]], [0.0, 1.0], [1.0, 0.5]),
        ],
    )
    rows = {"k": [0, 1, 1], "x": [[0.1, 0.2], [1.0, -1.0], [0.0, 2.0]], "y": [0.0, 1.0, -2.0]}
    tensors = {n: torch.tensor(v) for n, v in rows.items()}
    assert log_joint(mm.to_pyro(net), rows) == pytest.approx(-net.energy(tensors).sum().item())
    full = {"k": ["a", "b"], "r": ["lo", "hi"], "x": [0.1, 0.2], "n": [3.0, 0.0]}
    codes = {"k": [0, 1], "r": [0, 1], "x": full["x"], "n": full["n"]}
    expected = -counts().energy(codes).sum().item()
    assert log_joint(mm.to_pyro(counts()), full) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("model", "evidence"),
    [
        ("asia", {"dysp": ["yes", None, "no"], "smoke": [None, "yes", "no"]}),
        ("asia", {"smoke": LIKELIHOODS, "dysp": ["yes", "no"]}),
        ("alarm", {"HRBP": ["LOW", "HIGH"], "CVP": [None, "LOW"]}),
        ("grid", {"spins[0,0]": [1, None], "spins[1,2]": [0, 0]}),
    ],
)
def test_discrete_sites_are_summed_out_to_the_log_evidence(model, evidence):
    graph = ising_grid((2, 3), 0.4, field=0.7) if model == "grid" else mm.read(model)
    expected = mm.log_partition(graph, evidence).sum().item()
    assert log_evidence(mm.to_pyro(graph), evidence) == pytest.approx(expected, abs=1e-6)


def test_real_cells_that_are_missing_are_spliced_in():
    evidence = {"k": [0, 1, 1], "x": [0.5, None, None], "z": [1.0, None, -1.0], "c": [0, 1, 0]}
    values = {"x missing": torch.tensor([1.5, -0.5]).double(), "z missing": torch.tensor([2.0])}
    program = poutine.condition(mm.to_pyro(chain()), data=values)
    whole = {"k": [0, 1, 1], "x": [0.5, 1.5, -0.5], "z": [1.0, 2.0, -1.0], "c": [0, 1, 0]}
    expected = -chain().energy(whole).sum().item()
    assert log_joint(program, evidence) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_pyros_own_sampler_runs_the_program():
    rows = [(2.0, 0), (None, 1)]
    evidence = {"z": [z for z, _ in rows], "c": [c for _, c in rows]}
    with torch.random.fork_rng():
        pyro.set_rng_seed(3)
        chains = MCMC(NUTS(mm.to_pyro(chain()), max_tree_depth=4), 120, 50, disable_progbar=True)
        chains.run(evidence)
    draws = chains.get_samples()
    assert draws["x"].shape == (120, 2)
    truth = [chain_posterior(z, c) for z, c in rows]
    np.testing.assert_allclose(draws["x"].mean(0), [t["x"] for t in truth], atol=0.4)
    np.testing.assert_allclose(draws["z missing"].mean(), truth[1]["z"], atol=1.1)


def test_without_evidence_it_simulates_rows():
    with torch.random.fork_rng():
        pyro.set_rng_seed(0)
        drawn = Predictive(mm.to_pyro(chain()), num_samples=50)(None, 40)
    assert {name: tuple(t.shape) for name, t in drawn.items()} == dict.fromkeys("kxzc", (50, 40))
    by_state = [drawn["x"][drawn["k"] == state].mean().item() for state in range(2)]
    assert by_state == pytest.approx([-1, 1], abs=0.15)


def test_shared_parameters_stand_outside_of_the_plate():
    rate, n = real("rate"), real("n")
    prior = mm.PyroNode(rate, [], lambda: Gamma(2.0, 1.0))
    net = mm.BayesianNetwork([rate, n], [prior, mm.PyroNode(n, [rate], lambda rate: Poisson(rate))])
    program = poutine.condition(mm.to_pyro(net, shared=["rate"]), data={"rate": torch.tensor(2.5)})
    counted = [3.0, 0.0, 4.0]
    expected = (
        Gamma(2.0, 1.0).log_prob(torch.tensor(2.5))
        + Poisson(2.5).log_prob(torch.tensor(counted)).sum()
    )
    assert log_joint(program, {"n": counted}) == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(GraphError, match="its parent 'rate' is not"):
        mm.to_pyro(net, shared=["n"])
    with pytest.raises(EvidenceError, match="several values"):
        mm.to_pyro(net, shared=["rate"])({"rate": [1.0, 2.0]})


def test_bounded_values_that_are_missing_stay_within_their_bounds():
    u, n = real("u"), real("n")
    net = mm.BayesianNetwork(
        [u, n],
        [
            mm.PyroNode(u, [], lambda: Uniform(2.0, 5.0)),
            mm.PyroNode(n, [u], lambda u: Poisson(u)),
        ],
    )
    with torch.random.fork_rng():
        pyro.set_rng_seed(0)
        values = [mm.to_pyro(net)({"u": [3.0, None], "n": [1.0, 2.0]})["u"] for _ in range(20)]
    assert all(v[0] == 3.0 and 2.0 < v[1] < 5.0 for v in values)


def test_what_pyro_cannot_take_is_refused():
    k, x, y = mm.Variable("k", 2), real("x"), real("y")
    prior = mm.TableFactor([k], [0.4, 0.6], child=k)
    leaf = mm.GaussianLeaf(
        x, [k], [[0.0], [1.0]], [[1.0], [1.0]], covariance="diagonal", weight=0.5
    )
    with pytest.raises(GraphError, match="no distribution that Pyro has"):
        mm.to_pyro(mm.BayesianNetwork([k, x], [prior, leaf]))
    start = mm.LinearGaussian(x, [], [], 0.0, 1.0)
    copy = mm.BayesianNetwork([x, y], [start, mm.LinearGaussian(y, [x], [1.0], 0.0, 0.0)])
    with pytest.raises(GraphError, match="'y' is a function of its parents"):
        mm.to_pyro(copy)
    with pytest.raises(GraphError, match="'x' has no distribution"):
        mm.to_pyro(mm.FactorGraph([k, x], [prior]))
    with pytest.raises(GraphError, match="'k' is discrete"):
        mm.to_pyro(mm.BayesianNetwork([k], [prior]), shared=["k"])


def test_tables_and_roots_are_prepared_once(monkeypatch):
    calls = []
    for name in ("noise_roots", "dense_log_table"):
        ordinary = getattr(distributions, name)
        counted = lambda *a, name=name, f=ordinary: (calls.append(name), f(*a))[1]  # noqa: E731
        monkeypatch.setattr(distributions, name, counted)
    program = mm.to_pyro(chain())
    assert calls == ["dense_log_table", "noise_roots", "noise_roots"]
    for evidence, rows in [({"z": [1.0, None], "c": [0, 1]}, 2), (None, 3)]:
        log_joint(program, evidence, rows)
    assert len(calls) == 3


def test_shared_values_are_taken_from_the_rows_that_have_them():
    rate, n = real("rate"), real("n")
    prior = mm.PyroNode(rate, [], lambda: Gamma(2.0, 1.0))
    net = mm.BayesianNetwork([rate, n], [prior, mm.PyroNode(n, [rate], lambda rate: Poisson(rate))])
    program = mm.to_pyro(net, shared=["rate"])
    rows = {"rate": [None, 2.5], "n": [3.0, 0.0]}
    expected = log_joint(program, {"rate": [2.5, 2.5], "n": [3.0, 0.0]})
    assert log_joint(program, rows) == pytest.approx(expected)
    with pytest.raises(EvidenceError, match=r"1.0 in row 0, 1.000001 in row 2"):
        program({"rate": [1.0, None, 1.000001]})
