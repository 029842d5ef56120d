"""The compiled junction tree against enumeration, on random models of every factor kind."""

from __future__ import annotations

import gc
import itertools
import weakref

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.inference.exact import enumeration, junction_tree, single_row
from mmgraph.inference.exact.join_tree import compiled_plan, request
from tests.inference.models import random_evidence, random_graph, random_network, seeds

examples = settings(max_examples=120)


def possible_rows(graph: mm.FactorGraph, evidence: dict[str, object]) -> mm.Evidence:
    """The evidence without its impossible rows; some row must be possible."""
    given_rows = mm.Evidence.of(evidence, graph.variables)
    possible = ~torch.isneginf(enumeration.log_evidence(graph, given_rows))
    assume(bool(possible.any()))
    return given_rows.rows(possible.nonzero().flatten().numpy())


def assert_same_posterior(graph: mm.FactorGraph, evidence: mm.Evidence) -> None:
    expected = mm.query(graph, evidence, method="enumeration")
    found = mm.query(graph, evidence, method="junction_tree")
    assert found.exact
    assert found.method == "junction_tree"
    torch.testing.assert_close(found.log_evidence, expected.log_evidence, rtol=1e-10, atol=1e-9)
    for name in expected.marginals:
        torch.testing.assert_close(
            found.marginal(name), expected.marginal(name), rtol=0, atol=1e-10
        )


@examples
@given(seeds, st.sampled_from([0.0, 0.3]), st.integers(1, 5), st.integers(0, 3))
def test_network_marginals_equal_enumeration(seed: int, zeros: float, rows: int, leaves: int):
    net = random_network(seed, zeros, leaves)
    evidence = possible_rows(net, random_evidence(net, seed + 1, rows))
    assert_same_posterior(net, evidence)


@examples
@given(seeds, st.sampled_from([0.0, 0.2]), st.integers(1, 5))
def test_graph_marginals_equal_enumeration(seed: int, zeros: float, rows: int):
    graph = random_graph(seed, zeros)
    evidence = possible_rows(graph, random_evidence(graph, seed + 1, rows))
    assert_same_posterior(graph, evidence)


@examples
@given(seeds, st.integers(1, 3))
def test_joint_equals_enumeration(seed: int, rows: int):
    net = random_network(seed, 0.2, 1)
    evidence = possible_rows(net, random_evidence(net, seed + 1, rows))
    generator = np.random.default_rng(seed)
    discrete = [n for n, v in net.variables.items() if v.is_discrete]
    count = min(len(discrete), int(generator.integers(1, 4)))
    names = [str(n) for n in generator.choice(discrete, count, replace=False)]
    found = mm.joint(net, names, evidence)
    log_joint = enumeration.log_joint_table(net, evidence)
    probability = (
        log_joint - log_joint.flatten(1).logsumexp(1).reshape(-1, *[1] * len(discrete))
    ).exp()
    others = [1 + i for i, n in enumerate(discrete) if n not in names]
    expected = probability.sum(others) if others else probability
    left = [n for n in discrete if n in names]
    expected = expected.permute(0, *(1 + left.index(n) for n in names))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@examples
@given(seeds, st.integers(1, 3), st.booleans())
def test_best_assignment_equals_enumeration(seed: int, rows: int, some: bool):
    graph = random_graph(seed, 0.1) if seed % 2 else random_network(seed, 0.1, 1)
    evidence = possible_rows(graph, random_evidence(graph, seed + 1, rows))
    generator = np.random.default_rng(seed)
    discrete = [n for n, v in graph.variables.items() if v.is_discrete]
    names = [n for n in discrete if generator.random() < 0.5] if some else None
    assume(names != [])
    expected = mm.map_query(graph, evidence, names, method="enumeration")
    found = mm.map_query(graph, evidence, names)
    torch.testing.assert_close(found.log_weight, expected.log_weight, rtol=1e-10, atol=1e-9)
    # Ties may be broken differently, so the states are judged by their weight.
    log_joint = enumeration.log_joint_table(graph, evidence)
    chosen = names or discrete
    others = [1 + i for i, n in enumerate(discrete) if n not in chosen]
    table = log_joint.logsumexp(others) if others else log_joint
    left = [n for n in discrete if n in chosen]
    index = (torch.arange(evidence.batch), *(found[n] for n in left))
    torch.testing.assert_close(table[index], expected.log_weight, rtol=1e-10, atol=1e-9)


