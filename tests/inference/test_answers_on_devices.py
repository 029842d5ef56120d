"""Gradients, bounds, hard zeros, evidence and models on a device beside the CPU's."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError, ZeroProbabilityError
from tests.inference.device_cases import (
    GRASS,
    MESSAGES,
    OPTIONS,
    assert_close,
    given,
    seeded,
    sprinkler,
)
from tests.inference.spatial_models import listed

SETTLED = {"tolerance": 1e-9, "iterations": 500}
pytestmark = pytest.mark.filterwarnings("ignore::mmgraph.graph.errors.ConvergenceWarning")


@pytest.mark.parametrize("schedule_free", ["belief_propagation", "tree_reweighted", "torch"])
def test_gradients_are_those_of_the_cpu(cuda, schedule_free):
    def derived(device: str) -> torch.Tensor:
        net = sprinkler(gradients=True)
        prior = net.distribution("rain").values
        soft = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
        options = MESSAGES if schedule_free != "torch" else {}
        asked = {**GRASS, "sprinkler": mm.soft(soft)}
        post = mm.query(net, asked, method=schedule_free, device=device, **options)
        total = post.marginal("wet")[:, 1].sum() + post.log_evidence.sum()
        first, second = torch.autograd.grad(total, (prior, soft))
        return torch.cat([first.cpu().reshape(-1), second.cpu().reshape(-1)])

    assert_close(derived(cuda), derived("cpu"), 1e-6)


def test_gradients_of_joints_and_of_log_partition(cuda):
    def derived(device: str) -> torch.Tensor:
        net = sprinkler(gradients=True)
        prior = net.distribution("rain").values
        joint = mm.joint(net, ["rain", "wet"], GRASS, method="torch", device=device)
        total = joint[0, 1, 1] + mm.log_partition(net, GRASS, method="torch", device=device).sum()
        (found,) = torch.autograd.grad(total, prior)
        return found.cpu()

    found = derived(cuda)
    assert_close(found, derived("cpu"), 1e-9)
    with torch.no_grad():
        prior = torch.tensor([0.8, 0.2], dtype=torch.float64)
    for i in range(2):  # against differences
        step = torch.zeros(2, dtype=torch.float64)
        step[i] = 1e-5

        def value(values: torch.Tensor) -> float:
            net = sprinkler()
            factors = [mm.TableFactor([net.variables["rain"]], values), *net.factors[1:]]
            graph = mm.FactorGraph(net.variables.values(), factors)
            joint = mm.joint(graph, ["rain", "wet"], GRASS)
            return float(joint[0, 1, 1] + mm.log_partition(graph, GRASS).sum())

        slope = (value(prior + step) - value(prior - step)) / 2e-5
        assert slope == pytest.approx(float(found[i]), rel=1e-5)


@pytest.mark.slow
def test_the_gradient_of_the_bound_is_the_marginal(cuda):
    unary = torch.randn(3, 3, 2, generator=seeded(), dtype=torch.float64).requires_grad_()
    x = mm.Variable("x", 2, (3, 3))
    field = mm.FactorGraph([x], [mm.UnaryFactor(x, unary), mm.GridFactor(x, mm.Potts(), 0.7)])
    post = mm.query(field, method="tree_reweighted", device=cuda, **SETTLED)
    (found,) = torch.autograd.grad(post.bound.sum(), unary)
    assert_close(found, post.marginal("x")[0].detach().cpu(), 1e-4)


def test_messages_of_any_quality_prove_the_bound(cuda):
    for kind in ("network", "field"):
        graph, evidence = given(kind)
        exact = mm.log_partition(graph, evidence)
        for iterations in (1, 3):
            post = mm.query(
                graph, evidence, method="tree_reweighted", iterations=iterations, device=cuda
            )
            assert not post.converged
            assert (post.bound.cpu() >= exact - 1e-9).all()


@pytest.mark.slow
def test_chains_cross_hard_zeros(cuda):
    pair = mm.Variable("pair", 2, (2,))
    apart = mm.PairwiseFactor(pair, [(0, 1)], [[0.0, np.inf], [np.inf, 0.0]])
    lean = mm.UnaryFactor(pair, torch.tensor([[0.0, 1.0], [0.0, 0.5]], dtype=torch.float64))
    graph = mm.FactorGraph([pair], [apart, lean])
    wanted, log_z = listed(graph, mm.Evidence.of(None, graph.variables))
    post = mm.query(
        graph,
        method="parallel_tempering",
        device=cuda,
        draws=40,
        chains=90,
        temperatures=[1.0, 2.0, 6.0],
        generator=seeded(),
    )
    assert_close(post.marginal("pair")[0], wanted["pair"], 0.08)
    found = mm.query(
        graph, method="annealed_importance_sampling", device=cuda, steps=12, chains=600,
        generator=seeded(),
    )  # fmt: skip
    assert float(found.log_partition) == pytest.approx(log_z, abs=0.25)
    clash = {"pair": np.array([0, 1])}
    for method, options in (("annealed_importance_sampling", {"steps": 3, "chains": 4}),
                            ("parallel_tempering", {"draws": 4}), ("gibbs", {"draws": 4}),
                            ("belief_propagation", {}), ("torch", {})):  # fmt: skip
        with pytest.raises(ZeroProbabilityError):
            mm.query(graph, clash, method=method, device=cuda, **options)
    for method in ("icm", "max_product", "trws", "torch"):
        with pytest.raises(ZeroProbabilityError):
            mm.map_query(graph, clash, method=method, device=cuda)


def test_evidence_may_be_on_the_host_or_on_the_device(cuda):
    net = sprinkler()
    host = {
        "rain": torch.tensor([0, 1]),
        "wet": mm.soft(torch.tensor([[0.1, 0.3], [0.0, -1.0]], dtype=torch.float64)),
        "grass": torch.tensor([[0.9, 0.1], [1.0, 1.7]], dtype=torch.float64),
    }
    there = {
        "rain": host["rain"].to(cuda),
        "wet": mm.soft(torch.tensor([[0.1, 0.3], [0.0, -1.0]], dtype=torch.float64).to(cuda)),
        "grass": host["grass"].to(cuda),
    }
    wanted = mm.query(net, host).marginal("sprinkler")
    arrays = {"rain": host["rain"].numpy(), "wet": host["wet"], "grass": host["grass"].numpy()}
    for evidence in (host, there, arrays):
        for device in (cuda, "cpu"):
            found = mm.query(net, evidence, device=device).marginal("sprinkler")
            assert found.device.type == device
            assert_close(found, wanted, 1e-12)
    graph, _ = given("field")
    labels = torch.full((2, 2), -1)
    labels[0, 1] = 2
    wanted = mm.query(graph, {"labels": labels}).marginal("line")
    for method in ("torch", "belief_propagation"):
        found = mm.query(graph, {"labels": labels.to(cuda)}, method=method, device=cuda)
        assert_close(found.marginal("line"), wanted, 0.05 if method != "torch" else 1e-9)


def test_a_model_on_the_device_answers_there(cuda):
    net = sprinkler()
    moved = net.to(cuda)
    for method in ("auto", "belief_propagation", "mean_field"):
        options = OPTIONS.get(method, {})
        post = mm.query(moved, GRASS, method=method, **options)
        assert post.marginal("wet").is_cuda
        assert_close(
            post.marginal("wet"), mm.query(net, GRASS, method=method, **options).marginal("wet"),
            1e-6,
        )  # fmt: skip
    assert mm.joint(moved, ["rain", "wet"], GRASS).is_cuda
    assert torch.equal(mm.map_query(moved, GRASS)["wet"], mm.map_query(net, GRASS)["wet"])
    assert np.asarray(mm.sample(moved, 3, GRASS, seeded())["grass"]).shape == (2, 3, 2)


def test_a_wrong_device_is_named(cuda):
    net = sprinkler()
    for device in ("gpu", "cuda:7", "mps", "cuda:x"):
        for action in (
            lambda d=device: mm.query(net, device=d),
            lambda d=device: mm.joint(net, ["rain"], device=d),
            lambda d=device: mm.map_query(net, device=d),
            lambda d=device: mm.sample(net, 1, device=d),
            lambda d=device: mm.log_partition(net, device=d),
            lambda d=device: mm.expected_family_counts(net, device=d),
        ):
            with pytest.raises(MmgraphError, match=re.escape(repr(device))):
                action()


def test_alarm_and_asia(cuda):
    for name, evidence in (("asia", {"xray": "yes"}), ("alarm", {"HRBP": "HIGH", "CVP": "LOW"})):
        net = mm.read(name)
        post, here = mm.query(net, evidence, device=cuda), mm.query(net, evidence)
        assert post.method == "torch"
        for variable in net.variables:
            assert_close(post.marginal(variable), here.marginal(variable), 1e-9)
        best = mm.map_query(net, evidence, device=cuda)
        assert_close(best.energy, mm.map_query(net, evidence).energy, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["asia", "alarm"])
@pytest.mark.parametrize("method", ["belief_propagation", "tree_reweighted", "mean_field"])
def test_networks_by_approximate_methods(cuda, name, method):
    net = mm.read(name)
    options = OPTIONS[method]
    post = mm.query(net, method=method, device=cuda, **options)
    here = mm.query(net, method=method, **options)
    for variable in net.variables:
        assert_close(post.marginal(variable), here.marginal(variable), 1e-6)
    assert_close(post.log_evidence, here.log_evidence, 1e-6)


def test_expected_family_counts(cuda):
    net = sprinkler()
    weights = [0.5, 2.0]
    found = mm.expected_family_counts(net, GRASS, weights, device=cuda)
    for name, table in mm.expected_family_counts(net, GRASS, weights).items():
        assert_close(found[name], table, 1e-12)
