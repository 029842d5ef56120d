"""What is refused of continuous variables, by name: evidence, interventions, decisions, sizes."""

from __future__ import annotations

import resource

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import (
    EvidenceError,
    TreewidthError,
    UnknownVariableError,
    ZeroProbabilityError,
)
from tests.inference.gaussian.gaussian_networks import chain, many_parents, real, two_classes


def copies():
    """``b = a`` and ``c = 2 a + 1``, without noise."""
    a, b, c = real("a"), real("b"), real("c")
    factors = [
        mm.LinearGaussian(a, [], [], 0.0, 1.0),
        mm.LinearGaussian(b, [a], [1.0], 0.0, 0.0),
        mm.LinearGaussian(c, [a], [2.0], 1.0, 0.0),
    ]
    return mm.BayesianNetwork([a, b, c], factors)


def vector_and_sum(covariance):
    w, u = real("w", shape=(2,)), real("u")
    factors = [
        mm.LinearGaussian(w, [], np.zeros((2, 0)), [0.0, 1.0], covariance),
        mm.LinearGaussian(u, [w], [1.0, 1.0], 0.0, 1.0),
    ]
    return mm.BayesianNetwork([w, u], factors)


def test_copies_that_are_observed_at_equal_values_are_fine():
    posterior = mm.query(copies(), {"b": [1.0, None, 0.3], "c": [3.0, 5.0, None]}, ["a", "b", "c"])
    np.testing.assert_allclose(posterior.mean("a"), [1.0, 2.0, 0.3], rtol=1e-14)
    np.testing.assert_allclose(posterior.mean("c"), [3.0, 5.0, 1.6], rtol=1e-14)
    assert posterior.variance("a").abs().max() == 0
    density = -0.5 * np.log(2 * np.pi) - 0.5
    assert float(posterior.log_evidence[0]) == pytest.approx(density, abs=1e-9)


@pytest.mark.parametrize("ask", ["query", "joint_moments", "sample", "map_query"])
def test_copies_that_are_observed_at_different_values_are_named(ask):
    evidence = {"b": [1.0, 1.0], "c": [3.0, 3.1]}
    questions = {
        "query": lambda: mm.query(copies(), evidence, ["a"]),
        "joint_moments": lambda: mm.joint_moments(copies(), ["a"], evidence),
        "sample": lambda: mm.sample(copies(), 2, evidence),
        "map_query": lambda: mm.map_query(copies(), {**evidence, "a": [1.0, 1.0]}),
    }
    with pytest.raises(ZeroProbabilityError, match=r"row 1.*clash first") as caught:
        questions[ask]()
    assert caught.value.rows == (1,)
    assert set(caught.value.variables) == {"b", "c"}
    assert mm.log_partition(copies(), {"b": 1.0, "c": 3.1}).item() == -np.inf


def test_singular_covariances_hold_elements_together():
    net = vector_and_sum([[1.0, 2.0], [2.0, 4.0]])  # w[1] - 1 is twice w[0]
    posterior = mm.query(net, {"w": [[0.5, None], [None, 3.0]], "u": [1.0, None]}, ["w", "u"])
    np.testing.assert_allclose(posterior.mean("w"), [[0.5, 2.0], [1.0, 3.0]], rtol=1e-13)
    assert posterior.variance("w").abs().max() == 0
    with pytest.raises(ZeroProbabilityError, match=r"clash first: w"):
        mm.query(net, {"w": [[0.5, 2.5]]}, ["u"])


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_units_cost_no_digits(scale):
    """A measurement in a unit that differs from its cause's by this factor."""
    a, b = real("a"), real("b")
    near = mm.LinearGaussian(a, [], [], 0.0, 1.0)
    net = mm.BayesianNetwork([a, b], [near, mm.LinearGaussian(b, [a], [scale], 0, scale**2 / 2)])
    posterior = mm.query(net, {"b": scale}, ["a"])
    assert posterior.mean("a").item() == pytest.approx(2 / 3, rel=1e-14)
    assert posterior.variance("a").item() == pytest.approx(1 / 3, rel=1e-14)
    both = real("w", shape=(2,))
    wide = mm.LinearGaussian(both, [a], [[1.0], [scale]], [0.0, 0.0], [1.0, scale**2])
    net = mm.BayesianNetwork([a, both], [near, wide])
    posterior = mm.query(net, {"w": [[1.0, None]]}, ["a", "w"])
    assert posterior.variance("w")[0, 1].item() == pytest.approx(1.5 * scale**2, rel=1e-13)
    posterior = mm.query(net, {"w": [[None, scale]]}, ["a", "w"])
    assert posterior.mean("w")[0, 0].item() == pytest.approx(0.5, rel=1e-13)


