"""Iterated conditional modes of layers of units."""

from __future__ import annotations

import itertools

import pytest
import torch

import mmgraph as mm
from tests.inference.unit_models import by_listing, random_evidence, random_machine


def log_weight(graph, states, row):
    return -float(graph.energy({n: t[row : row + 1] for n, t in states.items()})[0])


@pytest.mark.parametrize("seed", range(12))
def test_no_change_of_a_single_unit_is_better(seed):
    graph = random_machine(seed)
    data, hard, soft = random_evidence(graph, seed, 2, soft=False)
    best = mm.map_query(graph, data, method="icm")
    assert best.converged
    assert not best.exact
    states = {n: best[n] for n in graph.variables}
    for row in range(len(best.log_weight)):
        top = log_weight(graph, states, row)
        assert float(best.log_weight[row]) == pytest.approx(top, abs=1e-8)
        assert top <= by_listing(graph, hard[row], soft[row]).best_log_weight + 1e-9
        for name, variable in graph.variables.items():
            given = hard[row].get(name)
            for place in range(variable.size):
                if given is not None and given.reshape(-1)[place] >= 0:
                    assert float(states[name][row].reshape(-1)[place]) == pytest.approx(
                        float(given.reshape(-1)[place])
                    )
                elif variable.is_discrete:
                    _assert_no_better(graph, states, row, name, place, top)


def _assert_no_better(graph, states, row, name, place, top):
    for state in range(graph.variables[name].cardinality):
        moved = states[name].clone()
        moved[row].reshape(-1)[place] = state
        if moved.ndim == 1:
            moved[row] = state
        assert log_weight(graph, {**states, name: moved}, row) <= top + 1e-9


def test_it_is_exact_where_nothing_joins_units():
    for seed in range(4):
        graph = random_machine(seed, joined=0.0)
        best = mm.map_query(graph, method="icm")
        truth = by_listing(graph).best_log_weight
        assert float(best.log_weight[0]) == pytest.approx(truth, abs=1e-8)


def test_rows_are_searched_each_for_itself():
    graph = random_machine(5, ["bernoulli", "bernoulli", "categorical"], joined=1.0)
    name = next(iter(graph.variables))
    variable = graph.variables[name]
    codes = itertools.product(range(2), repeat=variable.size)
    data = torch.tensor(list(codes)).reshape(-1, *variable.shape)
    together = mm.map_query(graph, {name: data}, method="icm")
    for row in range(len(data)):
        alone = mm.map_query(graph, {name: data[row : row + 1]}, method="icm")
        for other in graph.variables:
            assert torch.equal(together[other][row], alone[other][0])
