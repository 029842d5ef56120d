"""Belief propagation and its tree-reweighted form: exact on trees, bounded above, hard zeros."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings

import mmgraph as mm
from mmgraph.graph.errors import MemoryBudgetError, MmgraphError, ZeroProbabilityError
from mmgraph.inference.messages.belief_propagation import max_product
from mmgraph.inference.messages.options import SCHEDULES, MessageOptions
from mmgraph.inference.messages.row_messages import RowMessages
from mmgraph.inference.messages.spanning_trees import covering_forests
from mmgraph.inference.messages.tensors.belief_propagation import TensorMessages
from mmgraph.inference.pairwise.build import pairwise_graph
from tests.inference.messages.tensors.on_tensors import marginals_on_tensors
from tests.inference.messages.test_trws import INTERACTIONS, grid
from tests.inference.models import nothing, random_evidence, random_network, seeds
from tests.inference.spatial_models import ising_grid, listed, mixed_graph


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_exact_on_a_chain(schedule, interaction):
    graph = grid((7,), 3, interaction, torch.linspace(0.1, 1.5, 7)[None].double())
    found = mm.query(graph, method="belief_propagation", schedule=schedule, tolerance=1e-12)
    marginals, log_z = listed(graph, nothing(graph))
    torch.testing.assert_close(found.marginal("label")[0], marginals["label"])
    torch.testing.assert_close(float(found.log_partition), log_z)
    assert found.converged
    bound = mm.query(graph, method="tree_reweighted", tolerance=1e-12)
    torch.testing.assert_close(float(bound.bound), log_z)  # one tree covers a chain


@pytest.mark.parametrize("seed", range(4))
def test_exact_on_singly_connected_networks(seed):
    rng = np.random.default_rng(seed)
    net = mm.BayesianNetwork.from_tables(
        edges=[("a", "c"), ("b", "c"), ("c", "d"), ("c", "e")],
        tables={
            "a": rng.dirichlet(np.ones(2)),
            "b": rng.dirichlet(np.ones(3)),
            "c": rng.dirichlet(np.ones(3), (2, 3)),
            "d": rng.dirichlet(np.ones(2), 3),
            "e": rng.dirichlet(np.ones(4), 3),
        },
    )
    evidence = {"e": [None, 2, 3], "d": [0, None, 1]}
    exact = mm.query(net, evidence)
    found = mm.query(net, evidence, method="belief_propagation", tolerance=1e-12)
    for name in net.variables:
        torch.testing.assert_close(found.marginal(name), exact.marginal(name))
    torch.testing.assert_close(found.log_partition, exact.log_partition)
    best = mm.map_query(net, evidence, method="max_product")
    torch.testing.assert_close(best.log_weight, mm.map_query(net, evidence).log_weight)


@settings(max_examples=15)
@given(seed=seeds)
def test_schedules_agree_and_the_bound_bounds(seed):
    graph = mixed_graph(seed, zeros=True)
    log_z = listed(graph, nothing(graph))[1]
    points = [
        mm.query(graph, method="belief_propagation", schedule=s, damping=0.2, iterations=1000)
        for s in SCHEDULES
    ]
    for other in points[1:]:
        for name in graph.variables:
            torch.testing.assert_close(
                other.marginal(name), points[0].marginal(name), atol=1e-4, rtol=0
            )
    bound = mm.query(graph, method="tree_reweighted")
    assert float(bound.bound) >= log_z - 1e-9
    lower = mm.query(graph, method="mean_field")
    assert float(lower.bound) <= log_z + 1e-9


@settings(max_examples=10)
@given(seed=seeds)
def test_networks_with_leaves_and_zeros(seed):
    net = random_network(seed, zeros=0.15, leaves=1)
    evidence = random_evidence(net, seed, rows=2)
    try:
        exact = mm.query(net, evidence, method="enumeration")
    except ZeroProbabilityError:
        for method in ("tree_reweighted", "belief_propagation"):
            with pytest.raises(ZeroProbabilityError):
                mm.query(net, evidence, method=method)
        reject()
    bound = mm.query(net, evidence, method="tree_reweighted")
    assert (bound.bound >= exact.log_partition - 1e-9).all()
    found = mm.query(net, evidence, method="belief_propagation")
    for table in found.marginals.values():
        torch.testing.assert_close(table.sum(-1), torch.ones_like(table[..., 0]))


def test_the_bound_holds_for_any_messages():
    graph = ising_grid((3, 3), 1.2, field=0.7)
    log_z = listed(graph, nothing(graph))[1]
    pairwise = pairwise_graph(graph)
    share = covering_forests(pairwise).mean(0)
    messages = RowMessages(pairwise, nothing(graph), 0, True, share)
    rng = np.random.default_rng(0)
    bounds = []
    for _ in range(20):
        for directed in (messages.messages.towards_first, messages.messages.towards_second):
            directed[: -pairwise.edge_arrays.largest] = rng.normal(size=int(pairwise.slots[-1]))
        bounds.append(messages.upper_bound())
    assert min(bounds) >= log_z
    assert max(bounds) - min(bounds) > 0.1


def test_covering_forests_are_forests_that_cover():
    pairwise = pairwise_graph(ising_grid((5, 6), 1.0))
    forests = covering_forests(pairwise)
    assert forests.any(0).all()
    assert (forests.sum(1) == pairwise.nodes - 1).all()  # connected, and n - 1 edges: a tree


def test_ising_grids_near_the_exact_answer():
    for weight, tolerance in ((0.3, 0.01), (0.8, 0.1)):
        graph = ising_grid((10, 10), weight, field=0.5)
        exact = mm.query(graph, method="junction_tree")
        found = mm.query(graph, method="belief_propagation")
        error = (found.marginal("spins") - exact.marginal("spins")).abs().max()
        assert error < tolerance
        upper = mm.query(graph, method="tree_reweighted").bound
        lower = mm.query(graph, method="mean_field").bound
        assert lower < exact.log_partition < upper


def test_rows_of_evidence_are_answered_alike_together_and_alone():
    graph = grid((5, 4), 3, mm.TruncatedLinear(1.5), 0.7)
    soft = torch.randn(4, 5, 4, 3, generator=torch.Generator().manual_seed(1)).double()
    together = mm.query(graph, {"label": mm.soft(soft)}, method="belief_propagation")
    for row in range(4):
        alone = mm.query(graph, {"label": mm.soft(soft[row])}, method="belief_propagation")
        assert torch.equal(alone.marginal("label")[0], together.marginal("label")[row])
    assert together.log_partition.shape == (4,)


def test_observed_pixels_keep_their_states():
    graph = grid((4, 4), 3, mm.Potts(), 1.0)
    codes = np.full((4, 4), -1)
    codes[0, 0], codes[3, 2] = 2, 1
    found = mm.query(graph, {"label": codes}, method="belief_propagation").marginal("label")[0]
    assert found[0, 0].tolist() == [0.0, 0.0, 1.0]
    assert found[3, 2].tolist() == [0.0, 1.0, 0.0]
    assert not torch.isnan(found).any()


def test_single_precision_agrees_with_double():
    graph = grid((16, 16), 4, mm.Potts(), 0.9)
    double = mm.query(graph, method="belief_propagation")
    single = mm.query(graph, method="belief_propagation", dtype=torch.float32, tolerance=1e-4)
    torch.testing.assert_close(
        single.marginal("label"), double.marginal("label"), atol=1e-3, rtol=0
    )


def test_what_does_not_settle_says_so():
    graph = ising_grid((6, 6), -4.0, field=2.0, seed=3)
    found = mm.query(graph, method="belief_propagation", schedule="parallel", iterations=5)
    assert not found.converged
    assert found.residual > 1e-6
    assert found.iterations == 5


def test_impossible_evidence_and_wrong_options():
    v = mm.Variable("x", 2, (2,))
    graph = mm.FactorGraph([v], [mm.PairwiseFactor(v, [(0, 1)], [[0.0, np.inf], [np.inf, 0.0]])])
    for method in ("belief_propagation", "tree_reweighted"):
        with pytest.raises(ZeroProbabilityError):
            mm.query(graph, {"x": np.array([0, 1])}, method=method)
    with pytest.raises(MmgraphError, match="damping"):
        mm.query(graph, method="belief_propagation", damping=1.0)
    with pytest.raises(MmgraphError, match="did you mean 'parallel'"):
        mm.query(graph, method="belief_propagation", schedule="paralel")
    with pytest.raises(MmgraphError, match="iterations"):
        mm.query(graph, method="belief_propagation", iterations=0)
    with pytest.raises(MemoryBudgetError):
        mm.query(graph, method="belief_propagation", memory_budget=10)


def test_contradictions_too_large_for_doubles_are_taken_in_logarithms():
    v = mm.Variable("x", 2, (3,))
    unary = [[0.0, -1500.0], [0.0, 0.0], [-1500.0, 0.0]]
    hard = [[0.0, np.inf], [np.inf, 0.0]]
    graph = mm.FactorGraph(
        [v], [mm.UnaryFactor(v, unary), mm.PairwiseFactor(v, [(0, 1), (1, 2)], hard)]
    )
    found = mm.query(graph, method="belief_propagation").marginal("x")[0]
    torch.testing.assert_close(found, torch.full((3, 2), 0.5, dtype=torch.float64))


def test_leaves_without_parents_count():
    height = mm.Variable("height", shape=(1,), family="gaussian")
    leaf = mm.GaussianLeaf(height, [], means=[1.0], covariances=[[4.0]])
    coin = mm.Variable("coin", 2)
    net = mm.BayesianNetwork([height, coin], [leaf, mm.TableFactor([coin], [0.3, 0.7], child=coin)])
    data = {"height": [[2.0], [5.0]]}
    exact = mm.log_partition(net, data)
    for method in ("belief_propagation", "tree_reweighted", "mean_field"):
        torch.testing.assert_close(mm.log_partition(net, data, method=method), exact)
    best = mm.map_query(net, data)
    for method in ("trws", "max_product", "icm"):
        found = mm.map_query(net, data, method=method)
        torch.testing.assert_close(found.log_weight, best.log_weight)


def test_strong_attraction_written_as_negative_energies():
    v = mm.Variable("x", 2, (1, 3))
    unary = mm.UnaryFactor(v, [[[0.0, 0.4], [0.0, -0.1], [0.2, 0.0]]])
    for factor in (
        mm.GridFactor(v, mm.Tabulated([[-1000.0, 0.0], [0.0, -1000.0]])),
        mm.GridFactor(v, mm.Potts(), -800.0),
    ):
        graph = mm.FactorGraph([v], [unary, factor])
        exact = mm.query(graph, method="enumeration")
        for method in ("belief_propagation", "tree_reweighted"):
            found = mm.query(graph, method=method)
            torch.testing.assert_close(found.marginal("x"), exact.marginal("x"))
            torch.testing.assert_close(found.log_partition, exact.log_partition)


TORCH_METHODS = ("belief_propagation", "tree_reweighted")


@pytest.mark.parametrize("method", TORCH_METHODS)
def test_messages_on_tensors_are_damped_as_asked(method):
    graph = ising_grid((3, 4), torch.tensor(0.9, requires_grad=True), field=0.5, seed=1)
    passes = {"iterations": 5, "tolerance": 0.0}
    for named, meant in (({}, 0.3), ({"damping": 0.0}, 0.0), ({"damping": 0.1}, 0.1)):
        found = mm.query(graph, method=method, **passes, **named)
        same = marginals_on_tensors(graph, nothing(graph), method=method, damping=meant, **passes)
        assert torch.equal(found.marginal("spins"), same.marginal("spins"))
        assert found.residual == same.residual


def test_best_assignments_elsewhere_are_damped_as_asked(cuda):
    graph = ising_grid((3, 4), 0.9, field=0.5, seed=1)
    passes = {"iterations": 500, "tolerance": 1e-9}
    done = set()
    for named, meant in (({}, 0.3), ({"damping": 0.0}, 0.0), ({"damping": 0.1}, 0.1)):
        found = max_product(graph, nothing(graph), device=cuda, **passes, **named)
        options = MessageOptions(damping=meant, device=cuda, **passes)
        same = TensorMessages(graph, nothing(graph), options, sums=False)
        assert torch.equal(found["spins"], same.assignment()[0]["spins"])
        assert found.iterations == same.iterations
        done.add(found.iterations)
    assert len(done) == 3  # which the damping changes


@pytest.mark.parametrize("schedule", ["sequential", "residual"])
def test_schedules_that_tensors_do_not_know_are_refused(schedule, cuda):
    learning = ising_grid((2, 3), torch.tensor(0.9, requires_grad=True))
    still = ising_grid((2, 3), 0.9)
    for method in TORCH_METHODS:
        for graph, device in ((learning, "auto"), (still, cuda)):
            with pytest.raises(MmgraphError, match=f"'{schedule}'.*'parallel'"):
                mm.query(graph, method=method, schedule=schedule, device=device)
            mm.query(graph, method=method, schedule="parallel", device=device, iterations=2)
        assert mm.query(still, method=method, schedule=schedule).converged
    with pytest.raises(MmgraphError, match=f"'{schedule}'.*'parallel'"):
        mm.map_query(still, method="max_product", schedule=schedule, device=cuda)
