"""Annealed importance sampling of layers of units beside exact sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError
from tests.inference.annealing_machines import deep, strokes
from tests.inference.test_tempering_layers import two_modes
from tests.inference.unit_models import random_evidence, random_machine


def estimate(graph, seed, data=None, steps=300, chains=100, **options):
    return mm.query(
        graph, data, method="annealed_importance_sampling", steps=steps, chains=chains,
        generator=torch.Generator().manual_seed(seed), **options,
    )  # fmt: skip


def errors_of(graph, seeds, exact, **options):
    """How far the log-partition functions are off, and the errors told, by seed."""
    found = [estimate(graph, seed, **options) for seed in range(seeds)]
    off = np.array([float(f.log_partition[0]) for f in found]) - exact
    told = np.array([float(f.diagnostics["standard_error"]["log_partition"][0]) for f in found])
    return off, told


def exact_of(graph, data=None):
    return mm.log_partition(graph, data, method="layer_summation")


MACHINES = [
    ("bernoulli", (30, 10, 8), 0.5),
    ("bernoulli", (20, 20, 10), 0.4),
    ("gaussian", (20, 14), 0.4),
    ("replicated_softmax", (30, 14), 0.4),
    ("rectified_gaussian", (12, 10), 0.4),
]


@pytest.mark.parametrize("seeds", [4, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("family", "layers", "scale"), MACHINES)
def test_it_is_within_a_twentieth_of_a_nat_of_the_exact_sum(family, layers, scale, seeds):
    graph = deep(family, layers, scale)
    off, told = errors_of(graph, seeds, float(exact_of(graph)[0]))
    assert (np.abs(off) < 0.05).all()
    assert (np.abs(off) < 3 * told).mean() >= 7 / 8
    assert (told < 0.02).all()


def test_so_it_is_on_pixels_with_weights_as_after_training():
    graph = strokes(12)
    off, told = errors_of(graph, 1, float(exact_of(graph)[0]), steps=1000)
    assert (np.abs(off) < 0.05).all()
    assert (np.abs(off) < 4 * told).all()


@pytest.mark.parametrize(
    ("steps", "chains"), [(100, 60), pytest.param(300, 100, marks=pytest.mark.slow)]
)
def test_three_standard_errors_cover_the_truth(steps, chains):
    graph = deep("bernoulli", (24, 12, 6), 0.5, seed=3)
    off, told = errors_of(graph, 40, float(exact_of(graph)[0]), steps=steps, chains=chains)
    assert (np.abs(off) < 3 * told).mean() >= 0.95
    ratio = np.sqrt((off**2).mean()) / told.mean()
    assert 0.6 < ratio < 1.6  # nor is the error told too large


@pytest.mark.slow
def test_three_standard_errors_cover_the_truth_of_784_pixels():
    graph = strokes(14)
    exact = float(exact_of(graph)[0])
    off, told = errors_of(graph, 20, exact, steps=400, chains=60)
    covered = int((np.abs(off) < 3 * told).sum())
    print(f"\nlog Z {exact:.3f}: largest error {np.abs(off).max():.4f} nats, mean error told "
          f"{told.mean():.4f}, {covered} of 20 within 3 of them")  # fmt: skip
    assert (np.abs(off) < 0.05).mean() >= 0.95
    assert covered >= 0.95 * 20


@pytest.mark.parametrize(
    ("chains", "seeds"), [(40, 150), pytest.param(20, 300, marks=pytest.mark.slow)]
)
def test_the_mean_weight_is_unbiased_with_few_steps(chains, seeds):
    graph = random_machine(5, ["bernoulli", "gaussian", "bernoulli"], scale=1.0, joined=1.0)
    exact = float(exact_of(graph)[0])
    ratios = np.array([
        float((estimate(graph, seed, steps=3, chains=chains).log_partition[0] - exact).exp())
        for seed in range(seeds)
    ])  # fmt: skip
    error = ratios.std(ddof=1) / len(ratios) ** 0.5
    assert error < 0.1
    assert abs(ratios.mean() - 1) < 4 * error


def test_means_of_data_are_a_better_start_than_biases_that_weights_undo():
    graph = two_modes(12)
    exact = float(exact_of(graph)[0])
    even = {n: torch.full((1, 12), 0.5, dtype=torch.float64) for n in "vh"}
    off, told = errors_of(graph, 4, exact, steps=500, base=even)
    assert (np.abs(off) < 0.15).all()
    assert (np.abs(off) < 4 * told).all()
    plain, error = errors_of(graph, 4, exact, steps=500)
    assert error.mean() > 2 * told.mean()
    assert np.abs(plain).mean() > 2 * np.abs(off).mean()


@pytest.mark.parametrize("seed", range(3))
def test_a_base_changes_no_answer(seed):
    graph = random_machine(seed, ["bernoulli", "gaussian", "categorical"], joined=1.0)
    exact = mm.query(graph, method="layer_summation")
    base = {}
    for name, variable in graph.variables.items():
        categorical = variable.family == "categorical"
        base[name] = exact.marginal(name) if categorical else exact.mean(name)
    off, told = errors_of(graph, 4, float(exact.log_partition[0]), base=base)
    assert (np.abs(off) < 4 * told + 1e-9).all()


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_evidence_have_estimates_of_their_own(seed):
    graph = random_machine(seed)
    data, _, _ = random_evidence(graph, seed)
    exact = mm.query(graph, data, method="layer_summation")
    found = estimate(graph, seed, data, chains=300)
    error = found.diagnostics["standard_error"]["log_partition"]
    assert ((found.log_partition - exact.log_partition).abs() < 4 * error + 1e-8).all()
    assert (found.diagnostics["effective_sample_size"]["weights"] > 100).all()
    for name, variable in graph.variables.items():
        if variable.is_discrete:
            gap = (found.marginal(name) - exact.marginal(name)).abs()
            assert (gap < 0.15).all()
        else:
            gap = (found.mean(name) - exact.mean(name)).abs()
            assert (gap < 6 * (exact.variance(name) / 300).sqrt() + 1e-9).all()


def test_machines_in_single_precision_are_annealed_in_double():
    graph = deep("bernoulli", (20, 10), 0.5)
    single = graph.to(dtype=torch.float32)
    found = estimate(single, 0)
    assert found.log_partition.dtype == torch.float64
    assert abs(float(found.log_partition[0] - exact_of(graph)[0])) < 0.05


def test_the_same_seed_gives_the_same_answer():
    graph = deep("gaussian", (6, 4), 0.5)
    first, again, other = (estimate(graph, s, steps=20).log_partition for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_convergence_is_told_by_the_error():
    graph = strokes(12)
    rough = estimate(graph, 0, steps=10, chains=10)
    assert not rough.converged
    assert estimate(graph, 0, steps=10, chains=10, tolerance=50.0).converged


def test_bad_numbers_and_a_base_without_layers_are_refused():
    graph = deep("bernoulli", (4, 2), 0.5)
    for options, message in (({"steps": 0}, "steps must be at least 1"),
                             ({"chains": 1}, "chains must be at least 2")):  # fmt: skip
        with pytest.raises(MmgraphError, match=message):
            estimate(graph, 0, **options)
    v = mm.Variable("v", 3)
    with pytest.raises(MmgraphError, match="for graphs of layers of units"):
        estimate(
            mm.FactorGraph([v], [mm.UnaryFactor(v, torch.zeros(3))]), 0, base={"v": torch.ones(3)}
        )


def test_tables_with_zeros_between_layers_are_refused():
    graph = deep("bernoulli", (4, 2), 0.5)
    t = mm.Variable("t", 2)
    u = mm.Variable("u", 2)
    table = mm.TableFactor([t, u], [[1.0, 0.0], [0.0, 1.0]])
    mixed = mm.FactorGraph([*graph.variables.values(), t, u], [*graph.factors, table])
    with pytest.raises(MmgraphError, match="has zeros, which annealing of layers"):
        estimate(mixed, 0, steps=20)
