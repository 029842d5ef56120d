"""Branch and bound against listing all states, and what it owns up to when time runs out."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings

import mmgraph as mm
from mmgraph.graph.errors import MissingExtraError, MmgraphError, ZeroProbabilityError
from mmgraph.inference.minimisation.branch_and_bound import branch_and_bound
from tests.inference.mixed_models import log_weights, mixed_evidence, mixed_graph
from tests.inference.models import nothing, random_evidence, random_graph, random_network, seeds


class TestWithSolver:
    @pytest.fixture(autouse=True)
    def _solver(self):
        pytest.importorskip("pytoulbar2")

    @settings(max_examples=25)
    @given(seed=seeds)
    def test_mixed_graphs_are_solved(self, seed):
        graph = mixed_graph(seed, zeros=0.2)
        evidence = mixed_evidence(graph, seed, rows=2)
        best = [float(log_weights(graph, evidence, row).max()) for row in range(2)]
        if -np.inf in best:
            with pytest.raises(ZeroProbabilityError, match="contradict"):
                branch_and_bound(graph, evidence)
            reject()
        found = branch_and_bound(graph, evidence)
        assert found.exact
        np.testing.assert_allclose(found.log_weight, best, atol=1e-9)
        assert (found.gap == 0).all()

    @settings(max_examples=15)
    @given(seed=seeds)
    def test_networks_are_solved_as_by_the_junction_tree(self, seed):
        network = random_network(seed, zeros=0.2, leaves=1)
        evidence = mm.Evidence.of(random_evidence(network, seed, 1), network.variables)
        try:
            best = mm.map_query(network, evidence, method="junction_tree").log_weight
        except ZeroProbabilityError:
            with pytest.raises(ZeroProbabilityError):
                branch_and_bound(network, evidence)
            reject()
        torch.testing.assert_close(branch_and_bound(network, evidence).log_weight, best)

    def test_energies_of_any_size_are_scaled(self):
        for seed in range(5):
            graph = random_graph(seed)
            best = mm.map_query(graph, method="enumeration").log_weight
            torch.testing.assert_close(branch_and_bound(graph, nothing(graph)).log_weight, best)

    def test_what_the_junction_tree_finds_in_alarm(self):
        network = mm.read("alarm")
        evidence = mm.Evidence.of({"HRBP": "HIGH", "CVP": "LOW"}, network.variables)
        best = mm.map_query(network, evidence, method="junction_tree")
        found = branch_and_bound(network, evidence)
        torch.testing.assert_close(found.log_weight, best.log_weight)
        assert found.exact

    def test_variables_of_one_state_and_flat_tables(self):
        v = mm.Variable("label", 1, (2, 2))
        graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts())])
        found = branch_and_bound(graph, nothing(graph))
        assert float(found.energy) == 0.0
        assert found["label"].shape == (1, 2, 2)

    def test_a_time_limit_that_strikes_leaves_a_bound_and_a_gap(self):
        generator = torch.Generator().manual_seed(0)
        v = mm.Variable("label", 6, (14, 14))
        tables = torch.randn(2 * 14 * 13, 6, 6, generator=generator, dtype=torch.float64) * 3
        places = np.arange(196).reshape(14, 14)
        edges = np.concatenate(
            [
                np.stack([places[:, :-1].ravel(), places[:, 1:].ravel()], 1),
                np.stack([places[:-1].ravel(), places[1:].ravel()], 1),
            ]
        )
        graph = mm.FactorGraph([v], [mm.PairwiseFactor(v, edges, mm.Tabulated(tables))])
        found = branch_and_bound(graph, nothing(graph), time_limit=0.5)
        assert not found.exact
        assert not found.converged
        assert float(found.gap) > 0
        assert float(found.bound) > float(found.log_weight)
        assert float(found.bound) == pytest.approx(float(found.log_weight + found.gap))
        torch.testing.assert_close(graph.energy(found.states), found.energy)
        lower = mm.map_query(graph, method="trws").lower_bound
        assert float(found.energy) >= float(lower)

    def test_some_variables_are_reported(self):
        graph = random_graph(3)
        name = list(graph.variables)[-1]
        assert list(branch_and_bound(graph, nothing(graph), [name]).states) == [name]

    @pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
    def test_a_time_limit_must_be_positive(self, limit):
        graph = random_graph(0)
        with pytest.raises(MmgraphError, match="time_limit must be positive"):
            branch_and_bound(graph, nothing(graph), time_limit=limit)


def test_without_the_solver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytoulbar2", None)
    graph = random_graph(0)
    with pytest.raises(MissingExtraError, match=r"pip install 'mmgraph\[toulbar2\]'"):
        branch_and_bound(graph, nothing(graph))