def test_none_and_nan_are_missing():
    posterior = mm.query(two_classes(), {"y": [None, float("nan"), 1.0]}, ["x"])
    nothing = mm.query(two_classes(), {}, ["x"])
    expected = [nothing.mean("x").item()] * 2
    assert posterior.mean("x").tolist()[:2] == pytest.approx(expected, rel=1e-14)
    assert posterior.log_evidence[:2].abs().max() < 1e-14


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        ({"y": [0.1, np.inf]}, r"'y' is infinite in row 1"),
        ({"y": -np.inf}, r"'y' is infinite"),
        ({"y": ["high"]}, r"'y' is not an array of numbers \('high'"),
        ({"y": [[0.1, 0.2]]}, r"'y' has shape \(1, 2\)"),
        ({"y": []}, r"'y' has no rows"),
        ({"y": [1.0, 2.0], "x": [1.0, 2.0, 3.0]}, "rows"),
        (pd.DataFrame({"y": []}), "no rows"),
        (pd.DataFrame({"y": [0.5, "high"]}), "'y' is not an array of numbers"),
        (pd.DataFrame({"y": [0.5, np.inf]}), "'y' is infinite in row 1"),
    ],
)
def test_evidence_that_is_no_number_is_named(evidence, message):
    with pytest.raises(EvidenceError, match=message):
        mm.query(two_classes(), evidence, ["x"])


def test_frames_hold_vectors_by_column():
    net = vector_and_sum([1.0, 2.0])
    frame = pd.DataFrame({"w[0]": [1.0, None, None], "w[1]": ["2.5", None, 1.0]})
    posterior = mm.query(net, frame, ["u", "w"])
    np.testing.assert_allclose(posterior.mean("u"), [3.5, 1.0, 1.0], atol=1e-14)
    np.testing.assert_allclose(posterior.variance("u"), [1.0, 4.0, 2.0], rtol=1e-14)
    with pytest.raises(EvidenceError, match=r"columns of 1 of the 2 elements of 'w'"):
        mm.query(net, frame[["w[0]"]], ["u"])


def test_evidence_whose_density_underflows_is_named():
    for net in (chain(1.0, [1.0, 1.0]), two_classes()):
        name = "x1" if "x1" in net.variables else "y"
        with pytest.raises(ZeroProbabilityError, match=f"clash first: {name}$"):
            mm.query(net, {name: 1e200}, list(net.variables))
        far = mm.query(net, {name: 1e150}, list(net.variables))
        assert -1e301 < float(far.log_evidence[0]) < -1e299


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"do\(x=…\) takes one number"),
        (None, r"do\(x=…\) takes one number"),
        ([1.0, 2.0], r"do\(x=…\) takes one number"),
        ([], r"do\(x=…\) takes one number"),
        (np.inf, "'x' is infinite"),
        ("high", "'x' is not an array of numbers"),
    ],
)
def test_values_that_cannot_be_set_are_refused(value, message):
    with pytest.raises(EvidenceError, match=message):
        two_classes().do({"x": value})


def test_interventions_on_vectors():
    net = vector_and_sum([1.0, 2.0])
    posterior = mm.query(net.do({"w": [3.0, 4.0]}), {}, ["u"])
    assert (posterior.mean("u").item(), posterior.variance("u").item()) == (7.0, 1.0)
    for value in ([1.0], 1.0, [1.0, 2.0, 3.0], [1.0, np.nan], [[1.0, 2.0], [3.0, 4.0]]):
        with pytest.raises(EvidenceError, match=r"'w'|do\(w=…\)"):
            net.do({"w": value})


