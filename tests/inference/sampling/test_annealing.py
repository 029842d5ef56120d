"""Annealed importance sampling: log Z within four standard errors of the listing of all states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import ConvergenceWarning, MmgraphError, ZeroProbabilityError
from mmgraph.inference.sampling.annealing import annealed_importance_sampling
from mmgraph.inference.sampling.annealing_weights import inverse_temperatures
from tests.inference.models import nothing, random_evidence, random_network, seeded
from tests.inference.spatial_models import ising_grid, listed, mixed_graph


def assert_agrees(posterior, graph, evidence):
    errors = posterior.diagnostics["standard_error"]["log_partition"]
    sizes = posterior.diagnostics["effective_sample_size"]["weights"]
    for row in range(evidence.batch):
        exact, log_total = listed(graph, evidence, row)
        # Where all chains have the same weight, the error is rounding.
        error = 4 * float(errors[row]) + 1e-9
        assert float(posterior.log_partition[row]) == pytest.approx(log_total, abs=error)
        for name, marginal in exact.items():
            difference = float((posterior.marginal(name)[row] - marginal).abs().max())
            assert difference < 5 * 0.5 / float(sizes[row]) ** 0.5, name


@pytest.mark.parametrize("weight", [0.5, 1.5, -1.0])
def test_ising_models(weight):
    graph = ising_grid((3, 4), weight, field=0.5)
    posterior = annealed_importance_sampling(
        graph, nothing(graph), steps=200, chains=400, generator=seeded()
    )
    assert posterior.converged
    assert float(posterior.diagnostics["standard_error"]["log_partition"]) < 0.05
    assert_agrees(posterior, graph, nothing(graph))


@pytest.mark.parametrize("seed", range(6))
def test_arrays_and_tables_with_evidence(seed):
    graph = mixed_graph(seed, zeros=seed % 2 == 1)
    codes = np.array([[[-1, 2], [-1, -1]], [[0, -1], [-1, 1]]])
    soft = np.random.default_rng(seed).normal(size=(2, 2))
    evidence = mm.Evidence.of({"labels": codes, "line": mm.soft(soft)}, graph.variables)
    posterior = annealed_importance_sampling(
        graph, evidence, steps=200, chains=400, generator=seeded(seed)
    )
    assert_agrees(posterior, graph, evidence)


@pytest.mark.parametrize("seed", range(6))
def test_networks_with_continuous_leaves(seed):
    network = random_network(seed, leaves=2)
    evidence = mm.Evidence.of(random_evidence(network, seed, 2), network.variables)
    posterior = annealed_importance_sampling(
        network, evidence, steps=200, chains=400, generator=seeded(seed)
    )
    exact = mm.query(network, evidence)
    error = 4 * posterior.diagnostics["standard_error"]["log_partition"] + 1e-9
    assert ((posterior.log_partition - exact.log_partition).abs() < error).all()


def test_a_continuous_variable_without_parents_counts():
    a = mm.Variable("a", 2)
    x = mm.Variable("x", shape=(1,), family="gaussian")
    leaf = mm.GaussianLeaf(x, (), np.array([0.5]), np.array([[2.0]]), covariance="full")
    graph = mm.FactorGraph([a, x], [mm.TableFactor((a,), [0.25, 0.5]), leaf])
    evidence = mm.Evidence.of({"x": np.array([[1.5]])}, graph.variables)
    posterior = annealed_importance_sampling(graph, evidence, steps=2, chains=2)
    density = -0.5 * np.log(2 * np.pi * 2.0) - 0.25
    assert float(posterior.log_partition) == pytest.approx(np.log(0.75) + density, abs=1e-6)


def test_independent_elements_have_no_error():
    labels = mm.Variable("labels", 3, (5,))
    values = np.random.default_rng(0).normal(size=(5, 3))
    graph = mm.FactorGraph([labels], [mm.UnaryFactor(labels, values)])
    posterior = annealed_importance_sampling(graph, nothing(graph), steps=3, chains=5)
    assert float(posterior.diagnostics["standard_error"]["log_partition"]) < 1e-12
    expected = torch.as_tensor(values)
    assert float(posterior.log_partition) == pytest.approx(float(expected.logsumexp(1).sum()))
    torch.testing.assert_close(posterior.marginal("labels")[0], expected.softmax(1))


def test_the_error_is_that_of_many_runs():
    graph = ising_grid((3, 3), 1.0)
    runs = [
        annealed_importance_sampling(
            graph, nothing(graph), steps=20, chains=50, generator=seeded(seed)
        )
        for seed in range(60)
    ]
    spread = float(torch.cat([r.log_partition for r in runs]).std())
    told = [float(r.diagnostics["standard_error"]["log_partition"]) for r in runs]
    assert np.mean(told) == pytest.approx(spread, rel=0.4)


def test_the_seed_decides_on_any_number_of_threads():
    graph = ising_grid((6, 6), 0.8)
    runs = [
        annealed_importance_sampling(
            graph, nothing(graph), steps=20, chains=9, generator=seeded(1), threads=threads
        )
        for threads in (1, 1, 4)
    ]
    for run in runs[1:]:
        assert torch.equal(runs[0].log_partition, run.log_partition)
        assert torch.equal(runs[0].marginal("spins"), run.marginal("spins"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"chains": 0}, "chains must be at least 2, not 0"),
        ({"chains": 1}, "chains must be at least 2, not 1"),
    ],
)
def test_numbers_that_make_no_sense(options, message):
    graph = ising_grid((2, 2), 0.5)
    with pytest.raises(MmgraphError, match=message):
        annealed_importance_sampling(graph, nothing(graph), **options)


def test_impossible_evidence():
    line = mm.Variable("line", 2, (3,))
    equal = mm.Tabulated([[0.0, np.inf], [np.inf, 0.0]])
    graph = mm.FactorGraph([line], [mm.GridFactor(line, equal)])
    evidence = mm.Evidence.of({"line": np.array([1, -1, 0])}, graph.variables)
    with pytest.raises(ZeroProbabilityError, match="impossible"):
        annealed_importance_sampling(graph, evidence, steps=5, chains=5)


@pytest.mark.parametrize("weight", [1e6, 1e3, -1e6])
def test_large_energies_leave_the_base_slowly(weight):
    """Even steps left all weight on one run: log Z -4994.5 for 1.218."""
    labels = mm.Variable("labels", 2, (3, 3))
    unary = 0.3 * np.random.default_rng(0).normal(size=(3, 3, 2))
    graph = mm.FactorGraph(
        [labels], [mm.UnaryFactor(labels, unary), mm.GridFactor(labels, mm.Potts(), weight)]
    )
    exact = float(mm.log_partition(graph))
    found = annealed_importance_sampling(graph, nothing(graph), generator=seeded())
    error = float(found.diagnostics["standard_error"]["log_partition"])
    assert error < 0.5
    assert float(found.log_partition) == pytest.approx(exact, abs=4 * error)


def test_weights_on_one_run_have_no_error_to_tell():
    graph = ising_grid((12, 12), 20.0)
    with pytest.warns(ConvergenceWarning, match=r"one of 100 runs \(effective sample size 1"):
        found = mm.query(graph, method="annealed_importance_sampling", steps=3, generator=seeded())
    assert not found.converged
    assert found.diagnostics["standard_error"]["log_partition"].tolist() == [np.inf]
    assert found.shortfall.endswith("sampling: standard error inf after 3 steps, not 0.1")
    with pytest.warns(ConvergenceWarning, match="annealed_importance_sampling: in row 0") as seen:
        mm.log_partition(graph, method="annealed_importance_sampling", steps=3, generator=seeded())
    assert len(seen) == 1


@pytest.mark.parametrize("spread", [0.0, 0.4, 3.0, 1e6, 1e300, np.inf])
def test_schedules_rise_from_zero_to_one(spread):
    inverse = inverse_temperatures(100, spread)
    assert (inverse[0], inverse[-1], len(inverse)) == (0.0, 1.0, 101)
    assert (np.diff(inverse) > 0).all() or spread == 1e300
    if spread <= 0.5:
        np.testing.assert_allclose(np.diff(inverse), 0.01)
    elif spread < 1e300:
        assert inverse[1] * 100 * spread == pytest.approx(0.5, rel=0.15)