@examples
@given(seeds, st.integers(1, 3))
def test_entropy_equals_enumeration(seed: int, rows: int):
    net = random_network(seed, 0.2, 2)
    evidence = possible_rows(net, random_evidence(net, seed + 1, rows))
    expected = mm.query(net, evidence, method="enumeration").entropy()
    torch.testing.assert_close(mm.query(net, evidence).entropy(), expected, rtol=0, atol=1e-9)


@examples
@given(seeds, st.integers(1, 4))
def test_expected_family_counts_equal_enumeration(seed: int, rows: int):
    net = random_network(seed, 0.2, 1)
    evidence = possible_rows(net, random_evidence(net, seed + 1, rows))
    weights = np.random.default_rng(seed).random(evidence.batch)
    counts, log_evidence = junction_tree.factor_beliefs(net, evidence, weights)
    log_joint = enumeration.log_joint_table(net, evidence)
    total = log_joint.flatten(1).logsumexp(1)
    np.testing.assert_allclose(log_evidence, total.numpy(), rtol=1e-10, atol=1e-9)
    joint = (log_joint - total.reshape(-1, *[1] * (log_joint.ndim - 1))).exp().numpy()
    joint = np.tensordot(weights, joint, 1)
    discrete = [n for n, v in net.variables.items() if v.is_discrete]
    tabular = [f for f in net.factors if f.is_tabular]
    for factor, found in zip(tabular, counts, strict=True):
        names = [v.name for v in factor.scope]
        others = tuple(i for i, n in enumerate(discrete) if n not in names)
        left = [n for n in discrete if n in names]
        expected = joint.sum(others).transpose([left.index(n) for n in names])
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_expected_family_counts_by_child():
    net = mm.BayesianNetwork.from_tables(
        [("a", "b")], {"a": [0.5, 0.5], "b": [[0.9, 0.1], [0.3, 0.7]]}
    )
    counts = mm.expected_family_counts(net, {"b": [1, 0, None]}, weights=[2.0, 1.0, 4.0])
    expected = 2 * np.array([[0, 0.1], [0, 0.7]]) / 0.8 + np.array([[0.9, 0], [0.3, 0]]) / 1.2
    expected += 4 * np.array([[0.45, 0.05], [0.15, 0.35]])
    np.testing.assert_allclose(counts["b"].numpy(), expected)
    np.testing.assert_allclose(counts["a"].numpy(), expected.sum(1))
    with pytest.raises(errors.MmgraphError, match="3 rows"):
        mm.expected_family_counts(net, {"b": [1, 0, None]}, weights=[1.0])


def test_samples_follow_the_posterior():
    net = random_network(11)
    names = list(net.variables)
    evidence = {names[-1]: 0}
    generator = torch.Generator().manual_seed(3)
    drawn = mm.sample(net, 40_000, evidence, generator).codes
    again = mm.sample(net, 40_000, evidence, torch.Generator().manual_seed(3)).codes
    post = mm.query(net, evidence)
    for name in names:
        assert torch.equal(drawn[name], again[name])
        share = torch.bincount(drawn[name], minlength=net.variables[name].cardinality) / 40_000
        # Five standard errors of a share of 40,000 draws are at most 0.0125.
        torch.testing.assert_close(share.double(), post.marginal(name)[0], rtol=0, atol=0.0125)
    pair = names[:2]
    joint = mm.joint(net, pair, evidence)[0]
    shares = torch.zeros_like(joint)
    shares.index_put_(tuple(drawn[n] for n in pair), torch.tensor(1 / 40_000).double(), True)
    torch.testing.assert_close(shares, joint, rtol=0, atol=0.0125)


def test_samples_of_a_continuous_leaf_have_its_moments():
    a = mm.Variable("a", 2)
    x = mm.Variable("x", shape=(2,), family="gaussian")
    prior = mm.TableFactor([a], [0.25, 0.75], child=a)
    leaf = mm.GaussianLeaf(
        x, [a], [[0.0, 1.0], [4.0, -1.0]], np.ones((2, 2)), covariance="diagonal"
    )
    net = mm.BayesianNetwork([a, x], [prior, leaf])
    drawn = mm.sample(net, 20_000, generator=torch.Generator().manual_seed(0)).codes
    assert drawn["x"].shape == (20_000, 2)
    expected = torch.tensor([3.0, -0.5], dtype=torch.float64)
    torch.testing.assert_close(drawn["x"].mean(0), expected, rtol=0, atol=0.08)
    kept = mm.sample(net, 3, {"x": np.array([[4.0, -1.0]])}).codes
    assert torch.equal(kept["x"], torch.tensor([[4.0, -1.0]]).double().expand(3, 2))


