"""Tables of any size: exact answers against a sum over all assignments in logarithms.

The referee (``wide_cases``) shares no code with the package.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import UnderflowError, ZeroProbabilityError
from mmgraph.inference.exact import exact, junction_tree
from tests.inference.models import seeds
from tests.inference.wide_cases import Case, random_case

A, B = mm.Variable("a", 2), mm.Variable("b", 2)
RISING = np.array([[1.0, 2.0], [3.0, 4.0]])
MIRRORED = np.array([[1.0, 1e-170], [1e-170, 1.0]])


examples = settings(max_examples=40)
widths = st.sampled_from([1.0, 60.0, 150.0, 300.0])


def possible_case(seed: int, zeros: float, width: float) -> Case:
    """A possible case; an impossible one is rejected after a look at what it says."""
    case = random_case(seed, zeros, width)
    if np.isfinite(case.weights()).any():
        return case
    assert torch.isneginf(mm.log_partition(case.graph(), case.evidence())).all()
    for ask in (mm.query, mm.map_query):
        with pytest.raises(ZeroProbabilityError):
            ask(case.graph(), case.evidence())
    with pytest.raises(ZeroProbabilityError):
        mm.sample(case.graph(), 2, case.evidence())
    reject()


@examples
@given(seeds, st.sampled_from([0.0, 0.3]), widths, st.sampled_from([1, 40]))
def test_marginals_and_partition_functions(seed: int, zeros: float, width: float, rows: int):
    case = possible_case(seed, zeros, width)
    graph, evidence, joint = case.graph(), case.evidence(rows), case.probabilities()
    log_z = np.logaddexp.reduce(case.weights(), axis=None)
    found = mm.query(graph, evidence)
    assert found.exact
    many = found.batch  # without evidence there is one row
    np.testing.assert_allclose(found.log_partition, np.full(many, log_z), rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(mm.log_partition(graph, evidence), np.full(many, log_z), rtol=1e-11)
    for v in range(len(case.cards)):
        truth = joint.sum(tuple(a for a in range(joint.ndim) if a != v))
        for row in found.marginal(f"v{v}"):
            np.testing.assert_allclose(row, truth, atol=1e-8)
    names = [f"v{v}" for v in (1, 0)]
    truth = joint.sum(tuple(range(2, joint.ndim))).T
    np.testing.assert_allclose(mm.joint(graph, names, evidence)[-1], truth, atol=1e-8)
    entropy = -sum(p * math.log(p) for p in joint.ravel() if p > 0)
    np.testing.assert_allclose(found.entropy()[-1], entropy, atol=1e-6)


@examples
@given(seeds, st.sampled_from([0.0, 0.3]), widths)
def test_the_torch_tree(seed: int, zeros: float, width: float):
    case = possible_case(seed, zeros, width)
    joint = case.probabilities()
    log_z = np.logaddexp.reduce(case.weights(), axis=None)
    logs = (*case.logs, *case.soft.values())
    largest = sum(np.nan_to_num(np.abs(table), posinf=0.0).max() for table in logs)
    for dtype, tolerance in ((torch.float64, 1e-8), (torch.float32, 1e-4)):
        found = mm.query(case.graph(), case.evidence(), method="torch", dtype=dtype)
        assert found.log_partition.dtype == dtype
        atol = max(1e-4, torch.finfo(dtype).eps * largest)  # each logarithm is rounded
        np.testing.assert_allclose(found.log_partition, [log_z], rtol=1e-6, atol=atol)
        for v in range(len(case.cards)):
            truth = joint.sum(tuple(a for a in range(joint.ndim) if a != v))
            np.testing.assert_allclose(found.marginal(f"v{v}")[0], truth, atol=tolerance)


@examples
@given(seeds, st.sampled_from([0.0, 0.3]), widths)
@example(906274641, 0.0, 60.0)  # the product of all totals is no normal double, though each is
@example(567170780, 0.3, 60.0)
def test_best_assignments(seed: int, zeros: float, width: float):
    case = possible_case(seed, zeros, width)
    graph, evidence, weights = case.graph(), case.evidence(), case.weights()
    best = mm.map_query(graph, evidence)
    np.testing.assert_allclose(-best.energy, [weights.max()], rtol=1e-11, atol=1e-9)
    states = tuple(int(best[f"v{v}"][0]) for v in range(len(case.cards)))
    np.testing.assert_allclose(weights[states], weights.max(), rtol=1e-11, atol=1e-9)
    some = mm.map_query(graph, evidence, ["v0", "v1"])
    summed = np.logaddexp.reduce(weights, axis=tuple(range(2, weights.ndim)))
    np.testing.assert_allclose(-some.energy, [summed.max()], rtol=1e-11, atol=1e-9)
    chosen = summed[int(some["v0"][0]), int(some["v1"][0])]
    np.testing.assert_allclose(chosen, summed.max(), rtol=1e-11, atol=1e-9)


@examples
@given(seeds, st.sampled_from([0.0, 0.3]), widths)
def test_samples_are_of_the_probable_assignments(seed: int, zeros: float, width: float):
    case = possible_case(seed, zeros, width)
    joint = case.probabilities()
    generator = torch.Generator().manual_seed(seed % 1000)
    drawn = junction_tree.exact_samples(
        case.graph(), mm.Evidence.of(case.evidence(), case.graph().variables), 300, generator
    )
    states = np.stack([drawn[f"v{v}"][0].numpy() for v in range(len(case.cards))])
    flat = np.ravel_multi_index(tuple(states), case.cards)
    share = np.bincount(flat, minlength=joint.size) / 300
    error = np.sqrt(joint.ravel() * (1 - joint.ravel()) / 300)
    assert (np.abs(share - joint.ravel()) <= 6 * error + 0.02).all()
    assert not share[joint.ravel() < 1e-9].any()


@examples
@given(seeds, widths, st.sampled_from([1, 40]))
def test_beliefs_of_factors(seed: int, width: float, rows: int):
    case = possible_case(seed, 0.2, width)
    given = mm.Evidence.of(case.evidence(rows), case.graph().variables)
    counts, _ = junction_tree.factor_beliefs(case.graph(), given)
    joint = case.probabilities()
    for scope, belief in zip(case.scopes, counts, strict=False):
        rest = tuple(a for a in range(joint.ndim) if a not in scope)
        truth = joint.sum(rest).transpose(np.argsort(np.argsort(scope)))
        np.testing.assert_allclose(belief, truth * given.batch, atol=1e-7)


LN10 = math.log(10)


@pytest.mark.parametrize(
    ("tables", "log_z", "first", "energy"),
    [
        ([RISING * 1e160] * 2, math.log(30) + 320 * LN10, 5 / 30, -math.log(16) - 320 * LN10),
        ([RISING * 1e-200] * 2, math.log(30) - 400 * LN10, 5 / 30, -math.log(16) + 400 * LN10),
        ([MIRRORED, MIRRORED[::-1].copy()], math.log(4) - 170 * LN10, 0.5, 170 * LN10),
    ],
)
@pytest.mark.parametrize("method", ["junction_tree", "enumeration", "torch"])
def test_two_tables_on_one_pair(
    tables: list[np.ndarray], log_z: float, first: float, energy: float, method: str
):
    graph = mm.FactorGraph([A, B], [mm.TableFactor([A, B], table) for table in tables])
    found = mm.query(graph, method=method)
    assert found.marginal("a")[0, 0] == pytest.approx(first)
    assert float(mm.log_partition(graph, method=method)) == pytest.approx(log_z)
    if method != "torch":
        best = mm.map_query(graph, method=method)
        assert best.exact
        assert float(best.energy) == pytest.approx(energy)
    drawn = mm.sample(graph, 400, generator=torch.Generator().manual_seed(0))
    share = float((torch.as_tensor(np.asarray(drawn["a"])) == 0).double().mean())
    assert share == pytest.approx(first, abs=0.1)


@pytest.mark.parametrize(
    ("table", "log_z"),
    [
        (np.array([1.0, 1.0]) * 1e308, math.log(2) + 924 * LN10),  # 2128.2818
        (np.array([1.0, 3.0]) * 1e200, math.log(28) + 600 * LN10),
        (np.array([1.0, 3.0]) * 5e-324, math.log(28) + 3 * math.log(5e-324)),
    ],
)
def test_three_tables_on_one_variable(table: np.ndarray, log_z: float):
    graph = mm.FactorGraph([A], [mm.TableFactor([A], table)] * 3)
    for method in ("junction_tree", "enumeration", "torch", "belief_propagation"):
        assert float(mm.log_partition(graph, method=method)) == pytest.approx(log_z)
        first = float(mm.query(graph, method=method).marginal("a")[0, 0])
        assert first == pytest.approx(1 / (1 + (table[1] / table[0]) ** 3))


def test_a_state_that_small_tables_lose_one_by_one():
    """No step ends in zero, and yet the pass in doubles forgets the right state."""
    logs = [[0.0, -800.0], [-500.0, 0.0], [-500.0, 0.0]]
    truth = [1 / (1 + math.exp(200)), 1.0]
    asked = {
        "tables": (
            mm.FactorGraph([A], [mm.TableFactor([A], log_values=t) for t in logs]),
            {},
        ),
        "leaves": (_three_leaves(), {"x": [40.0], "y": [0.0], "z": [0.0]}),
    }
    for graph, evidence in asked.values():
        np.testing.assert_allclose(mm.query(graph, evidence).marginal("a")[0], truth, atol=1e-12)
        many = {n: v * 40 for n, v in evidence.items()}
        np.testing.assert_allclose(mm.query(graph, many).marginal("a")[-1], truth, atol=1e-12)


def _three_leaves() -> mm.BayesianNetwork:
    """Class one says 0 of y and z, and class zero says so of x; x = 40 lies 800 nats from one."""
    leaves = []
    for name, means in (
        ("x", (40.0, 0.0)),
        ("y", (math.sqrt(1000), 0.0)),
        ("z", (math.sqrt(1000), 0.0)),
    ):
        variable = mm.Variable(name, family="gaussian")
        leaves.append(mm.GaussianLeaf(variable, [A], np.array(means)[:, None], np.ones((2, 1, 1))))
    prior = mm.TableFactor([A], [0.5, 0.5], child=A)
    return mm.BayesianNetwork([A, *(leaf.child for leaf in leaves)], [prior, *leaves])


def test_long_chains_of_improbable_observations():
    """A hidden Markov model of 500 steps, against its own forward pass in logarithms."""
    rng = np.random.default_rng(5)
    hidden = [mm.Variable(f"h{t}", 3) for t in range(500)]
    seen = [mm.Variable(f"o{t}", 2) for t in range(500)]
    move = np.array([[1 - 2e-9, 1e-9, 1e-9], [1e-12, 1 - 2e-12, 1e-12], [1e-3, 1e-3, 1 - 2e-3]])
    show = np.array([[1 - 1e-8, 1e-8], [1 - 1e-5, 1e-5], [1 - 1e-11, 1e-11]])
    tables = [mm.TableFactor([hidden[0]], [0.2, 0.3, 0.5], child=hidden[0])]
    for t in range(500):
        if t:
            tables.append(mm.TableFactor(hidden[t - 1 : t + 1], move, child=hidden[t]))
        tables.append(mm.TableFactor([hidden[t], seen[t]], show, child=seen[t]))
    net = mm.BayesianNetwork([*hidden, *seen], tables)
    codes = rng.integers(0, 2, 500)
    forward = np.log([0.2, 0.3, 0.5])
    for t, code in enumerate(codes):
        if t:
            forward = np.logaddexp.reduce(forward[:, None] + np.log(move), axis=0)
        forward += np.log(show[:, code])
    log_z = np.logaddexp.reduce(forward)
    evidence = {f"o{t}": int(code) for t, code in enumerate(codes)}
    assert log_z < -2000
    found = mm.query(net, evidence)
    assert float(found.log_partition) == pytest.approx(log_z)
    np.testing.assert_allclose(found.marginal("h499")[0], np.exp(forward - log_z), atol=1e-9)


def test_a_conditional_distribution_in_logarithms_keeps_its_sum():
    """Its variable is barren: what is divided out of the table must not count."""
    child = mm.Variable("child", 3)
    logs = np.log([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]) - math.log(0.6)
    graph = mm.FactorGraph(
        [A, child],
        [mm.TableFactor([A], [0.4, 0.6]), mm.TableFactor([A, child], log_values=logs, child=child)],
    )
    assert float(mm.log_partition(graph)) == pytest.approx(0.0, abs=1e-12)


def test_what_memory_does_not_allow_is_an_error_of_underflow():
    v = mm.Variable("x", 2, (8, 8))
    generator = torch.Generator().manual_seed(0)
    unary = 2000 * torch.randn(8, 8, 2, generator=generator, dtype=torch.float64)
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), 3000.0)])
    assert mm.query(graph).exact
    given = mm.Evidence.of(None, graph.variables)
    with pytest.raises(UnderflowError, match="budget"):
        exact.marginals(graph, given, None, "junction_tree", memory_budget=300_000)


def test_arrays_take_the_same_way():
    """Elements of a grid whose energies lie thousands of nats apart: joint and samples, too."""
    v = mm.Variable("x", 2, (2, 3))
    unary = np.array([[[0.0, 900.0], [900.0, 0.0], [0.0, 0.0]], [[0.0, 0.0]] * 3])
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), 800.0)])
    listed = mm.query(graph, method="enumeration").marginal("x")
    torch.testing.assert_close(mm.query(graph).marginal("x"), listed)
    pair = mm.joint(graph, ["x[0,0]", "x[0,2]"])[0]
    torch.testing.assert_close(pair.sum(1), listed[0, 0, 0])
    torch.testing.assert_close(pair.sum(0), listed[0, 0, 2])
    drawn = mm.sample(
        graph, 400, generator=torch.Generator().manual_seed(0), method="junction_tree"
    )
    share = (torch.as_tensor(np.asarray(drawn["x"])) == 1).double().mean(0)
    torch.testing.assert_close(share, listed[0, ..., 1], rtol=0, atol=0.1)


def test_gradients_of_what_doubles_lose():
    """log P(evidence) and marginals differentiate in logarithms as they do in probabilities."""
    logs = torch.tensor([[0.0, -800.0], [-900.0, -1.0]], dtype=torch.float64, requires_grad=True)
    graph = mm.FactorGraph(
        [A, B],
        [
            mm.TableFactor([A, B], log_values=logs),
            mm.TableFactor([A], log_values=[-500.0, 0.0]),
            mm.TableFactor([A], log_values=[-500.0, 0.0]),
            mm.TableFactor([B], log_values=[0.0, -800.0]),
        ],
    )
    found = mm.query(graph)
    (gradient,) = torch.autograd.grad(found.log_partition.sum(), logs, retain_graph=True)
    weights = np.array([[-1000.0, -2600.0], [-900.0, -801.0]])
    truth = np.exp(weights - np.logaddexp.reduce(weights, axis=None))
    np.testing.assert_allclose(gradient, truth, atol=1e-12)
    (again,) = torch.autograd.grad(found.marginal("b")[0, 1], logs)
    assert bool(again.isfinite().all())


def test_a_network_of_tiny_probabilities_at_every_door():
    """A clique of contradictions: what a class makes almost impossible is seen in four children."""
    names = ["child0", "child1", "child2", "child3"]
    tiny = {n: [[1 - 1e-200, 1e-200], [1 - 1e-199, 1e-199]] for n in names}
    net = mm.BayesianNetwork.from_tables([("a", n) for n in names], {"a": [0.5, 0.5], **tiny})
    evidence = dict.fromkeys(names, 1)
    log_p = math.log(0.5) - 796 * LN10 + math.log1p(1e-4)
    truth = [1e-4 / (1 + 1e-4), 1 / (1 + 1e-4)]
    for _ in range(2):  # the second time by the plan that is kept
        found = mm.query(net, evidence)
        assert found.method == "junction_tree"
        assert float(found.log_partition) == pytest.approx(log_p)
        np.testing.assert_allclose(found.marginal("a")[0], truth, rtol=1e-9)
    rows = {n: [1] * 50 + [0] for n in names}
    many = mm.query(net, rows)
    np.testing.assert_allclose(many.marginal("a")[:50, 0], np.full(50, truth[0]), rtol=1e-9)
    np.testing.assert_allclose(many.marginal("a")[50], [0.5, 0.5])
    np.testing.assert_allclose(mm.joint(net, ["a", "child0"], evidence)[0, :, 1], truth, rtol=1e-9)
    counts = mm.expected_family_counts(net, rows)
    np.testing.assert_allclose(counts["child2"][:, 1], 50 * np.array(truth), rtol=1e-9)
    np.testing.assert_allclose(counts["a"], 50 * np.array(truth) + 0.5, rtol=1e-9)
    best = mm.map_query(net, evidence, "a")
    assert int(best["a"][0]) == 1
    assert float(best.log_weight) == pytest.approx(math.log(0.5) - 796 * LN10)
    drawn = mm.sample(net, 100, evidence, torch.Generator().manual_seed(0))
    assert int((torch.as_tensor(np.asarray(drawn["a"])) == 0).sum()) <= 2
    entropy = -sum(p * math.log(p) for p in truth)
    assert float(found.entropy()) == pytest.approx(entropy, rel=1e-6)


@pytest.mark.parametrize("shift", [-5000.0, 800.0, 1e6])
def test_soft_evidence_of_any_size(shift: float):
    net = mm.BayesianNetwork.from_tables(
        [("a", "b")], {"a": [0.3, 0.7], "b": [[0.9, 0.1], [0.2, 0.8]]}
    )
    truth = mm.query(net, {"b": mm.soft([[0.0, 1.0]])}).marginal("a")
    for method in ("auto", "torch", "enumeration", "belief_propagation"):
        found = mm.query(net, {"b": mm.soft([[shift, shift + 1.0]])}, method=method)
        torch.testing.assert_close(found.marginal("a"), truth, rtol=1e-6, atol=1e-9)
        assert bool(found.log_partition.isfinite().all())


def test_auto_goes_on_to_messages_where_logarithms_do_not_fit():
    """The tree in doubles fits the budget, the one in logarithms does not."""
    v = mm.Variable("x", 2, (8, 8))
    unary = 2000 * np.random.default_rng(0).normal(size=(8, 8, 2))
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), 3000.0)])
    found = mm.query(graph, exact_budget=300_000)
    assert found.method in ("belief_propagation", "tree_reweighted")
    assert mm.query(graph, exact_budget=3_000_000).exact
