"""Mean field: bounds, fixed points and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.inference.mean_field.mean_field import mean_field, mean_field_marginals
from mmgraph.inference.mean_field.structured import forests
from mmgraph.inference.pairwise.build import pairwise_graph
from tests.inference.mixed_models import all_assignments, log_weights, mixed_evidence, mixed_graph
from tests.inference.models import nothing, random_evidence, random_network, seeds


def potts(weight: float = 0.8, shape=(3, 3), states: int = 2, seed: int = 0) -> mm.FactorGraph:
    generator = torch.Generator().manual_seed(seed)
    v = mm.Variable("label", states, shape=shape)
    unary = torch.randn(*shape, states, generator=generator, dtype=torch.float64)
    return mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), weight)])


def independent_log_probability(graph, marginals, row) -> torch.Tensor:
    """log q of every joint state."""
    states = all_assignments(graph)
    total = torch.zeros(len(next(iter(states.values()))), dtype=torch.float64)
    for name, codes in states.items():
        q = marginals[name][row].double().expand(len(codes), *marginals[name].shape[1:])
        picked = q.gather(-1, codes.unsqueeze(-1)).log()
        total = total + picked.reshape(len(codes), -1).sum(1)
    return total


@settings(max_examples=12)
@given(seed=seeds)
def test_naive_is_below_structured_is_below_log_z(seed):
    graph = mixed_graph(seed, zeros=0.15)
    evidence = mixed_evidence(graph, seed, rows=2)
    truth = torch.stack([log_weights(graph, evidence, row).logsumexp(0) for row in range(2)])
    assume(not torch.isneginf(truth).any())
    naive = mean_field(graph, evidence)
    chains = mean_field(graph, evidence, structure="chains")
    assert (naive.bound <= chains.bound + 1e-9).all()
    assert (chains.bound <= truth + 1e-9).all()
    for posterior in (naive, chains):
        for name, q in posterior.marginals.items():
            assert q.shape == (2, *graph.variables[name].shape, graph.variables[name].cardinality)
            torch.testing.assert_close(q.sum(-1), torch.ones_like(q[..., 0]))


@settings(max_examples=12)
@given(seed=seeds)
def test_the_bound_is_the_mean_log_weight_plus_the_entropy(seed):
    graph = mixed_graph(seed, zeros=0.15)
    evidence = mixed_evidence(graph, seed, rows=1)
    weights = log_weights(graph, evidence, 0)
    assume(not torch.isneginf(weights.logsumexp(0)))
    posterior = mean_field(graph, evidence, iterations=2)
    log_q = independent_log_probability(graph, posterior.marginals, 0)
    has_mass = ~torch.isneginf(log_q)
    expected = (log_q.exp() * (weights - log_q))[has_mass].sum()
    assert float(posterior.bound) == pytest.approx(float(expected), abs=1e-8)
    assert posterior.log_partition is posterior.bound
    assert posterior.gap is None


@settings(max_examples=10)
@given(seed=seeds)
def test_networks_with_leaves_and_soft_evidence(seed):
    network = random_network(seed, zeros=0.3, leaves=2)
    evidence = mm.Evidence.of(random_evidence(network, seed, rows=3), network.variables)
    truth = mm.log_partition(network, evidence)
    possible = ~torch.isneginf(truth)
    evidence, truth = evidence.rows(possible.numpy().nonzero()[0]), truth[possible]
    assume(len(truth))
    naive = mean_field(network, evidence)
    chains = mean_field(network, evidence, structure="chains")
    assert (naive.bound <= chains.bound + 1e-8).all()
    assert (chains.bound <= truth + 1e-8).all()


@pytest.mark.parametrize("structure", ["naive", "chains"])
def test_the_bound_never_falls(structure):
    graph = potts(1.2, (5, 6), 3)
    start = {"label": torch.full((5, 6, 3), 1 / 3)}
    bounds = [
        float(
            mean_field(
                graph, nothing(graph), structure=structure, iterations=n, initial=start
            ).bound
        )
        for n in range(1, 8)
    ]
    assert (np.diff(bounds) >= -1e-10).all()
    assert bounds[-1] > bounds[0]


def test_damping_reaches_the_same_point_and_never_falls():
    graph = potts(0.5)
    plain = mean_field(graph, nothing(graph), tolerance=1e-10)
    damped = mean_field(graph, nothing(graph), damping=0.5, iterations=500, tolerance=1e-10)
    torch.testing.assert_close(damped.marginal("label"), plain.marginal("label"))
    assert damped.iterations > plain.iterations


@pytest.mark.parametrize("structure", ["naive", "chains"])
def test_independent_elements_are_exact(structure):
    graph = potts(0.0)
    posterior = mean_field(graph, nothing(graph), structure=structure)
    unary = graph.factors[0].log_values
    torch.testing.assert_close(posterior.marginal("label")[0], unary.softmax(-1))
    torch.testing.assert_close(posterior.bound, unary.logsumexp(-1).sum()[None])
    assert posterior.converged


def test_a_chain_is_exact_where_it_is_structured():
    graph = potts(0.9, (1, 6), 3)
    chains = mean_field(graph, nothing(graph), structure="chains")
    weights = log_weights(graph, nothing(graph), 0)
    torch.testing.assert_close(chains.bound, weights.logsumexp(0)[None])
    states = all_assignments(graph)["label"]
    one_hot = torch.nn.functional.one_hot(states, 3).double()
    exact = torch.einsum("r,r...->...", weights.softmax(0), one_hot)
    torch.testing.assert_close(chains.marginal("label")[0], exact)


@pytest.mark.parametrize(
    "interaction", [mm.Potts(), mm.TruncatedLinear(1.5), [[0, 1.0, np.inf]] * 3]
)
def test_tree_factors_of_every_kind_are_exact(interaction):
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    edges = [[0, 3], [3, 1], [4, 3], [2, 4]]
    graph = mm.MarkovRandomField.from_edges(edges, unary, interaction, [0.5, 2.0, 40.0, 900.0])
    chains = mean_field(graph, nothing(graph), structure="chains")
    weights = log_weights(graph, nothing(graph), 0)
    torch.testing.assert_close(chains.bound, weights.logsumexp(0)[None])


def test_parts_are_forests():
    graph = potts(1.0, (6, 7))
    view = pairwise_graph(graph)
    parts = forests(view)
    rows = parts.part.reshape(6, 7)
    assert (rows == np.arange(6)[:, None] % 2).all()
    inside = parts.part[view.first] == parts.part[view.second]
    assert inside.sum() == 6 * 6
    assert sorted(parts.order) == list(range(42))


def test_rows_of_evidence_do_not_mix():
    graph = potts(0.7)
    evidence = mm.Evidence.of(
        {"label": np.array([[[0, -1, 1]] * 3, [[-1, -1, -1]] * 3])}, graph.variables
    )
    both = mean_field(graph, evidence, tolerance=1e-12)
    for row in range(2):
        alone = mean_field(graph, evidence.rows(slice(row, row + 1)), tolerance=1e-12)
        torch.testing.assert_close(both.marginal("label")[row], alone.marginal("label")[0])
        torch.testing.assert_close(both.bound[row], alone.bound[0])
    assert both.mode("label")[0, :, 2].tolist() == [1, 1, 1]


def test_hard_zeros_do_not_collapse():
    equal = [[0.0, np.inf], [np.inf, 0.0]]
    v = mm.Variable("label", 2, shape=(2, 3))
    unary = torch.zeros(2, 3, 2)
    unary[0, 0, 1] = 1.0
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, equal)])
    for structure in ("naive", "chains"):
        posterior = mean_field(graph, nothing(graph), structure=structure)
        assert torch.isfinite(posterior.bound).all()
        assert posterior.marginal("label")[0, ..., 1].unique().tolist() in ([0.0], [1.0])


def test_alarm():
    network = mm.read("alarm")
    evidence = mm.Evidence.of({"HRBP": ["HIGH", "LOW"], "CVP": ["LOW", None]}, network.variables)
    posterior = mean_field(network, evidence)
    best = mm.map_query(network, evidence).log_weight
    assert (posterior.bound >= best - 1e-9).all()
    assert (posterior.bound <= mm.log_partition(network, evidence)).all()
    assert posterior.converged


def test_single_precision_and_options():
    graph = potts(0.5).to(dtype=torch.float32)
    single = mean_field(graph, nothing(graph))
    assert single.marginal("label").dtype == torch.float32
    double = mean_field(graph, nothing(graph), "label", dtype=torch.float64, device="cpu")
    assert double.marginal("label").dtype == torch.float64
    torch.testing.assert_close(single.bound.double(), double.bound, atol=1e-4, rtol=1e-5)
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    first, second = (
        mean_field(graph, nothing(graph), initial="random", generator=g, iterations=1)
        for g in seeds
    )
    assert torch.equal(first.marginal("label"), second.marginal("label"))
    assert not first.converged


def test_bad_options():
    graph = potts()
    for options, message in (
        ({"structure": "chain"}, "did you mean 'chains'"),
        ({"iterations": 0}, "iterations"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"damping": 1.0}, "damping"),
        ({"initial": "randm"}, "unknown start"),
        ({"initial": {"label": torch.ones(2, 2)}}, "shape"),
        ({"initial": {"label": -torch.ones(3, 3, 2)}}, "no probability"),
    ):
        with pytest.raises(errors.MmgraphError, match=message):
            mean_field(graph, nothing(graph), **options)
    with pytest.raises(errors.UnknownVariableError, match="did you mean 'label'"):
        mean_field(graph, nothing(graph), "lable")
    with pytest.raises(errors.UnknownVariableError, match="did you mean 'label'"):
        mean_field(graph, nothing(graph), initial={"lable": torch.ones(3, 3, 2)})


def test_impossible_evidence():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    equal = mm.TableFactor([a, b], [[1.0, 0.0], [0.0, 1.0]])
    graph = mm.FactorGraph([a, b], [equal, mm.TableFactor([a], [1.0, 0.0])])
    with pytest.raises(errors.ZeroProbabilityError, match=r"'a' no state .* rows \[1\]"):
        mean_field(graph, mm.Evidence.of({"a": [0, 1]}, graph.variables))
    with pytest.raises(errors.ZeroProbabilityError, match="row 1") as caught:
        mean_field(graph, mm.Evidence.of({"b": [0, 1]}, graph.variables))
    assert caught.value.rows == (1,)
    half = torch.full((2,), 0.5)
    free = mm.FactorGraph([a, b], [equal])
    with pytest.raises(errors.EvidenceError, match="hard zeros exclude"):
        mean_field(free, nothing(free), initial={"a": half, "b": half})


def test_gradients_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(2)
    v, s = mm.Variable("label", 3, shape=(2, 3)), mm.Variable("scene", 2)
    unary = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
    table = torch.randn(2, generator=generator, dtype=torch.float64)
    weights = torch.rand(2, 2, 3, generator=generator, dtype=torch.float64)
    energies = torch.randn(1, 3, 2, generator=generator, dtype=torch.float64)
    soft = torch.randn(1, 2, 3, 3, generator=generator, dtype=torch.float64)

    def log_marginals(unary, table, weights, energies, soft):
        graph = mm.FactorGraph(
            [v, s],
            [
                mm.UnaryFactor(v, unary),
                mm.TableFactor([s], log_values=table),
                mm.GridFactor(v, mm.Potts(), weights),
                mm.PairwiseFactor((v, s), [[4, 0]], energies),
            ],
        )
        evidence = mm.Evidence.of({"label": mm.soft(soft)}, graph.variables)
        found = mean_field_marginals(graph, evidence, iterations=5)
        return found["label"], found["scene"]

    inputs = tuple(x.requires_grad_() for x in (unary, table, weights, energies, soft))
    assert torch.autograd.gradcheck(log_marginals, inputs)


def test_unrolled_updates_end_where_coordinate_ascent_does():
    graph = potts(0.6, (4, 5), 3)
    unrolled = mean_field_marginals(graph, nothing(graph), iterations=200)["label"]
    ascended = mean_field(graph, nothing(graph), tolerance=1e-12).marginal("label")
    torch.testing.assert_close(unrolled.exp(), ascended, atol=1e-8, rtol=0)


def test_unrolled_updates_with_hard_evidence():
    graph = potts(0.6)
    evidence = mm.Evidence.of({"label": np.array([[[0, -1, 1]] * 3])}, graph.variables)
    logs = mean_field_marginals(graph, evidence)["label"]
    assert logs[0, 0, 0].tolist() == [0.0, -np.inf]
    assert not logs.isnan().any()
    with pytest.raises(errors.MmgraphError, match="iterations"):
        mean_field_marginals(graph, evidence, iterations=0)


def test_on_a_gpu(cuda):
    graph = potts(0.6)
    here = mean_field(graph, nothing(graph)).marginal("label")
    there = mean_field(graph, nothing(graph), device=cuda).marginal("label")
    torch.testing.assert_close(there.cpu(), here)
