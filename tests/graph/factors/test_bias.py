"""What units prefer by themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from mmgraph.graph.exponential_family import statistics_of
from mmgraph.graph.variable import FAMILIES
from tests.inference.unit_models import by_listing, random_machine, random_values


def units(family: str, *shape: int) -> mm.Variable:
    return mm.Variable("v", 3 if family == "categorical" else None, shape, family=family)


@pytest.mark.parametrize("family", FAMILIES[:5])
@pytest.mark.parametrize("seed", range(3))
def test_energies_are_minus_log_weights(family, seed):
    graph = random_machine(seed, [family])
    (factor,) = graph.factors
    variable = factor.scope[0]
    values = random_values(variable, np.random.default_rng(seed), 4)
    found = factor.energy({variable.name: torch.from_numpy(values)})
    assert found.shape == (4,)
    for row in range(4):
        expected = by_listing(graph, {variable.name: values[row]}).log_total
        assert float(found[row]) == pytest.approx(-expected)


@pytest.mark.parametrize("family", FAMILIES[:5])
def test_expected_statistics_are_gradients_of_the_log_potential(family):
    (factor,) = random_machine(1, [family]).factors
    variable = factor.scope[0]
    values = torch.from_numpy(random_values(variable, np.random.default_rng(0), 5))
    tensors = [t.clone().requires_grad_() for t in factor.tensors()]
    value = -factor.with_tensors(*tensors).energy({variable.name: values}).mean()
    found = factor.expected_statistics(
        {variable.name: statistics_of(variable, values, torch.float64)}
    )
    expected = torch.autograd.grad(value, tensors)
    for own, gradient in zip(found, expected, strict=True):
        torch.testing.assert_close(own, gradient)


def test_second_moments_stand_for_squares_where_given():
    factor = mm.BiasFactor(units("gaussian", 2), [0.0, 1.0], [1.0, 2.0])
    mean = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    _, precision = factor.expected_statistics({"v": mean}, mean.square() + 1)
    torch.testing.assert_close(precision, torch.tensor([-3.0, -5.5]))


def test_fields_are_biases_and_parts_are_kept_when_moved():
    factor = mm.BiasFactor(units("replicated_softmax", 3), torch.tensor([0.0, 1, 2]), length=7)
    assert torch.equal(factor.field(factor.scope[0], {})[0], factor.bias)
    moved = factor.to(dtype=torch.float64)
    assert moved.bias.dtype == torch.float64
    assert moved.length == 7
    assert factor.with_tensors(factor.bias + 1).length == 7
    assert not factor.is_tabular


@pytest.mark.parametrize("family", ["bernoulli", "categorical"])
def test_tables_of_discrete_units_say_the_same(family):
    (factor,) = random_machine(2, [family]).factors
    variable = factor.scope[0]
    values = {variable.name: torch.from_numpy(
        random_values(variable, np.random.default_rng(0), 6))}  # fmt: skip
    torch.testing.assert_close(factor.over_states().energy(values), factor.energy(values))
    with pytest.raises(GraphError, match="gaussian and has no states"):
        mm.BiasFactor(units("gaussian", 1), [0.0], [1.0]).over_states()


@pytest.mark.parametrize("family", ["gaussian", "rectified_gaussian"])
def test_real_units_need_a_precision(family):
    with pytest.raises(GraphError, match=f"a {family} variable needs precision"):
        mm.BiasFactor(units(family, 2), [0.0, 0.0])
    for precision, message in (
        ([1.0, 0.0], "precision is not positive"), ([1.0, -2.0], "not positive"),
        ([1.0], r"precision of shape \(1,\) does not fit \(2,\)"),
        ([1.0, float("nan")], "a precision is NaN or infinite"),
    ):  # fmt: skip
        with pytest.raises(GraphError, match=message):
            mm.BiasFactor(units(family, 2), [0.0, 0.0], precision)


def test_bad_biases_are_refused():
    with pytest.raises(GraphError, match="bernoulli variable has no precision"):
        mm.BiasFactor(units("bernoulli", 2), [0.0, 0.0], [1.0, 1.0])
    with pytest.raises(GraphError, match=r"bias of shape \(2,\) does not fit \(2, 3\)"):
        mm.BiasFactor(units("categorical", 2), [0.0, 0.0])
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(GraphError, match=r"v.*a bias is NaN or infinite"):
            mm.BiasFactor(units("bernoulli", 2), [0.0, wrong])
    with pytest.raises(GraphError, match="a document of 0 words"):
        mm.BiasFactor(units("replicated_softmax", 2), [0.0, 0.0], length=0)
