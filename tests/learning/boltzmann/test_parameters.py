"""The centred parametrisation: the same distribution, gradients by the chain rule."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters, Phase, write_natural
from tests.learning.boltzmann_machines import machine

FAMILIES = ["bernoulli", "categorical", "gaussian", "replicated_softmax"]


def centres_of(graph, seed=5):
    generator = torch.Generator().manual_seed(seed)
    shapes = BoltzmannParameters(graph).centres
    return {
        n: torch.rand(c.shape, generator=generator, dtype=torch.float64) for n, c in shapes.items()
    }


def number_of_factors(graph):
    return len(graph.factors)


def tensors_of(graph):
    return [t for factor in graph.factors for t in factor.tensors()]


@pytest.mark.parametrize("family", FAMILIES)
def test_centres_move_without_the_distribution(family):
    graph = machine(family, (3, 2))
    parameters = BoltzmannParameters(graph, centres_of(graph))
    parameters.recentre({"h1": torch.tensor([0.2, 0.9, 0.4], dtype=torch.float64)})
    found = [t for row in parameters.natural() for t in row]
    for expected, tensor in zip(tensors_of(graph), found, strict=True):
        torch.testing.assert_close(tensor.detach(), expected)
    assert parameters.centres["h1"].tolist() == [0.2, 0.9, 0.4]


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_of_phases_are_those_of_the_factors_statistics(family):
    graph = machine(family, (3, 2))
    parameters = BoltzmannParameters(graph, centres_of(graph))
    generator = torch.Generator().manual_seed(4)

    def phase(rows):
        statistics = {
            n: torch.rand(rows, *c.shape, generator=generator, dtype=torch.float64)
            for n, c in parameters.centres.items()
        }
        squares = {n: statistics[n].square() + 0.1 for n in parameters.with_precision}
        return Phase(statistics, squares)

    positive, negative = phase(5), phase(7)
    natural = []
    for factor in graph.factors:
        extra = () if isinstance(factor, mm.BilinearFactor) else (None,)
        parts = []
        for one in (positive, negative):
            if extra:
                square = one.squares.get(factor.scope[0].name)
                parts.append(factor.expected_statistics(one.statistics, square))
            else:
                parts.append(factor.expected_statistics(one.statistics))
        natural.append(tuple(a - b for a, b in zip(*parts, strict=True)))
    weight = sum((t * w).sum() for r, s in zip(parameters.natural(), natural, strict=True)
                 for t, w in zip(r, s, strict=True))  # fmt: skip
    names = list(parameters.tensors)
    tensors = torch.autograd.grad(weight, [parameters.tensors[n] for n in names])
    expected = dict(zip(names, tensors, strict=True))
    found = parameters.gradients(positive, negative)
    assert found.keys() == parameters.tensors.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name])


def test_the_mean_of_a_gaussian_unit_does_not_move_with_its_precision():
    graph = machine("gaussian", (2,))
    parameters = BoltzmannParameters(graph, centres_of(graph))
    hidden = {"h1": torch.tensor([[1.0, 0.0]], dtype=torch.float64)}

    def mean():
        made = parameters.graph()
        field = sum(f.field(made.variables["v"], hidden) for f in made.factors
                    if any(v.name == "v" for v in f.scope))  # fmt: skip
        return (field / made.factors[0].precision).detach()

    # The bias is the mean at the centre of the hidden units.
    before = mean() - parameters.tensors["bias:v"].detach()
    parameters.recentre({"h1": hidden["h1"][0]})
    torch.testing.assert_close(mean()[0], parameters.tensors["bias:v"].detach())
    with torch.no_grad():
        parameters.tensors["log_precision:v"] += 0.7
    torch.testing.assert_close(mean()[0], parameters.tensors["bias:v"].detach())
    assert bool((before.abs() > 1e-3).all())


def test_the_working_graph_follows_and_the_model_is_written_in_place():
    graph = machine("gaussian", (2,))
    parameters = BoltzmannParameters(graph)
    working = parameters.working()
    with torch.no_grad():
        parameters.tensors["bias:h1"] += 1.0
    parameters.changed()
    assert parameters.working() is working
    expected = graph.factors[1].bias + 1.0
    torch.testing.assert_close(working.factors[1].bias, expected)
    assert graph.cached(number_of_factors) == len(graph.factors)
    bias = graph.factors[1].bias
    write_natural(graph, parameters.natural())
    assert bias is graph.factors[1].bias
    torch.testing.assert_close(bias, expected)
    assert not graph.derived


def test_what_is_no_boltzmann_machine_is_refused():
    a, b = (mm.Variable(n, shape=(2,), family="bernoulli") for n in "ab")
    zero = torch.zeros(2)
    with pytest.raises(GraphError, match="no BiasFactor speaks of 'b'"):
        BoltzmannParameters(mm.FactorGraph([a, b], [mm.BiasFactor(a, zero)]))
    with pytest.raises(GraphError, match="two factors give 'a' a bias"):
        BoltzmannParameters(mm.FactorGraph([a], [mm.BiasFactor(a, zero), mm.BiasFactor(a, zero)]))
    joints = [
        mm.BilinearFactor(a, b, torch.zeros(2, 2)),
        mm.BilinearFactor(b, a, torch.zeros(2, 2)),
    ]
    biases = [mm.BiasFactor(a, zero), mm.BiasFactor(b, zero)]
    with pytest.raises(GraphError, match="two factors join 'b' and 'a'"):
        BoltzmannParameters(mm.FactorGraph([a, b], [*biases, *joints]))
    c = mm.Variable("c", 2)
    with pytest.raises(GraphError, match="neither a bias nor bilinear"):
        BoltzmannParameters(mm.FactorGraph([c], [mm.TableFactor((c,), [0.5, 0.5])]))
