"""The README's guide to methods on Ising grids: bounds enclose, samplers agree."""

from __future__ import annotations

import pytest

import mmgraph as mm
from tests.inference.models import seeded
from tests.inference.spatial_models import ising_grid


@pytest.mark.parametrize("size", [10, pytest.param(15, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("weight", "near"), [(0.4, 0.01), (0.88, 0.4), (1.4, 0.4)])
def test_methods_beside_the_exact_answer(size, weight, near):
    graph = ising_grid((size, size), weight, field=0.5)
    exact = mm.query(graph, method="junction_tree")
    log_z, truth = exact.log_partition, exact.marginal("spins")

    def error(found) -> float:
        return float((found.marginal("spins") - truth).abs().max())

    assert error(mm.query(graph, method="belief_propagation")) < near
    upper = mm.query(graph, method="tree_reweighted").bound
    naive = mm.query(graph, method="mean_field").bound
    chains = mm.query(graph, method="mean_field", structure="chains").bound
    assert naive <= chains + 1e-9 < log_z + 1e-9 < upper
    sampled = mm.query(graph, method="parallel_tempering", generator=seeded())
    assert error(sampled) < 0.08
    if weight < 1:
        assert error(mm.query(graph, method="gibbs", draws=2000, generator=seeded())) < 0.08
    annealed = mm.query(graph, method="annealed_importance_sampling", generator=seeded())
    deviation = annealed.diagnostics["standard_error"]["log_partition"]
    assert (annealed.log_partition - log_z).abs() < 5 * deviation + 0.01
