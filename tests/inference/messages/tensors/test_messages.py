"""Messages on tensors beside the compiled ones, by gradient and by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.inference.messages.tensors.messages import EdgeGroup
from mmgraph.inference.messages.trws import trws
from tests.inference.messages.tensors.on_tensors import best_on_tensors, marginals_on_tensors
from tests.inference.messages.test_trws import INTERACTIONS, grid

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]
TABLE = mm.Tabulated([[0.0, 1.0, np.inf], [0.5, 0.0, 1.0], [2.0, 0.3, 0.1]])


def evidence_of(graph, data=None):
    return mm.Evidence.of(data, graph.variables)


def mixed(seed: int, three: bool = False) -> mm.FactorGraph:
    """An image with a scalar beside it that has fewer states, joined by tables and edges."""
    rng = np.random.default_rng(seed)
    image, scene, time = (
        mm.Variable("image", 3, (3, 3)),
        mm.Variable("scene", 2),
        mm.Variable("t", 3),
    )
    scope = (scene, time, image)[: 3 if three else 2]
    factors = [
        mm.UnaryFactor(image, rng.normal(size=(3, 3, 3))),
        mm.GridFactor(image, (*INTERACTIONS, TABLE)[seed % 6], rng.random((4, 3, 3)), 8),
        mm.PairwiseFactor((scene, image), [(0, 0), (0, 4)], rng.normal(size=(2, 2, 3))),
        mm.TableFactor(scope[:2], rng.random((2, 3))),
    ]
    if three:
        other = mm.Variable("other", 2)
        factors.append(mm.TableFactor((scene, time, other), rng.random((2, 3, 2))))
        return mm.FactorGraph([image, scene, time, other], factors)
    return mm.FactorGraph([image, scene, time], factors)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(6))
def test_belief_propagation_has_the_fixed_point_of_the_kernels(seed, device):
    graph = mixed(seed)
    codes = np.full((2, 3, 3), -1)
    codes[1, 2, 2] = 1
    data = {"image": codes, "scene": mm.soft(np.array([[0.0, 0.5], [1.0, 0.0]]))}
    expected = mm.query(graph, data, method="belief_propagation", tolerance=1e-10)
    evidence = evidence_of(graph, data)
    found = marginals_on_tensors(graph, evidence, device=device, tolerance=1e-10)
    assert found.converged
    for name in graph.variables:
        torch.testing.assert_close(
            found.marginal(name).cpu(), expected.marginal(name), atol=1e-7, rtol=0
        )
    torch.testing.assert_close(found.log_partition.cpu(), expected.log_partition, atol=1e-6, rtol=0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(6))
def test_trws_bounds_the_optimum(seed, device):
    graph = mixed(seed)
    data = {"scene": [None, 1]}
    best = mm.map_query(graph, data, method="junction_tree").log_weight
    found = best_on_tensors(graph, evidence_of(graph, data), device=device)
    assert (found.bound >= best - 1e-9).all()
    assert (found.log_weight <= best + 1e-9).all()
    torch.testing.assert_close(graph.energy(found.states), found.energy)
    kernel = mm.map_query(graph, data, method="trws")
    assert (found.gap <= kernel.gap + 0.5).all()


def test_trws_closes_the_gap_that_the_kernels_close():
    graph = grid((32, 32), 4, mm.Potts(), 0.6)
    found = best_on_tensors(graph, evidence_of(graph), iterations=500)
    kernel = mm.map_query(graph, method="trws")
    assert float(found.gap) <= 0.01 * abs(float(found.energy))
    assert float(found.lower_bound) <= float(kernel.energy) + 1e-9
    assert len(found.trace) > 1


def test_gradients_of_marginals_and_log_partition():
    v = mm.Variable("x", 3, (2, 3))
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(2, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weights = torch.tensor([0.4, 0.7], dtype=torch.float64, requires_grad=True)
    for interaction in (mm.Potts(), mm.TruncatedQuadratic(2.0)):

        def answers(u, w, interaction=interaction):
            graph = mm.FactorGraph([v], [mm.UnaryFactor(v, u), mm.GridFactor(v, interaction, w)])
            post = marginals_on_tensors(graph, evidence_of(graph), iterations=8, tolerance=0.0)
            return post.marginal("x")[0, 1, 1], post.log_partition

        assert torch.autograd.gradcheck(answers, (unary, weights))


def test_refused_and_impossible():
    v = mm.Variable("x", 2, (2,))
    clash = mm.FactorGraph([v], [mm.PairwiseFactor(v, [(0, 1)], [[0.0, np.inf], [np.inf, 0.0]])])
    evidence = evidence_of(clash, {"x": np.array([0, 1])})
    with pytest.raises(errors.ZeroProbabilityError):
        marginals_on_tensors(clash, evidence)
    with pytest.raises(errors.ZeroProbabilityError):
        best_on_tensors(clash, evidence)


def test_the_query_runs_on_tensors_where_gradients_are_asked_for():
    v = mm.Variable("x", 2, (40, 40))
    weights = torch.tensor(0.5, requires_grad=True)
    graph = mm.FactorGraph(
        [v], [mm.UnaryFactor(v, torch.randn(40, 40, 2)), mm.GridFactor(v, mm.Potts(), weights)]
    )
    found = mm.query(graph, method="belief_propagation", iterations=5)
    found.marginal("x")[0, 0, 0, 0].backward()
    assert weights.grad is not None
    assert torch.isfinite(weights.grad)


def strong(weights, source) -> torch.Tensor:
    """Potts messages in logarithms through the whole table."""
    states = source.shape[-1]
    energies = weights[:, None, None] * (1 - torch.eye(states, dtype=source.dtype))
    return -torch.logsumexp(-(source[..., None] + energies), 2)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-3), (torch.float64, 1e-9)])
@pytest.mark.parametrize("states", [1, 2, 5])
def test_potts_messages_of_strong_attraction_and_repulsion(dtype, close, states):
    rng = np.random.default_rng(states)
    source = torch.as_tensor(rng.normal(size=(2, 8, states)) * 40, dtype=dtype)
    source[0, :, 0] -= 900  # the others' shares are lost beside this one's
    source[1, 3, 1:] = torch.inf
    source[1, 4, 0] = torch.inf if states > 1 else 0.0
    weights = torch.tensor([0.0, 0.3, -0.7, 150, 800, 5000, -900, 1e5], dtype=dtype)
    ends = torch.arange(8)
    found = EdgeGroup(ends, ends, weights, None, states).send(source, True, sums=True)
    expected = strong(weights.double(), source.double())
    torch.testing.assert_close(found.double(), expected, atol=close, rtol=close / 100)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_strong_attraction_is_no_hard_zero(dtype):
    v = mm.Variable("x", 2, (2,))
    unary = torch.tensor([[1000.0, 0.0], [0.0, 100.0]], dtype=dtype)
    factors = [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), torch.tensor([2000.0]))]
    graph = mm.FactorGraph([v], factors)
    evidence = evidence_of(graph, {"x": np.array([0, 1])})
    found = marginals_on_tensors(graph, evidence)
    assert float(found.log_partition) == pytest.approx(1000 + 100 - 2000)


def forbidding(unary, table, weights, codes=None):
    """A grid whose shared table forbids pairs, and a table over scalars with a zero."""
    v, a, b = mm.Variable("x", 3, (2, 3)), mm.Variable("a", 2), mm.Variable("b", 2)
    factors = [
        mm.UnaryFactor(v, unary),
        mm.GridFactor(v, mm.Tabulated(table), weights),
        mm.TableFactor((a, b), torch.tensor([[0.2, 0.0], [0.3, 0.5]], dtype=torch.float64)),
        mm.PairwiseFactor((a, v), [(0, 0)], torch.tensor([[0.0, 1, np.inf], [1.0, 0, 2]])),
    ]
    graph = mm.FactorGraph([v, a, b], factors)
    return graph, {} if codes is None else {"x": codes}


@pytest.mark.parametrize("fast_mode", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["belief_propagation", "torch"])
@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("shape", [(), (2, 2, 3)])
def test_gradients_beside_hard_zeros(method, observed, shape, fast_mode):
    generator = torch.Generator().manual_seed(1)
    unary = torch.randn(2, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    table = torch.tensor([[0.0, 1, np.inf], [0.5, 0, 1], [2, 0.3, 0.1]], dtype=torch.float64)
    table.requires_grad_()
    weights = 0.3 + torch.rand(shape, dtype=torch.float64, generator=generator)
    weights.requires_grad_()
    codes = np.array([[[-1, 0, -1], [1, -1, -1]]]) if observed else None
    options = {"iterations": 3, "tolerance": 0.0} if method == "belief_propagation" else {}

    def answers(unary, table, weights):
        graph, data = forbidding(unary, table, weights, codes)
        marginal = mm.query(graph, data, ["x"], method, **options).marginal("x")
        return marginal[0, :, 0], mm.log_partition(graph, data, method=method, **options)

    assert torch.autograd.gradcheck(answers, (unary, table, weights), fast_mode=fast_mode)


def test_gradients_of_potts_messages_with_observed_pixels():
    v = mm.Variable("x", 3, (2, 3))
    generator = torch.Generator().manual_seed(3)
    unary = torch.randn(2, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weights = torch.tensor([0.4, 900.0], dtype=torch.float64, requires_grad=True)

    def answers(unary, weights):
        graph = mm.FactorGraph(
            [v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), weights)]
        )
        evidence = evidence_of(graph, {"x": np.array([[0, -1, -1], [-1, 2, -1]])})
        post = marginals_on_tensors(graph, evidence, iterations=5, tolerance=0.0)
        return post.marginal("x"), post.log_partition

    assert torch.autograd.gradcheck(answers, (unary, weights))


def test_a_table_of_zeros_and_gradients():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    values = torch.tensor([[0.2, 0.0], [0.3, 0.5]], dtype=torch.float64, requires_grad=True)
    graph = mm.FactorGraph([a, b], [mm.TableFactor((a, b), values)])
    marginals_on_tensors(graph, evidence_of(graph)).log_partition.backward()
    torch.testing.assert_close(values.grad, torch.tensor([[1.0, 0], [1, 1]]).double())


def test_a_shared_table_is_not_copied_for_each_edge():
    edges = 1 << 16
    group = EdgeGroup(*torch.zeros(2, edges).long(), torch.ones(edges), torch.eye(64)[None], 64)
    x = torch.randint(64, (1, 10), generator=torch.Generator().manual_seed(0))
    chosen = torch.arange(10)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        found = group.pair_energies(x, True, chosen)
    assert torch.equal(found, torch.eye(64)[x])
    largest = max(event.cpu_memory_usage for event in seen.key_averages())
    assert largest < 64 * 64 * len(chosen)  # 64 entries an edge, not 64 * 64
    each = EdgeGroup(group.first, group.second, torch.ones(edges), torch.rand(3, 64, 64), 64)
    rows = each.pair_energies(x[:, :2], False, torch.tensor([2, 0]))
    torch.testing.assert_close(rows[0, 0], each.table[2, :, x[0, 0]])


@pytest.mark.parametrize("method", [marginals_on_tensors, best_on_tensors])
def test_memory_is_asked_for_before_it_is_taken(method):
    graph = grid((30, 30), 8, mm.Potts(), 0.4)
    evidence = evidence_of(graph)
    assert method(graph, evidence, iterations=1, memory_budget=10**8) is not None
    with pytest.raises(
        errors.MemoryBudgetError, match=r"900 nodes with up to 8 states.*dtype"
    ) as caught:
        method(graph, evidence, memory_budget=10**5)
    assert caught.value.required_bytes > caught.value.budget_bytes == 10**5
    rows = evidence_of(graph, {"label": np.full((9, 30, 30), -1)})
    with pytest.raises(errors.MemoryBudgetError):
        method(graph, rows, memory_budget=10**7)


def test_gradients_keep_the_tensors_of_every_iteration():
    graph = grid((30, 30), 8, mm.Potts(), torch.tensor(0.4, requires_grad=True))
    options = {"iterations": 50, "tolerance": 0.0, "memory_budget": 20 * 10**6}
    with pytest.raises(errors.MemoryBudgetError, match="iterations, kept for gradients"):
        marginals_on_tensors(graph, evidence_of(graph), **options)
    with pytest.raises(errors.MemoryBudgetError, match="kept for gradients"):
        mm.query(graph, method="belief_propagation", **options)
    with torch.no_grad():
        assert marginals_on_tensors(graph, evidence_of(graph), **options).iterations == 50


def test_wrong_options_are_refused():
    graph = grid((2, 2), 2, mm.Potts(), 0.4)
    evidence = evidence_of(graph)
    for damping in (-0.1, 1.0, 2.0, float("nan")):
        with pytest.raises(errors.MmgraphError, match="damping must lie in"):
            marginals_on_tensors(graph, evidence, damping=damping)
    for method in (marginals_on_tensors, trws):
        with pytest.raises(errors.MmgraphError, match="iterations must be at least 1, not 0"):
            method(graph, evidence, iterations=0)
    for method in (marginals_on_tensors, best_on_tensors):
        with pytest.raises(errors.UnknownVariableError, match="zzz"):
            method(graph, evidence, ["zzz"])
    assert set(best_on_tensors(mixed(0), evidence_of(mixed(0)), ["t"]).states) == {"t"}
