"""Iterated conditional modes against single changes, on arrays and networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.inference.minimisation.icm import icm
from tests.inference.mixed_models import all_assignments, log_weights, mixed_evidence, mixed_graph
from tests.inference.models import nothing, seeds


def flat(states, row) -> torch.Tensor:
    return torch.cat([codes[row].reshape(-1) for codes in states.values()])


@settings(max_examples=20)
@given(seed=seeds)
def test_no_single_change_is_better(seed):
    graph = mixed_graph(seed)
    evidence = mixed_evidence(graph, seed, rows=2)
    found = icm(graph, evidence)
    assert found.converged
    assert not found.exact
    states = {n: c.reshape(len(c), -1) for n, c in all_assignments(graph).items()}
    listed = torch.cat(list(states.values()), 1)
    ours = {name: found[name] for name in states}
    for row in range(2):
        weights = log_weights(graph, evidence, row)
        changes = (listed != flat(ours, row)).sum(1)
        (own,) = weights[changes == 0]
        assert float(found.log_weight[row]) == pytest.approx(float(own), abs=1e-9)
        assert (weights[changes == 1] <= own + 1e-9).all()


def test_the_energy_never_rises():
    generator = torch.Generator().manual_seed(1)
    v = mm.Variable("label", 4, shape=(12, 12))
    unary = torch.randn(12, 12, 4, generator=generator, dtype=torch.float64)
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, mm.Potts(), 0.6)])
    energies = [float(graph.energy({"label": unary.argmax(-1)}))]
    for iterations in range(1, 6):
        found = icm(graph, nothing(graph), iterations=iterations)
        energies.append(float(found.energy))
        assert float(graph.energy(found.states)) == pytest.approx(energies[-1])
    assert (np.diff(energies) <= 1e-9).all()
    assert energies[1] < energies[0]
    assert found.converged


def test_a_network_with_large_tables():
    network = mm.read("alarm")
    evidence = mm.Evidence.of({"HRBP": ["HIGH", "LOW"]}, network.variables)
    found = icm(network, evidence)
    energy = network.energy(found.states)
    torch.testing.assert_close(found.energy, energy, check_dtype=False)
    assert found["HRBP"].tolist() == [network.variable("HRBP").code(s) for s in ("HIGH", "LOW")]
    for name, variable in network.variables.items():
        for state in range(variable.cardinality if name != "HRBP" else 0):
            changed = {**found.states, name: torch.full((2,), state)}
            assert (network.energy(changed) >= energy - 1e-9).all()


def test_hard_zeros_are_left_behind():
    v = mm.Variable("label", 2, shape=(5,))
    unary = [[1.0, 0.0], [0.0, 0.6], [1.0, 0.0], [0.0, 0.6], [1.0, 0.0]]
    equal = [[0.0, np.inf], [np.inf, 0.0]]
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, equal)])
    found = icm(graph, nothing(graph))
    (states,) = found["label"].tolist()
    assert states in ([0] * 5, [1] * 5)
    assert float(found.log_weight) == pytest.approx(1.2 if states[0] else 3.0)


def test_a_given_start_and_ties():
    v = mm.Variable("label", 2, shape=(4,))
    graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts())])
    for start in ([1, 1, 1, 1], [[1, 1, 1, 1]]):
        assert icm(graph, nothing(graph), {"label": start})["label"].tolist() == [[1, 1, 1, 1]]
    evidence = mm.Evidence.of({"label": np.array([[0, -1, -1, -1]])}, graph.variables)
    found = icm(graph, evidence, {"label": [1, 1, 1, 1]})
    assert int(found["label"][0, 0]) == 0


def test_trapped_among_hard_zeros():
    v = mm.Variable("label", 2, shape=(4,))
    equal = [[0.0, np.inf], [np.inf, 0.0]]
    unary = [[3.0, 0.0], [3.0, 0.0], [0.0, 3.0], [0.0, 3.0]]
    graph = mm.FactorGraph([v], [mm.UnaryFactor(v, unary), mm.GridFactor(v, equal)])
    assert float(icm(graph, nothing(graph)).log_weight) == pytest.approx(6.0)
    assert icm(graph, nothing(graph), {"label": [1, 1, 1, 1]})["label"].tolist() == [[1, 1, 1, 1]]


def test_contradicting_hard_zeros():
    v = mm.Variable("label", 2, shape=(3,))
    equal = [[0.0, np.inf], [np.inf, 0.0]]
    graph = mm.FactorGraph([v], [mm.GridFactor(v, equal)])
    evidence = mm.Evidence.of({"label": np.array([[0, -1, 0], [0, -1, 1]])}, graph.variables)
    with pytest.raises(
        errors.ZeroProbabilityError, match=r"row 1 .* contradict each other"
    ) as caught:
        icm(graph, evidence)
    assert caught.value.rows == (1,)


def test_impossible_evidence():
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    graph = mm.FactorGraph([a, b], [mm.TableFactor([a], [1.0, 0.0]), mm.TableFactor([b], [1, 1])])
    with pytest.raises(errors.ZeroProbabilityError, match="row 1 leaves a no state") as caught:
        icm(graph, mm.Evidence.of({"a": [0, 1]}, graph.variables))
    assert caught.value.rows == (1,)
    assert caught.value.variables == ("a",)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"iterations": 0}, errors.MmgraphError, "iterations must be at least 1"),
        ({"initial": {"lable": [0]}}, errors.UnknownVariableError, "did you mean 'label'"),
        ({"initial": {"label": [0, 1]}}, errors.MmgraphError, "shape"),
        ({"initial": {"label": [0, 1, 2]}}, errors.MmgraphError, "outside 0 … 1"),
        ({"initial": {"label": [0, 1, -1]}}, errors.MmgraphError, "outside 0 … 1"),
    ],
)
def test_bad_options(options, error, message):
    v = mm.Variable("label", 2, shape=(3,))
    graph = mm.FactorGraph([v], [mm.GridFactor(v, mm.Potts())])
    with pytest.raises(error, match=message):
        icm(graph, nothing(graph), **options)
