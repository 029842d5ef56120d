"""Parallel tempering where plain Gibbs sampling stays in one mode."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError, ZeroProbabilityError
from mmgraph.inference.sampling.gibbs import gibbs
from mmgraph.inference.sampling.parallel_tempering import parallel_tempering
from tests.inference.models import nothing, seeded
from tests.inference.spatial_models import assert_agrees, ising_grid, mixed_graph, tolerance


def test_a_cold_ising_model_has_two_modes():
    """Weight 2.5 on a 4 x 4 grid: on the way from one mode to the other four edges are broken."""
    graph = ising_grid((4, 4), 2.5)
    plain = gibbs(graph, nothing(graph), draws=500, generator=seeded())
    assert not plain.converged
    assert float(plain.diagnostics["r_hat"]["spins"].max()) > 1.5
    tempered = parallel_tempering(graph, nothing(graph), draws=6000, generator=seeded())
    assert float(tempered.diagnostics["r_hat"]["spins"].max()) < 1.05
    assert_agrees(tempered, graph, nothing(graph))
    rates = tempered.diagnostics["swap_acceptance"]["rate"]
    assert rates.shape == (1, 11)
    assert ((rates > 0.1) & (rates < 1)).all()


def test_replicas_cross_hard_zeros():
    """Gibbs sampling can never leave (0, 0) for (1, 1)."""
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    graph = mm.FactorGraph([a, b], [mm.TableFactor((a, b), [[0.3, 0.0], [0.0, 0.7]])])
    posterior = parallel_tempering(graph, nothing(graph), draws=4000, generator=seeded())
    assert posterior.converged
    assert_agrees(posterior, graph, nothing(graph))


def test_alarm_mixes_where_gibbs_sampling_does_not():
    network = mm.read("alarm")
    evidence = mm.Evidence.of({"HRBP": "HIGH"}, network.variables)
    exact = mm.query(network, evidence)
    posterior = parallel_tempering(network, evidence, draws=3000, generator=seeded())
    sizes = posterior.diagnostics["effective_sample_size"]
    assert min(float(s) for s in sizes.values()) > 200
    for name in network.variables:
        difference = float((posterior.marginal(name) - exact.marginal(name)).abs().max())
        assert difference < tolerance(posterior, name), name


@pytest.mark.parametrize("seed", range(3))
def test_arrays_and_tables_with_evidence(seed):
    graph = mixed_graph(seed, zeros=seed == 1)
    codes = np.array([[[-1, 2], [-1, -1]], [[0, -1], [-1, 1]]])
    evidence = mm.Evidence.of({"labels": codes}, graph.variables)
    posterior = parallel_tempering(
        graph, evidence, temperatures=[1, 2, 4, np.inf], draws=4000, generator=seeded(seed)
    )
    for row in range(2):
        assert_agrees(posterior, graph, evidence, row)
    assert posterior.diagnostics["swap_acceptance"]["rate"].shape == (2, 3)


def test_equal_neighbours_always_swap():
    graph = ising_grid((3, 3), 0.0, field=1.0)
    posterior = parallel_tempering(graph, nothing(graph), draws=20, generator=seeded())
    assert (posterior.diagnostics["swap_acceptance"]["rate"] == 1).all()


def test_one_temperature_is_plain_gibbs_sampling():
    graph = ising_grid((3, 3), 0.5, field=0.5)
    posterior = parallel_tempering(
        graph, nothing(graph), temperatures=[1.0], draws=4000, generator=seeded()
    )
    assert_agrees(posterior, graph, nothing(graph))
    assert posterior.diagnostics["swap_acceptance"]["rate"].shape == (1, 0)


def test_the_seed_decides_on_any_number_of_threads():
    graph = ising_grid((16, 16), 0.8)
    runs = [
        parallel_tempering(graph, nothing(graph), draws=10, generator=seeded(2), threads=threads)
        for threads in (1, 1, 3)
    ]
    for run in runs[1:]:
        assert torch.equal(runs[0].marginal("spins"), run.marginal("spins"))
    other = parallel_tempering(graph, nothing(graph), draws=10, generator=seeded(3))
    assert not torch.equal(runs[0].marginal("spins"), other.marginal("spins"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "draws must be at least 1"),
        ({"chains": 0}, "chains must be at least 1"),
        ({"temperatures": []}, "must increase from 1"),
        ({"temperatures": [2, 3]}, "must increase from 1"),
        ({"temperatures": [1, 3, 2]}, "must increase from 1"),
        ({"temperatures": [1, np.nan]}, "must increase from 1"),
    ],
)
def test_numbers_that_make_no_sense(options, message):
    graph = ising_grid((2, 2), 0.5)
    with pytest.raises(MmgraphError, match=message):
        parallel_tempering(graph, nothing(graph), **options)


def test_impossible_evidence():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    graph = mm.FactorGraph([a, b], [mm.TableFactor((a, b), [[0.3, 0.0], [0.0, 0.7]])])
    with pytest.raises(ZeroProbabilityError):
        parallel_tempering(graph, mm.Evidence.of({"a": 0, "b": 1}, graph.variables))
