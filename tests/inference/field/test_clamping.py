"""Observed units as statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.soft_evidence import Soft
from mmgraph.inference.field.clamping import clamped, without_certain

CPU = torch.device("cpu")
VARIABLES = {
    v.name: v
    for v in (
        mm.Variable("bits", shape=(2,), family="bernoulli"),
        mm.Variable("bit", family="bernoulli"),
        mm.Variable("colours", ("red", "green", "blue"), (2,)),
        mm.Variable("depth", shape=(2,), family="gaussian"),
        mm.Variable("words", shape=(3,), family="replicated_softmax"),
    )
}


def known_of(name, given):
    evidence = mm.Evidence.of({name: given}, VARIABLES)
    return clamped(evidence, VARIABLES[name], CPU, torch.float32)


def test_whole_layers_are_known_without_a_mask():
    for name, given, expected in (
        ("bits", [[1, 0], [0, 0]], [[1, 0], [0, 0]]),
        ("bit", [1, 0, 1], [1, 0, 1]),
        ("colours", [["green", "red"]], [[[0, 1, 0], [1, 0, 0]]]),
        ("depth", [[1.5, -2.0]], [[1.5, -2.0]]),
        ("words", [[1, 0, 2]], [[1, 0, 2]]),
    ):
        found = known_of(name, given)
        assert found.known is None
        assert found.values.dtype == torch.float32
        assert found.values.tolist() == expected


def test_missing_units_are_zero_and_masked():
    nan = float("nan")
    for name, given, values, known in (
        ("bits", np.array([[1, -1], [-1, 0]]), [[1, 0], [0, 0]], [[True, False], [False, True]]),
        ("colours", np.array([[2, -1]]), [[[0, 0, 1], [0, 0, 0]]], [[True, False]]),
        ("depth", [[nan, 3.0]], [[0.0, 3.0]], [[False, True]]),
        ("words", [[1, 1, 0], [nan] * 3], [[1, 1, 0], [0, 0, 0]], [True, False]),
    ):
        found = known_of(name, given)
        assert found.values.tolist() == values
        assert found.known.tolist() == known


def test_nothing_known_is_nothing():
    assert clamped(mm.Evidence.of(None, VARIABLES), VARIABLES["bits"], CPU, torch.float32) is None
    assert known_of("bits", np.array([[-1, -1]])) is None
    assert known_of("depth", [[float("nan")] * 2]) is None
    assert known_of("bits", Soft(np.zeros((2, 2)))) is None


def test_soft_evidence_that_leaves_one_state_is_knowledge():
    likelihood = np.array([[[-np.inf, -1.0], [0.0, 0.5]]])
    found = known_of("bits", Soft(likelihood))
    assert found.values.tolist() == [[1, 0]]
    assert found.known.tolist() == [[True, False]]
    two_left = np.zeros((1, 2, 3))
    two_left[0, 0, 1] = -np.inf
    assert known_of("colours", Soft(two_left)) is None


def test_potentials_without_those_of_known_units():
    inf = torch.inf
    potentials = torch.tensor([[[-inf, 2.0], [1.0, 0.5]], [[-inf, -inf], [0.0, -inf]]])
    found, impossible = without_certain(potentials)
    assert found.tolist() == [[[0, 2], [1, 0.5]], [[0, 0], [0, 0]]]
    assert impossible.tolist() == [False, True]
    kept = torch.tensor([[[-inf, 1.0, 2.0]]])
    assert torch.equal(without_certain(kept)[0], kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_take_the_precision_asked_for(dtype):
    evidence = mm.Evidence.of({"depth": np.array([[0.1, 0.2]])}, VARIABLES)
    assert clamped(evidence, VARIABLES["depth"], CPU, dtype).values.dtype == dtype
