"""Layers as tables between units."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import NotTabularError
from mmgraph.inference.exact import tabulation
from mmgraph.inference.exact.tabulation import tabulated
from tests.inference.unit_models import random_evidence, random_machine


@pytest.mark.parametrize("seed", range(6))
def test_energies_are_those_of_the_layers(seed):
    graph = random_machine(seed, ["bernoulli", "categorical", "bernoulli"])
    tables = tabulated(graph)
    assert not any(f.compact for f in tables.factors)
    drawn = mm.sample(graph, 20, generator=torch.Generator().manual_seed(seed)).codes
    torch.testing.assert_close(tables.energy(drawn), graph.energy(drawn))


def test_belief_propagation_is_exact_on_trees():
    every = (random_machine(s, ["bernoulli", "categorical"], joined=1.0) for s in range(50))
    graph = next(g for g in every if sorted(v.size for v in g.variables.values()) == [1, 2])
    data, _, _ = random_evidence(graph, 0, 2, hard=0.0)
    exact = mm.query(graph, data)
    found = mm.query(graph, data, method="belief_propagation", iterations=200)
    for name in graph.variables:
        torch.testing.assert_close(found.marginal(name).double(), exact.marginal(name),
                                   atol=1e-5, rtol=0)  # fmt: skip


def test_tables_are_kept_with_a_graph_unless_it_learns():
    graph = random_machine(1, ["bernoulli", "bernoulli"], joined=1.0)
    assert tabulated(graph) is tabulated(graph)
    factor = graph.factors[-1]
    assert isinstance(factor, mm.BilinearFactor)
    learning = factor.with_tensors(factor.weights.clone().requires_grad_())
    graph = mm.FactorGraph(graph.variables.values(), [*graph.factors[:-1], learning])
    assert tabulated(graph) is not tabulated(graph)


def test_too_many_pairs_are_counted(monkeypatch):
    graph = random_machine(1, ["bernoulli", "bernoulli"], joined=1.0)
    monkeypatch.setattr(tabulation, "MOST_EDGES", 0)
    with pytest.raises(NotTabularError, match="pairs of units, and methods on tables take up to 0"):
        tabulated(graph)