def test_interventions_cut_what_causes_a_variable():
    """``x`` set by force says nothing of its class, and all of what depends on it."""
    net = two_classes(prior=(0.3, 0.7), slope=2.0)
    posterior = mm.query(net.do({"x": 1.5}), {}, ["z", "x", "y"])
    np.testing.assert_allclose(posterior.marginal("z")[0], [0.3, 0.7], rtol=1e-15)
    assert [posterior.mean(n).item() for n in "xy"] == [1.5, 3.0]
    assert [posterior.variance(n).item() for n in "xy"] == [0.0, 1.0]


def test_decisions_need_the_continuous_variables():
    net, named = two_classes(prior=(0.6, 0.4)), ["z"]
    with pytest.raises(EvidenceError, match="'x' is continuous and not observed in every row"):
        mm.map_query(net, {"y": [1.0, 2.0], "x": [0.5, None]})
    for names in (["x"], ["z", "x"]):
        with pytest.raises(UnknownVariableError, match="'x' is continuous"):
            mm.map_query(net, {"y": 1.0}, names)
    for y in (-3.0, 0.4, 0.6, 3.0):
        best = mm.map_query(net, {"y": y}, named)
        expected = mm.map_query(net, {"y": y}, named, method="enumeration")
        marginal = mm.query(net, {"y": y}).marginal("z")[0]
        assert best["z"].tolist() == expected["z"].tolist() == [int(marginal.argmax())]
    whole = mm.map_query(net, {"x": [0.9, 0.91], "y": [0.1, 0.1]})
    assert whole["z"].tolist() == [0, 1]  # at 0.5 + ln(0.6 / 0.4) both are as likely


@pytest.mark.parametrize(
    "ask",
    [
        lambda net, evidence: mm.query(net, evidence, ["z0"], method="junction_tree"),
        lambda net, evidence: mm.query(net, evidence, ["x0"], method="junction_tree"),
        lambda net, evidence: mm.query(net, {}, ["y"], method="junction_tree"),
        lambda net, evidence: mm.query(net, evidence, ["z0"], method="mean_field"),
        lambda net, evidence: mm.query(net, evidence, ["z0"], method="torch"),
        lambda net, evidence: mm.joint_moments(net, ["x0"], evidence),
        lambda net, evidence: mm.log_partition(net, evidence),
        lambda net, evidence: mm.sample(net, 2, evidence, method="junction_tree"),
        lambda net, evidence: mm.map_query(net, evidence, ["z0"]),
    ],
)
@pytest.mark.parametrize("count", [20, 60])
def test_strong_trees_that_do_not_fit_are_refused_before_they_take_memory(count, ask):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TreewidthError, match=rf"join {count} discrete parents \(z0, z1, .*nuts"):
        ask(many_parents(count), {"y": 1.0})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_strong_trees_that_do_not_fit_are_sampled_instead():
    net, evidence = many_parents(20), {"y": 1.0}
    seed = torch.Generator().manual_seed(0)
    posterior = mm.query(net, evidence, ["z0", "x0"], draws=20, generator=seed)
    assert (posterior.method, posterior.exact) == ("gibbs", False)
    assert bool(posterior.mean("x0").isfinite().all())
    assert mm.sample(net, 2, evidence, seed, burn_in=5)["x0"].shape == (2,)


def test_budgets_hold_for_strong_trees_and_sizes_are_said():
    net, evidence = many_parents(7), {"y": 1.0}
    for method in ("junction_tree", "torch", "enumeration"):
        with pytest.raises(TreewidthError) as caught:
            mm.query(net, evidence, ["x0"], method=method, memory_budget=10_000)
        assert caught.value.required_bytes > caught.value.budget_bytes == 10_000
        assert caught.value.cliques[0][0][:2] == ("z0", "z1")
    observed = {**evidence, **{f"x{i}": 0.5 for i in range(7)}}
    small = mm.query(net, observed, ["z0"], method="junction_tree", memory_budget=10_000)
    chances = torch.exp(-0.5 * (0.5 - torch.arange(3.0, dtype=torch.float64)) ** 2)
    np.testing.assert_allclose(small.marginal("z0")[0], chances / chances.sum(), rtol=1e-12)
