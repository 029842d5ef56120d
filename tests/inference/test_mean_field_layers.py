"""Mean field on layers of units: its bound, its fixed points, its rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.inference.field.coordinate_ascent import ascend
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.mean_field.mean_field import mean_field
from mmgraph.inference.pairwise.colouring import colour_masks
from tests.inference.unit_models import by_listing, random_evidence, random_machine

CPU = torch.device("cpu")
seeds = st.integers(0, 2**32 - 1)


def view_of(graph, data, dtype=torch.float64):
    return FieldView(graph, mm.Evidence.of(data, graph.variables), CPU, dtype)


def bound_of(view, means):
    return view.expected_log_weight(means) + view.entropy(means)


def statistics(posterior, graph, name):
    categorical = graph.variables[name].family == "categorical"
    return posterior.marginal(name) if categorical else posterior.mean(name)


@settings(max_examples=20)
@given(seeds)
def test_the_bound_is_below_the_exact_sum_and_never_falls(seed):
    graph = random_machine(seed)
    data, _, _ = random_evidence(graph, seed)
    exact = mm.log_partition(graph, data, method="layer_summation")
    view, colours = view_of(graph, data), colour_masks(graph)
    means = view.start()
    last = bound_of(view, means)
    for _ in range(12):
        ascend(view, colours, means, 1)
        bound = bound_of(view, means)
        assert (bound >= last - 1e-10).all()
        last = bound
    assert (last <= exact + 1e-9).all()
    found = mm.query(graph, data, method="mean_field")
    assert (found.bound <= exact + 1e-9).all()


@settings(max_examples=15)
@given(seeds)
def test_what_it_converges_to_is_a_fixed_point_of_the_exact_update(seed):
    graph = random_machine(seed, scale=0.5)
    data, _, _ = random_evidence(graph, seed)
    found = mean_field(
        graph, mm.Evidence.of(data, graph.variables), iterations=2000, tolerance=1e-12
    )
    assert found.converged
    view = view_of(graph, data)
    means = {n: statistics(found, graph, n) for n in graph.variables}
    for name, mean in means.items():
        torch.testing.assert_close(view.mean(name, means), mean, atol=1e-9, rtol=0)


@settings(max_examples=15)
@given(seeds)
def test_it_is_exact_where_nothing_joins_units(seed):
    graph = random_machine(seed, joined=0.0)
    data, hard, soft = random_evidence(graph, seed)
    found = mm.query(graph, data, method="mean_field")
    for row in range(len(found.log_partition)):
        truth = by_listing(graph, hard[row], soft[row])
        assert float(found.log_partition[row]) == pytest.approx(truth.log_total, abs=1e-8)
        for name, variable in graph.variables.items():
            own = statistics(found, graph, name)[row].reshape(-1)
            np.testing.assert_allclose(own, truth.means[name], atol=1e-8)
            if not variable.is_discrete:
                spread = truth.squares[name] - truth.means[name] ** 2
                np.testing.assert_allclose(found.variance(name)[row].reshape(-1), spread, atol=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_rows_together_are_rows_alone(seed):
    graph = random_machine(seed)
    data, _, _ = random_evidence(graph, seed, 5, hard=1.0)
    rows = mm.Evidence.of(data, graph.variables)
    options = {"method": "mean_field", "tolerance": 0.0, "iterations": 30}
    together = mm.query(graph, rows, **options)
    for row in range(rows.batch):
        alone = mm.query(graph, rows.rows(slice(row, row + 1)), **options)
        for name in graph.variables:
            torch.testing.assert_close(
                statistics(together, graph, name)[row : row + 1], statistics(alone, graph, name)
            )


def test_many_rows_are_answered_in_blocks_alike():
    graph = random_machine(1, ["bernoulli", "gaussian", "bernoulli"], joined=1.0)
    data, _, _ = random_evidence(graph, 0, 1500, soft=False, hard=1.0)
    options = {"method": "mean_field", "tolerance": 0.0, "iterations": 20}
    whole = mm.Evidence.of(data, graph.variables)
    found = mm.query(graph, whole, **options)
    last = mm.query(graph, whole.rows(slice(1490, 1500)), **options)
    for name in graph.variables:
        torch.testing.assert_close(
            statistics(found, graph, name)[1490:], statistics(last, graph, name)
        )
    torch.testing.assert_close(found.bound[1490:], last.bound)


@pytest.mark.parametrize("seed", range(6))
def test_single_precision_agrees(seed):
    graph = random_machine(seed)
    data, _, _ = random_evidence(graph, seed)
    single = graph.to(dtype=torch.float32)
    double = mm.query(graph, data, method="mean_field", tolerance=1e-8)
    for model, dtype in ((single, None), (graph, torch.float32)):
        found = mm.query(model, data, method="mean_field", dtype=dtype)
        for name in graph.variables:
            torch.testing.assert_close(
                statistics(found, graph, name).double(), statistics(double, graph, name),
                atol=1e-3, rtol=1e-3,
            )  # fmt: skip
        torch.testing.assert_close(found.bound.double(), double.bound, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
def test_another_device_gives_the_same(cuda, seed):
    graph = random_machine(seed)
    data, _, _ = random_evidence(graph, seed)
    here = mm.query(graph, data, method="mean_field")
    there = mm.query(graph, data, method="mean_field", device=cuda)
    for name in graph.variables:
        torch.testing.assert_close(
            statistics(there, graph, name).cpu(), statistics(here, graph, name)
        )


def test_updates_are_differentiable():
    graph = random_machine(2, ["bernoulli", "bernoulli"], joined=1.0)
    factor = graph.factors[-1]

    def mean_after(weights):
        learning = factor.with_tensors(weights)
        model = mm.FactorGraph(graph.variables.values(), [*graph.factors[:-1], learning])
        view = view_of(model, None)
        means = view.start()
        ascend(view, colour_masks(model), means, 4)
        return means[factor.scope[0].name]

    weights = factor.weights.clone().requires_grad_()
    assert torch.autograd.gradcheck(mean_after, weights)


def test_damping_and_random_starts_reach_a_fixed_point_too():
    graph = random_machine(9, ["bernoulli", "gaussian", "categorical"], scale=0.3, joined=1.0)
    plain = mm.query(graph, method="mean_field", tolerance=1e-10)
    for options in (
        {"damping": 0.4},
        {"initial": "random", "generator": torch.Generator().manual_seed(0)},
    ):
        other = mm.query(graph, method="mean_field", tolerance=1e-10, iterations=2000, **options)
        torch.testing.assert_close(other.bound, plain.bound, atol=1e-7, rtol=0)


def test_gaussian_layers_joined_to_each_other_get_their_exact_means():
    graph, truth = joined_gaussians()
    found = mm.query(graph, method="mean_field", iterations=5000, tolerance=1e-12)
    for name in graph.variables:
        np.testing.assert_allclose(found.mean(name).reshape(-1), truth.means[name], atol=1e-8)
    assert float(found.bound[0]) <= truth.log_total
    drawn = mm.query(graph, method="gibbs", draws=3000,
                     generator=torch.Generator().manual_seed(0))  # fmt: skip
    for name in graph.variables:
        size = drawn.diagnostics["effective_sample_size"][name].reshape(-1).numpy()
        spread = truth.squares[name] - truth.means[name] ** 2
        error = np.abs(drawn.mean(name).reshape(-1).numpy() - truth.means[name])
        assert (error < 4 * np.sqrt(spread / size)).all()
        np.testing.assert_allclose(drawn.variance(name).reshape(-1), spread, rtol=0.1)


def joined_gaussians():
    a, b = (mm.Variable(n, shape=(2,), family="gaussian") for n in "ab")
    graph = mm.FactorGraph([a, b], [
        mm.BiasFactor(a, torch.tensor([0.5, -1.0]).double(), torch.tensor([1.0, 2.0]).double()),
        mm.BiasFactor(b, torch.tensor([1.0, 0.0]).double(), torch.tensor([1.5, 1.0]).double()),
        mm.BilinearFactor(a, b, torch.tensor([[0.6, -0.3], [0.2, 0.7]]).double()),
    ])  # fmt: skip
    return graph, by_listing(graph)