def test_rows_with_different_patterns_equal_single_rows():
    net = mm.read("alarm")
    drawn = mm.sample(net, 200, generator=torch.Generator().manual_seed(0)).codes
    generator = np.random.default_rng(0)
    names = [str(n) for n in generator.choice(list(net.variables), 10, replace=False)]
    codes = {n: np.where(generator.random(200) < 0.3, -1, drawn[n].numpy()) for n in names}
    post = mm.query(net, {n: mm.index(c) for n, c in codes.items()})
    for row in range(0, 200, 17):
        single = mm.query(net, {n: mm.index(int(c[row])) for n, c in codes.items() if c[row] >= 0})
        assert float(single.log_evidence[0]) == pytest.approx(float(post.log_evidence[row]), 1e-10)
        for name in net.variables:
            torch.testing.assert_close(
                post.marginal(name)[row], single.marginal(name)[0], rtol=0, atol=1e-12
            )


def test_a_pattern_with_many_rows_gets_its_own_plan():
    net = mm.read("alarm")
    drawn = mm.sample(net, 30_000, generator=torch.Generator().manual_seed(0)).codes
    hidden = np.arange(30_000) % 3 == 0
    codes = {
        "HISTORY": np.where(hidden, -1, drawn["HISTORY"].numpy()),
        "CVP": np.where(hidden, -1, drawn["CVP"].numpy()),
        "BP": drawn["BP"].numpy(),
    }
    post = mm.query(net, {n: mm.index(c) for n, c in codes.items()}, variables=["LVFAILURE"])
    for row in (0, 1, 2, 29_999):
        single = mm.query(net, {n: mm.index(int(c[row])) for n, c in codes.items() if c[row] >= 0})
        torch.testing.assert_close(
            post.marginal("LVFAILURE")[row], single.marginal("LVFAILURE")[0], rtol=0, atol=1e-12
        )


def test_many_variables_in_one_clique():
    names = [f"v{i}" for i in range(28)]
    variables = [mm.Variable(n, 1 if i < 14 else 2) for i, n in enumerate(names)]
    generator = np.random.default_rng(0)
    factors = [
        mm.TableFactor((a, b), generator.random((a.cardinality, b.cardinality)) + 0.1)
        for a, b in itertools.combinations(variables, 2)
    ]
    graph = mm.FactorGraph(variables, factors)
    expected = mm.query(graph, method="enumeration")
    for method in ("junction_tree", "torch"):
        found = mm.query(graph, method=method)
        for name in names:
            torch.testing.assert_close(
                found.marginal(name), expected.marginal(name), rtol=0, atol=1e-10
            )


def test_probabilities_far_below_the_smallest_double():
    count = 600
    a = mm.Variable("a", 2)
    seen = [mm.Variable(f"x{i}", 2) for i in range(count)]
    net = mm.BayesianNetwork(
        [a, *seen],
        [mm.TableFactor([a], [0.5, 0.5], child=a)]
        + [mm.TableFactor([a, x], [[0.01, 0.99], [0.011, 0.989]], child=x) for x in seen],
    )
    post = mm.query(net, {x.name: 0 for x in seen})
    logs = np.log(0.5) + count * np.log([0.01, 0.011])
    expected = np.logaddexp(*logs)
    assert expected < -2000
    assert float(post.log_evidence[0]) == pytest.approx(expected, rel=1e-12)
    assert float(post.marginal("a")[0, 0]) == pytest.approx(np.exp(logs[0] - expected), rel=1e-9)


def test_opposed_soft_evidence_beyond_the_range_of_doubles_is_not_called_impossible():
    a = mm.Variable("a", 2)
    b = mm.Variable("b", 2)
    net = mm.BayesianNetwork(
        [a, b],
        [
            mm.TableFactor([a], [0.5, 0.5], child=a),
            mm.TableFactor([a, b], [[1.0, 0.0], [0.0, 1.0]], child=b),
        ],
    )
    evidence = {"a": mm.soft([0.0, -800.0]), "b": mm.soft([-801.0, 0.0])}
    post = mm.query(net, evidence)
    expected = np.array([-801.0, -800.0])
    expected = np.exp(expected - np.logaddexp(*expected))
    np.testing.assert_allclose(post.marginal("a")[0].numpy(), expected, atol=1e-12)
    assert float(post.log_evidence[0]) == pytest.approx(np.log(0.5) - 800 + np.log1p(np.exp(-1)))


