"""Units far from zero have the answers, gradients and starts of the same ones around zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.inference.field.centring import Centred, reexpress, reexpressed

FAR = 2.0**17
SUMMATION = {"method": "layer_summation"}
ANNEALING = {"method": "annealed_importance_sampling", "steps": 50, "chains": 50}


def parameters(offset: float) -> list[Tensor]:
    """The bias, precision, weights and hidden bias of a machine whose values lie at an offset."""
    precision = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    weights = torch.tensor([[0.5, -0.25], [0.25, 0.125], [-0.5, 0.25]], dtype=torch.float64)
    bias = precision * offset + torch.tensor([0.125, 0.25, 0.5], dtype=torch.float64)
    hidden = torch.tensor([0.25, -0.125], dtype=torch.float64) - weights.sum(0) * offset
    return [bias, precision, weights, hidden]


def machine(offset: float, numbers: list[Tensor] | None = None) -> mm.FactorGraph:
    bias, precision, weights, hidden = numbers or parameters(offset)
    x = mm.Variable("x", shape=(3,), family="gaussian")
    h = mm.Variable("h", shape=(2,), family="bernoulli")
    factors = [
        mm.BiasFactor(x, bias, precision),
        mm.BilinearFactor(x, h, weights),
        mm.BiasFactor(h, hidden),
    ]
    return mm.FactorGraph([x, h], factors)


def log_partition(offset: float, numbers: list[Tensor]) -> Tensor:
    return mm.log_partition(machine(offset, numbers)).sum()


def mean(offset: float, numbers: list[Tensor]) -> Tensor:
    post = mm.query(machine(offset, numbers), None, ["x", "h"], **SUMMATION)
    return (post.mean("x") - offset).sum() + post.mean("h").sum()


def likelihood(offset: float, numbers: list[Tensor]) -> Tensor:
    given = {"x": [[offset + 1, np.nan, offset - 0.5], [offset, offset, offset]]}
    return mm.query(machine(offset, numbers), given, **SUMMATION).log_evidence.sum()


def best(offset: float, numbers: list[Tensor]) -> Tensor:
    return mm.map_query(machine(offset, numbers)).log_weight.sum()


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@pytest.mark.parametrize("asked", [log_partition, mean, likelihood, best])
def test_gradients_are_those_of_the_near_twin(asked):
    def derived(offset: float) -> list[Tensor]:
        """By the parameters of the near twin, of which those of the far one are made."""
        near = [t.requires_grad_() for t in parameters(0.0)]
        bias, precision, weights, hidden = near
        far = [bias + precision * offset, precision, weights, hidden - weights.sum(0) * offset]
        total = asked(offset, far)
        if asked in (log_partition, best):  # less what all values have in common
            total = total - bias.sum() * offset - precision.sum() * offset**2 / 2
        return [total.detach(), *torch.autograd.grad(total, near)]

    for far, near in zip(derived(FAR), derived(0.0), strict=True):
        torch.testing.assert_close(far, near, rtol=0, atol=1e-4)


def test_the_gradient_of_the_log_partition_function_is_the_expected_statistics():
    numbers = [t.requires_grad_() for t in parameters(FAR)]
    found = torch.autograd.grad(log_partition(FAR, numbers), numbers)
    post = mm.query(machine(FAR), None, ["x", "h"], **SUMMATION)
    torch.testing.assert_close(found[0], post.mean("x")[0])
    squares = post.variance("x")[0] + post.mean("x")[0].square()
    torch.testing.assert_close(found[1], -squares / 2)
    torch.testing.assert_close(found[3], post.mean("h")[0])


def test_numbers_without_gradients_have_none_far_off_either():
    for offset in (1.0, FAR):
        numbers = [t.requires_grad_() for t in parameters(offset)]
        post = mm.query(machine(offset, numbers), method="mean_field")
        assert not post.log_partition.requires_grad
        assert not mm.log_partition(machine(offset)).requires_grad


def test_annealing_starts_from_the_base_that_is_given():
    answers = []
    for offset in (0.0, 5000.0):
        graph = machine(offset)
        exact = mm.query(graph, None, ["x", "h"], **SUMMATION)
        base = {name: exact.mean(name) for name in ("x", "h")}
        seeded = torch.Generator().manual_seed(0)
        found = mm.query(graph, None, ["x"], base=base, generator=seeded, **ANNEALING)
        assert float(found.diagnostics["effective_sample_size"]["weights"]) > 45
        again = mm.log_partition(graph, base=base, generator=seeded.manual_seed(0), **ANNEALING)
        torch.testing.assert_close(again, found.log_partition)
        assert abs(float(again - exact.log_partition)) < 0.05
        answers.append((found.log_partition - exact.log_partition, found.mean("x") - offset))
    for near, far in zip(*answers, strict=True):
        torch.testing.assert_close(far, near, rtol=0, atol=1e-6)


def test_tempered_chains_start_from_the_base_that_is_given():
    drawn = []
    for offset in (0.0, 8192.0):
        options = {"base": {"x": torch.full((1, 3), offset, dtype=torch.float64)}, "chains": 2}
        seeded = torch.Generator().manual_seed(0)
        given = {"method": "parallel_tempering", "generator": seeded, **options}
        drawn.append(mm.sample(machine(offset), 20, burn_in=5, **given)["x"] - offset)
        mm.query(machine(offset), draws=10, burn_in=5, **given)
    torch.testing.assert_close(drawn[1], drawn[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("start", [[0.0, 1.0, -2.0], torch.ones(1, 3)])
def test_mean_field_starts_from_the_values_that_are_given(start):
    found = []
    for offset in (0.0, 8192.0):
        initial = {"x": torch.as_tensor(start) + offset, "h": [[0.5, 0.5], [0.2, 0.8]]}
        graph = machine(offset)
        post = mm.query(graph, method="mean_field", iterations=1, tolerance=None, initial=initial)
        assert float(initial["x"].sum()) == float(torch.as_tensor(start).sum()) + 3 * offset
        found.append((post.mean("x") - offset, post.mean("h")))
    for near, far in zip(*found, strict=True):
        torch.testing.assert_close(far, near, rtol=0, atol=1e-9)


def test_units_without_a_bias_hear_of_the_shift():
    precision = torch.tensor([4.0, 2.5], dtype=torch.float64)
    states = torch.cartesian_prod(torch.arange(2), torch.arange(2)).double()
    for offset in (1.0, 8192.0):
        x = mm.Variable("x", shape=(2,), family="gaussian")
        h = mm.Variable("h", shape=(2,), family="bernoulli")
        weights = torch.tensor([[0.5, -0.5], [0.25, -0.25]], dtype=torch.float64) / offset
        factors = [
            mm.BiasFactor(x, precision * offset, precision),
            mm.BilinearFactor(x, h, weights),
        ]
        graph = mm.FactorGraph([x, h], factors)
        post = mm.query(graph, None, ["x", "h"], **SUMMATION)
        sent = states @ weights.T
        share = (sent * offset + sent.square() / precision / 2).sum(1).softmax(0)
        torch.testing.assert_close(post.mean("h")[0], share @ states, rtol=0, atol=1e-9)
        expected = share @ (sent / precision) + offset
        torch.testing.assert_close(post.mean("x")[0], expected, rtol=0, atol=1e-9)


def test_factors_say_of_moved_values_what_they_said_of_values():
    graph = machine(16.0)
    shifts = {"x": torch.tensor([16.0, 15.0, 18.0], dtype=torch.float64)}
    scales = {"x": torch.tensor([2.0, 0.5, 3.0], dtype=torch.float64)}
    moved = mm.FactorGraph(graph.variables.values(), reexpressed(graph.factors, shifts, scales))
    z = torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
    h = torch.tensor([[0, 1], [1, 1], [0, 0]])
    x = shifts["x"] + scales["x"] * z
    apart = graph.energy({"x": x, "h": h}) - moved.energy({"x": z, "h": h})
    torch.testing.assert_close(apart, apart[:1].expand(3))
    untouched = [t for f in graph.factors for t in f.tensors()]
    for own, given in zip(untouched, parameters(16.0), strict=True):
        assert torch.equal(own, given)
    reexpress(graph.factors, shifts, scales)
    for own, found in zip(graph.factors, moved.factors, strict=True):
        for kept, tensor in zip(own.tensors(), found.tensors(), strict=True):
            assert torch.equal(kept, tensor)


def test_what_lies_near_is_left_as_it_is():
    graph = machine(1.0)
    assert Centred.of(graph, mm.Evidence.of(None, graph.variables)) is None
