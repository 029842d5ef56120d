"""Matrices of weights between layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from mmgraph.graph.exponential_family import statistics_of
from mmgraph.graph.variable import FAMILIES
from tests.inference.unit_models import random_machine, random_values

PAIRS = [("bernoulli", f) for f in FAMILIES[:5]] + [
    ("categorical", "bernoulli"), ("gaussian", "categorical"), ("categorical", "categorical"),
]  # fmt: skip


def joined(first: str, second: str, seed: int = 0):
    """A factor, values of its two layers and their statistics."""
    factor = random_machine(seed, [first, second], joined=1.0).factors[-1]
    generator = np.random.default_rng(seed)
    values = {v.name: torch.from_numpy(random_values(v, generator, 5)) for v in factor.scope}
    statistics = {v.name: statistics_of(v, values[v.name], torch.float64) for v in factor.scope}
    return factor, values, statistics


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_energies_add_up_weights_of_pairs(first, second):
    factor, values, statistics = joined(first, second)
    x, y = (statistics[v.name].reshape(5, -1).numpy() for v in factor.scope)
    weights = factor.weights.numpy().reshape(x.shape[1], y.shape[1])
    expected = np.zeros(5)
    for row, i, j in itertools.product(range(5), range(x.shape[1]), range(y.shape[1])):
        expected[row] -= weights[i, j] * x[row, i] * y[row, j]
    np.testing.assert_allclose(factor.energy(values), expected)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_fields_and_gradients_are_derivatives_of_the_log_potential(first, second):
    factor, values, statistics = joined(first, second, 1)
    for v in factor.scope:
        field = factor.field(v, statistics)
        assert field.shape == statistics[v.name].shape
        weight = (field * statistics[v.name]).reshape(5, -1).sum(1)
        torch.testing.assert_close(weight, -factor.energy(values))
    weights = factor.weights.clone().requires_grad_()
    value = -factor.with_tensors(weights).energy(values).mean()
    (expected,) = torch.autograd.grad(value, weights)
    (found,) = factor.expected_statistics(statistics)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("first", "second"), [p for p in PAIRS if set(p) <= {"bernoulli", "categorical"}]
)
def test_edges_of_discrete_layers_say_the_same(first, second):
    for seed in range(4):
        factor, values, _ = joined(first, second, seed)
        torch.testing.assert_close(factor.over_states().energy(values), factor.energy(values))


def test_other_precisions_and_places():
    factor, _values, _ = joined("bernoulli", "gaussian")
    single = factor.to(dtype=torch.float32)
    assert single.weights.dtype == torch.float32
    assert single.scope == factor.scope
    assert not factor.is_tabular
    with pytest.raises(GraphError, match="is gaussian and has no states"):
        factor.over_states()


def test_bad_weights_are_refused():
    first = mm.Variable("v", 3, (2,))
    second = mm.Variable("h", shape=(4,), family="bernoulli")
    with pytest.raises(GraphError, match=r"weights of shape \(2, 4\) do not fit \(2, 3, 4\)"):
        mm.BilinearFactor(first, second, torch.zeros(2, 4))
    with pytest.raises(GraphError, match="joins two different layers"):
        mm.BilinearFactor(second, second, torch.zeros(4, 4))
    for wrong in (float("nan"), -float("inf")):
        weights = torch.zeros(2, 3, 4)
        weights[0, 1, 2] = wrong
        with pytest.raises(GraphError, match=r"v, h.*a weight is NaN or infinite"):
            mm.BilinearFactor(first, second, weights)