def test_impossible_evidence_names_rows_and_variables():
    net = mm.BayesianNetwork.from_tables(
        [("rain", "wet"), ("wind", "noise")],
        {
            "rain": [0.8, 0.2],
            "wet": [[1.0, 0.0], [0.1, 0.9]],
            "wind": [0.5, 0.5],
            "noise": [[0.5, 0.5], [0.2, 0.8]],
        },
        states={"rain": ("no", "yes"), "wet": ("no", "yes")},
    )
    with pytest.raises(errors.ZeroProbabilityError, match=r"row 1.*rain=no, wet=yes") as caught:
        mm.query(
            net, {"noise": [0, 1, 0], "rain": ["no", "no", "yes"], "wet": ["no", "yes", "yes"]}
        )
    assert caught.value.rows == (1,)
    assert caught.value.variables == ("rain", "wet")
    with pytest.raises(errors.ZeroProbabilityError):
        mm.map_query(net, {"rain": "no", "wet": "yes"})
    with pytest.raises(errors.ZeroProbabilityError):
        mm.sample(net, 2, {"rain": "no", "wet": "yes"})
    assert float(mm.log_partition(net, {"rain": "no", "wet": "yes"})[0]) == -np.inf


def test_a_graph_without_any_possible_state_says_so():
    a = mm.Variable("a", 2)
    graph = mm.FactorGraph([a], [mm.TableFactor([a], [1.0, 0.0]), mm.TableFactor([a], [0.0, 1.0])])
    with pytest.raises(errors.ZeroProbabilityError, match="every state"):
        mm.query(graph)


def test_what_would_not_fit_is_refused_with_its_cliques():
    variables = [mm.Variable(f"v{i}", 4) for i in range(40)]
    table = np.ones((4, 4))
    graph = mm.FactorGraph(
        variables, [mm.TableFactor(pair, table) for pair in itertools.combinations(variables, 2)]
    )
    with pytest.raises(errors.TreewidthError, match="budget") as caught:
        mm.query(graph, method="junction_tree")
    approximate = mm.query(graph)
    assert (approximate.method, approximate.exact) == ("belief_propagation", False)
    assert caught.value.required_bytes > caught.value.budget_bytes
    names, size = caught.value.cliques[0]
    assert len(names) == 40
    assert size == 8 * 4**40
    small = mm.read("alarm")
    with pytest.raises(errors.TreewidthError):
        mm.query(small, method="junction_tree", memory_budget=1000)


def test_wrong_names_and_states():
    net = mm.read("alarm")
    with pytest.raises(errors.UnknownVariableError, match="did you mean 'HRBP'"):
        mm.query(net, {"HRPB": "HIGH"})
    with pytest.raises(errors.UnknownStateError, match="did you mean 'HIGH'"):
        mm.query(net, {"HRBP": "HIHG"})
    with pytest.raises(errors.UnknownVariableError, match="HISTORY"):
        mm.query(net, variables=["HISTRY"])
    with pytest.raises(errors.MmgraphError, match=r"mm\.read"):
        mm.query("alarm")  # type: ignore[arg-type]
    image = mm.Variable("image", shape=(3, 3), family="gaussian")
    with pytest.raises(errors.NotTabularError, match="image"):
        mm.query(mm.FactorGraph([image]))


def test_old_plans_are_let_go(monkeypatch: pytest.MonkeyPatch):
    for module in (compiled_plan, request, single_row):
        monkeypatch.setattr(module, "PLANS_KEPT", 6)
    net = mm.read("asia")
    expected = mm.query(net, {"xray": "yes"}).marginal("lung")
    plans = weakref.WeakSet(net.cached(compiled_plan.bound_plans).values())
    assert len(plans) == 1
    for name in net.variables:
        mm.query(net, {name: 0})
        mm.query(net, {name: [0, 1]})
        plans.update(net.cached(compiled_plan.bound_plans).values())
    gc.collect()
    assert len(plans) <= 6
    assert torch.equal(mm.query(net, {"xray": "yes"}).marginal("lung"), expected)


def test_evidence_is_not_remembered_from_call_to_call():
    net = mm.read("asia")
    first = mm.query(net, {"xray": "yes"}).marginal("lung").clone()
    mm.query(net, {"xray": "no"})
    assert torch.equal(mm.query(net, {"xray": "yes"}).marginal("lung"), first)
    assert not torch.equal(mm.query(net, {"xray": "no"}).marginal("lung"), first)
